/*
 * client/address: "host:port", "tls://host:port" or "unix:PATH" to socket addresses.
 *
 * Ownership   an address list owns its addresses.
 * Threading   address_resolve may ask a name server and then waits: call it without locks.
 */
#ifndef CLIENT_ADDRESS_H
#define CLIENT_ADDRESS_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_DEFAULT "127.0.0.1:7077"
#define ADDRESS_COUNT_MAX 8

struct address {
	struct sockaddr_storage storage;
	socklen_t size;
};

#define ADDRESS_HOST_SIZE 256u

struct address_list {
	size_t count;
	struct address addresses[ADDRESS_COUNT_MAX];
};

/* Checks the form only; what it says of the host, and whether it wants TLS. */
enum froe_err address_check(const char *text, char ret_host[ADDRESS_HOST_SIZE], bool *ret_tls,
    struct froe_fault *fault) FROE_CHECKED;

enum froe_err address_resolve(const char *text, struct address_list *ret_list,
    struct froe_fault *fault) FROE_CHECKED;

#endif
