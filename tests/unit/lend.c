/* Messages that keep once what they have in common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "address_space.pb-c.h"
#include "image/lend.h"
#include "process.pb-c.h"

/* A process like those of a family; number makes it differ. */
static Process *process(int number, bool same_limits)
{
	uint8_t xstate[600], regs[200];
	Limit limit[3], *limits[3];
	Credentials cred = CREDENTIALS__INIT;
	uint32_t uid[4] = {1, 2, 3, 4};
	Thread th = THREAD__INIT, *threads[1] = {&th};
	Process p = PROCESS__INIT;

	memset(xstate, 7, sizeof xstate);
	memset(regs, number, sizeof regs);
	for (int i = 0; i < 3; i++) {
		limit__init(&limit[i]);
		limit[i].soft = (uint64_t)(same_limits || i < 2 ? i : number);
		limits[i] = &limit[i];
	}
	cred.uid = uid;
	cred.n_uid = 4;
	th.cred = &cred;
	th.tid = number;
	th.xstate = (ProtobufCBinaryData){sizeof xstate, xstate};
	th.regs = (ProtobufCBinaryData){sizeof regs, regs};
	th.comm = "name";
	p.pid = number;
	p.thread = threads;
	p.n_thread = 1;
	p.limit = limits;
	p.n_limit = 3;
	p.cwd = "/somewhere";
	p.exe = (char *)(number % 2 ? "/bin/odd" : "/bin/even");
	size_t len = process__get_packed_size(&p);
	uint8_t *bytes = malloc(len);
	process__pack(&p, bytes);
	Process *ret = process__unpack(NULL, len, bytes);
	free(bytes);
	assert_non_null(ret);
	return ret;
}

static void assert_is(Process *p, int number, bool same_limits)
{
	Process *want = process(number, same_limits);
	size_t len = process__get_packed_size(want);
	uint8_t *a = malloc(len), *b = malloc(len);

	assert_int_equal(process__get_packed_size(p), len);
	process__pack(p, a);
	process__pack(want, b);
	assert_memory_equal(a, b, len);
	free(a);
	free(b);
	process__free_unpacked(want, NULL);
}

static void what_is_the_same_is_there_once(void **state)
{
	Process *a = process(1, true), *b = process(2, true);

	(void)state;
	message_borrow(&b->base, &a->base);
	assert_is(b, 2, true);
	assert_ptr_equal(b->limit, a->limit);
	assert_ptr_equal(b->cwd, a->cwd);
	assert_ptr_not_equal(b->exe, a->exe);
	assert_ptr_not_equal(b->thread[0], a->thread[0]);
	assert_ptr_equal(b->thread[0]->xstate.data, a->thread[0]->xstate.data);
	assert_ptr_not_equal(b->thread[0]->regs.data, a->thread[0]->regs.data);
	assert_ptr_equal(b->thread[0]->cred, a->thread[0]->cred);
	message_give_back(&b->base, &a->base);
	process__free_unpacked(b, NULL);
	assert_is(a, 1, true);
	process__free_unpacked(a, NULL);
}

static void of_a_list_single_rows(void **state)
{
	Process *a = process(1, false), *b = process(2, false);

	(void)state;
	message_borrow(&b->base, &a->base);
	assert_is(b, 2, false);
	assert_ptr_not_equal(b->limit, a->limit);
	assert_ptr_equal(b->limit[0], a->limit[0]);
	assert_ptr_not_equal(b->limit[2], a->limit[2]);
	message_give_back(&b->base, &a->base);
	process__free_unpacked(b, NULL);
	assert_is(a, 1, false);
	process__free_unpacked(a, NULL);
}

static void along_a_chain(void **state)
{
	enum { N = 20 };
	Process *p[N];

	(void)state;
	for (int i = 0; i < N; i++) {
		p[i] = process(i, i % 5 != 0);
		if (i)
			message_borrow(&p[i]->base, &p[i - 1]->base);
	}
	assert_ptr_equal(p[4]->limit, p[1]->limit);
	assert_ptr_equal(p[N - 1]->cwd, p[0]->cwd);
	for (int i = 0; i < N; i++)
		assert_is(p[i], i, i % 5 != 0);
	for (int i = N; i-- > 0; process__free_unpacked(p[i], NULL))
		if (i)
			message_give_back(&p[i]->base, &p[i - 1]->base);
}

static void an_empty_one_has_nothing(void **state)
{
	Process *a = process(1, true), *b = malloc(sizeof *b);

	(void)state;
	process__init(b);
	message_borrow(&b->base, &a->base);
	message_give_back(&b->base, &a->base);
	message_borrow(&a->base, &b->base);
	assert_is(a, 1, true);
	message_give_back(&a->base, &b->base);
	assert_is(a, 1, true);
	process__free_unpacked(a, NULL);
	process__free_unpacked(b, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_the_same_is_there_once),
		cmocka_unit_test(of_a_list_single_rows),
		cmocka_unit_test(along_a_chain),
		cmocka_unit_test(an_empty_one_has_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
