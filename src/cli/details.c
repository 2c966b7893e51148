/*
 * cli/details: the paragraphs of the manual, by command.
 */
#include "cli/help.h"

#include <string.h>

static const char general[] =
    "`froe --help` lists the commands, `froe COMMAND --help` explains one. Options may stand\n"
    "before or after arguments. Durations are written `500ms`, `30s`, `1h30m`, `7d`.\n"
    "\n"
    "What a program may want to read (ids, JSON, results) goes to standard output, everything\n"
    "else to standard error. A closed pipe (`froe runs list | head`) ends the command quietly.\n"
    "Colours are for terminals only, and not for those with `NO_COLOR` or `TERM=dumb`; lines are\n"
    "drawn with letters where the locale is not UTF-8.\n"
    "\n"
    "Where a command takes ids, it takes several, and `-` stands for those on standard input,\n"
    "one a line: `froe runs list --status FAILED --output ids | froe runs cancel -`. What became\n"
    "of each is said: of those that went well on standard output (`--output ids`: the ids alone,\n"
    "for the next command of the pipe; `json`: an object a line), of the others on standard\n"
    "error. One that fails does not keep the others from being tried; the exit status says that\n"
    "there was one.\n"
    "\n"
    "# Exit statuses\n"
    "\n"
    "- 0: done; for `run --wait` and `runs watch`: the run COMPLETED\n"
    "- 1: the request was refused, or the run FAILED or was CANCELLED\n"
    "- 2: the command line or a setting is wrong; standard error says what and names the help\n"
    "- 65: the data directory is damaged or of another version: the server refuses to start;\n"
    "  `log verify` found damage\n"
    "- 69: no server answers, or not in time: the outcome of a request may be unknown\n"
    "- 70: froe was refused what it cannot go on without, mostly memory (a fault of its own\n"
    "  ends it by SIGABRT)\n"
    "- 74: a write of the log failed: nothing after it was acknowledged\n"
    "- 75: the index tripped over its own damage: the next start makes it anew\n"
    "- 76: another server holds the data directory\n"
    "\n"
    "# Settings\n"
    "\n"
    "Where the server is and how to print, and all options of `froe server`, may also stand in\n"
    "the environment (`--heartbeat-lost` is `FROE_HEARTBEAT_LOST`) or in the file that\n"
    "`--config FILE` or `FROE_CONFIG` names. The command line goes before the environment, that\n"
    "before the file:\n"
    "\n"
    "    # for all commands\n"
    "    tenant = shop\n"
    "    [server]\n"
    "    listen = 127.0.0.1:7077\n"
    "    edge-sessions = yes\n"
    "    [client]\n"
    "    output = json";

static const char connection[] =
    "Commands that talk to a server try for two seconds to connect. Once connected they outlive\n"
    "a restart of the server: `froe run --wait` goes on waiting.\n"
    "\n"
    "An address `unix:PATH` is a server's `admin.sock`, which asks for no token (security.md).\n"
    "With `tls://` before it the connection is encrypted and the server's certificate verified,\n"
    "always. Options of TLS with a plaintext address are refused, so that nobody believes it\n"
    "encrypted; such settings of the environment or the file are then left aside.";

