/*
 * server/hub_note: what is said of access, as it happens: who was refused and why, and who used
 * what only some may use.
 *
 * The log of the store has the second part too, with who and when, for as long as its segments
 * are kept (`froe log dump --audit`). Who is refused leaves no record there: anyone could fill the
 * disk. Anyone who can connect can be refused; so that is one line a second, and how many there
 * were.
 */
#include "server/hub_int.h"

#include "api/access.h"
#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>

#define SAY_NS NS_PER_S

static void
say(const struct hub *hub, const struct hub_note *note)
{
	if (hub->note != NULL)
		hub->note(hub->deliver_context, note);
}

/* What goes into a line: the start of it, without control characters. */
static const char *
clip(struct bytes from, char *to, size_t size)
{
	size_t length = from.size < size - 1 ? from.size : size - 1;
	for (size_t i = 0; i < length; i++)
		to[i] = (char)(from.data[i] < ' ' || from.data[i] == 0x7f ? ' ' : from.data[i]);
	to[length] = 0;
	return to;
}

/* ---------------------------------------------------------------------------------- refused */

void
hub_note_refused(struct hub *hub, const struct api_command *command, const struct hub_who *who)
{
	char text[160], kid[TOKEN_KID_TEXT_SIZE];
	hub->refused_unsaid++;
	if (hub->refused_said_ns != 0 && hub->mono_ns < hub->refused_said_ns + SAY_NS)
		return;
	token_kid_format(who->kid, kid);
	snprintf(text, sizeof(text), "%s was refused: %s%s%s",
	    command->op == API_OP_METRICS ? "a scrape of /metrics" : "a connection", who->why,
	    who->kid != 0 ? ": token " : "", who->kid != 0 ? kid : "");
	struct hub_note note = {
	    .event = "token_refused",
	    .warning = true,
	    .text = text,
	    .peer = command->open.peer.text,
	    .count = hub->refused_unsaid,
	};
	say(hub, &note);
	hub->refused_said_ns = hub->mono_ns;
	hub->refused_unsaid = 0;
}

/* ------------------------------------------------------------------------------ what was done */

static void
roles_text(uint32_t roles, char *to, size_t size)
{
	size_t used = 0;
	to[0] = 0;
	for (uint32_t bit = 1; bit <= ENG_ROLES_ALL; bit <<= 1) {
		if ((roles & bit) == 0)
			continue;
		used += (size_t)snprintf(to + used, size - used, "%s%s", used > 0 ? "," : "",
		    access_role_name((enum eng_role)bit));
	}
}

static void
text_token(const struct eng_event *event, char *text, size_t size)
{
	char kid[TOKEN_KID_TEXT_SIZE], name[65], scope[65], roles[64];
	token_kid_format(event->kid, kid);
	if (event->type == ENG_EV_TOKEN_REVOKED) {
		snprintf(text, size, "token %s was revoked", kid);
		return;
	}
	roles_text(event->roles, roles, sizeof(roles));
	snprintf(text, size, "token %s (%s) of tenant %s was created, for %s", kid,
	    clip(event->name, name, sizeof(name)), clip(event->scope, scope, sizeof(scope)), roles);
}

static void
text_worker(const struct hub *hub, const struct eng_event *event, char *text, size_t size)
{
	char name[65], why[129];
	snprintf(text, size, "worker %" PRIu64 " (%s) was %s%s%s", event->worker,
	    clip(eng_worker_name(hub->shard->eng, event->worker), name, sizeof(name)),
	    event->type == ENG_EV_WORKER_PAUSED ? "paused" : "resumed",
	    event->text.size > 0 ? ": " : "", clip(event->text, why, sizeof(why)));
}

static void
text_workflow(const struct hub *hub, const struct eng_event *event, char *text, size_t size)
{
	struct eng_version_view version = {0};
	char name[65], why[129];
	const char *what = event->type == ENG_EV_WORKFLOW_PAUSED ? "paused"
	    : event->type == ENG_EV_WORKFLOW_RESUMED             ? "resumed"
	                                                         : "deleted";
	froe_assert(eng_version(hub->shard->eng, event->workflow, 1, &version));
	snprintf(text, size, "workflow %s was %s%s%s",
	    clip(version.workflow, name, sizeof(name)), what, event->text.size > 0 ? ": " : "",
	    clip(event->text, why, sizeof(why)));
}

static void
text_job(const struct eng_event *event, char *text, size_t size)
{
	char why[129];
	if (event->type == ENG_EV_JOB_ENDED)
		snprintf(text, size, "job %" PRIu64 " was cancelled", event->job);
	else
		snprintf(text, size, "job %" PRIu64 " was started, to %s runs%s%s", event->job,
		    event->kind == ENG_JOB_CANCEL ? "cancel" : "replay",
		    event->text.size > 0 ? ": " : "", clip(event->text, why, sizeof(why)));
}

/* What of the events a person did to tokens, workers and many runs at once. Changes of single runs
 * are in their histories. */
void
hub_note_event(const struct hub *hub, const struct eng_event *event)
{
	char text[512], actor[FROE_NAME_BYTES_MAX + 1];
	if (event->run != 0)
		return;
	if (event->type == ENG_EV_TOKEN_CREATED || event->type == ENG_EV_TOKEN_REVOKED)
		text_token(event, text, sizeof(text));
	else if (event->type == ENG_EV_WORKER_PAUSED || event->type == ENG_EV_WORKER_RESUMED)
		text_worker(hub, event, text, sizeof(text));
	else if (event->type == ENG_EV_WORKFLOW_PAUSED ||
		 event->type == ENG_EV_WORKFLOW_RESUMED ||
		 event->type == ENG_EV_WORKFLOW_DELETED)
		text_workflow(hub, event, text, sizeof(text));
	else if (event->type == ENG_EV_JOB_STARTED ||
		 (event->type == ENG_EV_JOB_ENDED && event->status == ENG_CANCELLED))
		text_job(event, text, sizeof(text));
	else
		return;
	struct hub_note note = {
	    .event = "audit",
	    .text = text,
	    .actor = event->actor.size > 0 ? clip(event->actor, actor, sizeof(actor)) : "unknown",
	};
	say(hub, &note);
}

void
hub_note_warning(const struct hub *hub, const char *text)
{
	say(hub, &(struct hub_note){.event = "access", .warning = true, .text = text});
}
