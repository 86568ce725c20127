/* Refused with E_HUGETLB: a memfd of huge pages.
 *
 *	first
 */
#include "kindtest.h"

int main(void)
{
	int fd = memfd_create("huge", MFD_HUGETLB);
	struct stat st;

	if (fd < 0)
		kt_skip("no hugetlbfs here");
	kt_refused_with("E_HUGETLB");
	kt_ready_and_wait();
	KT_SYS(fstat(fd, &st));
	KT_EQ(st.st_size, 0);
	kt_pass();
}
