/* What is particular to one or two ways of keeping the pid map: two tables that have to agree,
 * levels, pages that go back, chosen host pids. */
#include "pid_map_world.h"

static void recycled_hpid_replaces_stale_binding(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	struct hpid h = hpid_of(4242);

	assert_int_equal(reserve(m), 1);
	assert_int_equal(pid_map_bind(m, OWNER, h, vpid_of(1)), 0);
	assert_int_equal(pid_map_change_flags(m, h, vpid_of(1), PID_MAP_FLAG_USER, 0), 0);
	pid_map_set_start(m, h, vpid_of(1), 1000);
	assert_int_equal(pid_map_start(m, h, vpid_of(1)), 1000);
	/* It dies unseen, and the host gives its number to the container's next task. */
	assert_int_equal(reserve(m), 2);
	assert_int_equal(pid_map_bind(m, OWNER, h, vpid_of(2)), 0);
	assert_int_equal(pid_map_to_vpid(m, h).n, 2);
	assert_int_equal(pid_map_to_hpid(m, vpid_of(2)).n, h.n);
	assert_int_equal(pid_map_flags(m, h, vpid_of(2)), 0);
	assert_int_equal(pid_map_start(m, h, vpid_of(2)), 0);
	assert_int_equal(pid_map_to_hpid(m, vpid_of(1)).n, 0);
	assert_int_equal(pid_map_flags(m, h, vpid_of(1)), 0);
	assert_false(pid_map_release(m, h, vpid_of(1)));
	assert_true(freed(m, 1));
	assert_int_equal(pid_map_tasks(m), 1);
}

/* The first step of a bind, and that of a release. */
static void half_bind(struct pid_map_header *m, uint32_t h, uint32_t v)
{
	uint64_t before;

	if (m->kind == PID_MAP_HASH) {
		assert_true(pid_map_hash_begin(m, h, v, &before));
		return;
	}
	pid_map_direct_begin(m, h, v);
}

static void half_release(struct pid_map_header *m, uint32_t h, uint32_t v)
{
	struct pid_map_entry *e = pid_map_entry(m, hpid_of((int32_t)h), vpid_of((int32_t)v));

	assert_non_null(e);
	__atomic_store_n(&e->word, 0, __ATOMIC_SEQ_CST);
}

/* What a process leaves that was killed between two steps: both directions say "not there". */
static void half_a_binding_reads_as_none(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	int v = reserve(m);
	struct hpid h = host_of(m, v);

	half_bind(m, (uint32_t)h.n, (uint32_t)v);
	assert_int_equal(pid_map_to_vpid(m, h).n, 0);
	assert_int_equal(pid_map_to_hpid(m, vpid_of(v)).n, 0);
	/* The other one of parent and child completes it. */
	assert_int_equal(pid_map_bind(m, OWNER, h, vpid_of(v)), 0);
	assert_int_equal(pid_map_to_vpid(m, h).n, v);
	assert_int_equal(pid_map_to_hpid(m, vpid_of(v)).n, h.n);
	half_release(m, (uint32_t)h.n, (uint32_t)v);
	assert_int_equal(pid_map_to_vpid(m, h).n, 0);
	assert_int_equal(pid_map_to_hpid(m, vpid_of(v)).n, 0);
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(v)), 0);
}

static void an_old_number_is_gone_once_its_host_pid_is_taken(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	int old = born(m), v;
	struct hpid h = host_of(m, old), number;

	v = reserve(m);
	half_bind(m, (uint32_t)h.n, (uint32_t)v);
	assert_int_equal(pid_map_to_vpid(m, h).n, 0);
	assert_int_equal(pid_map_to_hpid(m, vpid_of(old)).n, 0);
	assert_int_equal(pid_map_look(m, vpid_of(old), &number), PID_MAP_LEFT_BY);
	assert_int_equal(pid_map_next(m, vpid_of(0)).n, 0);
	assert_true(pid_map_clear(m, vpid_of(old), PID_MAP_LEFT_BY, h));
	assert_false(pid_map_clear(m, vpid_of(old), PID_MAP_LEFT_BY, h));
	assert_int_equal(pid_map_tasks(m), 0);
	assert_true(freed(m, old));
}

/* More than any bucket holds: levels are added, and everything is still found. */
static void levels_fill_from_below(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);

	for (int i = 1; i <= 20000; i++)
		assert_int_equal(born(m), i);
	assert_in_range(m->levels[PID_MAP_BY_VPID], 3, 4);
	for (int i = 1; i <= 20000; i++)
		assert_int_equal(pid_map_to_vpid(m, pid_map_to_hpid(m, vpid_of(i))).n, i);
	for (int i = 1; i <= 20000; i++)
		assert_true(died(m, i));
	for (uint64_t n = 0; n < PID_MAP_HASH_SLOTS / 64; n++) {
		assert_true(*pid_map_hash_slot(m, PID_MAP_BY_VPID, n) == 0);
		assert_true(*pid_map_hash_slot(m, PID_MAP_BY_HPID, n) == 0);
	}
	assert_int_equal(pid_map_hash_before(PID_MAP_HASH_LEVELS), PID_MAP_HASH_SLOTS);
}

