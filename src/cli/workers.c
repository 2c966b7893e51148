/*
 * cli/workers: `froe workers list|get|pause|resume`.
 *
 * A worker is named by its id, or by its name: then all that have it are meant.
 */
#include "cli/each.h"
#include "cli/json.h"
#include "cli/terminal.h"

#include "base/bytes.h"
#include "base/duration.h"
#include "base/fault.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGE 500u

/* ------------------------------------------------------------------------------------ printing */

static void
slots_text(const struct froe_worker_view *worker, struct buf *to)
{
	for (size_t i = 0; i < worker->slot_count; i++)
		buf_printf(to, "%s%s %u/%u", i > 0 ? ", " : "", worker->slots[i].type,
		    worker->slots[i].used, worker->slots[i].count);
}

static const char *
state_colour(const struct froe_worker_view *worker, const struct terminal *terminal)
{
	bool serving = strcmp(worker->state, "serving") == 0;
	return terminal_colour(terminal, serving ? TERMINAL_GREEN : TERMINAL_YELLOW);
}

static void
row_table(const struct froe_worker_view *worker, const struct terminal *terminal, struct buf *to)
{
	char id[FROE_ID_TEXT_SIZE], registered[TIMESTAMP_TEXT_SIZE];
	froe_id_format(worker->id, id);
	timestamp_format(worker->registered_ns, registered);
	buf_printf(to, "%-36s  ", id);
	terminal_push_wide(terminal, to, worker->name, 24);
	buf_printf(to, "  %s%-8s%s  %-24s  %6u  ", state_colour(worker, terminal), worker->state,
	    terminal_colour(terminal, TERMINAL_PLAIN), registered, worker->leases);
	slots_text(worker, to);
	buf_push_text(to, "\n");
}

static void
slots_json(const struct froe_worker_view *worker, struct buf *to)
{
	buf_push_text(to, ",\"slots\":[");
	for (size_t i = 0; i < worker->slot_count; i++) {
		buf_push_text(to, i > 0 ? ",{" : "{");
		json_text(to, "type", worker->slots[i].type);
		buf_printf(to, ",\"count\":%u,\"used\":%u}", worker->slots[i].count,
		    worker->slots[i].used);
	}
	buf_push_text(to, "]");
}

static const char *
truth(bool value)
{
	return value ? "true" : "false";
}

static void
row_json(const struct froe_worker_view *worker, struct buf *to)
{
	buf_push_text(to, "{");
	json_id(to, "id", worker->id);
	buf_printf(to, ",\"number\":%" PRIu64 ",", worker->number);
	json_text(to, "name", worker->name);
	buf_push_text(to, ",");
	json_text(to, "state", worker->state);
	buf_printf(to, ",\"attached\":%s,\"draining\":%s,\"paused\":%s", truth(worker->attached),
	    truth(worker->draining), truth(worker->paused));
	json_time(to, "registered", worker->registered_ns);
	json_time(to, "seen", worker->seen_ns);
	buf_printf(to, ",\"leases\":%u,\"released\":%u,\"action_count\":%u", worker->leases,
	    worker->released, worker->action_count);
	slots_json(worker, to);
}

static void
details_json(const struct froe_worker_view *worker, struct buf *to)
{
	row_json(worker, to);
	buf_push_text(to, ",\"actions\":[");
	for (size_t i = 0; worker->actions != NULL && i < worker->action_count; i++) {
		buf_push_text(to, i > 0 ? "," : "");
		buf_push_json_string(to, worker->actions[i], strlen(worker->actions[i]));
	}
	buf_push_text(to, "],\"held\":[");
	for (size_t i = 0; i < worker->held_count; i++) {
		const struct froe_worker_lease *lease = &worker->held[i];
		buf_push_text(to, i > 0 ? ",{" : "{");
		json_id(to, "task", lease->task);
		buf_printf(to, ",\"lease\":%" PRIu64 ",\"attempt\":%u,\"released\":%s,",
		    lease->lease, lease->attempt, truth(lease->released));
		json_text(to, "workflow", lease->workflow);
		buf_push_text(to, ",");
		json_text(to, "name", lease->name);
		buf_push_text(to, "}");
	}
	buf_push_text(to, "]}\n");
}

