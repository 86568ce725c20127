#include <pidspace/pidspace.h>

int main(void)
{
	return 0;
}
