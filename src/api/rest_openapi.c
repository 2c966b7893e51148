/*
 * api/rest_openapi: the OpenAPI document of what is served: made of the table, so it cannot lag.
 *
 * Paths are told once with all their methods. Schemas have the names that Hatchet's document gives
 * them; docs/rest.md says where an answer differs.
 */
#include "api/rest_int.h"

/* Some route before this one has the same path. */
static bool
path_told(size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(REST_ROUTES[i].path, REST_ROUTES[index].path) == 0)
			return true;
	}
	return false;
}

static void
write_parameter(struct sheet *sheet, struct bytes name, const char *in, bool uuid)
{
	sheet_open(sheet, '{');
	sheet_key(sheet, "name");
	sheet_text(sheet, name);
	sheet_put(sheet, "in", in);
	sheet_put_bool(sheet, "required", uuid);
	sheet_key(sheet, "schema");
	sheet_open(sheet, '{');
	sheet_put(sheet, "type", "string");
	if (uuid)
		sheet_put(sheet, "format", "uuid");
	sheet_close(sheet, '}');
	sheet_close(sheet, '}');
}

static void
write_parameters(struct sheet *sheet, const struct rest_route *route)
{
	const char *at = route->path;
	sheet_key(sheet, "parameters");
	sheet_open(sheet, '[');
	while ((at = strchr(at, '{')) != NULL) {
		size_t size = strcspn(++at, "}");
		write_parameter(sheet, bytes_of(at, size), "path", /* uuid= */ true);
	}
	for (at = route->query; *at != 0; at += strspn(at, " ")) {
		size_t size = strcspn(at, " ");
		write_parameter(sheet, bytes_of(at, size), "query", /* uuid= */ false);
		at += size;
	}
	sheet_close(sheet, ']');
}

static void
write_content(struct sheet *sheet, const char *schema)
{
	struct buf name;
	buf_init(&name);
	buf_printf(&name, "#/components/schemas/%s", schema);
	sheet_key(sheet, "content");
	sheet_open(sheet, '{');
	sheet_key(sheet, "application/json");
	sheet_open(sheet, '{');
	sheet_key(sheet, "schema");
	sheet_open(sheet, '{');
	sheet_key(sheet, "$ref");
	sheet_text(sheet, buf_bytes(&name));
	sheet_close(sheet, '}');
	sheet_close(sheet, '}');
	sheet_close(sheet, '}');
	buf_release(&name);
}

static void
write_response(struct sheet *sheet, const char *status, const char *text, const char *schema)
{
	sheet_key(sheet, status);
	sheet_open(sheet, '{');
	sheet_put(sheet, "description", text);
	write_content(sheet, schema);
	sheet_close(sheet, '}');
}

static void
write_roles(struct sheet *sheet, uint32_t roles)
{
	static const struct {
		enum eng_role role;
		const char *name;
	} ROWS[] = {{ENG_ROLE_CLIENT, "client"}, {ENG_ROLE_WORKER, "worker"},
	    {ENG_ROLE_OPERATOR, "operator"}, {ENG_ROLE_ADMIN, "admin"}};
	sheet_key(sheet, "x-roles");
	sheet_open(sheet, '[');
	for (size_t i = 0; i < 4 && roles != REST_ANYONE; i++) {
		if (((roles | ENG_ROLE_ADMIN) & (uint32_t)ROWS[i].role) != 0)
			sheet_text(sheet, bytes_text(ROWS[i].name));
	}
	sheet_close(sheet, ']');
}

