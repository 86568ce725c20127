/* What `inspect` is told of an image. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include <pidspace/pidspace.h>
#include "address_space.pb-c.h"
#include "container.pb-c.h"
#include "eventfd.pb-c.h"
#include "image/dump.h"
#include "image/image.h"
#include "kinds/fd_kind.h"
#include "open_file.pb-c.h"
#include "process.pb-c.h"
#include "regular.pb-c.h"

static void write_message(struct image_writer *w, uint16_t type, const void *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *body = malloc(len + 1);

	protobuf_c_message_pack(m, body);
	assert_int_equal(image_write(w, type, body, len, NULL), 0);
	free(body);
}

static int make_image(enum image_compress c)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_writer *w;
	Host host = HOST__INIT;
	Container box = CONTAINER__INIT;
	FdTable table = FD_TABLE__INIT;
	Descriptor d[2] = {DESCRIPTOR__INIT, DESCRIPTOR__INIT}, *list[2] = {&d[0], &d[1]};
	OpenFile file = OPEN_FILE__INIT;
	EventFd count = EVENT_FD__INIT;
	uint8_t packed[64];
	const struct image_run run = {0x10000, 4 * 4096};

	count.count = 77;
	assert_int_equal(image_writer_new(&w, fd, c, NULL), 0);
	host.kernel = "6.1.0";
	host.vdso_digest = (ProtobufCBinaryData){3, (uint8_t *)"\x01\xff\x80"};
	host.xfeatures = UINT64_MAX;
	write_message(w, FRAME_HOST, &host);
	box.name = "web";
	box.hostname = "\xff not utf-8";
	write_message(w, FRAME_CONTAINER, &box);
	table.id = 1;
	d[0].number = 0;
	d[1].number = 7;
	d[1].cloexec = true;
	table.fd = list;
	table.n_fd = 2;
	write_message(w, FRAME_FD_TABLE, &table);
	file.pos = -5;
	file.kind = 999999;
	file.body = (ProtobufCBinaryData){4, (uint8_t *)"text"};
	write_message(w, FRAME_OPEN_FILE, &file);
	file.kind = KIND_EVENTFD;
	file.body.len = protobuf_c_message_get_packed_size(&count.base);
	file.body.data = packed;
	assert_true(file.body.len <= sizeof packed);
	protobuf_c_message_pack(&count.base, packed);
	write_message(w, FRAME_OPEN_FILE, &file);
	uint8_t *p = image_page_buffer(w);
	memset(p, 0, 4 * 4096);
	memset(p + 2 * 4096, 'x', 4096);
	assert_int_equal(image_write_pages(w, 9, 0, p, &run, 1, NULL), 0);
	assert_int_equal(image_commit(w, NULL), 0);
	image_writer_free(w);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* path: keys and indexes separated by spaces. */
static struct json_object *get(struct json_object *o, const char *path)
{
	char copy[128], *save = NULL;

	strcpy(copy, path);
	for (char *key = strtok_r(copy, " ", &save); key; key = strtok_r(NULL, " ", &save)) {
		if (json_object_is_type(o, json_type_array))
			o = json_object_array_get_idx(o, (size_t)atoi(key));
		else if (!json_object_object_get_ex(o, key, &o))
			fail_msg("no %s in %s", key, path);
	}
	return o;
}

static void assert_text(struct json_object *o, const char *path, const char *want)
{
	assert_string_equal(json_object_get_string(get(o, path)), want);
}

static void all_of_it(void **state)
{
	int fd = make_image(IMAGE_NONE);
	struct pidspace_image *i;
	struct pidspace_error err = {0};
	char *text;

	assert_int_equal(pidspace_image_open(&i, fd, true, &err), 0);
	assert_int_equal(pidspace_image_json(i, "all", &text, &err), 0);
	struct json_object *o = json_tokener_parse(text);
	assert_non_null(o);
	assert_text(o, "host kernel", "6.1.0");
	assert_text(o, "host vdso_digest hex", "01ff80");
	assert_text(o, "host xfeatures", "18446744073709551615");
	assert_text(o, "container name", "web");
	assert_text(o, "container hostname hex", "ff206e6f74207574662d38");
	assert_text(o, "fd_tables 0 fd 1 number", "7");
	assert_text(o, "fd_tables 0 fd 1 cloexec", "true");
	assert_text(o, "fd_tables 0 fd 0 cloexec", "false");
	assert_text(o, "open_files 0 pos", "-5");
	assert_text(o, "open_files 0 body text", "text");
	assert_text(o, "open_files 1 kind", "eventfd");
	assert_text(o, "open_files 1 body count", "77");
	assert_text(o, "memory 0 space", "9");
	assert_text(o, "memory 0 zero_bytes", "12288");
	assert_text(o, "memory 0 data_bytes", "4096");
	assert_text(o, "memory 0 stored_raw_bytes", "4096");
	assert_text(o, "memory 0 end", "81920");
	assert_text(o, "frames", "6");
	json_object_put(o);
	free(text);
	pidspace_image_close(i);
	close(fd);
}

