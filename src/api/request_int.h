/*
 * api/request_int: the parts of requests that several of the folder's files judge.
 */
#ifndef API_REQUEST_INT_H
#define API_REQUEST_INT_H

#include "api/request.h"

struct bytes text_of(const char *text); /* empty for NULL */
enum froe_err take_name(const char *text, const char *field, bool required, struct bytes *ret_name,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err take_tenant(const char *text, struct bytes *ret_tenant, struct froe_fault *fault)
    FROE_CHECKED;

/* request_token.c */
enum froe_err decode_token_create(const Froe__TokenCreate *create, struct arena *arena,
    struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_token_revoke(const Froe__TokenRevoke *revoke, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;

#endif