static void
write_operation(struct sheet *sheet, const struct rest_route *route)
{
	static const char *const METHODS[] = {[HTTP_METHOD_GET] = "get",
	    [HTTP_METHOD_POST] = "post", [HTTP_METHOD_PUT] = "put",
	    [HTTP_METHOD_PATCH] = "patch", [HTTP_METHOD_DELETE] = "delete"};
	bool has_body = route->method == HTTP_METHOD_POST || route->method == HTTP_METHOD_PATCH;
	sheet_key(sheet, METHODS[route->method]);
	sheet_open(sheet, '{');
	sheet_put(sheet, "summary", route->summary);
	write_parameters(sheet, route);
	if (has_body) {
		sheet_key(sheet, "requestBody");
		sheet_open(sheet, '{');
		sheet_put_bool(sheet, "required", true);
		write_content(sheet, "Body");
		sheet_close(sheet, '}');
	}
	sheet_key(sheet, "responses");
	sheet_open(sheet, '{');
	write_response(sheet, "200", "What was asked for", route->schema);
	write_response(sheet, "default", "Why not", "APIErrors");
	sheet_close(sheet, '}');
	sheet_key(sheet, "security");
	sheet_open(sheet, '[');
	if (route->roles != REST_ANYONE) {
		sheet_open(sheet, '{');
		sheet_key(sheet, "bearerAuth");
		sheet_open(sheet, '[');
		sheet_close(sheet, ']');
		sheet_close(sheet, '}');
	}
	sheet_close(sheet, ']');
	write_roles(sheet, route->roles);
	sheet_close(sheet, '}');
}

static void
write_paths(struct sheet *sheet)
{
	sheet_key(sheet, "paths");
	sheet_open(sheet, '{');
	for (size_t i = 0; i < REST_ROUTE_COUNT; i++) {
		if (path_told(i))
			continue;
		sheet_key(sheet, REST_ROUTES[i].path);
		sheet_open(sheet, '{');
		for (size_t j = i; j < REST_ROUTE_COUNT; j++) {
			if (strcmp(REST_ROUTES[j].path, REST_ROUTES[i].path) == 0)
				write_operation(sheet, &REST_ROUTES[j]);
		}
		sheet_close(sheet, '}');
	}
	sheet_close(sheet, '}');
}

static bool
schema_told(size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(REST_ROUTES[i].schema, REST_ROUTES[index].schema) == 0)
			return true;
	}
	return false;
}

static void
write_schema(struct sheet *sheet, const char *name, const char *type)
{
	sheet_key(sheet, name);
	sheet_open(sheet, '{');
	sheet_put(sheet, "type", type);
	sheet_close(sheet, '}');
}

/* What is no object. */
static const char *
schema_type(const char *schema)
{
	if (strcmp(schema, "V1TaskStatus") == 0)
		return "string";
	return strcmp(schema, "V1WorkflowRunExternalIdList") == 0 ||
	        strcmp(schema, "V1TaskRunMetrics") == 0
	    ? "array"
	    : "object";
}

static void
write_components(struct sheet *sheet)
{
	sheet_key(sheet, "components");
	sheet_open(sheet, '{');
	sheet_key(sheet, "securitySchemes");
	sheet_raw(sheet, bytes_text("{\"bearerAuth\":{\"type\":\"http\",\"scheme\":\"bearer\"}}"));
	sheet_key(sheet, "schemas");
	sheet_open(sheet, '{');
	write_schema(sheet, "Body", "object");
	sheet_key(sheet, "APIErrors");
	sheet_raw(sheet, bytes_text(
	    "{\"type\":\"object\",\"required\":[\"errors\"],\"properties\":{\"errors\":"
	    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"description\"],"
	    "\"properties\":{\"code\":{\"type\":\"integer\"},\"field\":{\"type\":\"string\"},"
	    "\"description\":{\"type\":\"string\"}}}}}}"));
	for (size_t i = 0; i < REST_ROUTE_COUNT; i++) {
		if (!schema_told(i))
			write_schema(
			    sheet, REST_ROUTES[i].schema, schema_type(REST_ROUTES[i].schema));
	}
	sheet_close(sheet, '}');
	sheet_close(sheet, '}');
}

void
rest_openapi(struct rest_call *call)
{
	struct sheet sheet = rest_sheet(call);
	sheet_open(&sheet, '{');
	sheet_put(&sheet, "openapi", "3.1.0");
	sheet_key(&sheet, "info");
	sheet_open(&sheet, '{');
	sheet_put(&sheet, "title", "froe, as Hatchet's SDKs call it");
	sheet_put(&sheet, "version", FROE_VERSION);
	sheet_close(&sheet, '}');
	write_paths(&sheet);
	write_components(&sheet);
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}
