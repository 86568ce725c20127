/* Shows: one file opened twice stays two open files, each with its offset and access mode.
 *
 *	first (read-only at 3, write-only at 10, beyond the end at 1 MiB)
 */
#include "kindtest.h"

int main(void)
{
	int w = KT_SYS(open(kt_path("file"), O_WRONLY | O_CREAT, 0600));
	int r = KT_SYS(open(kt_path("file"), O_RDONLY)), far = KT_SYS(open(kt_path("file"), O_RDWR));
	char buf[5] = "";
	struct stat st;

	KT_EQ(write(w, "0123456789", 10), 10);
	KT_EQ(lseek(r, 3, SEEK_SET), 3);
	KT_EQ(lseek(far, 1 << 20, SEEK_SET), 1 << 20);
	kt_ready_and_wait();
	KT_EQ(fcntl(r, F_GETFL) & O_ACCMODE, O_RDONLY);
	KT_EQ(fcntl(w, F_GETFL) & O_ACCMODE, O_WRONLY);
	KT_EQ(lseek(r, 0, SEEK_CUR), 3);
	KT_EQ(lseek(w, 0, SEEK_CUR), 10);
	KT_EQ(lseek(far, 0, SEEK_CUR), 1 << 20);
	KT_EQ(KT_SYS(read(r, buf, 4)), 4);
	KT_STR_EQ(buf, "3456");
	KT_ERR(write(r, "x", 1), EBADF);
	KT_ERR(read(w, buf, 1), EBADF);
	KT_EQ(KT_SYS(write(w, "abcd", 4)), 4);
	KT_EQ(KT_SYS(pread(r, buf, 4, 10)), 4);
	KT_STR_EQ(buf, "abcd");
	KT_EQ(KT_SYS(write(far, "end", 3)), 3);
	KT_SYS(fstat(r, &st));
	KT_EQ(st.st_size, (1 << 20) + 3);
	kt_pass();
}
