/*
 * froe/error: error codes, shared by the library, the wire and the command line.
 *
 * Purpose     one enum with explicit numbers (errors.def) and its texts.
 * Threading   any thread; nothing here has state.
 */
#ifndef FROE_ERROR_H
#define FROE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum froe_err {
#define FROE_ERROR(name, number, class, text) FROE_##name = number,
#include "froe/errors.def"
#undef FROE_ERROR
};

enum froe_err_class {
	FROE_CLASS_NONE,
	FROE_CLASS_RETRY,
	FROE_CLASS_LIMIT,
	FROE_CLASS_CLIENT,
	FROE_CLASS_DATA,
	FROE_CLASS_SYSTEM,
};

/* "INVALID_ARGUMENT"; "UNKNOWN" for a number that is not in the table. */
const char *froe_err_name(enum froe_err err);

/* "invalid argument". */
const char *froe_err_text(enum froe_err err);

/* Callers branch on the class, tests on the code. */
enum froe_err_class froe_err_class(enum froe_err err);

#ifdef __cplusplus
}
#endif
#endif
