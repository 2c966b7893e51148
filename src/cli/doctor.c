/*
 * cli/doctor: `froe doctor`.
 */
#include "cli/cli.h"

#include "base/bytes.h"
#include "base/fault.h"
#include "cli/checkup.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const levels[] = {"ok", "warning", "bad"};

struct report {
	enum cli_output output;
	struct terminal terminal;
	unsigned counts[3];
};

static void
print_json(const struct doctor_finding *finding, bool first)
{
	struct buf line;
	buf_init(&line);
	buf_push_text(&line, first ? "{\"findings\":[" : ",\n ");
	buf_printf(&line, "{\"level\":\"%s\",\"name\":", levels[finding->level]);
	buf_push_json_string(&line, finding->name, strlen(finding->name));
	buf_push_text(&line, ",\"fact\":");
	buf_push_json_string(&line, finding->fact, strlen(finding->fact));
	buf_push_text(&line, ",\"advice\":");
	buf_push_json_string(&line, finding->advice, strlen(finding->advice));
	buf_push_text(&line, "}");
	terminal_print(&line);
	buf_release(&line);
}

static void
print_row(const struct report *report, const struct doctor_finding *finding)
{
	static const enum terminal_colour colours[] = {
	    TERMINAL_GREEN, TERMINAL_YELLOW, TERMINAL_RED};
	struct buf line;
	buf_init(&line);
	buf_printf(&line, "%s%-8s%s %-14s ",
	    terminal_colour(&report->terminal, colours[finding->level]), levels[finding->level],
	    terminal_colour(&report->terminal, TERMINAL_PLAIN), finding->name);
	terminal_push(&report->terminal, &line, finding->fact);
	if (finding->advice[0] != 0)
		buf_printf(&line, "\n%-8s %-14s -> ", "", "");
	terminal_push(&report->terminal, &line, finding->advice);
	buf_push_text(&line, "\n");
	terminal_print(&line);
	buf_release(&line);
}

static void
take_finding(void *context, const struct doctor_finding *finding)
{
	struct report *report = context;
	bool first = report->counts[0] + report->counts[1] + report->counts[2] == 0;
	if (report->output == CLI_JSON)
		print_json(finding, first);
	else
		print_row(report, finding);
	report->counts[finding->level]++;
}

int
cli_doctor(struct cli *cli)
{
	const char *data = cli_text(cli, "data");
	bool asked = cli_given(cli, "address") != NULL || cli_given(cli, "token") != NULL ||
	    cli_given(cli, "token-file") != NULL;
	bool server = asked || cli_text(cli, "address") != NULL;
	struct report report = {
	    .output = cli_output(cli), .terminal = terminal_open(STDOUT_FILENO)};
	if (report.output == CLI_IDS)
		cli_usage(cli, "--output: findings have no ids");
	if (data != NULL || !asked)
		doctor_examine(data != NULL ? data : ".", take_finding, &report);
	if (server)
		checkup_server(cli, take_finding, &report);
	if (report.output == CLI_JSON)
		printf("],\"warnings\":%u,\"bad\":%u}\n", report.counts[DOCTOR_WARNING],
		    report.counts[DOCTOR_BAD]);
	else
		printf("%u ok, %u warning%s, %u bad\n", report.counts[DOCTOR_OK],
		    report.counts[DOCTOR_WARNING], report.counts[DOCTOR_WARNING] == 1 ? "" : "s",
		    report.counts[DOCTOR_BAD]);
	return report.counts[DOCTOR_BAD] != 0 ? FROE_EXIT_FAILED : FROE_EXIT_OK;
}
