#include <stdio.h>

int
main(void)
{
	puts("vigie " VIGIE_VERSION);
	return 0;
}
