#pragma once
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
struct filter_places { uint64_t gate, birth_gate, bell; };
int filter_build(const struct filter_places *places, struct sock_filter **ret, size_t *ret_n);
