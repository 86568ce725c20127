/* Files come back as they were open: content, position, flags, sharing, and without leftovers. */
#include "kinds_bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/sys.h"
#include "kinds/fd_kind.h"
#include "kinds/content.h"
#include "kinds/shared_memory.h"
#include "kinds/tree_file.h"
#include "tree_file.pb-c.h"

static int make_file(const char *path, const char *text, int flags)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	fd = open(path, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void assert_reads(int fd, const char *text)
{
	char buf[256];
	ssize_t n = read(fd, buf, sizeof buf - 1);

	assert_true(n >= 0);
	buf[n] = 0;
	assert_string_equal(buf, text);
}

static off_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static bool same_description(int a, int b)
{
	return sys_kcmp(getpid(), getpid(), SYS_KCMP_FILE, (unsigned long)a, (unsigned long)b) == 0;
}

static void regular_keeps_position_and_flags(void **state)
{
	struct bench *b = *state;
	int fd = make_file(bench_path(b, "log"), "one two three", O_RDWR | O_APPEND | O_SYNC | O_NOATIME);

	assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
	uint32_t id = bench_meet(b, fd);
	int want = fcntl(fd, F_GETFL);
	bench_save(b);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 4);
	close(fd);
	bench_restore(b);
	fd = bench_fd(b, id);
	assert_int_equal(fcntl(fd, F_GETFL), want);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_reads(fd, "two three");
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(write(fd, "!", 1), 1);
	assert_int_equal(size_of(fd), 14);
}

static void strict_finds_what_changed(void **state)
{
	struct bench *b = *state;
	const char *names[] = {"same", "grown", "shrunk", "gone", "touched"};
	int fd[5];

	for (int i = 0; i < 5; i++) {
		fd[i] = make_file(bench_path(b, names[i]), "text", O_RDWR);
		bench_meet(b, fd[i]);
	}
	bench_save(b);
	assert_int_equal(pwrite(fd[1], "texts", 5, 0), 5);
	assert_int_equal(ftruncate(fd[2], 1), 0);
	assert_int_equal(unlink(bench_path(b, "gone")), 0);
	assert_int_equal(futimens(fd[4], (struct timespec[2]){{1, 0}, {1, 0}}), 0);
	bench_read(b);
	assert_int_equal(bench_precheck(b), 4);
	for (int i = 0; i < 4; i++)
		assert_non_null(strstr(b->r.refusals.at[i].what, names[i + 1]));
	assert_string_equal(b->r.refusals.at[2].code, "E_FILE_MISSING");
	assert_string_equal(b->r.refusals.at[0].code, "E_FILE_CHANGED");
	assert_non_null(strstr(b->r.refusals.at[0].advice, "--files truncate"));

	vec_free(&b->r.refusals);
	b->r.policy = FILES_TRUNCATE;
	assert_int_equal(bench_precheck(b), 2); /* shrunk, gone */
	vec_free(&b->r.refusals);
	b->r.policy = FILES_IGNORE;
	assert_int_equal(bench_precheck(b), 1); /* gone */
	for (int i = 0; i < 5; i++)
		close(fd[i]);
}

static void truncate_cuts_only_what_was_written(void **state)
{
	struct bench *b = *state;
	int out = make_file(bench_path(b, "out"), "12345", O_WRONLY | O_APPEND);
	int in = make_file(bench_path(b, "in"), "12345", O_RDONLY);
	uint32_t out_id = bench_meet(b, out), in_id = bench_meet(b, in);

	bench_save(b);
	close(out);
	close(in);
	for (int i = 0; i < 2; i++) {
		int fd = open(bench_path(b, i ? "in" : "out"), O_WRONLY | O_APPEND | O_CLOEXEC);
		assert_int_equal(write(fd, "later", 5), 5);
		close(fd);
	}
	b->r.policy = FILES_TRUNCATE;
	bench_restore(b);
	assert_int_equal(size_of(bench_fd(b, out_id)), 5);
	assert_int_equal(size_of(bench_fd(b, in_id)), 10);
}

static void locked_file_is_refused(void **state)
{
	struct bench *b = *state;
	int fd = make_file(bench_path(b, "lock"), "", O_RDWR);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	bench_meet(b, fd);
	bench_save_refused(b, "E_FILE_LOCK");
	close(fd);
}