static const struct {
	const char *words;
	const char *text;
} details[] = {
    {"server",
	"Serves the data directory, which it makes if it is absent, until SIGTERM or SIGINT; one\n"
	"process, one directory, one port.\n"
	"\n"
	"With `--tls-cert` and `--tls-key` it speaks TLS 1.3 on that port, and plaintext on\n"
	"loopback only; without them it listens on loopback, or elsewhere if `--tls off` says so.\n"
	"SIGHUP reads the files again.\n"
	"\n"
	"It writes one line an event to standard error: as text, with `FROE_LOG_FORMAT=json` as\n"
	"JSON, under systemd with its level's prefix."},
    {"dev",
	"The same as `froe server` in a temporary directory, which it removes at the end, with\n"
	"access control off. It prints three things to try."},
    {"run",
	"Prints the run's id as soon as the run is acknowledged, that is, on disk. A lost\n"
	"connection does not start it twice.\n"
	"\n"
	"With `--wait` it prints the result too; a run that does not complete is exit status 1\n"
	"and its error on standard error.\n"
	"\n"
	"With `--at` or `--in` the run waits without a task, and begins on the version of its\n"
	"workflow that is the newest then; `runs cancel` deletes it. One that fell due while no\n"
	"server ran begins at the next start, marked late.\n"
	"\n"
	"With `--bulk` each line of the file is the input of a run. Up to 1000 are started in one\n"
	"step, all of them or none; their ids are printed in order once they are on disk."},
    {"runs list",
	"All conditions that are given must fit. Times are of creation, in UTC:\n"
	"`2026-01-31T12:00:00Z`, `2026-01-31`, or so long ago: `90m`, `7d`. Never older than what\n"
	"was acknowledged before, to anyone. While the server makes its index anew, the answer is\n"
	"INDEX_BEHIND (status 69): try again later. `--output json` prints\n"
	"`{\"runs\": [...], \"next\": CURSOR}`; `next` is 0 on the last page."},
    {"runs get",
	"Tasks as a graph, parents above their children, with attempts, errors, times, the steps\n"
	"of durable tasks and what they wait for, child runs; exact to the last write. The error\n"
	"that a failed run failed of comes first. `--output json` has it all, with the log\n"
	"positions of each attempt and all payloads; of several ids an object each."},
    {"runs watch",
	"On a terminal the run is drawn as by `runs get`, and drawn again as it goes on.\n"
	"Elsewhere, and of several runs: a line for each change of a task, then one for the end.\n"
	"With `--output json` one object a line, the last with `\"final\": true`; with\n"
	"`--output ids` the id of each run as it completes."},
    {"runs stream",
	"Chunks as they are, or with `--output json` one object a line with position, task and\n"
	"attempt. Goes on until the run has ended; of a run that has ended it prints what there\n"
	"is."},
    {"runs replay",
	"The run goes on under its id: the named task and all that follow it run anew, and so\n"
	"do those that had not completed; the others keep their outputs. Who asked and why is in\n"
	"its history.\n"
	"\n"
	"Without ids, all runs that have ended and fit the conditions, as a job of the server\n"
	"(`froe jobs list`): `froe runs replay --status FAILED --workflow order --since 2h`."},
    {"runs cancel",
	"Returns when the cancels are on disk. A task's id cancels that task alone, and those\n"
	"that wait for it. With `--children` every open run that their tasks have started, and\n"
	"theirs, follows soon after.\n"
	"\n"
	"Without ids, all open runs that fit the conditions are cancelled, from the newest that\n"
	"there is now to the oldest, by a job of the server: it goes on when the command ends or\n"
	"the server starts again, and meets each run once. The command follows it, unless\n"
	"`--detach`. A run that ended meanwhile is counted as refused."},
    {"jobs list",
	"A job is what `runs cancel` and `runs replay` start when conditions say which runs are\n"
	"meant. 64 of a tenant may go on at a time; of those that have ended the last 256 are\n"
	"known. AT is how far a job has come among the runs that there were when it started."},
    {"jobs get", "With its conditions, who started it, and why."},
    {"jobs watch",
	"Prints a line when the job has ended; on a terminal its progress until then. Exit status\n"
	"1 if it was cancelled or failed."},
    {"jobs cancel", "Returns when that is on disk. What a job has done stays done."},
    {"events push",
	"Prints the event's number once it is on disk. All steps of durable tasks that wait for\n"
	"the key now get the JSON (default `{}`; `-` reads standard input); later ones do not."},
    {"approvals list",
	"What durable tasks ask of people: number, run, name, and the JSON that the task shows to\n"
	"whoever decides. `--output ids` prints numbers, one a line: `froe approvals list\n"
	"--output ids | froe approvals approve -`."},
    {"approvals approve",
	"Returns when the decisions are on disk. One that was decided before, or is no longer\n"
	"asked for, is refused, and the message says by whom it was decided, if that is known."},
    {"approvals reject",
	"As `froe approvals approve`; what the task does then is its own matter."},
    {"why",
	"A sentence for each task that has not ended, from the function that schedules, and what\n"
	"to do about it; of a run that has ended, how it ended. Reasons in `--output json`:\n"
	"`running`, `away` (its worker's connection is broken), `parents`, `on_failure`, `timer`,\n"
	"`lapse` (exactly once: an old lease has to lapse), `wait` (a durable step), `disk_full`,\n"
	"`no_worker`, `workers_idle` (paused, draining or away), `too_large` (no worker has so\n"
	"many slots), `kept` (a worker is kept free for it), `behind` (free slots are kept for\n"
	"larger tasks that came first), `no_slot`, `turn`."},
    {"workers list",
	"Slots in use are counted by type. A worker is serving, paused, draining, away (its\n"
	"connection is broken) or leaving (its tasks are being given to others)."},
    {"workers pause",
	"Takes ids and names (all workers that have it).\n"
	"What a worker has goes on. It holds over restarts of server and worker, until it\n"
	"is resumed or has left; who paused it, and why, is in the log."},
    {"worker exec",
	"Registers the workflow with one task, `exec`, and runs the command for each attempt:\n"
	"\n"
	"- Standard input is the run's input, JSON text.\n"
	"- Standard output is the task's output: JSON as it is; any other text becomes a JSON\n"
	"  string without the white space at its end; nothing is `null`. More than 4 MiB fails\n"
	"  the attempt.\n"
	"- Each line on standard error becomes a line of the task's log; the first 1000 of an\n"
	"  attempt are kept.\n"
	"- An exit status other than 0, or a signal, fails the attempt; the error names it and\n"
	"  the last line of standard error.\n"
	"- The environment has `FROE_RUN_ID`, `FROE_WORKFLOW`, `FROE_TASK_ID` (the same in all\n"
	"  attempts: a key for whatever must happen once), `FROE_LEASE` (rises with each\n"
	"  assignment), `FROE_ATTEMPT` and `FROE_RETRIES`.\n"
	"- The command has a process group of its own. On cancel, timeout, or when the lease is\n"
	"  lost, the group gets SIGTERM and five seconds later SIGKILL. What is left of it when\n"
	"  the command ends is killed.\n"
	"- On SIGTERM, SIGINT or SIGHUP the worker takes no more tasks, gives running commands\n"
	"  ten seconds, cancels the rest and leaves; what it did not finish is queued again for\n"
	"  other workers at once and counts as no failure.\n"
	"\n"
	"A worker that is killed with SIGKILL cannot end its commands. Their results are never\n"
	"used: the lease is the worker's."},
    {"token create",
	"Makes a token and prints it, and nothing else, to standard output: it is not shown\n"
	"again. With `--data` it goes through that directory's `admin.sock`, which asks for no\n"
	"token but who you are, or by its files when no server runs there; a directory that is\n"
	"absent is made. `./froe-data` is taken by itself if a server serves it. Otherwise it\n"
	"takes a token of the role admin. What roles allow: security.md."},
    {"token list",
	"All tokens that are not revoked, with when they expire and were used last since the\n"
	"server started."},
    {"token revoke",
	"Ends them, and the connections that they opened, within a second."},
    {"log dump",
	"Reads the directory itself, with or without a server; a position is what `dump` prints.\n"
	"With `--audit` it is the list of who did what and when: tokens made and revoked, workers\n"
	"paused, runs cancelled and replayed, jobs, decisions, events, as far back as there are\n"
	"segments."},
    {"log verify",
	"Checks every hash, applies every record to a fresh engine (from the log's beginning, or\n"
	"the older snapshot once that was retired), and compares the state with every snapshot on\n"
	"the way; 65 when the store is damaged or one of them differs."},
    {"log repair",
	"Says where the log stops verifying and which runs are known to be concerned. A backup\n"
	"loses less, if there is one. With `--accept-loss` what does not verify, and what is\n"
	"behind it, is moved to `shard-0000/quarantine`, and `shard-0000/REPAIRS` says so."},
    {"backup",
	"`DIR` must be absent or empty; every frame is verified on the way. A server may be\n"
	"running on the data directory: the copy holds at least what was acknowledged before the\n"
	"command began, and ends with a whole commit. operating.md says more."},
    {"restore",
	"Verifies it on the way. With `--check` instead of `--data` it does nothing else."},
    {"bench trigger",
	"Measures a running server from outside, as all of `froe bench` do: with real connections\n"
	"and, but for this one, real workers, which are processes of their own.\n"
	"\n"
	"# How it is measured\n"
	"\n"
	"- closed loop (the default): `--inflight` runs are under way, each end starts the next\n"
	"- `--pipeline N`: each of `--clients` connections starts N runs in one go, waits for all\n"
	"  of them, and starts the next N: `--clients 64 --pipeline 16`\n"
	"- open loop (`--rate N`): a run is due every 1/N of a second whether or not earlier ones\n"
	"  have ended, and its time goes from the moment when it was due. So a server that stops\n"
	"  for a second is seen to\n"
	"\n"
	"What a warm-up does not count. Percentiles are of a histogram with three significant\n"
	"digits. Every result is compared with what it has to be: one that is wrong or missing is\n"
	"exit status 1. Runs of the benchmark stay in the server's history as others do; those of\n"
	"`bench trigger` stay queued, because nobody works on them: use a server of its own.\n"
	"docs/benchmarks.md says what the figures mean."},
    {"bench run", "A task that puts out its input. Its time goes from the trigger to the result."},
    {"bench fanout",
	"A task starts `--children` runs, waits until all of them have ended, looks at each\n"
	"result, and ends. Children have a worker of their own."},
    {"bench sleep",
	"`--count` durable tasks sleep until a time each, after `--lead` and spread over\n"
	"`--time`. Each says how late it went on."},
    {"bench delay",
	"`--count` runs are started for a time each, after `--lead` and spread over `--time`.\n"
	"Each says how late it began."},
    {"bench retry",
	"`--count` tasks fail and ask for another attempt at a time each, after `--lead` and\n"
	"spread over `--time`. Each says how late that began."},
    {"bench backlog",
	"Starts `--count` runs while no worker is there. Then one comes: how many results\n"
	"it hands over in a second, from its start to the last."},
    {"bench fairness",
	"The small queues (`--queues`, all but the first; or `--tenants`) have one run each\n"
	"under way. First alone, then beside the first one, which has `--count` under way all\n"
	"the time."},
    {"doctor",
	"Looks at the kernel, io_uring, the file system, the latency of a synced write, free\n"
	"space, limits and the clock.\n"
	"\n"
	"With an address (or a token) it asks a running server instead, with `--data` as well:\n"
	"its version and epoch, disk, faults that the scrub found, whether its state is what the\n"
	"log leads to, snapshots, retention, index, tokens and certificates that expire soon,\n"
	"workers and queues. That takes a token of the role admin or operator of all tenants, or\n"
	"`--address unix:DIR/admin.sock`.\n"
	"\n"
	"Each line has a fact and, where it is wanting, what to do. Exit status 1 when something\n"
	"is bad."},
    {"completion",
	"    source <(froe completion bash)\n"
	"    froe completion zsh > \"${fpath[1]}/_froe\"\n"
	"    froe completion fish > ~/.config/fish/completions/froe.fish"},
};

const char *
help_general(void)
{
	return general;
}

const char *
help_connection(void)
{
	return connection;
}

const char *
help_details(const struct cli_command *command)
{
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
		if (strcmp(details[i].words, command->words) == 0)
			return details[i].text;
	}
	return NULL;
}