static void one_part(void **state)
{
	int fd = make_image(IMAGE_ZSTD);
	struct pidspace_image *i;
	struct pidspace_error err = {0};
	struct json_object *x;
	char *text;

	assert_int_equal(pidspace_image_open(&i, fd, false, &err), 0);
	assert_int_equal(pidspace_image_json(i, "files", &text, &err), 0);
	struct json_object *o = json_tokener_parse(text);
	free(text);
	assert_text(o, "open_files 0 kind", "999999");
	assert_false(json_object_object_get_ex(o, "host", &x));
	assert_false(json_object_object_get_ex(o, "memory", &x));
	json_object_put(o);
	assert_int_equal(pidspace_image_json(i, "mem", &text, &err), 0);
	o = json_tokener_parse(text);
	free(text);
	assert_true(json_object_get_int64(get(o, "memory 0 stored_zstd_bytes")) < 200);
	json_object_put(o);
	assert_int_equal(pidspace_image_json(i, "nonsense", &text, &err), -EINVAL);
	pidspace_image_close(i);
	close(fd);
}

/* Without verify the content of pages is not looked at; with it, it is. */
static void verify_sees_pages(void **state)
{
	int fd = make_image(IMAGE_NONE);
	struct pidspace_image *i;
	struct pidspace_error err = {0};
	static char all[65536];
	ssize_t len = pread(fd, all, sizeof all, 0);
	const char *content = memmem(all, (size_t)len, "xxxxxxxxxxxxxxxx", 16);

	assert_non_null(content);
	assert_int_equal(pwrite(fd, "y", 1, content - all + 10), 1);
	assert_int_equal(pidspace_image_open(&i, fd, false, &err), 0);
	pidspace_image_close(i);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(pidspace_image_open(&i, fd, true, &err), -EBADMSG);
	assert_string_equal(err.code, "E_IMAGE_CORRUPT");
	assert_non_null(strstr(err.message, "frame 5 (PAGES)"));
	close(fd);
}

/* A body that is no message of its type is an error of its frame. */
static void wrong_message(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_writer *w;
	struct pidspace_image *i;
	struct pidspace_error err = {0};
	char *text;

	assert_int_equal(image_writer_new(&w, fd, IMAGE_NONE, NULL), 0);
	assert_int_equal(image_write(w, FRAME_HOST, "\xff\xff\xff", 3, NULL), 0);
	assert_int_equal(image_commit(w, NULL), 0);
	image_writer_free(w);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(pidspace_image_open(&i, fd, false, &err), 0);
	assert_int_equal(pidspace_image_json(i, "all", &text, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "frame 0 (HOST) at byte 24"));
	pidspace_image_close(i);
	close(fd);
}

