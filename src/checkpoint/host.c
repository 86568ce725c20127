#include "checkpoint/host.h"

#include <cpuid.h>
#include <errno.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "container.pb-c.h"

static uint64_t xcr0(void)
{
	uint32_t a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return 3;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (uint64_t)d << 32 | a;
}

/* Leaf 1 ecx, edx; leaf 7.0 ebx, ecx, edx: the instruction sets a program chooses from at its start. Bits
 * that say something of the moment (OSXSAVE stays) or of the cpu's number are masked. */
static void features(uint32_t ret[5])
{
	uint32_t a, b, c, d;

	memset(ret, 0, 5 * sizeof *ret);
	if (__get_cpuid(1, &a, &b, &c, &d)) {
		ret[0] = c & ~(UINT32_C(1) << 31); /* hypervisor present */
		ret[1] = d;
	}
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
		ret[2] = b;
		ret[3] = c;
		ret[4] = d;
	}
}

static uint64_t vdso_digest(size_t *ret_len)
{
	const uint8_t *v = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	size_t len = 0;

	if (v) {
		const Elf64_Ehdr *e = (const Elf64_Ehdr *)v;
		len = e->e_shoff + (size_t)e->e_shnum * e->e_shentsize;
		for (size_t i = 0; i < len; i++)
			h = (h ^ v[i]) * UINT64_C(0x100000001b3); /* FNV-1a: identity, not security */
	}
	*ret_len = len;
	return h;
}

int host_write(struct image_writer *w, struct pidspace_error *err)
{
	Host h = HOST__INIT;
	struct utsname u;
	uint32_t f[5];
	size_t vdso_len;
	uint64_t digest = vdso_digest(&vdso_len);

	uname(&u);
	features(f);
	h.kernel = u.release;
	h.machine = u.machine;
	h.xfeatures = xcr0();
	h.cpuid = f;
	h.n_cpuid = 5;
	h.page_size = 4096;
	h.vdso_digest.data = (uint8_t *)&digest;
	h.vdso_digest.len = sizeof digest;
	h.vdso_pages = (vdso_len + 4095) / 4096;
	uint8_t *buf = malloc(host__get_packed_size(&h) + 1);
	if (!buf)
		return error_sys(err, -ENOMEM, "cannot write the image");
	size_t len = host__pack(&h, buf);
	int r = image_write(w, FRAME_HOST, buf, len, err);
	free(buf);
	return r;
}

int host_check(const void *body, size_t len, struct pidspace_error *err)
{
	Host *h = host__unpack(NULL, len, body);
	struct utsname u;
	uint32_t f[5];
	size_t vdso_len;
	uint64_t digest = vdso_digest(&vdso_len);
	int r = 0;

	if (!h)
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "the image's host description cannot be read");
	uname(&u);
	features(f);
	if (strcmp(h->machine, u.machine))
		r = error_set(err, -ENOTSUP, "E_HOST", "the image comes from a %s machine, this is %s", h->machine,
			      u.machine);
	else if (h->xfeatures & ~xcr0())
		r = error_set(err, -ENOTSUP, "E_HOST",
			      "the image's programs use cpu state %llx that this cpu or kernel lacks; restore it on "
			      "a machine that has it", (unsigned long long)(h->xfeatures & ~xcr0()));
	for (size_t i = 0; r == 0 && i < 5 && i < h->n_cpuid; i++)
		if (h->cpuid[i] & ~f[i])
			r = error_set(err, -ENOTSUP, "E_HOST",
				      "this cpu lacks instructions of the image's machine (cpuid word %zu, bits %x); "
				      "restore it on a machine that has them", i, h->cpuid[i] & ~f[i]);
	if (r == 0 && (h->vdso_digest.len != sizeof digest || memcmp(h->vdso_digest.data, &digest, sizeof digest)))
		r = error_set(err, -ENOTSUP, "E_VDSO",
			      "the image was written under kernel %s, whose vDSO differs from this kernel's (%s); restore "
			      "it under the same kernel", h->kernel, u.release);
	host__free_unpacked(h, NULL);
	return r;
}