static void replaced_file_is_refused(void **state)
{
	struct bench *b = *state;
	int fd = make_file(bench_path(b, "a"), "old", O_RDWR);

	bench_meet(b, fd);
	/* The link was read before; now another file has the name and the old one a name unknown. */
	assert_int_equal(rename(bench_path(b, "a"), "/tmp/pidspace-kinds.moved"), 0);
	close(make_file(bench_path(b, "a"), "new", O_RDWR));
	bench_save_refused(b, "E_FILE_NAME");
	unlink("/tmp/pidspace-kinds.moved");
	close(fd);
}

static void name_that_ends_in_deleted(void **state)
{
	struct bench *b = *state;
	int fd = make_file(bench_path(b, "x (deleted)"), "still here", O_RDONLY);
	uint32_t id = bench_meet(b, fd);

	assert_int_equal(fd_kind_of(&b->s, &b->s.files.at[0])->id, KIND_REGULAR);
	bench_save(b);
	close(fd);
	bench_restore(b);
	assert_reads(bench_fd(b, id), "still here");
}

static int count_names(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void deleted_comes_back_once(void **state)
{
	struct bench *b = *state;
	int rw = make_file(bench_path(b, "gone"), "head", O_RDWR);
	int ro = open(bench_path(b, "gone"), O_RDONLY | O_CLOEXEC);
	char link[256], path[64];
	struct stat st;

	/* A hole of 5 MiB, then data, that ends within a page. */
	assert_int_equal(pwrite(rw, "tail", 4, 5 << 20), 4);
	assert_int_equal(fchmod(rw, 0400), 0);
	assert_int_equal(futimens(rw, (struct timespec[2]){{5, 0}, {1234567, 89}}), 0);
	assert_int_equal(unlink(bench_path(b, "gone")), 0);
	lseek(ro, 2, SEEK_SET);
	uint32_t rw_id = bench_meet(b, rw), ro_id = bench_meet(b, ro);
	bench_save(b);
	assert_int_equal(lseek(ro, 0, SEEK_CUR), 2);
	close(rw);
	close(ro);
	bench_restore(b);
	rw = bench_fd(b, rw_id);
	ro = bench_fd(b, ro_id);
	assert_int_equal(count_names(b->dir), 0);
	assert_int_equal(fstat(rw, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_int_equal(st.st_size, (5 << 20) + 4);
	assert_true(st.st_blocks * 512 < 1 << 20);
	assert_int_equal(st.st_mtim.tv_sec, 1234567);
	snprintf(path, sizeof path, "/proc/self/fd/%d", rw);
	ssize_t n = readlink(path, link, sizeof link - 1);
	assert_true(n > 0);
	link[n] = 0;
	assert_non_null(strstr(link, "/gone (deleted)"));
	char tail[5] = "";
	assert_int_equal(pread(ro, tail, 4, 5 << 20), 4);
	assert_string_equal(tail, "tail");
	/* One file: what one description writes the other reads. */
	assert_int_equal(pwrite(rw, "HEAD", 4, 0), 4);
	char rest[3] = "";
	assert_int_equal(read(ro, rest, 2), 2);
	assert_string_equal(rest, "AD");
	assert_int_equal(write(ro, "x", 1), -1);
}

static void deleted_directory_falls_back(void **state)
{
	struct bench *b = *state;
	assert_int_equal(mkdir(bench_path(b, "d"), 0700), 0);
	int fd = make_file(bench_path(b, "d/f"), "content", O_RDWR);

	assert_int_equal(unlink(bench_path(b, "d/f")), 0);
	assert_int_equal(rmdir(bench_path(b, "d")), 0);
	uint32_t id = bench_meet(b, fd);
	bench_save(b);
	close(fd);
	bench_restore(b);
	assert_reads(bench_fd(b, id), "content");
}

static void other_hard_link_is_refused(void **state)
{
	struct bench *b = *state;
	char first[128];
	snprintf(first, sizeof first, "%s", bench_path(b, "first"));
	int fd = make_file(first, "content", O_RDWR);

	assert_int_equal(link(first, bench_path(b, "second")), 0);
	assert_int_equal(unlink(first), 0);
	bench_meet(b, fd);
	bench_save_refused(b, "E_FILE_NAME");
	close(fd);
}

static void directory_goes_on_listing(void **state)
{
	struct bench *b = *state;
	char name[2] = "a", seen[16] = "";

	for (; name[0] < 'k'; name[0]++)
		close(make_file(bench_path(b, name), "", O_RDONLY));
	int fd = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(dup(fd));
	long at = 0;
	for (int i = 0; i < 5; i++) {
		struct dirent *e = readdir(d);
		if (e->d_name[0] != '.')
			strcat(seen, e->d_name);
		at = e->d_off;
	}
	lseek(fd, at, SEEK_SET);
	uint32_t id = bench_meet(b, fd);
	bench_save(b);
	closedir(d);
	close(fd);
	bench_restore(b);
	d = fdopendir(dup(bench_fd(b, id)));
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] != '.')
			strcat(seen, e->d_name);
	}
	closedir(d);
	assert_int_equal(strlen(seen), 10);
	for (name[0] = 'a'; name[0] < 'k'; name[0]++)
		assert_non_null(strchr(seen, name[0]));
}

