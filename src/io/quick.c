#include "io/quick.h"

#include "base/fault.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#define QUICK_DEVICE "/dev/cpu_dma_latency"
/* PM_QOS_CPU_LATENCY_DEFAULT_VALUE: as slow as they like. */
#define QUICK_NONE INT32_C(2000000000)

int
quick_open(void)
{
	return open(QUICK_DEVICE, O_WRONLY | O_CLOEXEC);
}

void
quick_ask(int file, bool quick)
{
	int32_t us = quick ? 0 : QUICK_NONE;
	FROE_DROP(write(file, &us, sizeof(us)) == (ssize_t)sizeof(us), "then they stay as slow");
}

void
quick_close(int file)
{
	if (file >= 0)
		close(file);
}