static void
details_table(
    const struct froe_worker_view *worker, const struct terminal *terminal, struct buf *to)
{
	char id[FROE_ID_TEXT_SIZE], time[TIMESTAMP_TEXT_SIZE];
	froe_id_format(worker->id, id);
	timestamp_format(worker->registered_ns, time);
	buf_printf(to, "worker %s\n", id);
	terminal_push(terminal, to, worker->name);
	buf_printf(to, ", %s, registered %s", worker->state, time);
	if (worker->seen_ns != 0) {
		timestamp_format(worker->seen_ns, time);
		buf_printf(to, ", seen %s", time);
	}
	buf_push_text(to, "\nslots: ");
	slots_text(worker, to);
	buf_printf(to, "\nleases: %u, of which %u gave their slots back\nactions:", worker->leases,
	    worker->released);
	for (size_t i = 0; worker->actions != NULL && i < worker->action_count; i++)
		buf_printf(to, " %s", worker->actions[i]);
	buf_push_text(to, "\n");
	if (worker->held_count > 0)
		buf_printf(
		    to, "\n  %-36s  %-24s  %-20s  %s\n", "TASK", "WORKFLOW", "NAME", "ATTEMPT");
	for (size_t i = 0; i < worker->held_count; i++) {
		const struct froe_worker_lease *lease = &worker->held[i];
		froe_id_format(lease->task, id);
		buf_printf(to, "  %-36s  %-24s  %-20s  %u%s\n", id, lease->workflow, lease->name,
		    lease->attempt, lease->released ? " (slots given back)" : "");
	}
}

/* ---------------------------------------------------------------------------------------- list */

struct listing {
	enum cli_output output;
	struct terminal terminal;
	uint64_t left;
	uint64_t after;
	uint64_t count;
	struct buf text;
};

static void
listing_row(struct listing *listing, const struct froe_worker_view *worker)
{
	char id[FROE_ID_TEXT_SIZE];
	if (listing->output == CLI_IDS) {
		froe_id_format(worker->id, id);
		buf_printf(&listing->text, "%s\n", id);
	} else if (listing->output == CLI_JSON) {
		buf_push_text(&listing->text, listing->count > 0 ? ",\n" : "\n");
		row_json(worker, &listing->text);
		buf_push_text(&listing->text, "}");
	} else {
		row_table(worker, &listing->terminal, &listing->text);
	}
	listing->count++;
}

static int
listing_fill(struct froe_client *client, struct listing *listing)
{
	struct froe_worker_page *page;
	struct froe_error error;
	do {
		uint32_t limit = listing->left < PAGE ? (uint32_t)listing->left : PAGE;
		if (froe_worker_list(client, listing->after, limit, -1, &page, &error) != FROE_OK)
			return cli_fail(&error);
		for (size_t i = 0; i < page->row_count; i++)
			listing_row(listing, &page->rows[i]);
		listing->left -= page->row_count;
		listing->after = page->next;
		froe_worker_page_free(page);
	} while (listing->after != 0 && listing->left > 0);
	return FROE_EXIT_OK;
}

int
cli_workers_list(struct cli *cli)
{
	struct listing listing = {
	    .output = cli_output(cli),
	    .terminal = terminal_open(STDOUT_FILENO),
	    .left = cli_number(cli, "limit", UINT32_MAX, UINT32_MAX),
	};
	int status;
	if (listing.left == 0)
		cli_usage(cli, "--limit: at least 1");
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	buf_init(&listing.text);
	if (listing.output == CLI_JSON)
		buf_push_text(&listing.text, "{\"workers\":[");
	else if (listing.output == CLI_TABLE)
		buf_printf(&listing.text, "%-36s  %-24s  %-8s  %-24s  %6s  %s\n", "ID", "NAME",
		    "STATE", "REGISTERED", "LEASES", "SLOTS IN USE");
	status = listing_fill(client, &listing);
	if (listing.output == CLI_JSON)
		buf_push_text(&listing.text, "]}\n");
	if (status == FROE_EXIT_OK)
		terminal_print(&listing.text);
	buf_release(&listing.text);
	froe_client_close(client);
	return status;
}

/* ------------------------------------------------------------------------------------ by name */

static bool
name_check(const char *text)
{
	return text[0] != 0;
}