static void devices_by_number(void **state)
{
	struct bench *b = *state;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	uint32_t null_id = bench_meet(b, null), zero_id = bench_meet(b, zero);
	char c = 1;

	bench_save(b);
	close(null);
	close(zero);
	bench_restore(b);
	assert_int_equal(write(bench_fd(b, null_id), "x", 1), 1);
	assert_int_equal(read(bench_fd(b, null_id), &c, 1), -1);
	assert_int_equal(read(bench_fd(b, zero_id), &c, 1), 1);
	assert_int_equal(c, 0);
}

static void opath_of_a_link_and_a_directory(void **state)
{
	struct bench *b = *state;
	struct stat st;

	assert_int_equal(symlink("nowhere", bench_path(b, "link")), 0);
	int link = open(bench_path(b, "link"), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int dir = open(b->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint32_t link_id = bench_meet(b, link), dir_id = bench_meet(b, dir);
	bench_save(b);
	close(link);
	close(dir);
	bench_restore(b);
	assert_int_equal(fstat(bench_fd(b, link_id), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(faccessat(bench_fd(b, dir_id), "link", F_OK, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(fcntl(bench_fd(b, dir_id), F_GETFL) & O_PATH);
}

static void proc_by_path_or_late(void **state)
{
	struct bench *b = *state;
	int info = open("/proc/meminfo", O_RDONLY | O_CLOEXEC), own = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	char buf[10] = "", want[64];

	assert_int_equal(read(info, buf, 9), 9);
	uint32_t id = bench_meet(b, info);
	bench_meet(b, own);
	struct saved_file *f = &b->s.files.at[1];
	const struct fd_kind *kind = fd_kind_of(&b->s, f);
	assert_int_equal(kind->id, KIND_PROC_PID);
	ProtobufCBinaryData body = {0};
	assert_int_equal(kind->save(&b->s, f, &body, NULL), 0);
	OpenFile m = OPEN_FILE__INIT;
	m.id = 2;
	m.body = body;
	const char *path;
	int flags;
	assert_int_equal(kind->late_open(&b->r, &m, &path, &flags), 0);
	snprintf(want, sizeof want, "/proc/%d/status", getpid());
	assert_string_equal(path, want);
	free(body.data);
	close(own);
	close(f->local);
	free(f->info);
	b->s.files.n = 1;

	bench_save(b);
	close(info);
	bench_restore(b);
	assert_int_equal(lseek(bench_fd(b, id), 0, SEEK_CUR), 9);
	assert_int_equal(pread(bench_fd(b, id), buf, 8, 0), 8);
	assert_memory_equal(buf, "MemTotal", 8);
}

static void memfd_keeps_seals_and_sharing(void **state)
{
	struct bench *b = *state;
	int rw = memfd_create("counter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char path[64], link[64];

	assert_int_equal(ftruncate(rw, 9 << 20), 0);
	for (int i = 0; i < 6 << 20; i += 4096)
		assert_int_equal(pwrite(rw, &i, sizeof i, i), sizeof i);
	assert_int_equal(fcntl(rw, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL), 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", rw);
	int ro = open(path, O_RDONLY | O_CLOEXEC);
	lseek(rw, 7, SEEK_SET);
	uint32_t rw_id = bench_meet(b, rw), ro_id = bench_meet(b, ro);
	int seals = fcntl(rw, F_GET_SEALS);
	bench_save(b);
	close(rw);
	close(ro);
	bench_restore(b);
	rw = bench_fd(b, rw_id);
	ro = bench_fd(b, ro_id);
	assert_int_equal(fcntl(rw, F_GET_SEALS), seals);
	assert_int_equal(write(rw, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(size_of(ro), 9 << 20);
	assert_int_equal(lseek(rw, 0, SEEK_CUR), 7);
	assert_int_equal(fcntl(ro, F_GETFL) & O_ACCMODE, O_RDONLY);
	for (int i = 0, got; i < 9 << 20; i += 4096) {
		assert_int_equal(pread(ro, &got, sizeof got, i), sizeof got);
		assert_int_equal(got, i < 6 << 20 ? i : 0);
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d", rw);
	ssize_t n = readlink(path, link, sizeof link - 1);
	link[n > 0 ? n : 0] = 0;
	assert_string_equal(link, "/memfd:counter (deleted)");
}

static int sealed_memfd(int seals)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(pwrite(fd, "read only", 9, 0), 9);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!(seals & F_SEAL_FUTURE_WRITE))
		munmap(p, 4096);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	if (seals & F_SEAL_FUTURE_WRITE)
		munmap(p, 4096);
	return fd;
}

/* A task that maps between the two moments keeps neither seal from being set. */
static void seals_come_around_mappings(void **state)
{
	struct bench *b = *state;
	int never = sealed_memfd(F_SEAL_WRITE), future = sealed_memfd(F_SEAL_FUTURE_WRITE);

	bench_meet(b, never);
	bench_meet(b, future);
	bench_save(b);
	close(never);
	close(future);
	bench_read(b);
	int fd = shm_object_make(&b->r, 1, NULL), other = shm_object_make(&b->r, 2, NULL);
	assert_true(fd >= 0 && other >= 0);
	assert_int_equal(pwrite(fd, "read only", 9, 0), 9);
	assert_int_equal(content_seal_written(&b->r, NULL), 0);
	/* Before Linux 6.7 this needs a description without write access. */
	void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	void *q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
	assert_ptr_not_equal(q, MAP_FAILED);
	assert_int_equal(content_finish(&b->r, NULL), 0);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE, F_SEAL_WRITE);
	assert_int_equal(fcntl(other, F_GET_SEALS) & F_SEAL_FUTURE_WRITE, F_SEAL_FUTURE_WRITE);
	if (p != MAP_FAILED)
		munmap(p, 4096);
	munmap(q, 4096);
}

static void shared_memory_is_one_object(void **state)
{
	struct bench *b = *state;
	int fd = memfd_create("shared", MFD_CLOEXEC);
	uint32_t id, again, file;
	struct stat st;
	bool fresh;

	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(fstat(fd, &st), 0);
	file = bench_meet(b, fd);
	assert_int_equal(shm_object_save(&b->s, NULL, st.st_dev, st.st_ino, "/memfd:shared (deleted)", fd, 0,
					 &id, &fresh, NULL), 0);
	assert_true(fresh);
	assert_int_equal(shm_object_save(&b->s, NULL, st.st_dev, st.st_ino, "/memfd:shared (deleted)", fd, 0,
					 &again, &fresh, NULL), 0);
	assert_false(fresh);
	assert_int_equal(id, again);
	b->s.objects.n = 0; /* the frame is to be written, too */
	bench_save(b);
	close(fd);
	bench_read(b);
	/* A task's mapping and the description must meet in the same object. */
	int one = shm_object_open(&b->r, id, O_RDWR, NULL);
	assert_true(one >= 0);
	bench_make(b);
	assert_int_equal(pwrite(one, "hi", 2, 100), 2);
	char got[3] = "";
	assert_int_equal(pread(bench_fd(b, file), got, 2, 100), 2);
	assert_string_equal(got, "hi");
	assert_false(same_description(one, bench_fd(b, file)));
	/* Sealing was not allowed and still is not. */
	assert_int_equal(fcntl(one, F_GET_SEALS) & F_SEAL_SEAL, F_SEAL_SEAL);
	close(one);
}

/* Both roots get an empty dev/shm; files are made in the old one. */
static void make_roots(struct bench *b)
{
	char path[128];

	snprintf(b->old_root, sizeof b->old_root, "%s/old", b->dir);
	snprintf(b->new_root, sizeof b->new_root, "%s/new", b->dir);
	for (int i = 0; i < 2; i++) {
		const char *root = i ? b->new_root : b->old_root;
		assert_int_equal(mkdir(root, 0755), 0);
		snprintf(path, sizeof path, "%s/dev", root);
		assert_int_equal(mkdir(path, 0755), 0);
		snprintf(path, sizeof path, "%s/dev/shm", root);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	close(b->s.root_fd);
	b->s.root_fd = open(b->old_root, O_PATH | O_CLOEXEC);
	b->r.root_fd = open(b->new_root, O_PATH | O_CLOEXEC);
}

static void tree_comes_back_whole(void **state)
{
	struct bench *b = *state;
	struct stat st, other;
	char buf[32] = "";

	make_roots(b);
	int shm = open(bench_path(b, "old/dev/shm"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fchmod(shm, 01777), 0);
	close(make_file(bench_path(b, "old/dev/shm/a"), "first", O_RDONLY));
	assert_int_equal(linkat(shm, "a", shm, "b", 0), 0);
	assert_int_equal(mkdirat(shm, "d", 0750), 0);
	close(make_file(bench_path(b, "old/dev/shm/d/inner"), "inner text", O_RDONLY));
	assert_int_equal(symlinkat("d/inner", shm, "s"), 0);
	assert_int_equal(mkfifoat(shm, "f", 0600), 0);
	assert_int_equal(fchmodat(shm, "a", 04711, 0), 0);
	struct timespec t[2] = {{1000, 1}, {2000, 2}};
	assert_int_equal(utimensat(shm, "a", t, 0), 0);
	assert_int_equal(fchmodat(shm, "d", 0550, 0), 0);
	assert_int_equal(utimensat(shm, "d", t, 0), 0);
	close(shm);
	bench_save(b);
	bench_restore(b);

	shm = open(bench_path(b, "new/dev/shm"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fstat(shm, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(fstatat(shm, "a", &st, 0), 0);
	assert_int_equal(fstatat(shm, "b", &other, 0), 0);
	assert_int_equal(st.st_ino, other.st_ino);
	assert_int_equal(st.st_mode & 07777, 04711);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(st.st_mtim.tv_nsec, 2);
	assert_int_equal(fstatat(shm, "d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0550);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(fstatat(shm, "f", &st, 0), 0);
	assert_true(S_ISFIFO(st.st_mode));
	int fd = openat(shm, "s", O_RDONLY | O_CLOEXEC);
	assert_reads(fd, "inner text");
	close(fd);
	assert_int_equal(readlinkat(shm, "s", buf, sizeof buf), 7);
	assert_int_equal(count_names(bench_path(b, "new/dev/shm")), 5);
	close(shm);
	chmod(bench_path(b, "old/dev/shm/d"), 0700); /* to be removed */
	chmod(bench_path(b, "new/dev/shm/d"), 0700);
}

static int restore_tree_file(struct bench *b, const char *path, const char *same_as,
			     struct pidspace_error *err)
{
	TreeFile m = TREE_FILE__INIT;
	uint8_t body[512];

	m.path = (char *)path;
	m.same_as = (char *)same_as;
	m.mode = S_IFREG | 0600;
	return tree_file_restore(&b->r, body, tree_file__pack(&m, body), err);
}

static void hostile_tree_writes_nowhere_else(void **state)
{
	struct bench *b = *state;
	const char *paths[] = {"/etc/passwd", "/dev/shm/../../x", "/dev/shm/a/..", "/dev/shmx", "dev/shm/x", "",
			       "/dev/shm//x", "/dev/shm/./x"};
	struct pidspace_error err = {0};

	make_roots(b);
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		assert_int_equal(restore_tree_file(b, paths[i], "", &err), -EBADMSG);
		assert_string_equal(err.code, "E_IMAGE_CORRUPT");
		assert_int_equal(restore_tree_file(b, "/dev/shm/x", i == 5 ? "/etc/passwd" : paths[i], &err),
				 -EBADMSG);
	}
	/* A link on the way does not lead out either. */
	int shm = open(bench_path(b, "new/dev/shm"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(symlinkat("/", shm, "out"), 0);
	assert_true(restore_tree_file(b, "/dev/shm/out/x", "", &err) < 0);
	assert_int_equal(symlinkat("../x", shm, "last"), 0);
	assert_true(restore_tree_file(b, "/dev/shm/last", "", &err) < 0);
	assert_int_equal(count_names(bench_path(b, "new")), 1);
	assert_int_equal(count_names(bench_path(b, "new/dev")), 1);
	close(shm);
}

static void nothing_goes_into_our_own_shm(void **state)
{
	struct bench *b = *state;
	struct pidspace_error err = {0};

	assert_int_equal(restore_tree_file(b, "/dev/shm/pidspace-kinds-test", "", &err), -ENOTSUP);
	assert_string_equal(err.code, "E_TREE_FILE");
	assert_int_equal(access("/dev/shm/pidspace-kinds-test", F_OK), -1);
	assert_false(tree_file_holds(&b->s, "/dev/shm/x"));
}

static void pages_beyond_a_file_are_refused(void **state)
{
	struct bench *b = *state;
	struct pidspace_error err = {0};
	uint8_t data[8192] = {1};
	struct placed_content c = {.id = 7, .fd = memfd_create("m", MFD_CLOEXEC)};
	struct image_page_run run = {.address = 0, .bytes = 4096};
	struct image_frame f = {.type = FRAME_PAGES, .space_id = CONTENT_SPACE | 7, .runs = &run, .n_runs = 1,
				.data = data, .data_len = 4096};

	assert_int_equal(ftruncate(c.fd, 100), 0);
	assert_int_equal(content_expect(&b->r, &c, &err), 0);
	assert_true(content_is(&f));
	assert_int_equal(content_pages(&b->r, &f, &err), 0);
	assert_int_equal(size_of(c.fd), 100);
	run.address = 4096;
	assert_int_equal(content_pages(&b->r, &f, &err), -EBADMSG);
	run.address = UINT64_MAX - 4095;
	assert_int_equal(content_pages(&b->r, &f, &err), -EBADMSG);
	run = (struct image_page_run){.address = 0, .bytes = 8192};
	assert_int_equal(content_pages(&b->r, &f, &err), -EBADMSG);
	run.bytes = 4096;
	f.data_len = 100;
	assert_int_equal(content_pages(&b->r, &f, &err), -EBADMSG);
	f.space_id = CONTENT_SPACE | 8;
	assert_int_equal(content_pages(&b->r, &f, &err), -EBADMSG);
	assert_string_equal(err.code, "E_IMAGE_CORRUPT");
	f.space_id = 7;
	assert_false(content_is(&f));
}

static void check_writes_nothing(void **state)
{
	struct bench *b = *state;
	int fd = make_file(bench_path(b, "f"), "text", O_RDWR), mem = memfd_create("m", MFD_CLOEXEC);

	assert_int_equal(unlink(bench_path(b, "f")), 0);
	bench_meet(b, fd);
	bench_meet(b, mem);
	vec_each(f, &b->s.files) {
		ProtobufCBinaryData body = {0};
		assert_int_equal(fd_kind_of(&b->s, f)->save(&b->s, f, &body, NULL), 0);
		free(body.data);
	}
	assert_int_equal(b->s.refusals.n, 0);
	assert_int_equal(b->s.contents.n, 0);
	close(fd);
	close(mem);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_set_up, bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(regular_keeps_position_and_flags),
		TEST(strict_finds_what_changed),
		TEST(truncate_cuts_only_what_was_written),
		TEST(locked_file_is_refused),
		TEST(replaced_file_is_refused),
		TEST(name_that_ends_in_deleted),
		TEST(deleted_comes_back_once),
		TEST(deleted_directory_falls_back),
		TEST(other_hard_link_is_refused),
		TEST(directory_goes_on_listing),
		TEST(devices_by_number),
		TEST(opath_of_a_link_and_a_directory),
		TEST(proc_by_path_or_late),
		TEST(memfd_keeps_seals_and_sharing),
		TEST(seals_come_around_mappings),
		TEST(shared_memory_is_one_object),
		TEST(tree_comes_back_whole),
		TEST(hostile_tree_writes_nowhere_else),
		TEST(nothing_goes_into_our_own_shm),
		TEST(pages_beyond_a_file_are_refused),
		TEST(check_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
