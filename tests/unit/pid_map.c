/* One suite over every way of keeping the pid map: what it promises doesn't depend on the way.
 * Host pids here are numbers only, no such tasks exist. */
#include "pid_map_world.h"

static void numbers_go_upwards_from_1(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);

	assert_int_equal(born(m), 1);
	assert_int_equal(born(m), 2);
	assert_int_equal(born(m), 3);
	assert_true(died(m, 2));
	assert_int_equal(born(m), 4);
	assert_int_equal(pid_map_tasks(m), 3);
}

static void wrap_skips_ids_in_use(void **state)
{
	struct pid_map_header *m = a_map(*state, 1000);

	give(m, 300);
	give(m, 302);
	for (int i = 1; i < 300; i++)
		assert_int_equal(reserve(m), i);
	assert_int_equal(reserve(m), 301);
	for (int i = 303; i < 1000; i++) {
		assert_int_equal(reserve(m), i);
		assert_true(pid_map_cancel(m, OWNER, vpid_of(i)));
	}
	assert_true(pid_map_cancel(m, OWNER, vpid_of(301)));
	assert_int_equal(reserve(m), 301);
	assert_int_equal(reserve(m), 303);
}

static void wrap_begins_at_300(void **state)
{
	struct pid_map_header *m = a_map(*state, 600);

	for (int i = 1; i < 600; i++) {
		assert_int_equal(reserve(m), i);
		assert_true(pid_map_cancel(m, OWNER, vpid_of(i)));
	}
	assert_int_equal(reserve(m), 300);
}

static void numbers_below_300_are_given_while_the_cursor_is_there(void **state)
{
	struct pid_map_header *m = a_map(*state, 1000);

	/* alloc_pid(): RESERVED_PIDS is the bottom only once the cursor has passed it. */
	for (int i = 10; i < 1000; i++)
		assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(i)), 0);
	for (int i = 1; i < 10; i++)
		assert_int_equal(reserve(m), i);
	assert_int_equal(reserve(m), -EAGAIN);
	assert_true(pid_map_cancel(m, OWNER, vpid_of(4)));
	assert_int_equal(reserve(m), 4);
}

static void eagain_when_all_are_taken(void **state)
{
	struct pid_map_header *m = a_map(*state, 400);

	for (int i = 1; i < 400; i++)
		assert_int_equal(born(m), i);
	assert_int_equal(reserve(m), -EAGAIN);
	assert_true(died(m, 7));
	assert_int_equal(reserve(m), -EAGAIN); /* below RESERVED_PIDS, as the kernel */
	assert_true(died(m, 350));
	assert_int_equal(born(m), 350);
	assert_int_equal(reserve(m), -EAGAIN);
}

static void a_number_in_another_role_is_in_use(void **state)
{
	struct pid_map_header *m = a_map(*state, 302);
	int v = 300;
	struct hpid h;

	for (int i = 1; i < 302; i++)
		assert_int_equal(born(m), i);
	h = host_of(m, v);
	assert_int_equal(pid_map_tasks(m), 301);
	assert_int_equal(pid_map_change_flags(m, h, vpid_of(v), PID_MAP_FLAG_GONE, 0), 0);
	assert_int_equal(pid_map_change_flags(m, h, vpid_of(v), PID_MAP_FLAG_GONE, 0), 0);
	assert_int_equal(pid_map_tasks(m), 300);
	assert_int_equal(pid_map_next(m, vpid_of(299)).n, 301);
	assert_int_equal(pid_map_to_hpid(m, vpid_of(v)).n,
			 h.n); /* kill(-v) still finds its group */
	assert_int_equal(pid_map_to_vpid(m, h).n, v);
	assert_int_equal(reserve(m), -EAGAIN);
	assert_true(pid_map_release(m, h, vpid_of(v)));
	assert_int_equal(pid_map_tasks(m), 300);
	assert_int_equal(reserve(m), v);
}

static void a_given_number_is_given_once(void **state)
{
	struct pid_map_header *m = a_map(*state, 1000);

	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(500)), 0);
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(500)), -EEXIST);
	assert_int_equal(pid_map_bind(m, OWNER, host_of(m, 500), vpid_of(500)), 0);
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(500)), -EEXIST);
	assert_int_equal(reserve(m), 1); /* the cursor has not moved */
	assert_true(died(m, 500));
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(500)), 0);
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(0)), -EINVAL);
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(-1)), -EINVAL);
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(1000)), -EINVAL);
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(INT32_MAX)), -EINVAL);
}

