/* plan: who forks whom, so that parents and sessions come out right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint/plan.h"

struct row {
	int pid, ppid, sid;
};

static Process messages[16], *list[16];

static size_t rows(const struct row *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		process__init(&messages[i]);
		messages[i].pid = r[i].pid;
		messages[i].ppid = r[i].ppid;
		messages[i].sid = messages[i].pgid = r[i].sid;
		list[i] = &messages[i];
	}
	return n;
}

#define PLAN(...)                                                                                  \
	({                                                                                         \
		const struct row r_[] = {__VA_ARGS__};                                             \
		size_t n_ = rows(r_, sizeof r_ / sizeof *r_);                                      \
		assert_int_equal(plan_make(&plan, list, n_, &err), 0);                             \
	})

static struct pidspace_error err;
static struct plan plan;

static int done(void **state)
{
	plan_done(&plan);
	return 0;
}

static void by_parent(void **state)
{
	PLAN({1, 0, 1}, {2, 1, 1}, {3, 1, 3}, {4, 3, 3});
	for (int i = 1; i < 4; i++)
		assert_int_equal(plan.step[i].how, PLAN_BY_PARENT);
	assert_int_equal(plan.step[3].forker, 2);
	assert_true(plan.step[2].leader);
}

static void born_before_setsid_two_generations(void **state)
{
	/* c was forked by b before b led a session, and b by a before a did */
	PLAN({1, 0, 1}, {2, 1, 2}, {3, 2, 3}, {4, 3, 1});
	assert_int_equal(plan.step[3].how, PLAN_BY_PARENT_EARLY);
	assert_int_equal(plan.step[2].how, PLAN_BY_PARENT_EARLY);
	assert_int_equal(plan.step[1].how, PLAN_BY_PARENT);
}

static void orphan_by_its_sessions_leader(void **state)
{
	PLAN({1, 0, 1}, {9, 1, 9}, {20, 1, 9});
	assert_int_equal(plan.step[2].how, PLAN_BY_SIBLING);
	assert_int_equal(plan.step[2].forker, 1);
}

static void orphans_of_a_leader_that_is_gone_share_one_helper(void **state)
{
	PLAN({1, 0, 1}, {20, 1, 9}, {21, 1, 9});
	assert_int_equal(plan.step[1].how, PLAN_BY_LEADER);
	assert_int_equal(plan.helpers.n, 1);
	assert_int_equal(plan.helpers.at[0].pid, 9);
	assert_true(plan.helpers.at[0].setsid);
}

static void orphan_of_a_session_further_down(void **state)
{
	/* 7 leads a session below 5; its orphan was adopted by init */
	PLAN({1, 0, 1}, {5, 1, 1}, {7, 5, 7}, {8, 1, 7});
	assert_int_equal(plan.step[3].how, PLAN_BY_ORPHANER);
	assert_int_equal(plan.step[3].forker, 2);
}

static void zombie_leader_still_forks(void **state)
{
	const struct row r[] = {{1, 0, 1}, {9, 1, 9}, {20, 1, 9}};

	rows(r, 3);
	messages[1].state = PROCESS_STATE__PROCESS_ZOMBIE;
	assert_int_equal(plan_make(&plan, list, 3, &err), 0);
	assert_int_equal(plan.step[2].forker, 1);
}

static void child_before_its_parent_is_no_image(void **state)
{
	const struct row r[] = {{1, 0, 1}, {3, 2, 1}, {2, 1, 1}};

	rows(r, 3);
	assert_int_not_equal(plan_make(&plan, list, 3, &err), 0);
	assert_string_equal(err.code, "E_IMAGE_CORRUPT");
	memset(&plan, 0, sizeof plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(by_parent, done),
		cmocka_unit_test_teardown(born_before_setsid_two_generations, done),
		cmocka_unit_test_teardown(orphan_by_its_sessions_leader, done),
		cmocka_unit_test_teardown(orphans_of_a_leader_that_is_gone_share_one_helper, done),
		cmocka_unit_test_teardown(orphan_of_a_session_further_down, done),
		cmocka_unit_test_teardown(zombie_leader_still_forks, done),
		cmocka_unit_test_teardown(child_before_its_parent_is_no_image, done),
	};
	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
