/* Owning what a save has collected. */
#include "checkpoint/collect.h"

#include <unistd.h>

#include "base/fd.h"
#include "base/parallel.h"
#include "image/image.h"

static void mm_free(struct saved_mm *mm)
{
	fd_closep(&mm->pagemap);
	fd_closep(&mm->mem);
	vec_free(&mm->pages);
	vec_free(&mm->inherited);
	vec_free(&mm->for_children);
	vec_free(&mm->orphans);
	proc_maps_done(&mm->maps_read);
	vec_each(v, &mm->own)
		vma__free_unpacked(*v, NULL);
	vec_free(&mm->own);
	if (mm->m) {
		free(mm->m->vma);
		mm->m->vma = NULL;
		mm->m->n_vma = 0;
		/* MappedFiles are owned by the engine's list. */
		free(mm->m->file);
		mm->m->file = NULL;
		mm->m->n_file = 0;
		address_space__free_unpacked(mm->m, NULL);
	}
	free(mm);
}

static void process_free(struct saved_process *p)
{
	fd_closep(&p->pidfd);
	collect_outside_done(&p->seen);
	if (p->owns_fds && p->fds)
		fd_table__free_unpacked(p->fds, NULL);
	if (p->m)
		process__free_unpacked(p->m, NULL);
	free(p);
}

/* The last reference to the memory of a process that was killed: taking it apart is work. */
static void close_one(void *arg, size_t i, unsigned worker)
{
	struct saved_mm *mm = ((struct save_engine *)arg)->mms.at[i];

	fd_closep(&mm->pagemap);
	fd_closep(&mm->mem);
	mm->pagemap = mm->mem = -1;
}

void collect_free(struct save *s)
{
	struct save_engine *e = s->engine;

	parallel_for(e->mms.n, 16, close_one, e);
	vec_each(p, &e->processes)
		collect_give_back(*p);
	vec_each(mm, &e->mms)
		mm_free(*mm);
	vec_free(&e->mms);
	vec_each(p, &e->processes)
		process_free(*p);
	vec_free(&e->processes);
	vec_each(f, &e->mapped)
		mapped_file__free_unpacked(*f, NULL);
	vec_free(&e->mapped);
	vec_free(&e->file_order);
	vec_free(&e->uids.range);
	vec_free(&e->gids.range);
	free(e->by_pid);
	free(e->root);
	vec_each(f, &s->files) {
		fd_closep(&f->local);
		free(f->info);
	}
	vec_free(&s->files);
	if (s->out)
		image_writer_free(s->out);
	fd_closep(&s->root_fd);
	save_done(s);
}
