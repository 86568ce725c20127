#include "tracee/guard.h"

#include <signal.h>
#include <string.h>

#include "base/fd.h"

static const uint8_t sigreturn_code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};

/* Looks for code that calls rt_sigreturn in the executable mappings; libc has it. */
static uint64_t find_sigreturn(struct guard_cache *c, const struct tracee *t, const struct proc_maps *maps)
{
	static const size_t chunk = 1 << 20;

	vec_each(m, &maps->map) {
		if (!(m->prot & 4) || !m->ino)
			continue;
		int64_t at = -2;
		vec_each(row, &c->row)
			if (row->dev == m->dev && row->ino == m->ino && row->offset == m->offset)
				at = row->at;
		if (at == -2) {
			_cleanup_free_ uint8_t *buf = malloc(chunk);
			size_t len = m->end - m->start;
			at = -1;
			for (size_t o = 0; buf && at < 0 && o < len && o < 4 * chunk; o += chunk - 16) {
				size_t n = len - o < chunk ? len - o : chunk;
				uint8_t *hit = tracee_read(t, m->start + o, buf, n) < 0 ? NULL
					: memmem(buf, n, sigreturn_code, sizeof sigreturn_code);
				if (hit)
					at = (int64_t)o + (hit - buf);
			}
			__typeof__(c->row.at) row = vec_push(&c->row);
			if (row) {
				row->dev = m->dev;
				row->ino = m->ino;
				row->offset = m->offset;
				row->at = at;
			}
		}
		if (at >= 0)
			return m->start + (uint64_t)at;
	}
	return 0;
}

/* Dead memory lies below the stack pointer of a real stack: the main one, or a mapping of moderate size
 * with a guard below it; what a language runtime keeps on its heap may have neighbours. */
static bool dead_below(const struct proc_maps *maps, uint64_t rsp)
{
	for (size_t i = 0; i < maps->map.n; i++) {
		const struct proc_map *m = &maps->map.at[i], *below = i ? m - 1 : NULL;
		if (rsp < m->start || rsp >= m->end)
			continue;
		if (rsp - m->start < 32768)
			return !strcmp(m->name, "[stack]");
		return !strcmp(m->name, "[stack]") ||
		       (below && below->end == m->start && !below->prot && m->end - m->start <= 64 << 20);
	}
	return false;
}

int guard_quiet_signal(const struct proc_status *st)
{
	static const int candidates[] = {SIGURG, SIGWINCH, SIGCHLD};
	uint64_t busy = st->pending | st->shared_pending | st->caught;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < 3; i++) {
			uint64_t bit = UINT64_C(1) << (candidates[i] - 1);
			if (!(busy & bit))
				return candidates[i];
		}
		busy &= ~st->caught | st->pending | st->shared_pending;
	}
	return SIGURG;
}

void guard_prepare(struct guard_cache *c, struct tracee *t, const struct proc_maps *maps)
{
	vec_each(m, &maps->map)
		if (!strcmp(m->name, "[vdso]"))
			t->vdso = m->start;
	t->sigreturn = find_sigreturn(c, t, maps);
	t->stack_below = dead_below(maps, t->regs.rsp);
}

void guard_cache_done(struct guard_cache *c)
{
	vec_free(&c->row);
}
