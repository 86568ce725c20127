#include "migrate/lazy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/uffd.h"

int lazy_allowed(struct pidspace_error *err)
{
	int r = uffd_allowed();

	if (r == -EPERM)
		return error_set(err, r, "E_LAZY",
				 "--lazy needs userfaultfd(2) with events of fork(2), which the kernel gives to "
				 "CAP_SYS_PTRACE in the first user namespace alone; restore as root or without --lazy");
	return r < 0 ? error_set(err, r, "E_LAZY",
				 "--lazy needs userfaultfd(2) with events, which this kernel does not offer (%s); "
				 "restore without --lazy", strerror(-r))
		     : 0;
}

static struct page_extent *list_extents(const struct image_index *x, const bool *here)
{
	size_t n = image_index_count(x);
	struct page_extent *list = calloc(n + 1, sizeof *list);

	for (size_t i = 0; list && i < n; i++) {
		const struct format_entry *e = image_index_entry(x, i);
		list[i] = (struct page_extent){e->space_id, e->start, e->end, here[i]};
	}
	return list;
}

static struct page_client *list_clients(const struct lazy_memory *m)
{
	struct page_client *list = calloc(m->spaces.n + 1, sizeof *list);

	for (size_t i = 0; list && i < m->spaces.n; i++) {
		const struct lazy_space *s = &m->spaces.at[i];
		list[i].space_id = s->id;
		list[i].uffd = s->uffd;
		list[i].huge.process = s->process;
		for (size_t k = 0; k < s->ranges.n; k++) {
			const struct lazy_range *r = &s->ranges.at[k];
			if (missing_add(&list[i].missing, r->start, r->end) < 0 ||
			    (r->huge && huge_add(&list[i].huge, r->start, r->end) < 0))
				list[i].uffd = -1;
		}
	}
	return list;
}

int lazy_serve(struct page_server *ret, const struct lazy_file *file, const struct lazy_memory *m,
	       struct pidspace_error *err)
{
	_cleanup_free_ struct page_extent *extents = list_extents(file->index, m->here);
	_cleanup_free_ struct page_client *clients = list_clients(m);
	struct page_server_options o = {
		.source = file_source_new(file->index),
		.extents = extents,
		.n_extents = image_index_count(file->index),
		.clients = clients,
		.n_clients = m->spaces.n,
		.init = file->init,
		.name = file->name,
		.log_fd = file->log_fd,
		.keep = &file->image_fd,
		.n_keep = 1,
	};
	bool complete = o.source && extents && clients;

	for (size_t i = 0; complete && i < o.n_clients; i++)
		complete = clients[i].uffd >= 0;
	int r = complete ? page_server_start(ret, &o, err) : error_sys(err, -ENOMEM, "cannot serve pages");
	for (size_t i = 0; clients && i < o.n_clients; i++) {
		clients[i].huge.process = -1; /* the engine's */
		huge_done(&clients[i].huge);
		missing_done(&clients[i].missing);
	}
	file_source_free(o.source);
	return r;
}
