#include "client/argument.h"

#include "client/error.h"

#include <stdarg.h>

bool
argument_missing(struct froe_error *error, ...)
{
	const char *name, *missing = NULL;
	va_list args;
	va_start(args, error);
	while (missing == NULL && (name = va_arg(args, const char *)) != NULL) {
		if (va_arg(args, const void *) == NULL)
			missing = name;
	}
	va_end(args);
	if (missing == NULL)
		return false;
	error_set_field(error, FROE_INVALID_ARGUMENT, missing, "%s is NULL", missing);
	return true;
}

bool
argument_short(struct froe_error *error, const char *name, const void *data, size_t count)
{
	if (data != NULL || count == 0)
		return false;
	error_set_field(error, FROE_INVALID_ARGUMENT, name,
	    "%s is NULL, and there are %zu of it", name, count);
	return true;
}