/* The host pid is somebody else's: clone3 said EEXIST. */
static void a_stranger_is_passed_over(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	int v = reserve(m);

	assert_int_equal(pid_map_to_vpid(m, host_of(m, v)).n, 0);
	assert_true(pid_map_cancel(m, OWNER, vpid_of(v)));
	assert_int_equal(reserve(m), v + 1);
}

static void a_masked_host_pid_is_the_chosen_one(void **state)
{
	struct world *w = *state;
	struct pid_map_header *m = a_map(w, 0);
	struct pid_map_options o = {.kind = PID_MAP_MASKED, .container_id = 7};
	int v = reserve(m);

	assert_int_equal(host_of(m, v).n, 7 << 17 | v);
	assert_int_equal(pid_map_bind(m, OWNER, hpid_of(8 << 17 | v), vpid_of(v)), -EINVAL);
	assert_int_equal(pid_map_bind(m, OWNER, host_of(m, v), vpid_of(v)), 0);
	assert_int_equal(pid_map_to_vpid(m, hpid_of(8 << 17 | v)).n, 0);
	for (o.container_id = 0; o.container_id < 33; o.container_id += 32)
		assert_int_equal(pid_map_create(&o, NULL), -EINVAL);
	o = (struct pid_map_options){.kind = PID_MAP_MASKED, .container_id = 1, .masked_bits = 9};
	assert_int_equal(pid_map_create(&o, NULL), -EINVAL);
	o.masked_bits = 21;
	assert_int_equal(pid_map_create(&o, NULL), -EINVAL);
	o = (struct pid_map_options){.kind = PID_MAP_MASKED, .container_id = 1, .pid_max = 131073};
	assert_int_equal(pid_map_create(&o, NULL), -EINVAL);
}

static void memory_of_past_tasks_goes_back(void **state)
{
	struct world *w = *state;
	struct pid_map_header *m = a_map(w, 0);
	int old = born(m);
	ssize_t freed;

	for (int i = 0; i < 50000; i++)
		assert_true(died(m, born(m)));
	assert_in_range(pages(w), 200, 1000);
	freed = pid_map_trim(m);
	assert_in_range(freed, 200, 1000);
	assert_in_range(pages(w), 1, 25); /* 20 of them say which pages are in use */
	assert_int_equal(pid_map_trim(m), 0);
	assert_int_equal(pid_map_to_vpid(m, host_of(m, old)).n, old);
	assert_int_equal(pid_map_to_hpid(m, vpid_of(old)).n, host_of(m, old).n);
	give(m, 1024); /* on a page that went */
	assert_int_equal(pid_map_to_vpid(m, host_of(m, 1024)).n, 1024);
	assert_int_equal(pid_map_next(m, vpid_of(old)).n, 1024);
	assert_int_equal(pid_map_trim(m), 0);
	assert_true(died(m, 1024));
	assert_int_equal(pid_map_trim(m), 2);
}

/* A writer that was stopped before it wrote, while its page went, finds out and writes again. */
static void a_writer_calls_closing_off(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);
	uint32_t *chunk = pid_map_direct_vchunk(m, 5), c = pid_map_chunk_use(chunk);

	assert_true(pid_map_chunk_kept(chunk, c));
	*chunk |= PID_MAP_CHUNK_CLOSING;
	assert_false(pid_map_chunk_kept(chunk, c));
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(5)), 0);
	assert_int_equal(*chunk & (PID_MAP_CHUNK_CLOSING | PID_MAP_CHUNK_USED), PID_MAP_CHUNK_USED);
	assert_false(pid_map_chunk_kept(chunk, c));
	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(5)), -EEXIST);
}

static bool nobody_lives(void *arg, struct hpid h)
{
	(void)arg;
	(void)h;
	return false;
}

/* Killed in the middle of reserving, one before and one after it had beaten the other. */
static void two_killed_at_one_number_leave_nothing(void **state)
{
	struct pid_map_header *m = a_map(*state, 0);

	assert_non_null(pid_map_hash_enter(m, PID_MAP_BY_VPID, 5, pid_map_word(5, PID_MAP_HASH_BEATEN, 78)));
	assert_non_null(pid_map_hash_enter(m, PID_MAP_BY_VPID, 5, pid_map_word(5, PID_MAP_HASH_TRYING, 79)));
	pid_map_sweep(m, nobody_lives, NULL);
	assert_int_equal(pid_map_next_used(m, vpid_of(0)).n, 0);
}

/* Masked, a host pid belongs to one vpid for good, and one step does it all. */
#define TABLES(f) ONE(f, direct), ONE(f, hash)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLES(recycled_hpid_replaces_stale_binding),
		ONE(memory_of_past_tasks_goes_back, direct),
		ONE(a_writer_calls_closing_off, direct),
		TABLES(half_a_binding_reads_as_none),
		TABLES(an_old_number_is_gone_once_its_host_pid_is_taken),
		ONE(two_killed_at_one_number_leave_nothing, hash),
		ONE(levels_fill_from_below, hash),
		ONE(a_stranger_is_passed_over, masked),
		ONE(a_masked_host_pid_is_the_chosen_one, masked),
	};
	return cmocka_run_group_tests_name("pidmap ways", tests, NULL, NULL);
}