static void the_number_of_a_failed_fork_waits_for_the_next_lap(void **state)
{
	struct pid_map_header *m = a_map(*state, 400);

	for (int i = 1; i < 310; i++)
		assert_int_equal(reserve(m), i);
	assert_false(pid_map_cancel(m, hpid_of(78), vpid_of(309))); /* not yours */
	assert_true(pid_map_cancel(m, OWNER, vpid_of(309)));
	assert_false(pid_map_cancel(m, OWNER, vpid_of(309)));
	for (int i = 310; i < 400; i++)
		assert_int_equal(reserve(m), i);
	assert_int_equal(reserve(m), 309);
}

static void both_directions_agree(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);

	for (int i = 1; i < 3000; i++)
		assert_int_equal(born(m), i);
	for (int i = 1; i < 3000; i += 3)
		assert_true(died(m, i));
	for (int i = 1; i < 3000; i++) {
		bool gone = i % 3 == 1;
		assert_int_equal(pid_map_to_hpid(m, vpid_of(i)).n, gone ? 0 : host_of(m, i).n);
		assert_int_equal(pid_map_to_vpid(m, host_of(m, i)).n, gone ? 0 : i);
	}
	assert_int_equal(pid_map_tasks(m), 1999);
}

static void what_is_no_pid_is_not_found(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	static const int32_t odd[] = {
		0, -1, 1, INT32_MAX, INT32_MIN, PID_MAP_CAPACITY, PID_MAP_CAPACITY - 1};

	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		assert_int_equal(pid_map_to_hpid(m, vpid_of(odd[i])).n, 0);
		assert_int_equal(pid_map_to_vpid(m, hpid_of(odd[i])).n, 0);
		assert_int_equal(pid_map_flags(m, hpid_of(odd[i]), vpid_of(odd[i])), 0);
		assert_false(pid_map_release(m, hpid_of(odd[i]), vpid_of(odd[i])));
		assert_false(pid_map_cancel(m, OWNER, vpid_of(odd[i])));
		assert_int_equal(pid_map_change_flags(m, hpid_of(odd[i]), vpid_of(odd[i]), 4, 0),
				 -ESRCH);
	}
	assert_int_equal(pid_map_bind(m, OWNER, hpid_of(0), vpid_of(1)), -EINVAL);
	assert_int_equal(pid_map_bind(m, OWNER, hpid_of(5), vpid_of(PID_MAP_CAPACITY)), -EINVAL);
}

static void the_highest_number_works(void **state)
{
	struct world *w = *state;
	struct pid_map_header *m = a_map(w, 0);
	int v = (int)m->pid_max - 1;
	struct hpid h = give(m, v);

	assert_int_equal(pid_map_to_hpid(m, vpid_of(v)).n, h.n);
	assert_int_equal(pid_map_next(m, vpid_of(0)).n, v);
	assert_int_equal(pid_map_next(m, vpid_of(v)).n, 0);
}

static void a_reserved_number_reads_as_not_existing(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	int v = reserve(m);
	struct hpid h;

	assert_int_equal(pid_map_to_hpid(m, vpid_of(v)).n, 0);
	assert_int_equal(pid_map_next(m, vpid_of(0)).n, 0);
	assert_int_equal(pid_map_look(m, vpid_of(v), &h), PID_MAP_RESERVED_BY);
	assert_int_equal(h.n, OWNER.n);
	assert_int_equal(pid_map_tasks(m), 0);
}

static void binding_twice_is_binding_once(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	int v = reserve(m);
	struct hpid h = host_of(m, v);

	assert_int_equal(pid_map_bind(m, OWNER, h, vpid_of(v)), 0);
	assert_int_equal(pid_map_change_flags(m, h, vpid_of(v), PID_MAP_FLAG_USER, 0), 0);
	assert_int_equal(pid_map_bind(m, OWNER, h, vpid_of(v)), 0);
	assert_int_equal(pid_map_flags(m, h, vpid_of(v)), PID_MAP_FLAG_USER);
	assert_int_equal(pid_map_tasks(m), 1);
}

static void a_late_parent_binds_nothing(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	int v = born(m); /* the child came, bound, */

	assert_true(died(m, v)); /* and went */
	assert_int_equal(pid_map_bind(m, OWNER, host_of(m, v), vpid_of(v)), -ESTALE);
	assert_true(freed(m, v));
	assert_int_equal(pid_map_reserve_given(m, hpid_of(78), vpid_of(v)), 0);
	assert_int_equal(pid_map_bind(m, OWNER, host_of(m, v), vpid_of(v)), -ESTALE);
	assert_int_equal(pid_map_to_vpid(m, host_of(m, v)).n, 0);
}

