/*
 * cli/table: all commands, with their options.
 */
#include "cli/cli.h"

#define OPTION_ADDRESS                                                                             \
	{"address", "[tls://]HOST:PORT", "the server (default 127.0.0.1:7077)"},                   \
	    {"tls-ca", "FILE", "PEM: who signs the server's certificate (default: the system's)"}, \
	    {"tls-cert", "FILE", "PEM: a certificate of our own, if the server asks for one"},     \
	    {"tls-key", "FILE", "PEM: its key"},                                                   \
	{                                                                                          \
		"tls-name", "NAME", "whom the certificate is for (default: the address's host)"    \
	},                                                                                         \
	    {"token-file", "FILE", "a file with a token in its first line; -: standard input"},    \
	{                                                                                          \
		"token", "TOKEN", "the token itself; others on this machine may see it"            \
	}
#define OPTION_TENANT {"tenant", "NAME", "the tenant (default: the token's)"}
#define OPTION_DATA {"data", "DIR", "its server's admin.sock, which asks for no token"}
#define OPTION_OUTPUT {"output", "table|json|ids", "how to print (default table)"}
#define OPTIONS_SERVER                                                                             \
	{"listen", "HOST:PORT", "where to listen (default 127.0.0.1:7077; port 0: any)"},          \
	    {"advertise", "HOST:PORT", "in Hatchet tokens: where clients reach it (--listen)"},    \
	    {"io", "io_uring|posix", "the I/O backend (default: io_uring where it is allowed)"},   \
	    {"poll-us", "N", "look so long for a quick client's next message, not asleep (200)"},  \
	    {"quick-cores", "on|off", "keep cores from deep sleep while runs are under way (on)"}, \
	    {"segment-bytes", "N", "size of log segments, 1 MiB to 1 GiB (a new store only)"},     \
	    {"snapshot-bytes", "N", "of log until the next snapshot, at least (192 MiB)"},         \
	    {"cache-bytes", "N", "recent payloads kept in memory (64 MiB)"},                       \
	    {"open-runs", "N", "runs that have not ended, at most; 0: any number (4000000)"},      \
	    {"heartbeat", "D", "how often workers say that they are there (4s)"},                  \
	    {"retention", "D|forever", "runs are kept so long after their end (30d)"},             \
	    {"retention-bytes", "N", "beyond, runs that have ended go earlier (no limit)"},        \
	    {"heartbeat-lost", "D", "a worker silent this long is lost (30s)"},                    \
	    {"reconnect-grace", "D", "a broken worker has this long to return (5s)"},              \
	    {"begun-wait", "D", "a Hatchet worker that is back says by then what it began (12s)"}, \
	    {"accept-tail-loss", NULL, "cut a damaged tail nobody can decide on"},                 \
	    {"edge-sessions", NULL, "serve native sessions on the edge loop too"},                 \
	    {"tls-cert", "FILE", "PEM: the server's certificate and its chain"},                   \
	    {"tls-key", "FILE", "PEM: its key, without a passphrase"},                             \
	    {"tls-client-ca", "FILE", "PEM: who signs clients' certificates"},                     \
	    {"tls-client", "required|optional", "must they have one? (required, with that CA)"},   \
	    {"tls", "off|required", "off: plaintext for all; required: for none (else: local)"},   \
	    {"handshake", "D", "a connection has said by then who it is (5s)"},                    \
	    {"write-stall", "D", "a client that takes nothing for this long is closed (10s)"},     \
	    {"idle", "D", "a silent client is asked after half of this, then closed (60s)"},       \
	    {"connections", "N", "connections of a loop (12000)"},                                 \
	    {"connections-reserved", "N", "of these, for clients that are known (1000)"},          \
	    {"strangers-per-address", "N", "connections not yet known; 0: any number (256)"},      \
	    {"strangers-bytes", "N", "memory of all connections not yet known (64 MiB)"},          \
	{                                                                                          \
		"ready-fd", "FD", "write \"ready ADDRESS\" there once it serves"                   \
	}

const struct cli_option cli_connection[] = {OPTION_ADDRESS, OPTION_TENANT, {0}};
/* Which runs are meant: cli/filter.h. */
#define OPTIONS_FILTER                                                                             \
	{"status", "S",                                                                            \
	    "QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED, EVICTED; may be repeated"},            \
	    {"workflow", "NAME", "of this workflow only"},                                         \
	    {"since", "TIME|D", "created at or after a time, or since so long ago"},               \
	    {"until", "TIME|D", "created before it"}, {"parent", "ID", "started by this run"},     \
	    {"metadata", "KEY=VALUE", "with this pair; with all of them if repeated"},             \
	{                                                                                          \
		"worker", "NAME", "of which this worker has had a task"                            \
	}