static void processes(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_writer *w;
	struct pidspace_image *i;
	struct pidspace_error err = {0};
	struct pidspace_task *list;
	Container box = CONTAINER__INIT;
	Process p = PROCESS__INIT;
	Thread t[2] = {THREAD__INIT, THREAD__INIT}, *threads[2] = {&t[0], &t[1]};
	Credentials cred = CREDENTIALS__INIT;
	uint32_t uids[4] = {1000, 1001, 1002, 1003};
	size_t n;

	assert_int_equal(image_writer_new(&w, fd, IMAGE_LZ4, NULL), 0);
	box.name = "web";
	box.checkpoint_ns = 1700000000ULL * 1000000000;
	box.boottime_ns = 1000LL * 1000000000;
	write_message(w, FRAME_CONTAINER, &box);
	p.pid = 12;
	p.ppid = p.pgid = p.sid = 1;
	p.state = PROCESS_STATE__PROCESS_ZOMBIE;
	write_message(w, FRAME_PROCESS, &p);
	p.pid = 1;
	p.ppid = 0;
	p.state = PROCESS_STATE__PROCESS_RUNS;
	p.stop_signal = 19;
	p.cpu_ticks = 250;
	p.start_ticks = 50000;
	p.rss_pages = 3;
	p.cmdline = "sleep 5";
	cred.uid = uids;
	cred.n_uid = 4;
	t[0].comm = "sleep";
	t[0].cred = &cred;
	p.thread = threads;
	p.n_thread = 2;
	write_message(w, FRAME_PROCESS, &p);
	assert_int_equal(image_commit(w, NULL), 0);
	image_writer_free(w);
	lseek(fd, 0, SEEK_SET);

	assert_int_equal(pidspace_image_open(&i, fd, false, &err), 0);
	assert_int_equal(pidspace_image_ps(i, &list, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(list[0].pid, 1);
	assert_int_equal(list[0].host_pid, 0);
	assert_int_equal(list[0].state, 'T');
	assert_int_equal(list[0].cpu_ns, 2500000000);
	assert_int_equal(list[0].rss_bytes, 3 * 4096);
	assert_true(list[0].start_ns == 1699999500LL * 1000000000);
	assert_int_equal(list[0].threads, 2);
	assert_int_equal(list[0].uid, 1000);
	assert_string_equal(list[0].command, "sleep 5");
	assert_string_equal(list[0].container, "web");
	assert_int_equal(list[1].pid, 12);
	assert_int_equal(list[1].ppid, 1);
	assert_int_equal(list[1].state, 'Z');
	assert_string_equal(list[1].command, "[]");
	free(list);
	pidspace_image_close(i);
	close(fd);
}

/* Memory and descriptors as rows: numbers that point elsewhere are followed. */
static void tables(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_writer *w;
	struct pidspace_image *i;
	struct pidspace_error err = {0};
	Process p = PROCESS__INIT;
	AddressSpace a = ADDRESS_SPACE__INIT;
	MappedFile file = MAPPED_FILE__INIT, *files[1] = {&file};
	Vma v[2] = {VMA__INIT, VMA__INIT}, *vmas[2] = {&v[0], &v[1]};
	uint64_t inherit[] = {10, 3, 20, 4};
	FdTable table = FD_TABLE__INIT;
	Descriptor d = DESCRIPTOR__INIT, *list[1] = {&d};
	OpenFile open = OPEN_FILE__INIT;
	RegularFile regular = REGULAR_FILE__INIT;
	uint8_t packed[256];
	char *text;

	assert_int_equal(image_writer_new(&w, fd, IMAGE_NONE, NULL), 0);
	for (p.pid = 1; p.pid < 4; p.pid++) { /* 2 and 3 share what they have */
		p.address_space = p.fd_table = p.pid == 1 ? 1 : 2;
		write_message(w, FRAME_PROCESS, &p);
	}
	file.id = 4;
	file.path = "/bin/true";
	a.file = files;
	a.n_file = 1;
	v[0].start = 0x1000;
	v[0].end = 0x3000;
	v[0].prot = 5;
	v[0].kind = VMA_KIND__VMA_FILE;
	v[0].object = 4;
	a.id = 1;
	a.vma = vmas;
	a.n_vma = 1;
	write_message(w, FRAME_ADDRESS_SPACE, &a);
	v[1].start = 0x7000;
	v[1].end = 0x8000;
	v[1].flags = VMA_FLAG__VMA_SHARED | VMA_FLAG__VMA_DONTFORK | VMA_FLAG__VMA_LOCKED;
	v[1].name = "heap";
	a.id = 2;
	a.parent = 1;
	a.n_file = 0;
	a.n_vma = 2;
	a.inherit = inherit;
	a.n_inherit = 4;
	write_message(w, FRAME_ADDRESS_SPACE, &a);
	open.id = 9;
	open.kind = KIND_REGULAR;
	open.flags = 02001;
	regular.path = "/var/log/x";
	open.body.data = packed;
	open.body.len = protobuf_c_message_pack(&regular.base, packed);
	write_message(w, FRAME_OPEN_FILE, &open);
	table.id = 2;
	table.fd = list;
	table.n_fd = 1;
	d.number = 33;
	d.file = 9;
	write_message(w, FRAME_FD_TABLE, &table);
	assert_int_equal(image_commit(w, NULL), 0);
	image_writer_free(w);
	lseek(fd, 0, SEEK_SET);

	assert_int_equal(pidspace_image_open(&i, fd, false, &err), 0);
	assert_int_equal(pidspace_image_json(i, "mem", &text, &err), 0);
	struct json_object *o = json_tokener_parse(text);
	free(text);
	assert_text(o, "address_spaces 0 processes", "1");
	assert_text(o, "address_spaces 1 processes", "2 3");
	assert_text(o, "address_spaces 1 mapped_bytes", "12288");
	assert_text(o, "address_spaces 1 inherited_pages", "7");
	assert_text(o, "mappings 0 of", "/bin/true");
	assert_text(o, "mappings 0 prot", "r-xp");
	assert_text(o, "mappings 1 of", "/bin/true");
	assert_text(o, "mappings 2 start", "0x7000");
	assert_text(o, "mappings 2 prot", "---s");
	assert_text(o, "mappings 2 flags", "dontfork locked");
	assert_text(o, "mappings 2 of", "heap");
	json_object_put(o);
	assert_int_equal(pidspace_image_json(i, "files", &text, &err), 0);
	o = json_tokener_parse(text);
	free(text);
	assert_text(o, "descriptors 0 processes", "2 3");
	assert_text(o, "descriptors 0 fd", "33");
	assert_text(o, "descriptors 0 flags", "02001");
	assert_text(o, "descriptors 0 object", "/var/log/x");
	json_object_put(o);
	pidspace_image_close(i);
	close(fd);
}

static void bytes_are_cut(void **state)
{
	char long_text[5000];

	memset(long_text, 'a', sizeof long_text);
	struct json_object *o = dump_bytes(long_text, sizeof long_text);
	assert_text(o, "length", "5000");
	assert_text(o, "cut", "true");
	assert_int_equal(json_object_get_string_len(get(o, "text")), 1024);
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it),
		cmocka_unit_test(one_part),
		cmocka_unit_test(verify_sees_pages),
		cmocka_unit_test(wrong_message),
		cmocka_unit_test(bytes_are_cut),
		cmocka_unit_test(processes),
		cmocka_unit_test(tables),
	};
	return cmocka_run_group_tests_name("image_api", tests, NULL, NULL);
}