static void flags_and_start_belong_to_one_binding(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	int v = born(m);
	struct hpid h = host_of(m, v);
	uint32_t high = 0x8000;

	assert_int_equal(pid_map_change_flags(m, h, vpid_of(v), PID_MAP_FLAG_USER | high, 0), 0);
	assert_int_equal(pid_map_flags(m, h, vpid_of(v)), PID_MAP_FLAG_USER | high);
	assert_int_equal(pid_map_change_flags(m, h, vpid_of(v), 0, high), 0);
	assert_int_equal(pid_map_flags(m, h, vpid_of(v)), PID_MAP_FLAG_USER);
	pid_map_set_start(m, h, vpid_of(v), (1ULL << 42) - 1);
	assert_true(pid_map_start(m, h, vpid_of(v)) == (1ULL << 42) - 1);
	assert_int_equal(pid_map_to_vpid(m, h).n, v);
	assert_true(died(m, v));
	assert_int_equal(pid_map_change_flags(m, h, vpid_of(v), PID_MAP_FLAG_USER, 0), -ESRCH);
	give(m, v);
	assert_int_equal(pid_map_flags(m, h, vpid_of(v)), 0);
}

static void a_dying_container_hands_out_nothing(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);

	__atomic_fetch_or(&m->flags, PID_MAP_DYING, __ATOMIC_SEQ_CST);
	assert_int_equal(reserve(m), -ENOMEM);
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(9)), -ENOMEM);
}

static void all_are_given_in_order(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	static const int want[] = {1, 2, 299, 300, 1023, 1024, 1025, 65536, 99999};
	size_t n = 0;

	for (size_t i = sizeof want / sizeof *want; i-- > 0;)
		give(m, want[i]);
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(70000)), 0);
	for (struct vpid v = {0}; (v = pid_map_next(m, v)).n; n++) {
		assert_true(n < sizeof want / sizeof *want);
		assert_int_equal(v.n, want[n]);
	}
	assert_int_equal(n, sizeof want / sizeof *want);
}

static void ten_tasks_cost_a_few_pages(void **state)
{
	struct world *w = *state;
	struct pid_map_header *m = a_map(w, 0);
	blkcnt_t before;

	for (int i = 1; i <= 10; i++)
		assert_int_equal(born(m), i);
	before = pages(w);
	assert_in_range(before, 1, 10);
	/* Asking for what isn't there costs nothing, however much is asked. */
	for (int n = -1; n < PID_MAP_CAPACITY; n += 100) {
		pid_map_to_hpid(m, vpid_of(n));
		pid_map_to_vpid(m, hpid_of(n));
		pid_map_release(m, hpid_of(n), vpid_of(n));
		pid_map_cancel(m, OWNER, vpid_of(n));
	}
	for (struct vpid v = {0}; (v = pid_map_next(m, v)).n;)
		;
	assert_in_range(pages(w), before, before + 40);
}

static bool only_owner(void *arg, struct hpid h)
{
	return h.n == OWNER.n || h.n == *(int *)arg;
}

static void sweep_frees_what_the_dead_left(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	int alive = born(m), dead = born(m), keep = reserve(m), nobodys;
	struct vpid lost;
	int host = host_of(m, alive).n;

	assert_int_equal(pid_map_reserve(m, hpid_of(999), &lost), 0); /* and 999 was killed */
	nobodys = lost.n + 1;
	assert_int_equal(pid_map_reserve_given(m, hpid_of(0), vpid_of(nobodys)), 0);
	assert_int_equal(pid_map_sweep(m, only_owner, &host), 2);
	assert_false(freed(m, alive));
	assert_true(freed(m, dead));
	assert_false(freed(m, keep));
	assert_true(freed(m, lost.n));
	assert_false(freed(m, nobodys));
	assert_int_equal(pid_map_tasks(m), 1);
	/* The child of the killed 999, should there be one after all, hears that it must take
	 * another. */
	assert_int_equal(pid_map_bind(m, hpid_of(999), host_of(m, lost.n), lost), -ESTALE);
	assert_int_equal(pid_map_to_vpid(m, host_of(m, lost.n)).n, 0);
}

static void sweep_sets_the_count_right(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	int host = host_of(m, born(m)).n;

	m->tasks = 17; /* as if processes had been killed before they counted */
	assert_int_equal(pid_map_sweep(m, only_owner, &host), 0);
	assert_int_equal(pid_map_tasks(m), 1);
}

