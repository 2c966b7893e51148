/*
 * cli/details: the paragraphs of the manual, by command.
 */
#include "cli/help.h"

#include <string.h>

static const char general[] =
    "`froe --help` lists the commands, `froe COMMAND --help` explains one. Options may stand "
    "before\n"
    "or after arguments. Durations are written `500ms`, `30s`, `1h30m`.\n"
    "\n"
    "What a program may want to read (ids, JSON, results) goes to standard output, everything "
    "else\n"
    "to standard error. A closed pipe (`froe runs list | head`) ends the command quietly.\n"
    "\n"
    "Settings, that is where the server is and how to print, and all options of `froe server`, "
    "may\n"
    "also stand in the environment (`--heartbeat-lost` is `FROE_HEARTBEAT_LOST`) or in the "
    "file that\n"
    "`--config FILE` or `FROE_CONFIG` names. The command line goes before the environment, that\n"
    "before the file:\n"
    "\n"
    "    # for all commands\n"
    "    tenant = shop\n"
    "    [server]\n"
    "    listen = 127.0.0.1:7077\n"
    "    edge-sessions = yes\n"
    "    [client]\n"
    "    output = json\n"
    "\n"
    "Commands that talk to a server try for two seconds to connect to `--address`, by default\n"
    "127.0.0.1:7077. Once connected they outlive a restart of the server: `froe run --wait` "
    "goes on\n"
    "waiting. With `tls://` before it the connection is encrypted and the server's certificate\n"
    "verified, always: `--tls-ca` names who signs it, or the certificate itself.\n"
    "\n"
    "The server writes one line an event to standard error: as text, with "
    "`FROE_LOG_FORMAT=json` as\n"
    "JSON, under systemd with its level's prefix.\n"
    "\n"
    "Exit statuses:\n"
    "\n"
    "- 0: done; for `run --wait` and `runs watch`: the run COMPLETED\n"
    "- 1: the request was refused, or the run FAILED or was CANCELLED\n"
    "- 2: the command line or a setting is wrong; standard error says what and names the help\n"
    "- 65: the data directory is damaged or of another version: the server refuses to start;\n"
    "  `log verify` found damage\n"
    "- 69: no server answers, or not in time: the outcome of a request may be unknown\n"
    "- 70: froe found a fault in itself (a failed assertion)\n"
    "- 74: a write of the log failed: nothing after it was acknowledged\n"
    "- 75: the index tripped over its own damage: the next start makes it anew\n"
    "- 76: another server holds the data directory";

static const struct {
	const char *words;
	const char *text;
} details[] = {
    {"server",
	"Serves the data directory until SIGTERM or SIGINT; one process, one directory, one port.\n"
	"\n"
	"With `--tls-cert` and `--tls-key` it speaks TLS 1.3 on that port, and plaintext on\n"
	"loopback only; without them it listens on loopback, or elsewhere if `--tls off` says so.\n"
	"SIGHUP reads the files again."},
    {"dev",
	"The same as `froe server` in a temporary directory, which it removes at the end, with\n"
	"access control off. It prints three things to try."},
    {"run",
	"Prints the run's id as soon as the run is acknowledged, that is, on disk. A lost "
	"connection\n"
	"does not start it twice.\n"
	"\n"
	"With `--wait` it prints the result instead; a run that does not complete is exit "
	"status 1\n"
	"and its error on standard error.\n"
	"\n"
	"With `--at` or `--in` the run waits without a task, and begins on the version of its\n"
	"workflow that is the newest then; `runs cancel` deletes it. One that fell due while no\n"
	"server ran begins at the next start, marked late.\n"
	"\n"
	"With `--bulk` each line of the file is the input of a run. Up to 1000 are started in one\n"
	"step, all of them or none; their ids are printed in order once they are on disk."},
    {"runs list",
	"All conditions that are given must fit. Times are of creation, in UTC. Never older than\n"
	"what was acknowledged before, to anyone. While the server makes its index anew, the\n"
	"answer is INDEX_BEHIND (status 69): try again later. `--output json` prints\n"
	"`{\"runs\": [...], \"next\": CURSOR}`; `next` is 0 on the last page."},
    {"runs get", "With tasks, attempts, errors, times and log positions, exact to the last write."},
    {"runs watch",
	"A line for each change of a task, then one for the end. With `--output json` one "
	"object a\n"
	"line, the last with `\"final\": true`."},
    {"runs stream",
	"Chunks as they are, or with `--output json` one object a line with position, task and\n"
	"attempt. Goes on until the run has ended; of a run that has ended it prints what "
	"there is."},
    {"runs cancel",
	"Returns when the cancel is on disk; with `--children`, descendants follow soon after."},
    {"events push",
	"Prints the event's number once it is on disk. All steps of durable tasks that wait for\n"
	"the key now get the JSON (default `{}`; `-` reads standard input); later ones do not."},
    {"approvals list",
	"The data is what the task shows to whoever decides. `--output ids` prints numbers, one a\n"
	"line: `froe approvals list --output ids | froe approvals approve -`."},
    {"approvals approve",
	"Returns when the decision is on disk. One that was decided before, or is no longer asked "
	"for,\n"
	"is refused, and the message says by whom it was decided, if that is known."},
    {"worker exec",
	"Registers the workflow with one task, `exec`, and runs the command for each attempt:\n"
	"\n"
	"- Standard input is the run's input, JSON text.\n"
	"- Standard output is the task's output: JSON as it is; any other text becomes a JSON "
	"string\n"
	"  without the white space at its end; nothing is `null`. More than 4 MiB fails the "
	"attempt.\n"
	"- Each line on standard error becomes a line of the task's log; the first 1000 are kept.\n"
	"- An exit status other than 0, or a signal, fails the attempt; the error names it and "
	"the\n"
	"  last line of standard error.\n"
	"- The environment has `FROE_RUN_ID`, `FROE_WORKFLOW`, `FROE_TASK_ID` (the same in all\n"
	"  attempts: a key for whatever must happen once), `FROE_LEASE` (rises with each\n"
	"  assignment), `FROE_ATTEMPT` and `FROE_RETRIES`.\n"
	"- The command has a process group of its own. On cancel, timeout, or when the lease is\n"
	"  lost, the group gets SIGTERM and five seconds later SIGKILL. What is left of it "
	"when the\n"
	"  command ends is killed.\n"
	"- On SIGTERM, SIGINT or SIGHUP the worker takes no more tasks, gives running commands "
	"ten\n"
	"  seconds, cancels the rest and leaves; what it did not finish is queued again at "
	"once and\n"
	"  counts as no failure.\n"
	"\n"
	"A worker that is killed with SIGKILL cannot end its commands. Their results are never\n"
	"used: the lease is the worker's."},
    {"log dump",
	"Reads the directory itself, with or without a server; a position is what `dump` prints."},
    {"doctor",
	"Looks at the kernel, io_uring, the file system, the latency of a synced write, free "
	"space,\n"
	"limits and the clock; each line has a fact and, where it is wanting, what to do. Exit "
	"status\n"
	"1 when something is bad."},
    {"completion", "    source <(froe completion bash)\n"
		   "    froe completion zsh > \"${fpath[1]}/_froe\"\n"
		   "    froe completion fish > ~/.config/fish/completions/froe.fish"},
};

const char *
help_details(const struct cli_command *command)
{
	if (command == NULL)
		return general;
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
		if (strcmp(details[i].words, command->words) == 0)
			return details[i].text;
	}
	return NULL;
}
