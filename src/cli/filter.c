#include "cli/filter.h"

#include "base/duration.h"

#include <string.h>
#include <time.h>

static uint32_t
status_option(const struct cli *cli)
{
	uint32_t statuses = 0;
	for (int i = 0; i < cli->given_count; i++) {
		const char *text = cli->given[i].value;
		uint32_t status = 0;
		if (strcmp(cli->given[i].name, "status") != 0)
			continue;
		while (status <= FROE_RUN_EVICTED &&
		    strcasecmp(froe_status_name((enum froe_status)status), text) != 0)
			status++;
		if (status > FROE_RUN_EVICTED)
			cli_usage(cli, "--status: \"%s\" is none of QUEUED, RUNNING, COMPLETED, "
			    "FAILED, CANCELLED, EVICTED", text);
		statuses |= 1u << status;
	}
	return statuses;
}

/* A point in time, or how long ago. */
static uint64_t
time_option(const struct cli *cli, const char *name)
{
	const char *text = cli_text(cli, name);
	struct timespec now;
	uint64_t ns;
	if (text == NULL)
		return 0;
	if (timestamp_parse(text, &ns))
		return ns;
	if (!duration_parse(text, &ns))
		cli_usage(cli, "--%s: \"%s\" is neither a time (2026-01-31T12:00:00Z, 2026-01-31) "
		    "nor how long ago (90m, 7d)", name, text);
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t now_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	return ns < now_ns ? now_ns - ns : 1;
}

static struct froe_id
parent_option(const struct cli *cli)
{
	const char *text = cli_text(cli, "parent");
	struct froe_id id = {{0}};
	if (text != NULL && !froe_id_parse(text, &id))
		cli_usage(cli, "--parent: \"%s\" is not a run's id: \"froe runs list --output "
		    "ids\" prints them", text);
	return id;
}

void
filter_take(struct filter *filter, const struct cli *cli)
{
	*filter = (struct filter){0};
	filter->options = (struct froe_list_options){
	    .statuses = status_option(cli),
	    .workflow = cli_text(cli, "workflow"),
	    .since_ns = time_option(cli, "since"),
	    .until_ns = time_option(cli, "until"),
	    .parent = parent_option(cli),
	    .worker = cli_text(cli, "worker"),
	    .scheduled = cli_flag(cli, "scheduled"),
	};
	pairs_read(&filter->pairs, cli);
	filter->options.metadata = filter->pairs.rows;
	filter->options.metadata_count = filter->pairs.count;
}

void
filter_release(struct filter *filter)
{
	pairs_release(&filter->pairs);
}

const char *
filter_given(const struct cli *cli)
{
	static const char *const names[] = {"status", "workflow", "since", "until", "parent",
	    "worker", "metadata", "scheduled"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (cli_given(cli, names[i]) != NULL)
			return names[i];
	}
	return NULL;
}
