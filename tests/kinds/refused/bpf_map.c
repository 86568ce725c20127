/* Refused with E_BPF: a BPF map.
 *
 *	first
 */
#include "kindtest.h"

#include <linux/bpf.h>

int main(void)
{
	union bpf_attr a = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 8,
		.max_entries = 1,
	};
	uint32_t key = 0;
	uint64_t value = 0x1122334455667788, got = 0;
	int fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a));

	if (fd < 0)
		kt_skip("this user may not use BPF");
	a = (union bpf_attr){.map_fd = (uint32_t)fd, .key = (uintptr_t)&key, .value = (uintptr_t)&value};
	KT_SYS(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &a, sizeof(a)));
	kt_refused_with("E_BPF");
	kt_ready_and_wait();
	a = (union bpf_attr){.map_fd = (uint32_t)fd, .key = (uintptr_t)&key, .value = (uintptr_t)&got};
	KT_SYS(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &a, sizeof(a)));
	KT_EQ(got, value);
	kt_pass();
}
