/*
 * A route's path is compared by its segments: {name} takes any that is not empty. The table is
 * short, and looked through from the front: a path with a word goes before one with a name there.
 */
#include "api/rest_int.h"

static const char *const METHODS[] = {
    [HTTP_METHOD_GET] = "GET",
    [HTTP_METHOD_HEAD] = "HEAD",
    [HTTP_METHOD_POST] = "POST",
    [HTTP_METHOD_PUT] = "PUT",
    [HTTP_METHOD_PATCH] = "PATCH",
    [HTTP_METHOD_DELETE] = "DELETE",
    [HTTP_METHOD_OTHER] = "",
};

const char *
rest_method_name(enum http_method method)
{
	return METHODS[method];
}

/* Up to the next slash; *from goes on behind it. */
static struct bytes
segment_take(struct bytes *from)
{
	const uint8_t *slash = from->size > 0 ? memchr(from->data, '/', from->size) : NULL;
	size_t size = slash != NULL ? (size_t)(slash - from->data) : from->size;
	struct bytes segment = bytes_of(from->data, size);
	size_t skip = slash != NULL ? size + 1 : size;
	*from = bytes_of(from->data + skip, from->size - skip);
	return segment;
}

/* Ends with a slash: there is an empty segment behind it. */
static size_t
segment_count(struct bytes path)
{
	size_t count = 1;
	for (size_t i = 0; i < path.size; i++)
		count += path.data[i] == '/';
	return count;
}

static bool
route_fits(const char *pattern, struct bytes path, struct bytes params[REST_PARAMS_MAX],
    struct bytes *ret_tenant)
{
	struct bytes left = bytes_text(pattern);
	uint32_t count = 0;
	if (segment_count(left) != segment_count(path))
		return false;
	*ret_tenant = bytes_of(NULL, 0);
	while (left.size > 0) {
		struct bytes wanted = segment_take(&left), have = segment_take(&path);
		if (wanted.size == 0 || wanted.data[0] != '{') {
			if (!bytes_equal(wanted, have))
				return false;
			continue;
		}
		if (have.size == 0)
			return false;
		if (bytes_equal(wanted, bytes_text("{tenant}"))) {
			*ret_tenant = have;
			continue;
		}
		froe_assert(count < REST_PARAMS_MAX);
		params[count++] = have;
	}
	return true;
}

const struct rest_route *
rest_route_find(enum http_method method, struct bytes path, struct bytes params[REST_PARAMS_MAX],
    struct bytes *ret_tenant, uint32_t *ret_allow)
{
	enum http_method wanted = method == HTTP_METHOD_HEAD ? HTTP_METHOD_GET : method;
	*ret_allow = 0;
	for (size_t i = 0; i < REST_ROUTE_COUNT; i++) {
		const struct rest_route *route = &REST_ROUTES[i];
		if (!route_fits(route->path, path, params, ret_tenant))
			continue;
		if (route->method == wanted)
			return route;
		*ret_allow |= UINT32_C(1) << route->method;
		if (route->method == HTTP_METHOD_GET)
			*ret_allow |= UINT32_C(1) << HTTP_METHOD_HEAD;
	}
	return NULL;
}
