/* One small process. usage: small READY-FILE */
#include "workload.h"

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: small READY-FILE\n");
		return 1;
	}
	ready_and_wait(argv[1]);
}
