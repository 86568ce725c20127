/* The short way into the shim. A trap costs a signal, 2 µs; programs make most of their calls from few places, libc's
 * wrappers and syscall(3), and there
 *
 *      mov $NUMBER, %eax           becomes        jmp trampoline
 *      syscall                                    syscall
 *
 * once the place has trapped often enough. The trampoline lies within reach of a jump, does what the replaced instruction
 * did, and enters the shim as a function (entry.S shim_short). The syscall instruction stays: a thread that is about to
 * execute it, or code that jumps to it, traps as before.
 *
 * What is changed is the process's own copy of the page, through /proc/self/mem (which writes where the mapping forbids
 * it, but never into a shared one: mm/gup.c). The five bytes change as one aligned word, or only while there is one
 * thread. */
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#include <linux/fcntl.h>
#include <linux/mman.h>

#define OFTEN 32 /* a change costs about as much as ten traps */
#define MOV_EAX 0xb8
#define JMP_REL32 0xe9
#define PLACE 7 /* bytes of both instructions */

extern const char shim_short[];

/* Which rows may be answered without the frame of a signal. */
static bool suits(const struct catalogue_row *r)
{
	return r && (r->policy == POLICY_TRANSLATE ||
		     (r->policy == POLICY_SPECIAL &&
		      (r->handler == HANDLER_PATHS_CALL || r->handler == HANDLER_WAITS_WAIT4 ||
		       r->handler == HANDLER_SIGNALS_KILL || r->handler == HANDLER_ACTIONS_SIGACTION ||
		       r->handler == HANDLER_ACTIONS_PROCMASK || r->handler == HANDLER_SOCKETS_SEND ||
		       r->handler == HANDLER_SOCKETS_RECEIVE || r->handler == HANDLER_NAMES_CALL)));
}

/* Two that share a slot drive each other out: then neither is changed. */
static struct place *find(uint64_t at)
{
	struct place *p = &own()->places[(at ^ at >> 8) % PLACES];

	if (p->at != (uint32_t)at)
		*p = (struct place){.at = (uint32_t)at};
	return p;
}

bool patch_write_code(uint64_t at, const void *bytes, unsigned long n)
{
	long fd = CALL4(__NR_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC, 0);
	long done = fd < 0 ? -1 : CALL4(__NR_pwrite64, fd, bytes, n, at);

	if (fd >= 0)
		CALL1(__NR_close, fd);
	return done == (long)n;
}

/* A place for n bytes of code that a jump from `near` reaches; 0: there is none. */
static uint64_t room(uint64_t near, unsigned long n)
{
	struct own *o = own();

	for (int i = 0; i < AREAS; i++) {
		struct area *a = &o->areas[i];
		uint64_t distance = near > a->base ? near - a->base : a->base - near;
		if (a->base && distance < REACH && a->used + n <= AREA_SIZE) {
			a->used += n;
			return a->base + a->used - n;
		}
		if (a->base)
			continue;
		for (uint64_t down = 1 << 20; down < REACH && down < near; down += down / 2) {
			uint64_t want = (near - down) & ~UINT64_C(0xffff);
			long at = shim_call(__NR_mmap, (long)want, AREA_SIZE, PROT_READ | PROT_EXEC,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
			if (at == (long)want) {
				*a = (struct area){want, n};
				return want;
			}
			if (at > 0)
				CALL2(__NR_munmap, at, AREA_SIZE);
		}
		return 0;
	}
	return 0;
}

/* The instruction that was replaced; lea -128(%rsp), %rsp; movabs $back, %rcx; movabs $shim_short, %r11; jmp *%r11. rcx and
 * r11 are the syscall instruction's to spoil, and so ours. */
static uint64_t make_trampoline(uint64_t place)
{
	static const uint8_t skip[5] = {0x48, 0x8d, 0x64, 0x24, 0x80}, go[3] = {0x41, 0xff, 0xe3};
	uint64_t back = place + PLACE, target = (uint64_t)shim_short, at;
	uint8_t code[40];

	__builtin_memcpy(code, (const void *)place, 5);
	__builtin_memcpy(code + 5, skip, 5);
	code[10] = 0x48;
	code[11] = 0xb9;
	__builtin_memcpy(code + 12, &back, 8);
	code[20] = 0x49;
	code[21] = 0xbb;
	__builtin_memcpy(code + 22, &target, 8);
	__builtin_memcpy(code + 30, go, 3);
	at = room(place, sizeof code);
	return at && patch_write_code(at, code, sizeof code) ? at : 0;
}

static bool writable(uint64_t at)
{
	uint8_t byte = *(const uint8_t *)at;

	return guest_write((void *)at, &byte, 1);
}

static bool replace(uint64_t place, uint64_t trampoline)
{
	int32_t distance = (int32_t)(trampoline - (place + 5));
	uint64_t word_at = place & ~7ul;
	uint8_t word[8];

	if (place - word_at <= 3) {
		__builtin_memcpy(word, (const void *)word_at, 8);
		word[place - word_at] = JMP_REL32;
		__builtin_memcpy(word + (place - word_at) + 1, &distance, 4);
		return patch_write_code(word_at, word, 8);
	}
	if (own()->threaded)
		return false;
	word[0] = JMP_REL32;
	__builtin_memcpy(word + 1, &distance, 4);
	return patch_write_code(place, word, 5);
}

/* Five bytes before a syscall instruction that can be executed elsewhere as well. */
static bool movable(const uint8_t *code, uint32_t nr)
{
	static const uint8_t last_argument[5] = {0x4c, 0x8b, 0x4c, 0x24, 0x08}; /* mov 8(%rsp), %r9: syscall(3) */
	bool generic = true;
	uint32_t imm;

	__builtin_memcpy(&imm, code + 1, 4);
	for (int i = 0; i < 5; i++)
		generic = generic && code[i] == last_argument[i];
	return (generic || (code[0] == MOV_EAX && imm == nr)) && code[5] == 0x0f && code[6] == 0x05;
}

void patch_consider(const struct catalogue_row *r, uint64_t rip, uint32_t nr)
{
	uint64_t at = rip - PLACE, trampoline;
	struct place *p;

	if (!suits(r) || (rip & 4095) < PLACE || ++(p = find(at))->count != OFTEN)
		return;
	/* Code in writable memory is somebody's who writes code himself. */
	if (!movable((const uint8_t *)at, nr) || writable(at) ||
	    __atomic_exchange_n(&own()->patching, 1, __ATOMIC_ACQUIRE))
		return;
	trampoline = make_trampoline(at);
	if (trampoline)
		replace(at, trampoline);
	__atomic_store_n(&own()->patching, 0, __ATOMIC_RELEASE);
}

/* From shim_short: t lies on the guest's stack, without a signal's frame. What needs one (the arguments may make it
 * another row than was met before) goes back to trap. */
long shim_short_call(struct trap *t)
{
	const struct catalogue_row *r = catalogue_find(t->nr, (const uint64_t *)t->arg);

	if (r && r->policy == POLICY_PASS)
		return trap_native(t);
	if (suits(r))
		return trap_dispatch(t, r);
	t->uc = (struct ucontext *)1;
	return 0;
}
