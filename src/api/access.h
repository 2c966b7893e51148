/*
 * api/access: may a connection with these roles send this message?
 *
 * Purpose     One table (api/access.def), asked where a message becomes a command. What is not in
 *             the table may not be sent: a new message needs its row.
 * Units       roles: a set of enum eng_role.
 * Threading   any thread; nothing here has state.
 * See         docs/security.md, "Roles"
 */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include "api/port.h"

/* Of /metrics: they tell of all tenants, so the token's scope is all tenants too. */
#define ACCESS_METRICS_ROLES ((uint32_t)(ENG_ROLE_ADMIN | ENG_ROLE_OPERATOR))

/* Who may send this body of Envelope; 0: it is not a request. */
uint32_t access_roles(uint32_t body);

/* FROE_FORBIDDEN: none of the roles may; FROE_PROTOCOL: nobody may. */
enum froe_err access_check(uint32_t body, uint32_t roles, struct froe_fault *fault) FROE_CHECKED;

/* Of those who may start runs: a worker starts children of its tasks and nothing else. */
enum froe_err access_starts_check(const struct api_command *command, uint32_t roles,
    struct froe_fault *fault) FROE_CHECKED;

const char *access_role_name(enum eng_role role); /* "admin" */
/* 0: no role has this name. */
uint32_t access_role_parse(struct bytes name);

#define ACCESS_ROLES_TEXT_SIZE 64
/* "admin,client"; "none" for the empty set. */
void access_roles_format(uint32_t roles, char text[ACCESS_ROLES_TEXT_SIZE]);

#endif
