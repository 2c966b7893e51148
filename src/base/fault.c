#include "base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct err_row {
	enum froe_err code;
	enum froe_err_class class;
	const char *name;
	const char *text;
};

static const struct err_row err_table[] = {
#define FROE_ERROR(name, number, class, text) {FROE_##name, FROE_CLASS_##class, #name, text},
#include "froe/errors.def"
#undef FROE_ERROR
};

static const struct err_row *
err_find(enum froe_err err)
{
	for (size_t i = 0; i < sizeof(err_table) / sizeof(err_table[0]); i++) {
		if (err_table[i].code == err)
			return &err_table[i];
	}
	return NULL;
}

const char *
froe_err_name(enum froe_err err)
{
	const struct err_row *row = err_find(err);
	return row != NULL ? row->name : "UNKNOWN";
}

const char *
froe_err_text(enum froe_err err)
{
	const struct err_row *row = err_find(err);
	return row != NULL ? row->text : "unknown error";
}

enum froe_err_class
froe_err_class(enum froe_err err)
{
	const struct err_row *row = err_find(err);
	return row != NULL ? row->class : FROE_CLASS_SYSTEM;
}

/* The one place that maps errno to codes. */
enum froe_err
froe_err_from_errno(int sys_errno)
{
	switch (sys_errno) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return FROE_NO_SPACE;
	case EACCES:
	case EPERM:
	case EROFS:
		return FROE_DENIED;
	case ENOENT:
	case ENOTDIR:
		return FROE_NOT_FOUND;
	case EEXIST:
		return FROE_ALREADY_EXISTS;
	case EADDRINUSE:
	case EWOULDBLOCK:
	case EBUSY:
		return FROE_IN_USE;
	case ENOMEM:
		return FROE_NO_MEMORY;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
		return FROE_RESOURCE_EXHAUSTED;
	case ECONNREFUSED:
	case ENETUNREACH:
	case EHOSTUNREACH:
		return FROE_UNAVAILABLE;
	case ECONNRESET:
	case EPIPE:
	case ENOTCONN:
	case ECONNABORTED:
		return FROE_CLOSED;
	case ECANCELED:
		return FROE_CANCELLED;
	case ETIMEDOUT:
		return FROE_TIMEOUT;
	case ENOSYS:
	case EOPNOTSUPP:
		return FROE_UNSUPPORTED;
	case EINVAL:
		return FROE_INVALID_ARGUMENT;
	default:
		return FROE_IO;
	}
}

static void
fault_fill(struct froe_fault *fault, enum froe_err code, int sys_errno, const char *field,
    const char *format, va_list args)
{
	if (fault == NULL)
		return;
	fault->code = code;
	fault->sys_errno = sys_errno;
	snprintf(fault->field, sizeof(fault->field), "%s", field);
	int length = vsnprintf(fault->text, sizeof(fault->text), format, args);
	if (sys_errno != 0 && length >= 0 && (size_t)length < sizeof(fault->text)) {
		snprintf(fault->text + length, sizeof(fault->text) - (size_t)length, ": %s",
		    strerror(sys_errno));
	}
}

enum froe_err
fault_set(struct froe_fault *fault, enum froe_err code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fault_fill(fault, code, 0, "", format, args);
	va_end(args);
	return code;
}

enum froe_err
fault_set_field(struct froe_fault *fault, enum froe_err code, const char *field,
    const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fault_fill(fault, code, 0, field, format, args);
	va_end(args);
	return code;
}

enum froe_err
fault_set_errno(struct froe_fault *fault, int sys_errno, const char *format, ...)
{
	enum froe_err code = froe_err_from_errno(sys_errno);
	va_list args;
	va_start(args, format);
	fault_fill(fault, code, sys_errno, "", format, args);
	va_end(args);
	return code;
}

_Noreturn void
froe_panic(const char *file, int line, const char *function, const char *what)
{
	fprintf(stderr, "froe: panic: %s:%d: %s: %s\n", file, line, function, what);
	fflush(stderr);
	abort();
}

_Noreturn void
froe_fatal(enum froe_exit status, const char *format, ...)
{
	va_list args;
	fputs("froe: fatal: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	fflush(stderr);
	_exit((int)status);
}
