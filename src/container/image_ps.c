/* pidspace_image_ps: the processes in an image, as ps shows living ones. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "container.pb-c.h"
#include "container/image_api.h"
#include "image/frame.h"
#include "process.pb-c.h"

/* USER_HZ of every architecture but alpha and ia64 (include/asm-generic/param.h): the image may come
 * from another host, whose sysconf(3) nobody can ask. */
#define TICK_NS (1000000000ULL / 100)

/* What the image says of the container as a whole. */
struct surroundings {
	char name[256];
	int64_t boot_ns; /* CLOCK_REALTIME when the clock that start_ticks count stood at 0; 0: not known */
	uint64_t page_size;
};

static int read_surroundings(const struct pidspace_image *i, struct surroundings *ret,
			     struct pidspace_error *err)
{
	*ret = (struct surroundings){.page_size = 4096};
	vec_each(p, &i->parts)
	{
		if (p->type != FRAME_CONTAINER && p->type != FRAME_HOST)
			continue;
		ProtobufCMessage *m = image_part_unpack(p, err);
		if (!m)
			return -EBADMSG;
		if (p->type == FRAME_CONTAINER) {
			const Container *c = (const Container *)m;
			snprintf(ret->name, sizeof ret->name, "%s", c->name);
			if (c->checkpoint_ns && c->boottime_ns)
				ret->boot_ns = (int64_t)c->checkpoint_ns - c->boottime_ns;
		} else if (((const Host *)m)->page_size) {
			ret->page_size = ((const Host *)m)->page_size;
		}
		protobuf_c_message_free_unpacked(m, NULL);
	}
	return 0;
}

static void fill(struct pidspace_task *t, const Process *p, const struct surroundings *s)
{
	const Thread *leader = p->n_thread ? p->thread[0] : NULL;

	t->pid = t->tgid = p->pid;
	t->ppid = p->ppid;
	t->pgid = p->pgid;
	t->sid = p->sid;
	/* All stood still when the image was made; what they will do once restored is not stop. */
	t->state = p->state == PROCESS_STATE__PROCESS_ZOMBIE ? 'Z' : p->stop_signal ? 'T' : 'S';
	t->cpu_ns = p->cpu_ticks * TICK_NS;
	t->rss_bytes = p->rss_pages * s->page_size;
	t->start_ns = s->boot_ns ? s->boot_ns + (int64_t)(p->start_ticks * TICK_NS) : 0;
	t->threads = p->n_thread ? (uint32_t)p->n_thread : 1;
	if (leader && leader->cred && leader->cred->n_uid)
		t->uid = leader->cred->uid[0];
	snprintf(t->comm, sizeof t->comm, "%s", leader ? leader->comm : "");
	if (*p->cmdline)
		snprintf(t->command, sizeof t->command, "%s", p->cmdline);
	else
		snprintf(t->command, sizeof t->command, "[%s]", t->comm);
	snprintf(t->container, sizeof t->container, "%s", s->name);
}

static int by_pid(const void *a, const void *b)
{
	const struct pidspace_task *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

int pidspace_image_ps(struct pidspace_image *i, struct pidspace_task **ret, size_t *ret_n,
		      struct pidspace_error *err)
{
	VEC(struct pidspace_task) tasks = {0};
	struct surroundings s;

	if (read_surroundings(i, &s, err) < 0)
		return -EBADMSG;
	vec_each(p, &i->parts)
	{
		if (p->type != FRAME_PROCESS)
			continue;
		ProtobufCMessage *m = image_part_unpack(p, err);
		struct pidspace_task *t = m ? vec_push(&tasks) : NULL;
		if (t)
			fill(t, (const Process *)m, &s);
		if (m)
			protobuf_c_message_free_unpacked(m, NULL);
		if (!t) {
			vec_free(&tasks);
			return m ? error_sys(err, -ENOMEM, "list the processes of an image")
				 : -EBADMSG;
		}
	}
	if (tasks.n)
		qsort(tasks.at, tasks.n, sizeof *tasks.at, by_pid);
	*ret = tasks.at;
	*ret_n = tasks.n;
	return 0;
}
