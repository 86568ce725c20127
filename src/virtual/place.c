#include "virtual/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/proc_stat.h"
#include "shim_text.h"

_Static_assert(sizeof(struct shim_common) <= SHIM_COMMON_SIZE, "struct shim_common has outgrown its place");
_Static_assert(PID_MAP_DIRECT_SIZE <= SHIM_TEXT_AT, "the pid map has outgrown its place");
_Static_assert(sizeof(shim_text) <= SHIM_TEXT_SIZE, "the shim has outgrown its place");

int place_create(pid_t pid_max, struct pidspace_error *err)
{
	const struct pid_map_options o = {.kind = PID_MAP_DIRECT, .pid_max = (uint32_t)pid_max};
	_cleanup_close_ int fd = pid_map_create(&o, err);
	struct place p;
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)SHIM_FILE_SIZE) < 0 ||
	    pwrite(fd, shim_text, sizeof shim_text, SHIM_TEXT_AT) != sizeof shim_text)
		return error_sys(err, -errno, "cannot fill the memory that the container shares");
	r = place_open(&p, fd, true);
	if (r < 0)
		return error_sys(err, r, "cannot map the memory that the container shares");
	p.common->version = 1;
	if (stat("/proc/self", &st) == 0)
		p.common->proc_dev = st.st_dev;
	place_close(&p);
	return fd_take(&fd);
}

int place_open(struct place *ret, int memfd, bool writable)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0), r;
	struct place p = {0};

	p.common = mmap(NULL, SHIM_COMMON_SIZE, prot, MAP_SHARED, memfd, SHIM_COMMON_AT);
	if (p.common == MAP_FAILED)
		return -errno;
	r = pid_map_map(memfd, NULL, writable, &p.map, NULL);
	if (r < 0) {
		munmap(p.common, SHIM_COMMON_SIZE);
		return r;
	}
	*ret = p;
	return 0;
}

void place_close(struct place *p)
{
	if (p->common)
		munmap(p->common, SHIM_COMMON_SIZE);
	pid_map_unmap(p->map);
	*p = (struct place){0};
}

bool place_is_ours(const struct place *p, struct hpid host, struct vpid pid)
{
	uint64_t bound = pid_map_start(p->map, host, pid);
	_cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct proc_stat st;

	/* A tick for what either side rounds off; without a time, the child is only being born. */
	return proc >= 0 && proc_stat_read(proc, host.n, 0, &st) == 0 && (!bound || st.start_ticks <= bound + 1);
}

int place_enter(int memfd, struct pidspace_error *err)
{
	void *at = mmap((void *)SHIM_TEXT, SHIM_TEXT_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, memfd,
			SHIM_TEXT_AT);
	int own = dup(memfd);

	if (at == MAP_FAILED && errno == EEXIST)
		return error_set(err, -EEXIST, "E_VIRTUAL", "inside a container with virtual pids there can be no other one; "
				 "start it outside");
	if (at != (void *)SHIM_TEXT || own < 0)
		return error_sys(err, -errno, "cannot map the shim at %llx", (unsigned long long)SHIM_TEXT);
	/* The same function that a new image begins with; it takes the descriptor. Where it cannot, the process ends
	 * with status 127. */
	((void (*)(long))(SHIM_ENTRY_ENTER))(own);
	return 0;
}
