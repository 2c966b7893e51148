#include "client/address.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define SCHEME_TLS "tls://"

struct host_port {
	char host[ADDRESS_HOST_SIZE];
	char port[8];
	bool tls;
};

static bool
port_valid(const char *text)
{
	size_t size = strlen(text);
	return size > 0 && size <= 5 && strspn(text, "0123456789") == size && atoi(text) > 0 &&
	    atoi(text) <= 65535;
}

/* "host:port", "[v6]:port", either after "tls://". */
static enum froe_err
address_split(const char *text, struct host_port *ret_parts, struct froe_fault *fault)
{
	ret_parts->tls = strncmp(text, SCHEME_TLS, strlen(SCHEME_TLS)) == 0;
	const char *start = ret_parts->tls ? text + strlen(SCHEME_TLS) : text;
	const char *colon = strrchr(start, ':');
	const char *end = colon;
	if (colon != NULL && start[0] == '[') {
		start++;
		end = colon > start && colon[-1] == ']' ? colon - 1 : NULL;
	}
	if (colon == NULL || end == NULL || end == start || !port_valid(colon + 1) ||
	    (size_t)(end - start) >= sizeof(ret_parts->host)) {
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "address",
		    "\"%.200s\" is no address: write host:port, such as " ADDRESS_DEFAULT
		    ", or tls://host:port",
		    text);
	}
	memcpy(ret_parts->host, start, (size_t)(end - start));
	ret_parts->host[end - start] = 0;
	snprintf(ret_parts->port, sizeof(ret_parts->port), "%s", colon + 1);
	return FROE_OK;
}

/* "unix:PATH" */
static bool
address_unix(const char *text, struct sockaddr_un *ret_name)
{
	static const char SCHEME[] = "unix:";
	size_t skip = sizeof(SCHEME) - 1;
	*ret_name = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strncmp(text, SCHEME, skip) != 0)
		return false;
	/* One that is too long is found out by address_check. */
	snprintf(ret_name->sun_path, sizeof(ret_name->sun_path), "%s", text + skip);
	return true;
}

enum froe_err
address_check(const char *text, char ret_host[ADDRESS_HOST_SIZE], bool *ret_tls,
    struct froe_fault *fault)
{
	struct host_port parts;
	struct sockaddr_un name;
	if (address_unix(text, &name)) {
		size_t size = strlen(text) - strlen("unix:");
		ret_host[0] = 0;
		*ret_tls = false;
		if (size > 0 && size < sizeof(name.sun_path))
			return FROE_OK;
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "address",
		    "the path in \"%.200s\" has %zu bytes; a socket's has 1 to %zu: go to its "
		    "directory and give a relative one", text, size, sizeof(name.sun_path) - 1);
	}
	enum froe_err err = address_split(text, &parts, fault);
	if (err != FROE_OK)
		return err;
	memcpy(ret_host, parts.host, sizeof(parts.host));
	*ret_tls = parts.tls;
	return FROE_OK;
}

enum froe_err
address_resolve(const char *text, struct address_list *ret_list, struct froe_fault *fault)
{
	struct host_port parts;
	struct sockaddr_un name;
	if (address_unix(text, &name)) {
		*ret_list = (struct address_list){.count = 1};
		memcpy(&ret_list->addresses[0].storage, &name, sizeof(name));
		ret_list->addresses[0].size = sizeof(name);
		return FROE_OK;
	}
	enum froe_err err = address_split(text, &parts, fault);
	if (err != FROE_OK)
		return err;
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	int result = getaddrinfo(parts.host, parts.port, &hints, &found);
	if (result == EAI_NONAME) {
		hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
		result = getaddrinfo(parts.host, parts.port, &hints, &found);
	}
	if (result != 0) {
		return fault_set_field(fault, FROE_UNAVAILABLE, "address", "%.200s: %s", text,
		    gai_strerror(result));
	}
	*ret_list = (struct address_list){0};
	for (struct addrinfo *at = found; at != NULL; at = at->ai_next) {
		if (ret_list->count == ADDRESS_COUNT_MAX)
			break;
		struct address *address = &ret_list->addresses[ret_list->count++];
		memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
		address->size = at->ai_addrlen;
	}
	freeaddrinfo(found);
	return FROE_OK;
}
