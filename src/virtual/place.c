#include "virtual/place.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "shim_text.h"

#define MFD_EXEC_ 0x10u /* Linux 6.3: may be mapped executable whatever vm.memfd_noexec says */

_Static_assert(sizeof(struct shim_common) <= SHIM_COMMON_SIZE, "struct shim_common has outgrown its place");
_Static_assert(sizeof(shim_text) <= SHIM_TEXT_SIZE, "the shim has outgrown its place");

int place_create(pid_t pid_max, struct pidspace_error *err)
{
	_cleanup_close_ int fd = memfd_create("pidspace", MFD_CLOEXEC | MFD_EXEC_);
	struct place p;
	struct stat st;
	int r;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("pidspace", MFD_CLOEXEC);
	if (fd < 0)
		return error_sys(err, -errno, "cannot make the memory that the container shares");
	if (ftruncate(fd, (off_t)(SHIM_MAP_AT + SHIM_MAP_SIZE)) < 0 ||
	    pwrite(fd, shim_text, sizeof shim_text, SHIM_TEXT_AT) != sizeof shim_text)
		return error_sys(err, -errno, "cannot fill the memory that the container shares");
	r = place_open(&p, fd, true);
	if (r < 0)
		return error_sys(err, r, "cannot map the memory that the container shares");
	p.common->version = 1;
	if (stat("/proc/self", &st) == 0)
		p.common->proc_dev = st.st_dev;
	((uint32_t *)p.map)[0] = 0;
	((uint32_t *)p.map)[1] = pid_max ? (uint32_t)pid_max : 1u << 22;
	place_close(&p);
	return fd_take(&fd);
}

int place_open(struct place *ret, int memfd, bool writable)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	struct place p;

	p.common = mmap(NULL, SHIM_COMMON_SIZE, prot, MAP_SHARED, memfd, SHIM_COMMON_AT);
	p.map = mmap(NULL, SHIM_MAP_SIZE, prot, MAP_SHARED, memfd, SHIM_MAP_AT);
	if (p.common == MAP_FAILED || p.map == MAP_FAILED) {
		int r = -errno;
		place_close(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void place_close(struct place *p)
{
	if (p->common != MAP_FAILED && p->common)
		munmap(p->common, SHIM_COMMON_SIZE);
	if (p->map != MAP_FAILED && p->map)
		munmap(p->map, SHIM_MAP_SIZE);
	*p = (struct place){0};
}

int place_enter(int memfd, struct pidspace_error *err)
{
	void *at = mmap((void *)SHIM_TEXT, SHIM_TEXT_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, memfd,
			SHIM_TEXT_AT);
	int own = dup(memfd);

	if (at != (void *)SHIM_TEXT || own < 0)
		return error_sys(err, -errno, "cannot map the shim at %llx", (unsigned long long)SHIM_TEXT);
	/* The same function that a new image begins with; it takes the descriptor. Where it cannot, the process ends
	 * with status 127. */
	((void (*)(long))(SHIM_ENTRY_ENTER))(own);
	return 0;
}

struct tmp { uint32_t v, f; uint64_t x; };
static struct tmp *byh(const struct place *p, int h) { return (struct tmp *)((char *)p->map + 4096) + h; }
static uint32_t *byv(const struct place *p, int v) { return (uint32_t *)((char *)p->map + 4096 + (16ul << 22)) + v; }
void place_bind(struct place *p, struct hpid host, struct vpid guest)
{
	byh(p, host.n)->v = (uint32_t)guest.n;
	*byv(p, guest.n) = (uint32_t)host.n;
	if (((uint32_t *)p->map)[0] < (uint32_t)guest.n) ((uint32_t *)p->map)[0] = (uint32_t)guest.n;
}
struct hpid place_host(const struct place *p, struct vpid pid)
{
	uint32_t h = pid.n > 0 && pid.n < 1 << 22 ? *byv(p, pid.n) : 0;
	return hpid_of(h == ~0u ? 0 : (int)h);
}
struct vpid place_guest(const struct place *p, struct hpid pid) { return vpid_of((int)byh(p, pid.n)->v); }
uint32_t place_flags(const struct place *p, struct hpid pid) { return byh(p, pid.n)->f; }
bool place_next(const struct place *p, struct vpid *at, struct hpid *ret)
{
	uint32_t last = ((uint32_t *)p->map)[0];
	for (int v = at->n + 1; v <= (int)last; v++)
		if ((*ret = place_host(p, vpid_of(v))).n) { at->n = v; return true; }
	return false;
}
bool place_is_ours(const struct place *p, struct hpid pid) { return kill(pid.n, 0) == 0; }
