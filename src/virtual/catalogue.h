#pragma once
/* The catalogue of system calls as the filter, the shim and the warden use it: which calls carry pids, where, and
 * what is done about it. catalogue.table is what a person reads and changes; catalogue.py makes catalogue_rows.h
 * of it. Freestanding, without pointers, so that the shim can have it in its text. */
#include <stdbool.h>
#include <stdint.h>

#include "virtual/roles.h"

enum catalogue_policy {
	POLICY_PASS,      /* not trapped. Also every call without rows that is not in a hole */
	POLICY_TRANSLATE, /* trapped: by the roles in `in` and `out` */
	POLICY_SPECIAL,   /* trapped: by the function that `handler` stands for */
	POLICY_WARDEN,    /* trapped: asked of the warden */
	POLICY_REFUSE,    /* fails with `error`, without a trap */
};

enum catalogue_op {
	CONDITION_EQUAL, /* (low half & mask) == value: the kernel takes these arguments for int or unsigned int */
	CONDITION_NULL,  /* all 64 bits are zero: for addresses */
};

struct catalogue_condition {
	uint32_t mask, value;
	uint8_t arg, op;
};

#define CATALOGUE_CONDITIONS 2
#define CATALOGUE_NO_ARG 6 /* "there is none" where the index of an argument is meant */

/* A call under all of n_conditions. Of a number's rows the first that holds decides, and one always does. */
struct catalogue_row {
	struct catalogue_condition condition[CATALOGUE_CONDITIONS];
	uint16_t nr;
	uint8_t n_conditions;
	uint8_t policy;
	uint8_t handler;  /* enum catalogue_handler */
	uint8_t error;    /* of POLICY_REFUSE, positive */
	uint8_t in[6];    /* enum role */
	uint8_t out;
	uint8_t path[2];  /* which arguments are paths, and their directories: AT_FDCWD is meant where there is none */
	uint8_t dirfd[2];
	uint8_t flags;    /* which argument holds AT_* (ROLE_ATFLAGS) or O_* (ROLE_OPENFLAGS) */
};

struct catalogue_range {
	uint16_t first, last;
};

#include "virtual/catalogue_rows.h"

static inline bool catalogue_holds(const struct catalogue_condition *c, const uint64_t arg[6])
{
	return c->op == CONDITION_NULL ? arg[c->arg] == 0 : ((uint32_t)arg[c->arg] & c->mask) == c->value;
}

/* The row that decides this call. NULL: it passes, or is no call of x86-64 at all. */
static inline const struct catalogue_row *catalogue_find(long nr, const uint64_t arg[6])
{
	if (nr < 0 || nr > CATALOGUE_LAST || !catalogue_first[nr])
		return 0;
	for (const struct catalogue_row *r = &catalogue_rows[catalogue_first[nr] - 1];; r++) {
		unsigned held = 0;
		while (held < r->n_conditions && catalogue_holds(&r->condition[held], arg))
			held++;
		if (held == r->n_conditions)
			return r;
	}
}
