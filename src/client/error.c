#include "client/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void
error_fill(struct froe_error *error, enum froe_err code, const char *field, const char *format,
    va_list args)
{
	if (error == NULL)
		return;
	error->code = code;
	snprintf(error->field, sizeof(error->field), "%s", field);
	vsnprintf(error->text, sizeof(error->text), format, args);
}

enum froe_err
error_set(struct froe_error *error, enum froe_err code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	error_fill(error, code, "", format, args);
	va_end(args);
	return code;
}

enum froe_err
error_set_field(struct froe_error *error, enum froe_err code, const char *field,
    const char *format, ...)
{
	va_list args;
	va_start(args, format);
	error_fill(error, code, field, format, args);
	va_end(args);
	return code;
}

enum froe_err
error_from_fault(struct froe_error *error, const struct froe_fault *fault)
{
	return error_set_field(error, fault->code, fault->field, "%s", fault->text);
}

/* The code of an error answer; one of a newer server, or none at all, is INTERNAL. */
static enum froe_err
error_code(const Froe__Error *wire)
{
	enum froe_err code = (enum froe_err)wire->code;
	bool known = strcmp(froe_err_name(code), "UNKNOWN") != 0;
	return known && code != FROE_OK ? code : FROE_INTERNAL;
}

static const char *
text_or(const char *text, const char *other)
{
	return text != NULL && text[0] != 0 ? text : other;
}

enum froe_err
error_from_wire(struct froe_error *error, const Froe__Error *wire)
{
	enum froe_err code = error_code(wire);
	if (error == NULL)
		return code;
	error_set_field(error, code, text_or(wire->field, ""), "%s",
	    text_or(wire->text, froe_err_text(code)));
	for (size_t i = 0; i < wire->n_faults; i++) {
		size_t used = strlen(error->text);
		const char *field = text_or(wire->faults[i]->field, "?");
		snprintf(error->text + used, sizeof(error->text) - used, "\n  %s: %s", field,
		    text_or(wire->faults[i]->text, ""));
		if (i == 0 && error->field[0] == 0)
			snprintf(error->field, sizeof(error->field), "%s", field);
	}
	return code;
}

enum froe_err
error_copy(struct froe_error *error, const struct froe_error *from)
{
	if (error != NULL)
		*error = *from;
	return from->code;
}
