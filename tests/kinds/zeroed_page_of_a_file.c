/* Shows: a page of zeros in a private file mapping stays one, and does not become what the file has there.
 *
 *	first
 */
#include "kindtest.h"

enum { PAGES = 8, ZEROS = 3 };

int main(void)
{
	static char file[PAGES * PAGE];
	char *map;
	int fd;

	kt_fill(file, sizeof(file), 5);
	fd = KT_SYS(open(kt_path("file"), O_RDWR | O_CREAT, 0600));
	KT_EQ(write(fd, file, sizeof(file)), sizeof(file));
	map = KT_SYS(mmap(NULL, sizeof(file), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	memset(map + ZEROS * PAGE, 0, PAGE);
	KT_SYS(mprotect(map, sizeof(file), PROT_READ));
	kt_ready_and_wait();
	for (size_t o = 0; o < sizeof(file); o++)
		KT_EQ(map[o], o / PAGE == ZEROS ? 0 : file[o]);
	kt_pass();
}
