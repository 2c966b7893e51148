/*
 * api/rest_tenant: the tenant, and what can be asked without a token.
 */
#include "api/rest_view.h"

void
rest_tenant(struct rest_call *call)
{
	struct sheet sheet = rest_sheet(call);
	const char *name = (const char *)buf_bytes(&call->rest->tenant_name).data;
	sheet_open(&sheet, '{');
	view_meta(&sheet, call->rest->tenant, VIEW_UNKNOWN_NS, 0);
	sheet_put(&sheet, "name", name);
	sheet_put(&sheet, "slug", name);
	sheet_put(&sheet, "version", "V1");
	sheet_put_bool(&sheet, "analyticsOptOut", true);
	sheet_put_bool(&sheet, "alertMemberEmails", false);
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

void
rest_meta(struct rest_call *call)
{
	struct sheet sheet = rest_sheet(call);
	sheet_open(&sheet, '{');
	sheet_key(&sheet, "auth");
	sheet_open(&sheet, '{');
	sheet_key(&sheet, "schemes");
	sheet_open(&sheet, '[');
	sheet_text(&sheet, bytes_text("bearer"));
	sheet_close(&sheet, ']');
	sheet_close(&sheet, '}');
	sheet_put_bool(&sheet, "allowSignup", false);
	sheet_put_bool(&sheet, "allowInvites", false);
	sheet_put_bool(&sheet, "allowCreateTenant", false);
	sheet_put_bool(&sheet, "allowChangePassword", false);
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

void
rest_live(struct rest_call *call)
{
	struct sheet sheet = rest_sheet(call);
	sheet_raw(&sheet, bytes_text("{}"));
	rest_finish(call, 200);
}

void
rest_ready(struct rest_call *call)
{
	struct sheet sheet = rest_sheet(call);
	if (!atomic_load_explicit(call->rest->ready, memory_order_relaxed)) {
		rest_fail(call, 503, NULL, "the server is starting, or stops");
		return;
	}
	sheet_raw(&sheet, bytes_text("{}"));
	rest_finish(call, 200);
}

void
rest_version(struct rest_call *call)
{
	struct sheet sheet = rest_sheet(call);
	sheet_open(&sheet, '{');
	sheet_put(&sheet, "version", "froe " FROE_VERSION);
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}
