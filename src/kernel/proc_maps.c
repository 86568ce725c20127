#include "kernel/proc_maps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "base/fd.h"

static const struct {
	char letters[3];
	unsigned flag;
} vm_flags[] = {
	{"sh", PROC_MAP_SHARED},     {"mw", PROC_MAP_MAYWRITE},  {"gd", PROC_MAP_GROWSDOWN},
	{"dc", PROC_MAP_DONTFORK},   {"wf", PROC_MAP_WIPEONFORK}, {"dd", PROC_MAP_DONTDUMP},
	{"hg", PROC_MAP_HUGEPAGE},   {"nh", PROC_MAP_NOHUGEPAGE}, {"mg", PROC_MAP_MERGEABLE},
	{"lo", PROC_MAP_LOCKED},     {"sr", PROC_MAP_SEQUENTIAL}, {"rr", PROC_MAP_RANDOM},
	{"nr", PROC_MAP_NORESERVE},  {"ht", PROC_MAP_HUGETLB},   {"io", PROC_MAP_IO},
	{"pf", PROC_MAP_PFN},        {"um", PROC_MAP_UFFD},      {"uw", PROC_MAP_UFFD_WP},
	{"ui", PROC_MAP_UFFD},       {"sl", PROC_MAP_SEALED},
	{"lf", PROC_MAP_LOCKED_ON_FAULT},
};

static uint64_t hex(char **p)
{
	uint64_t v = 0;

	for (;; (*p)++) {
		unsigned c = (unsigned char)**p;
		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else
			return v;
	}
}

/* start-end rwxp offset maj:min inode   name */
static int parse_head(char *l, struct proc_map *m)
{
	m->start = hex(&l);
	if (*l++ != '-')
		return -EBADMSG;
	m->end = hex(&l);
	if (*l++ != ' ' || strlen(l) < 5)
		return -EBADMSG;
	m->prot = (l[0] == 'r' ? PROT_READ : 0) | (l[1] == 'w' ? PROT_WRITE : 0) |
		  (l[2] == 'x' ? PROT_EXEC : 0);
	if (l[3] == 's')
		m->flags |= PROC_MAP_SHARED;
	l += 5;
	m->offset = hex(&l);
	l += *l == ' ';
	unsigned major = (unsigned)hex(&l);
	l += *l == ':';
	m->dev = makedev(major, (unsigned)hex(&l));
	m->ino = strtoull(l, &l, 10);
	while (*l == ' ')
		l++;
	m->name = l;
	return 0;
}

static void parse_vm_flags(const char *l, struct proc_map *m)
{
	for (; l[0] && l[1]; l += 2) {
		while (*l == ' ')
			l++;
		if (!l[0])
			break;
		for (size_t i = 0; i < sizeof vm_flags / sizeof *vm_flags; i++)
			if (l[0] == vm_flags[i].letters[0] && l[1] == vm_flags[i].letters[1])
				m->flags |= vm_flags[i].flag;
	}
}

/* Of smaps the names are a twentieth. Files have several mappings in a row. */
static void keep_names(struct proc_maps *maps)
{
	size_t len = 1;
	const char *last = "";

	vec_each(m, &maps->map)
		len += strlen(m->name) + 1;
	char *names = malloc(len), *at = names;
	if (!names)
		return;
	*at++ = 0;
	vec_each(m, &maps->map) {
		const char *name = m->name;
		m->name = *name ? last : names;
		if (!strcmp(name, m->name))
			continue;
		last = m->name = at;
		at = stpcpy(at, name) + 1;
	}
	free(maps->text);
	maps->text = names;
	vec_trim(&maps->map);
}

int proc_maps_parse(char *text, struct proc_maps *ret)
{
	struct proc_maps maps = {.text = text};
	struct proc_map *m = NULL;

	for (char *l = text, *next; *l; l = next) {
		next = strchrnul(l, '\n');
		if (*next)
			*next++ = 0;
		if (*l >= 'A' && *l <= 'Z') {
			if (!m)
				goto bad;
			if (*l == 'V' && !strncmp(l, "VmFlags:", 8))
				parse_vm_flags(l + 8, m);
			continue;
		}
		m = vec_push(&maps.map);
		if (!m || parse_head(l, m) < 0)
			goto bad;
	}
	keep_names(&maps);
	*ret = maps;
	return 0;
bad:
	proc_maps_done(&maps);
	return -EBADMSG;
}

int proc_maps_read(int proc_fd, pid_t pid, struct proc_maps *ret)
{
	char path[48], *text;
	int r;

	snprintf(path, sizeof path, "%d/smaps", pid);
	r = fd_slurp_at(proc_fd, path, &text, NULL);
	return r < 0 ? r : proc_maps_parse(text, ret);
}

void proc_maps_done(struct proc_maps *m)
{
	vec_free(&m->map);
	free(m->text);
	m->text = NULL;
}
