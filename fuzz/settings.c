/*
 * A configuration file: it is taken whole, or refused with status 2; what it says of any option of
 * any command is one of its values.
 *
 * settings_open() ends the process when it refuses: here exit() comes back instead (fuzz.mk wraps
 * it).
 *
 * Input: the file.
 */
#include "fuzz/feed.h"

#include "cli/settings.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static jmp_buf refused;
static bool armed;

_Noreturn void __real_exit(int status);
_Noreturn void __wrap_exit(int status);

_Noreturn void
__wrap_exit(int status)
{
	if (!armed)
		__real_exit(status);
	armed = false;
	longjmp(refused, status);
}

static void
ask(const struct settings *settings)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *command = &cli_commands[i];
		const struct cli_option *option = command->options;
		for (; option->name != NULL; option++) {
			char source[SETTINGS_SOURCE_BYTES];
			int status = setjmp(refused);
			armed = status == 0;
			const char *value = armed
			    ? settings_value(settings, command, option->name, source)
			    : NULL;
			armed = false;
			froe_assert(status == 0 || status == FROE_EXIT_USAGE);
			if (value == NULL)
				continue;
			froe_assert(settings_has(command, option->name));
			froe_assert(strlen(value) < FROE_PAYLOAD_BYTES_MAX);
		}
	}
}

static void
judge(const char *path)
{
	static struct settings settings;
	settings = (struct settings){0};
	int status = setjmp(refused);
	armed = status == 0;
	if (armed)
		settings_open(&settings, path);
	armed = false;
	froe_assert(status == 0 || status == FROE_EXIT_USAGE);
	if (status == 0)
		ask(&settings);
	settings_close(&settings);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int file = -1;
	static FILE *nowhere;
	char path[64];
	if (file < 0) {
		file = memfd_create("settings", 0);
		nowhere = fopen("/dev/null", "we");
		froe_assert(file >= 0 && nowhere != NULL);
		clearenv(); /* FROE_OUTPUT and the like come before the file */
	}
	froe_assert(ftruncate(file, 0) == 0);
	froe_assert(pwrite(file, data, size, 0) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	FILE *errors = stderr;
	stderr = nowhere;
	judge(path);
	stderr = errors;
	return 0;
}