#define OPTIONS_JOB                                                                                \
	{"all", NULL, "all runs, instead of conditions"},                                          \
	{"detach", NULL, "print the job's number and do not wait for its end"}
#define OPTION_SCHEDULED {"scheduled", NULL, "that begin at a time which has not come"}

static const struct cli_option server_rows[] = {
    {"data", "DIR", "the data directory; made if absent"},
    {"auth", "on|off", "off: everyone may do everything; on loopback only (default on)"},
    OPTIONS_SERVER,
    {0},
};
static const struct cli_option dev_rows[] = {OPTIONS_SERVER, {0}};
static const struct cli_option run_rows[] = {
    {"input", "JSON|@FILE|-", "the run's input (default {}); - reads standard input"},
    {"wait", NULL, "wait for the end and print the result"},
    {"timeout", "D", "the run's deadline"},
    {"priority", "1|2|3", "higher goes first (default: the workflow's)"},
    {"metadata", "KEY=VALUE", "a pair that its tasks and children get; may be repeated"},
    {"key", "TEXT", "if a run was started with this key before, print that one's id and say so"},
    {"key-ttl", "D", "how long the key counts (default 24h)"},
    {"key-until-end", NULL, "the key counts until the run has ended, instead"},
    {"at", "TIME", "begin at this time in UTC: 2026-01-31T12:00:00Z"},
    {"in", "D", "begin so long from now"},
    {"bulk", "FILE|-", "a run for each line, JSON text; 1000 at a time, whole or not at all"},
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option list_rows[] = {
    OPTIONS_FILTER,
    OPTION_SCHEDULED,
    {"limit", "N", "at most so many (default 50)"},
    {"before", "CURSOR", "the page after one that ended with this cursor"},
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option get_rows[] = {
    {"payloads", NULL, "print input and outputs too (json always does)"},
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option watch_rows[] = {OPTION_OUTPUT, OPTION_ADDRESS, OPTION_TENANT, {0}};
static const struct cli_option replay_rows[] = {
    {"from", "TASK", "from this task on (default: all of it)"},
    {"node", "N", "of that durable task: from this node on; those before keep their results"},
    {"input", "JSON|@FILE|-", "another input (default: the same again)"},
    {"reason", "TEXT", "kept in the run's history"},
    OPTIONS_FILTER,
    OPTIONS_JOB,
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option stream_rows[] = {
    {"task", "NAME", "of this task only"},
    {"after", "POSITION", "go on after this one, as --output json prints positions"},
    {"output", "table|json", "chunks as they are (the default), or an object each"},
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option cancel_rows[] = {
    {"reason", "TEXT", "kept in the run's history"},
    {"children", NULL, "and all open runs that their tasks have started, and theirs"},
    OPTIONS_FILTER,
    OPTION_SCHEDULED,
    OPTIONS_JOB,
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option jobs_rows[] = {OPTION_OUTPUT, OPTION_ADDRESS, OPTION_TENANT, {0}};
static const struct cli_option push_rows[] = {
    {"metadata", "KEY=VALUE", "a pair that goes with it to whoever waits; may be repeated"},
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option workflows_rows[] = {
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option workflow_rows[] = {
    {"version", "N", "this version (default: the newest)"},
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option approvals_rows[] = {
    {"limit", "N", "at most so many (default 100)"},
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option decide_rows[] = {
    {"reason", "TEXT", "kept in the run's history, and told to the task"},
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option workers_rows[] = {
    {"limit", "N", "at most so many (default: all)"},
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option pause_rows[] = {
    {"reason", "TEXT", "kept in the log"},
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option exec_rows[] = {
    {"workflow", "NAME", "the workflow to register: one task, which runs the command"},
    {"slots", "N", "commands at a time (default 1)"},
    {"timeout", "D", "of one attempt (default 60s)"},
    {"retries", "N", "after a failed attempt (default 0)"},
    {"delivery", "at_least_once|at_most_once|exactly_once", "how often a command may begin"},
    {"name", "NAME", "the worker's name (default: host and process)"},
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option dump_rows[] = {
    {"data", "DIR", "the data directory"},
    {"from", "POSITION", "begin there, as dump prints positions"},
    {"audit", NULL, "only what somebody did who is named: tokens, cancels, replays, ..."},
    {"json", NULL, "one JSON object a line"},
    {0},
};
static const struct cli_option verify_rows[] = {{"data", "DIR", "the data directory"}, {0}};
static const struct cli_option repair_rows[] = {
    {"data", "DIR", "the data directory; no server may run on it"},
    {"accept-loss", NULL, "do it: give up what does not verify, and what is behind it"},
    {0},
};
static const struct cli_option backup_rows[] = {
    {"data", "DIR", "the data directory; a server may be running on it"},
    {0},
};
static const struct cli_option restore_rows[] = {
    {"from", "DIR", "the backup"},
    {"data", "DIR", "the new data directory; made if absent, and must be empty"},
    {"check", NULL, "only verify the backup"},
    {0},
};
static const struct cli_option token_create_rows[] = {
    {"name", "NAME", "what it is for; named wherever it was used"},
    {"role", "LIST", "of admin, client, worker, operator"},
    {"tenant", "NAME", "whose it is (default: the connection's); '*': all tenants"},
    {"pool", "LIST", "a worker's actions only: orders:ship, or 'orders:*'"},
    {"expires", "D|never", "from now (default 90d, at most 366d)"},
    {"hatchet", NULL, "a JWT for Hatchet's SDKs; of the roles client and worker"},
    {"advertise", "HOST:PORT", "in it; https:// before it: TLS (default: the server's)"},
    {"data", "DIR", "through its admin.sock, or its files when no server runs"},
    {"segment-bytes", "N", "of the store, where --data makes it"},
    OPTION_ADDRESS,
    {0},
};
static const struct cli_option token_list_rows[] = {
    OPTION_OUTPUT, OPTION_DATA, OPTION_ADDRESS, OPTION_TENANT, {0}};
static const struct cli_option token_revoke_rows[] = {
    OPTION_OUTPUT, OPTION_DATA, OPTION_ADDRESS, OPTION_TENANT, {0}};
static const struct cli_option bench_rows[] = {
    {"inflight", "N", "runs under way at a time (default: one a connection)"},
    {"clients", "N", "connections that start runs (default: one a tenant)"},
    {"pipeline", "N", "each connection starts so many at once, and then waits for all of them"},
    {"rate", "N", "start so many a second, come what may (default: each end starts the next)"},
    {"time", "D", "how long to measure (default 5s)"},
    {"warmup", "D", "before measuring (default 1s)"},
    {"payload", "N", "bytes of input and output (default 64)"},
    {"workers", "N", "connections with a worker (default: one a tenant)"},
    {"slots", "N", "of each worker (default: as many as can be used)"},
    {"tenants", "N", "that connections and workers are spread over (default 1)"},
    {"queues", "N", "workflows that the runs are spread over (default 1; fairness: 11)"},
    {"count", "N",
        "of sleep, delay, retry, backlog, the large queue of fairness: runs (default 10000)"},
    {"children", "N", "of fanout (default 1000)"},
    {"lead", "D", "of sleep, delay, retry: the first is due so long after the start (default 5s)"},
    {"json", NULL, "print one JSON object instead of a table"},
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option doctor_rows[] = {
    {"data", "DIR", "the data directory (default: where you are)"},
    {"output", "table|json", "how to print (default table)"},
    OPTION_ADDRESS,
    {0},
};
static const struct cli_option no_rows[] = {{0}};

const struct cli_command cli_commands[] = {
    {"server", "", 0, 0, "serve a data directory", server_rows, cli_server},
    {"dev", "", 0, 0, "serve a temporary directory, to try things out", dev_rows, cli_dev},
    {"run", "WORKFLOW", 1, 1, "start a run", run_rows, cli_run},
    {"runs list", "", 0, 0, "list runs, newest first", list_rows, cli_runs_list},
    {"runs get", "ID...|-", 1, -1, "show runs with their tasks and attempts", get_rows,
        cli_runs_get},
    {"runs watch", "ID...|-", 1, -1, "follow runs to their end", watch_rows, cli_runs_watch},
    {"runs stream", "ID", 1, 1, "print what a run's tasks stream, as it comes", stream_rows,
        cli_runs_stream},
    {"runs cancel", "[ID...|-]", 0, -1, "cancel runs, or all that conditions find", cancel_rows,
        cli_runs_cancel},
    {"runs replay", "[ID...|-]", 0, -1, "let runs that have ended go on, or all that are found",
        replay_rows, cli_runs_replay},
    {"jobs list", "", 0, 0, "list jobs, newest first", jobs_rows, cli_jobs_list},
    {"jobs get", "NUMBER...|-", 1, -1, "show jobs", jobs_rows, cli_jobs_get},
    {"jobs watch", "NUMBER...|-", 1, -1, "follow jobs to their end", jobs_rows,
        cli_jobs_watch},
    {"jobs cancel", "NUMBER...|-", 1, -1, "end jobs; what they did stays done", jobs_rows,
        cli_jobs_cancel},
    {"events push", "KEY [JSON|@FILE|-]", 1, 2, "push an event to all that wait for its key",
        push_rows, cli_events_push},
    {"workflows list", "", 0, 0, "list workflows, with their newest versions and open runs",
        workflows_rows, cli_workflows_list},
    {"workflows get", "NAME", 1, 1, "show a workflow's tasks", workflow_rows,
        cli_workflows_get},
    {"approvals list", "", 0, 0, "list what waits for a decision, oldest first", approvals_rows,
        cli_approvals_list},
    {"approvals approve", "NUMBER...|-", 1, -1, "approve what tasks ask for", decide_rows,
        cli_approvals_approve},
    {"approvals reject", "NUMBER...|-", 1, -1, "reject what tasks ask for", decide_rows,
        cli_approvals_reject},
    {"why", "ID...|-", 1, -1, "say why runs are where they are", watch_rows, cli_why},
    {"workers list", "", 0, 0, "list workers, oldest first", workers_rows, cli_workers_list},
    {"workers get", "ID|NAME...|-", 1, -1, "show workers, their slots and what they hold",
        watch_rows, cli_workers_get},
    {"workers pause", "ID|NAME...|-", 1, -1, "give workers no new tasks", pause_rows,
        cli_workers_pause},
    {"workers resume", "ID|NAME...|-", 1, -1, "give paused workers tasks again", pause_rows,
        cli_workers_resume},
    {"worker exec", "-- CMD...", 1, -1, "run a command for each task of a workflow", exec_rows,
        cli_worker_exec},
    {"log dump", "", 0, 0, "print the log's records", dump_rows, cli_log_dump},
    {"log verify", "", 0, 0, "check every hash and record of the log", verify_rows,
        cli_log_verify},
    {"log repair", "", 0, 0, "say what damage keeps a server from starting; give it up",
        repair_rows, cli_log_repair},
    {"backup", "DIR", 1, 1, "copy a data directory to DIR and verify it, also under load",
        backup_rows, cli_backup},
    {"restore", "", 0, 0, "make a data directory of a backup", restore_rows, cli_restore},
    {"token create", "", 0, 0, "make a token", token_create_rows, cli_token_create},
    {"token list", "", 0, 0, "list tokens", token_list_rows, cli_token_list},
    {"token revoke", "ID...|-", 1, -1, "end tokens, and the connections they opened",
        token_revoke_rows, cli_token_revoke},
    {"bench trigger", "", 0, 0, "measure starting runs, until they are on disk", bench_rows,
        cli_bench},
    {"bench run", "", 0, 0, "measure trigger, run, result", bench_rows, cli_bench},
    {"bench chain", "", 0, 0, "measure three tasks, one after another", bench_rows, cli_bench},
    {"bench dag", "", 0, 0, "measure four tasks: one, two beside each other, one", bench_rows,
        cli_bench},
    {"bench fanout", "", 0, 0, "measure a task that waits for its children", bench_rows,
        cli_bench},
    {"bench sleep", "", 0, 0, "measure how late sleeping tasks go on", bench_rows, cli_bench},
    {"bench delay", "", 0, 0, "measure how late runs begin that were started for a time",
        bench_rows, cli_bench},
    {"bench retry", "", 0, 0, "measure how late failed tasks are tried again", bench_rows,
        cli_bench},
    {"bench backlog", "", 0, 0, "measure how quickly queued runs are drained", bench_rows,
        cli_bench},
    {"bench fairness", "", 0, 0, "measure small queues beside a large one", bench_rows,
        cli_bench},
    {"doctor", "", 0, 0, "say whether a machine is fit to serve, or a server well", doctor_rows,
        cli_doctor},
    {"completion", "bash|zsh|fish", 1, -1, "print what makes a shell complete froe's commands",
        no_rows, cli_completion},
    {"help", "[man|markdown]", 0, 1, "print all of this as a manual", no_rows, cli_help},
    {"version", "", 0, 0, "print the version", no_rows, cli_version},
};
const size_t cli_command_count = sizeof(cli_commands) / sizeof(cli_commands[0]);
