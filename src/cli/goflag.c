#include "cli/goflag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What strconv.ParseBool takes. */
static bool
bool_parse(const char *text, bool *ret_value)
{
	static const char *const words[] = {
	    "1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"};
	const size_t count = sizeof(words) / sizeof(words[0]);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*ret_value = i < count / 2;
		return true;
	}
	return false;
}

static bool
port_parse(const char *text, uint16_t *ret_value)
{
	char *end;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != 0 || errno != 0 || value > UINT16_MAX)
		return false;
	*ret_value = (uint16_t)value;
	return true;
}

static enum froe_err
flag_set(const struct goflag *flag, const char *text, struct froe_fault *fault)
{
	switch (flag->kind) {
	case GOFLAG_TEXT:
		*(const char **)flag->value = text;
		return FROE_OK;
	case GOFLAG_BOOL:
		if (bool_parse(text, flag->value))
			return FROE_OK;
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, flag->name,
		    "\"%.100s\" is neither true nor false", text);
	case GOFLAG_PORT:
		if (port_parse(text, flag->value))
			return FROE_OK;
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, flag->name,
		    "\"%.100s\" is not a port: a number from 0 to 65535", text);
	}
	froe_never("a kind of flag");
}

static const struct goflag *
flag_find(const struct goflag *flags, const char *name, size_t size)
{
	for (; flags->name != NULL; flags++) {
		if (strlen(flags->name) == size && memcmp(flags->name, name, size) == 0)
			return flags;
	}
	return NULL;
}

/* One flag, and its value if that is the next word. *ret_taken: how many words it was. */
static enum froe_err
flag_take(
    const struct goflag *flags, int argc, char **argv, int *ret_taken, struct froe_fault *fault)
{
	const char *name = argv[0] + (argv[0][1] == '-' ? 2 : 1);
	const char *equal = strchr(name, '=');
	size_t size = equal != NULL ? (size_t)(equal - name) : strlen(name);
	if (size == 0 || *name == '-')
		return fault_set(fault, FROE_INVALID_ARGUMENT,
		    "\"%.100s\" is not a flag: write -name value or -name=value", argv[0]);
	const struct goflag *flag = flag_find(flags, name, size);
	if (flag == NULL)
		return fault_set(
		    fault, FROE_INVALID_ARGUMENT, "there is no flag -%.*s", (int)size, name);
	*ret_taken = 1;
	if (equal != NULL)
		return flag_set(flag, equal + 1, fault);
	if (flag->kind == GOFLAG_BOOL)
		return flag_set(flag, "true", fault);
	if (argc < 2)
		return fault_set_field(
		    fault, FROE_INVALID_ARGUMENT, flag->name, "its value is missing");
	*ret_taken = 2;
	return flag_set(flag, argv[1], fault);
}

enum froe_err
goflag_parse(
    const struct goflag *flags, int argc, char **argv, int *ret_rest, struct froe_fault *fault)
{
	int at = 0;
	while (at < argc && argv[at][0] == '-' && argv[at][1] != 0) {
		int taken = 0;
		if (strcmp(argv[at], "--") == 0) {
			at++;
			break;
		}
		enum froe_err err = flag_take(flags, argc - at, argv + at, &taken, fault);
		if (err != FROE_OK)
			return err;
		at += taken;
	}
	*ret_rest = argc - at;
	return FROE_OK;
}