static void another_process_reads_it_anywhere(void **state)
{
	struct world *w = *state;
	struct pid_map_header *m = a_map(w, 0), *other = NULL;
	struct pidspace_error err = {0};
	char *hole = mmap(NULL, 4 * m->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			  -1, 0);
	int v = born(m);

	assert_ptr_not_equal(hole, MAP_FAILED);
	assert_int_equal(pid_map_map(w->fd, hole, false, &other, &err), -EEXIST);
	munmap(hole, 4 * m->size);
	assert_int_equal(pid_map_map(w->fd, hole, false, &other, &err), 0);
	assert_ptr_equal(other, hole);
	assert_int_equal(other->container_id, 7);
	assert_int_equal(pid_map_to_hpid(other, vpid_of(v)).n, host_of(m, v).n);
	assert_int_equal(pid_map_to_vpid(other, host_of(m, v)).n, v);
	assert_int_equal(born(m), v + 1);
	assert_int_equal(pid_map_next(other, vpid_of(v)).n, v + 1);
	pid_map_unmap(other);
}

static int opened(int fd)
{
	struct pid_map_header *m = NULL;
	struct pidspace_error err = {0};
	int r = pid_map_map(fd, NULL, false, &m, &err);

	pid_map_unmap(m);
	assert_true((r < 0) == (err.message[0] != 0));
	return r;
}

static void header_refuses_another_version(void **state)
{
	struct world *w = *state;
	struct pid_map_header *m = a_map(w, 0);

	assert_int_equal(opened(w->fd), 0);
	m->version++;
	assert_int_equal(opened(w->fd), -EPROTO);
	m->version--;
	m->magic++;
	assert_int_equal(opened(w->fd), -EINVAL);
	m->magic--;
	m->kind = 99;
	assert_int_equal(opened(w->fd), -EINVAL);
	m->kind = w->kind;
	m->size += PID_MAP_PAGE;
	assert_int_equal(opened(w->fd), -EINVAL);
	m->size -= PID_MAP_PAGE;
	assert_int_equal(ftruncate(w->fd, (off_t)m->size - 1), 0);
	assert_int_equal(opened(w->fd), -EINVAL);
}

static void only_sensible_maps_are_made(void **state)
{
	struct world *w = *state;
	struct pid_map_options o = {.kind = w->kind, .pid_max = 300};

	assert_int_equal(pid_map_create(&o, NULL), -EINVAL);
	o.pid_max = PID_MAP_CAPACITY + 1;
	assert_int_equal(pid_map_create(&o, NULL), -EINVAL);
	o = (struct pid_map_options){.kind = 99};
	assert_int_equal(pid_map_create(&o, NULL), -EINVAL);
}

static void dump_shows_every_number(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	char *text = NULL, want[64];
	size_t n;
	int v = born(m), r = reserve(m);
	FILE *f = open_memstream(&text, &n);

	pid_map_dump(m, f);
	fclose(f);
	snprintf(want, sizeof want, "\n%d: host %d\n%d: reserved by host %d\n", v, host_of(m, v).n,
		 r, OWNER.n);
	assert_non_null(strstr(text, want));
	free(text);
}

#define ALL(f) ONE(f, direct), ONE(f, hash), ONE(f, masked)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(numbers_go_upwards_from_1),
		ALL(wrap_skips_ids_in_use),
		ALL(wrap_begins_at_300),
		ALL(numbers_below_300_are_given_while_the_cursor_is_there),
		ALL(eagain_when_all_are_taken),
		ALL(a_number_in_another_role_is_in_use),
		ALL(a_given_number_is_given_once),
		ALL(the_number_of_a_failed_fork_waits_for_the_next_lap),
		ALL(both_directions_agree),
		ALL(what_is_no_pid_is_not_found),
		ALL(the_highest_number_works),
		ALL(a_reserved_number_reads_as_not_existing),
		ALL(binding_twice_is_binding_once),
		ALL(a_late_parent_binds_nothing),
		ALL(flags_and_start_belong_to_one_binding),
		ALL(a_dying_container_hands_out_nothing),
		ALL(all_are_given_in_order),
		ALL(ten_tasks_cost_a_few_pages),
		ALL(sweep_frees_what_the_dead_left),
		ALL(sweep_sets_the_count_right),
		ALL(another_process_reads_it_anywhere),
		ALL(header_refuses_another_version),
		ALL(only_sensible_maps_are_made),
		ALL(dump_shows_every_number),
	};
	return cmocka_run_group_tests_name("pidmap", tests, NULL, NULL);
}