static const struct each_kind worker_kind = {
    .name = "worker",
    .want = "a worker's id or name: \"froe workers list\" shows them",
    .check = name_check,
};

struct chosen {
	struct froe_id *ids;
	size_t count;
};

static void
chosen_add(struct chosen *chosen, struct froe_id id)
{
	chosen->ids = mem_resize(chosen->ids, (chosen->count + 1) * sizeof(chosen->ids[0]));
	chosen->ids[chosen->count++] = id;
}

/* An id as it is; else all workers of this name, of which there must be one. */
static enum froe_err
chosen_find(struct froe_client *client, const char *text, struct chosen *chosen,
    struct froe_error *error)
{
	struct froe_worker_page *page;
	struct froe_id id;
	uint64_t after = 0;
	if (froe_id_parse(text, &id)) {
		chosen_add(chosen, id);
		return FROE_OK;
	}
	do {
		if (froe_worker_list(client, after, PAGE, -1, &page, error) != FROE_OK)
			return error->code;
		for (size_t i = 0; i < page->row_count; i++) {
			if (strcmp(page->rows[i].name, text) == 0)
				chosen_add(chosen, page->rows[i].id);
		}
		after = page->next;
		froe_worker_page_free(page);
	} while (after != 0);
	if (chosen->count > 0)
		return FROE_OK;
	*error = (struct froe_error){.code = FROE_NOT_FOUND, .field = "worker"};
	snprintf(error->text, sizeof(error->text),
	    "no worker has the id or the name \"%.200s\": \"froe workers list\" shows them", text);
	return FROE_NOT_FOUND;
}

static int
worker_show(struct froe_client *client, struct froe_id id, enum cli_output output,
    const struct terminal *terminal)
{
	struct froe_worker_view *view;
	struct froe_error error;
	struct buf text;
	if (froe_worker_get(client, id, -1, &view, &error) != FROE_OK)
		return cli_fail(&error);
	buf_init(&text);
	if (output == CLI_JSON) {
		details_json(view, &text);
	} else if (output == CLI_IDS) {
		char plain[FROE_ID_TEXT_SIZE];
		froe_id_format(view->id, plain);
		buf_printf(&text, "%s\n", plain);
	} else {
		details_table(view, terminal, &text);
	}
	terminal_print(&text);
	buf_release(&text);
	froe_worker_view_free(view);
	return FROE_EXIT_OK;
}

static int
show_all(const struct each *each, struct froe_client *client, const char *text)
{
	struct terminal terminal = terminal_open(STDOUT_FILENO);
	struct chosen chosen = {0};
	struct froe_error error;
	int status = FROE_EXIT_OK;
	if (chosen_find(client, text, &chosen, &error) != FROE_OK)
		status = cli_fail_of(each_name(each, text), &error);
	for (size_t i = 0; i < chosen.count && status == FROE_EXIT_OK; i++)
		status = worker_show(client, chosen.ids[i], cli_output(each->cli), &terminal);
	mem_free(chosen.ids);
	return status;
}

int
cli_workers_get(struct cli *cli)
{
	return each_show(cli, &worker_kind, show_all);
}

/* ------------------------------------------------------------------------------- pause, resume */

struct pause {
	bool paused;
	const char *reason;
};

/* All of a name, as far as it goes. */
static enum froe_err
pause_one(void *context, struct froe_client *client, const char *text, struct froe_error *error)
{
	const struct pause *pause = context;
	struct chosen chosen = {0};
	enum froe_err err = chosen_find(client, text, &chosen, error);
	for (size_t i = 0; i < chosen.count && err == FROE_OK; i++)
		err = froe_worker_pause(
		    client, chosen.ids[i], pause->paused, pause->reason, -1, error);
	mem_free(chosen.ids);
	return err;
}

static int
pause_all(const struct cli *cli, bool paused)
{
	struct pause pause = {.paused = paused, .reason = cli_text(cli, "reason")};
	struct each_action action = {
	    .done = paused ? "paused" : "resumed",
	    .act = pause_one,
	    .context = &pause,
	};
	return each_act(cli, &worker_kind, &action);
}

int
cli_workers_pause(struct cli *cli)
{
	return pause_all(cli, true);
}

int
cli_workers_resume(struct cli *cli)
{
	return pause_all(cli, false);
}
