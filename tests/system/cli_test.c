/*
 * The command as a new user would try it: every line here is one, given to a shell. What it is, is
 * said by its exit status; results are on standard output and nothing else, words for people on
 * standard error, and they say what to do.
 */
#include "system/system.h"

#include <sys/ioctl.h>

#define TEXT_SIZE ((size_t)1 << 20)

/* A shell's line, in which $F is the command; `out` and `err`: words that are there; NULL: nothing
 * is. */
struct line {
	const char *text;
	int status;
	const char *out;
	const char *err;
};

struct said {
	int status;
	char out[TEXT_SIZE];
	char err[TEXT_SIZE];
};

static void
read_back(int file, char text[TEXT_SIZE])
{
	ssize_t size = pread(file, text, TEXT_SIZE - 1, 0);
	assert_true(size >= 0);
	text[size] = 0;
	close(file);
}

static int
scratch(void)
{
	char path[] = "/tmp/froe-cli-XXXXXX";
	int file = mkstemp(path);
	assert_true(file >= 0);
	unlink(path);
	return file;
}

/* A shell at work on a line. */
struct saying {
	pid_t pid;
	int out;
	int err;
};

static struct saying
say_begin(const char *text)
{
	struct saying saying = {.out = scratch(), .err = scratch()};
	saying.pid = fork();
	assert_true(saying.pid >= 0);
	if (saying.pid == 0) {
		dup2(saying.out, STDOUT_FILENO);
		dup2(saying.err, STDERR_FILENO);
		execl("/bin/sh", "sh", "-c", text, NULL);
		_exit(127);
	}
	return saying;
}

static struct said *
say_end(const struct saying *saying)
{
	struct said *said = calloc(1, sizeof(*said));
	int status;
	assert_int_equal(waitpid(saying->pid, &status, 0), saying->pid);
	assert_true(WIFEXITED(status));
	said->status = WEXITSTATUS(status);
	read_back(saying->out, said->out);
	read_back(saying->err, said->err);
	return said;
}

static struct said *
say(const char *text)
{
	struct saying saying = say_begin(text);
	return say_end(&saying);
}

static bool
fits(const char *text, const char *wanted)
{
	return wanted == NULL ? text[0] == 0 : strstr(text, wanted) != NULL;
}

static void
expect_said(const struct line *line, struct said *said)
{
	if (said->status != line->status || !fits(said->out, line->out) ||
	    !fits(said->err, line->err))
		fail_msg("%s\nstatus %d, not %d\nstandard output, of which \"%s\":\n%.2000s\n"
			 "standard error, of which \"%s\":\n%.2000s",
		    line->text, said->status, line->status, line->out, said->out, line->err,
		    said->err);
	free(said);
}

static void
expect_all(const struct line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_said(&lines[i], say(lines[i].text));
}
#define EXPECT_ALL(lines) expect_all(lines, sizeof(lines) / sizeof((lines)[0]))

/* At a time: for lines that wait and do not touch one another. */
static void
expect_together(const struct line *lines, size_t count)
{
	struct saying sayings[16];
	assert_true(count <= sizeof(sayings) / sizeof(sayings[0]));
	for (size_t i = 0; i < count; i++)
		sayings[i] = say_begin(lines[i].text);
	for (size_t i = 0; i < count; i++)
		expect_said(&lines[i], say_end(&sayings[i]));
}
#define EXPECT_TOGETHER(lines) expect_together(lines, sizeof(lines) / sizeof((lines)[0]))

/* The first word of what a line prints: an id. */
static void
keep(const char *name, const char *text)
{
	struct said *said = say(text);
	if (said->status != 0)
		fail_msg("%s: %s", text, said->err);
	said->out[strcspn(said->out, " \n")] = 0;
	setenv(name, said->out, 1);
	free(said);
}

/* -------------------------------------------------------------------------- without a server */

static void
test_cli__wrong_words(void **state)
{
	static const struct line lines[] = {
	    {"$F", 2, NULL, "usage: froe COMMAND"},
	    {"$F --help", 0, "runs watch", NULL},
	    {"$F --version", 0, "froe ", NULL},
	    {"$F nonsense", 2, NULL, "\"nonsense\" is not a command"},
	    {"$F sevrer", 2, NULL, "did you mean \"froe server\"?"},
	    {"$F list", 2, NULL, "\"froe runs list\" or"},
	    {"$F runs", 2, NULL, "commands of froe runs"},
	    {"$F runs --help", 0, "runs cancel", NULL},
	    {"$F runs lsit", 2, NULL, "did you mean \"froe runs list\"?"},
	    {"$F rusn list", 2, NULL, "did you mean \"froe runs list\"?"},
	    {"$F runs list --limt 3", 2, NULL, "did you mean --limit?"},
	    {"$F runs list --frobnicate", 2, NULL, "--frobnicate is not an option here"},
	    {"$F runs list -x", 2, NULL, "-x is not an option here"},
	    {"$F runs list --limit", 2, NULL, "--limit needs a value"},
	    {"$F runs list --limit many", 2, NULL, "\"many\" is not a number"},
	    {"$F runs list --limit -1", 2, NULL, "\"-1\" is not a number"},
	    {"$F runs list --output xml", 2, NULL, "none of table, json, ids"},
	    {"$F runs list --status DONE", 2, NULL, "none of QUEUED, RUNNING"},
	    {"$F runs list --since yesterday", 2, NULL, "2026-01-31"},
	    {"$F runs list --parent 7", 2, NULL, "is not a run's id"},
	    {"$F runs list --metadata color", 2, NULL, "is not KEY=VALUE"},
	    {"$F runs list surplus", 2, NULL, "one argument too many"},
	    {"$F runs get", 2, NULL, "\"froe runs get\" needs ID"},
	    {"$F runs get abc", 2, NULL, "\"froe runs list --output ids\" prints them"},
	    {"$F runs cancel - -", 2, NULL, "it can be read once"},
	    {"$F runs watch --output wide $RUN", 2, NULL, "none of table"},
	    {"$F runs replay $RUN --node 2", 2, NULL, "--from TASK"},
	    {"$F runs replay $RUN --input '{'", 2, NULL, "not JSON"},
	    {"$F approvals approve first", 2, NULL, "froe approvals list --output ids"},
	    {"$F run", 2, NULL, "needs WORKFLOW"},
	    {"$F run w --wait=yes", 2, NULL, "--wait takes no value"},
	    {"$F run w --input '{\"a\":'", 2, NULL, "--input: not JSON, at byte"},
	    {"$F run w --input @/nonexistent", 2, NULL, "cannot open /nonexistent"},
	    {"$F run w --priority 9", 2, NULL, "not a number from 0 to 3"},
	    {"$F run w --timeout soon", 2, NULL, "write 500ms, 30s, 1h30m"},
	    {"$F run w --at tomorrow", 2, NULL, "2026-01-31T12:00:00Z"},
	    {"$F run w --at 2030-01-01 --in 5s", 2, NULL, "give one of them"},
	    {"$F run w --key-ttl 5s", 2, NULL, "--key counts"},
	    {"$F worker exec -- true", 2, NULL, "--workflow"},
	    {"$F worker exec --workflow w -- /nonexistent/x", 2, NULL, "no command that can be"},
	    {"$F worker exec --workflow w -- no-such-command", 2, NULL, "no command that can be"},
	    {"$F server", 2, NULL, "--data is missing"},
	    {"$F server --data /tmp/x --listen nowhere", 2, NULL, "write HOST:PORT"},
	    {"$F server --data /tmp/x --auth maybe", 2, NULL, "neither on nor off"},
	    {"$F server --data /tmp/x --listen 0.0.0.0:1", 2, NULL, "--tls-cert FILE"},
	    {"$F server --data /tmp/x --auth off --listen 0.0.0.0:1 --tls off", 2, NULL,
	        "froe token create"},
	    {"$F token create --data /tmp/x --role admin", 2, NULL, "--name is missing"},
	    {"$F token create --data /tmp/x --name a", 2, NULL, "--role is missing"},
	    {"$F token create --data /tmp/x --name a --role client --advertise a:1", 2, NULL,
	        "--advertise is for --hatchet"},
	    {"$F server --data /tmp/x --advertise nowhere", 2, NULL, "write HOST:PORT"},
	    {"$F log verify", 2, NULL, "--data is missing"},
	    {"$F backup /tmp/x", 2, NULL, "--data is missing"},
	    {"$F restore --data /tmp/x", 2, NULL, "--from is missing"},
	    {"$F completion cmd", 2, NULL, "none of bash, zsh, fish"},
	    {"$F help tex", 2, NULL, "neither man nor markdown"},
	    {"$F doctor --output ids", 2, NULL, "findings have no ids"},
	    {"FROE_OUTPUT=xml $F runs list", 2, NULL, "FROE_OUTPUT: \"xml\""},
	    {"FROE_CONFIG=/nonexistent $F version", 2, NULL, "/nonexistent"},
	};
	(void)state;
	EXPECT_ALL(lines);
}

static void
test_cli__no_server(void **state)
{
	static const struct line lines[] = {
	    {"$F runs list --address 127.0.0.1:1", 69, NULL, "froe dev"},
	    {"$F run w --address 127.0.0.1:1", 69, NULL, "Connection refused"},
	    {"$F runs list --address nowhere", 2, NULL, "write host:port"},
	    {"$F bench run --address 127.0.0.1:1", 69, NULL, "froe dev"},
	    {"$F runs list --address host.invalid:1", 69, NULL, "host.invalid"},
	    {"$F runs list --address 127.0.0.1:1 --tls-ca x", 2, NULL, "tls://127.0.0.1:1"},
	    {"$F runs list --address unix:/nonexistent/admin.sock", 69, NULL, "admin.sock"},
	    {"$F token list --data /nonexistent", 69, NULL, "start it first"},
	    {"$F runs list --token-file /nonexistent", 1, NULL, "cannot read the token file"},
	    {"$F doctor --address 127.0.0.1:1", 1, "bad      server", NULL},
	    {"$F log verify --data /nonexistent", 1, NULL, "/nonexistent holds no store"},
	    {"$F log dump --data /nonexistent", 1, NULL, "/nonexistent holds no store"},
	    {"$F log repair --data /nonexistent", 1, NULL, "/nonexistent holds no store"},
	    {"$F backup --data /nonexistent /tmp/x", 1, NULL, "/nonexistent holds no store"},
	    {"$F restore --from /nonexistent --check", 1, NULL, "/nonexistent"},
	};
	(void)state;
	EXPECT_TOGETHER(lines); /* most of them wait two seconds for a server */
}

/* What the completion of a shell asks for. */
static void
test_cli__completion(void **state)
{
	static const struct line lines[] = {
	    {"$F completion next -- run", 0, "runs", NULL},
	    {"$F completion next -- runs wa", 0, "watch", NULL},
	    {"$F completion next -- runs list --out", 0, "--output", NULL},
	    {"$F completion next -- runs list --output j", 0, "json", NULL},
	    {"$F completion bash | bash -n", 0, NULL, NULL},
	};
	(void)state;
	EXPECT_ALL(lines);
}

/* ----------------------------------------------------------------------------- with a server */

static pid_t
worker_start(const char *workflow, const char *command)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, STDERR_FILENO);
		execl(server_binary(), "froe", "worker", "exec", "--workflow", workflow, "--slots",
		    "4", "--", "sh", "-c", command, NULL);
		_exit(127);
	}
	return pid;
}

static void
worker_end(pid_t pid)
{
	int status;
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void
begin(struct server *server)
{
	server_init(server);
	server_start(server);
	setenv("FROE_ADDRESS", server->address, 1);
}

static void
end(struct server *server)
{
	unsetenv("FROE_ADDRESS");
	server_release(server);
}

static void
until(const char *text)
{
	uint64_t by_ms = now_ms() + 20000;
	for (;;) {
		struct said *said = say(text);
		bool done = said->status == 0;
		if (!done && now_ms() > by_ms)
			fail_msg("%s: %s", text, said->err);
		free(said);
		if (done)
			return;
		sleep_ms(20);
	}
}

static void
test_cli__runs(void **state)
{
	static const struct line lines[] = {
	    {"$F run nothing", 1, NULL, "start a worker that registers it"},
	    {"$F run good --input '{\"a\":1}' --wait", 0, "{\"a\":1}", NULL},
	    {"$F run bad --wait", 1, "-", "exit status 3: it broke"},
	    {"$F runs get $GOOD", 0, "COMPLETED of workflow good", NULL},
	    {"$F runs get $BAD", 0, "\nerror: exec, attempt 1 at ", NULL},
	    {"$F runs get $GOOD $BAD", 0, "exit status 3: it broke", NULL},
	    {"$F runs get $BAD --output json | head -c 6", 0, "{\"id\":", NULL},
	    {"echo $BAD | $F runs get - --output ids | grep -c $BAD", 0, "1", NULL},
	    {"$F runs get $NONE", 1, NULL, "past retention (NOT_FOUND)"},
	    {"$F runs get $GOOD $NONE $BAD", 1, "of workflow bad", "NOT_FOUND"},
	    {"printf 'x\\n\\n%s\\n' $GOOD | $F runs get - --output ids", 1, "-", "line 1: \"x\""},
	    {"printf '%4095s%s\\n%s\\n' x $GOOD $BAD | $F runs get - --output ids | grep -c .", 0,
		"1\n", "line 1: \"x\""},
	    {"$F runs watch $GOOD", 0, "COMPLETED", NULL},
	    {"$F runs watch $BAD", 1, "FAILED: exit status 3", NULL},
	    {"$F runs watch $GOOD $BAD --output json | grep -c '\"final\":true'", 0, "2", NULL},
	    {"$F runs watch $GOOD $BAD --output ids | grep -c .", 0, "1", NULL},
	    {"$F runs watch $NONE", 1, NULL, "NOT_FOUND"},
	    {"$F runs cancel $GOOD", 1, NULL, "ended already (FAILED_PRECONDITION)"},
	    {"$F runs cancel $LATER $NONE $GOOD", 1, "cancelled\n", "NOT_FOUND"},
	    {"$F runs cancel $NONE --output json", 1, "\"ok\":false,\"code\":\"NOT_FOUND\"",
		"NOT_FOUND"},
	    {"$F runs replay $BAD $NONE --reason again", 1, "goes on\n", "NOT_FOUND"},
	    {"$F runs watch $BAD", 1, "FAILED", NULL},
	    {"$F runs get $BAD", 0, "again\n", NULL},
	    {"$F runs get $BAD --output json", 0, "\"replays\":[{", NULL},
	    {"$F runs list --status failed --output ids | $F runs replay - --output ids | "
	     "$F runs watch - --output json | grep -c '\"final\":true'",
		0, "2", NULL},
	    {"$F runs list --output json", 0, "{\"runs\":[", NULL},
	    {"$F runs list --workflow none", 0, "WORKFLOW\n", NULL},
	    {"$F runs list --workflow none --output ids", 0, NULL, NULL},
	    {"$F events push k '{}' --metadata a=1 --metadata b=", 0, "1\n", NULL},
	    {"$F events push k '{}' --metadata a", 2, NULL, "is not KEY=VALUE"},
	    {"$F events push k '{}' --metadata a=1 --metadata a=2", 1, NULL, "is there twice"},
	    {"$F workflows list --output ids", 0, "good\n", NULL},
	    {"$F workflows get good", 0, "  60.00s\n", NULL},
	    {"$F workflows get none", 1, NULL, "NOT_FOUND"},
	    {"$F runs cancel", 2, NULL, "which runs? give ids, or conditions"},
	    {"$F runs cancel $GOOD --all", 2, NULL, "not combined"},
	    {"$F runs replay --status FAILED --since 1h --reason 'all of them'", 0, "go on", NULL},
	    {"$F jobs list --output ids | $F jobs get -", 0, "reason    all of them", NULL},
	    {"$F jobs list --output ids | $F jobs watch - 1 --output ids | grep -c .", 0, "2",
		NULL},
	    {"$F jobs get first", 2, NULL, "froe jobs list --output ids"},
	    {"$F jobs get 99", 1, NULL, "NOT_FOUND"},
	    {"$F jobs cancel 1", 1, NULL, "FAILED_PRECONDITION"},
	    {"$F events push k '{\"a\":1}'", 0, "2\n", NULL},
	    {"$F events push k '{'", 2, NULL, "not JSON"},
	    {"$F approvals list --output ids", 0, NULL, NULL},
	    {"$F approvals approve 1 2", 1, NULL, "froe: 2: "},
	    {"$F runs stream $GOOD", 0, NULL, NULL},
	    {"$F runs stream $GOOD --output ids", 2, NULL, "chunks have no ids"},
	    {"$F why $GOOD", 0, "the run has completed", NULL},
	    {"$F why $BAD $GOOD", 0, "run 0", NULL},
	    {"$F why $NONE", 1, NULL, "NOT_FOUND"},
	    {"$F why $BAD --output json", 0, "\"text\":", NULL},
	    {"$F workers list --output ids | grep -c .", 0, "2", NULL},
	    {"$F workers list", 0, "serving", NULL},
	    {"$F workers list --output ids | $F workers get -", 0, "actions: good:exec", NULL},
	    {"$F workers get nobody", 1, NULL, "\"froe workers list\" shows them"},
	    {"$F workers list --output ids | $F workers pause - nobody --reason test", 1,
		"  paused\n", "froe: nobody: "},
	    {"$F workers list", 0, "paused", NULL},
	    {"$F why $($F run good)", 0, "exec: ", NULL},
	    {"$F workers list --output ids | $F workers resume - --output json | grep -c true", 0,
		"2", NULL},
	    {"$F token list", 0, "ID ", NULL},
	    {"$F runs list --tenant 'not a name'", 1, NULL, "tenant"},
	    {"$F server --data $DATA --auth off --listen 127.0.0.1:0", 76, NULL, "another"},
	    {"$F doctor --address $FROE_ADDRESS", 0, "ok       server", NULL},
	    {"$F doctor --address $FROE_ADDRESS --output json", 0, "\"name\":\"disk\"", NULL},
	    {"$F doctor --address unix:$DATA/admin.sock", 0, "epoch 1,", NULL},
	};
	struct server server;
	(void)state;
	begin(&server);
	setenv("DATA", server.dir, 1);
	pid_t good = worker_start("good", "cat"),
	      bad = worker_start("bad", "echo it broke >&2; exit 3");
	until("$F workflows get good && $F workflows get bad");
	keep("GOOD", "$F run good --wait");
	keep("BAD", "$F run bad --wait || true");
	keep("LATER", "$F run good --in 1h");
	EXPECT_ALL(lines);
	worker_end(good);
	worker_end(bad);
	end(&server);
}

/* Thousands of rows, page by page; a reader that has seen enough ends the command quietly. */
static void
test_cli__many(void **state)
{
	static const struct line lines[] = {
	    {"seq 2500 | $F run many --bulk - --in 1h | grep -c .", 0, "2500", NULL},
	    {"$F runs list --limit 10000 --output ids | sort -u | grep -c .", 0, "2500", NULL},
	    {"$F runs list --limit 1700 | grep -c SCHEDULED", 0, "1700", "more: --before "},
	    {"{ $F runs list --limit 10000; echo $? >$DATA.status; } | head -2", 0, "ID ", NULL},
	    {"cat $DATA.status; rm $DATA.status", 0, "0\n", NULL},
	    {"{ $F runs list --limit 10000 --output json; echo $? >$DATA.status; } | true", 0, NULL,
	        NULL},
	    {"cat $DATA.status; rm $DATA.status", 0, "0\n", NULL},
	    {"$F runs list --limit 10000 --output ids | $F runs cancel - | grep -c cancelled", 0,
	        "2500", NULL},
	    {"$F runs list --status CANCELLED --limit 10000 --output ids | grep -c .", 0, "2500",
	        NULL},
	    {"$F runs list >/dev/full", 1, NULL, "standard output cannot be written to"},
	    {"$F version >/dev/full", 1, NULL, "standard output cannot be written to"},
	};
	struct server server;
	(void)state;
	begin(&server);
	setenv("DATA", server.dir, 1);
	pid_t worker = worker_start("many", "cat");
	until("$F workflows get many");
	EXPECT_ALL(lines);
	worker_end(worker);
	end(&server);
}

/* Each scenario ends well, and says what it was and what came of it. */
static void
test_cli__bench(void **state)
{
	static const struct line lines[] = {
	    {"$F bench trigger --time 2s --clients 4 --pipeline 3 --json", 0,
	        "\"inflight\":12,\"rate_asked\":0,\"clients\":4,\"pipeline\":3", NULL},
	    {"$F bench run --time 2s --inflight 8 --tenants 2 --queues 3 --workers 4", 0,
	        "8 in flight, 2 connections, 4 workers, 2 tenants, 3 queues, 64 bytes", NULL},
	    {"$F bench run --time 2s --rate 50 --json", 0, "\"loop\":\"open\"", NULL},
	    {"$F bench chain --time 2s --payload 1000 --json", 0, "\"payload\":1000", NULL},
	    {"$F bench dag --time 2s --json", 0, "\"p999_us\":", NULL},
	    {"$F bench fanout --time 2s --children 70 --json", 0, "\"fanout\"", NULL},
	    {"$F bench sleep --time 1s --lead 8s --count 50", 0, "late by", NULL},
	    {"$F bench delay --time 1s --lead 4s --count 50", 0, "delay: 50 tasks", NULL},
	    {"$F bench retry --time 1s --lead 4s --count 50 --json", 0, "\"total\":50", NULL},
	    {"$F bench backlog --count 1300 --queues 2 --json", 0, "\"count\":1300", NULL},
	    {"$F bench fairness --time 2s --queues 3 --count 100", 0, "beside it", NULL},
	};
	static const struct line wrong[] = {
	    {"$F bench run --inflight 2 --pipeline 2", 2, NULL, "leave out --inflight"},
	    {"$F bench run --tenants 3 --clients 2", 2, NULL, "--clients: at least 3"},
	    {"$F bench run --payload 7", 2, NULL, "--payload: at least 8"},
	    {"$F bench fairness --queues 1", 2, NULL, "--queues or --tenants"},
	    {"$F bench sleep --time 1s --lead 1ms --count 50", 1, NULL, "give a longer --lead"},
	    {"$F bench sleep --rate 5", 2, NULL, "--rate: --count says"},
	    {"$F bench run --count 5", 2, NULL, "--count: --time says"},
	    {"$F bench fairness --rate 5", 2, NULL, "leave out --rate"},
	};
	/* Somebody else makes a newer version of the workflow, with another result. */
	static const struct line deceived[] = {
	    {"$F bench dag --time 60s 2>&1 & B=$!; "
	     "until $F workflows get froe-bench-dag >/dev/null 2>&1; do sleep 0.1; done; "
	     "$F worker exec --workflow froe-bench-dag -- echo 1 >/dev/null 2>&1 & W=$!; "
	     "wait $B; S=$?; kill $W; wait $W; exit $S",
	        1, "not with the result that it should have", NULL},
	};
	struct server server;
	(void)state;
	begin(&server);
	EXPECT_ALL(deceived);
	EXPECT_TOGETHER(lines);
	EXPECT_ALL(wrong);
	end(&server);
}

/* Whoever may not is told what would be needed; nothing is half done. */
static void
test_cli__rights(void **state)
{
	static const struct line lines[] = {
	    {"$F runs list", 1, NULL, "--token-file or FROE_TOKEN"},
	    {"$F runs list --token nonsense", 1, NULL, "mistyped, unknown, revoked or expired"},
	    {"$F runs list --token-file $DATA/token.worker", 1, NULL, "this one has worker"},
	    {"$F runs list --token-file $DATA/token.client", 0, "ID ", NULL},
	    {"$F runs list --token-file - <$DATA/token.client", 0, "ID ", NULL},
	    {"FROE_TOKEN_FILE=$DATA/token.client $F runs list", 0, "ID ", NULL},
	    {"$F runs list --token-file $DATA/token.client --tenant other", 1, NULL,
		"for another tenant"},
	    {"$F runs cancel $NONE $NONE --token-file $DATA/token.client", 1, NULL,
		"was not tried"},
	    {"$F runs replay $NONE --token-file $DATA/token.worker", 1, NULL, "FORBIDDEN"},
	    {"$F approvals approve 1 --token-file $DATA/token.client", 1, NULL, "admin,operator"},
	    {"$F token list --token-file $DATA/token.client", 1, NULL, "FORBIDDEN"},
	    {"$F token list --data $DATA --output ids | grep -c .", 0, "2", NULL},
	    {"$F token revoke --data $DATA nonsense", 1, NULL, "is not a token's"},
	    {"$F token create --data $DATA --hatchet --advertise a", 1, NULL, "write HOST:PORT"},
	    {"$F token create --data $DATA --hatchet --tenant '*'", 1, NULL, "for one tenant"},
	    {"$F token create --data $DATA --hatchet >$DATA/token.jwt 2>/dev/null; "
	     "$F runs list --token-file $DATA/token.jwt",
		0, "ID ", NULL},
	    {"$F token list --data $DATA | grep 'hatchet .*client,worker' | cut -c1-10 | "
	     "$F token revoke --data $DATA - | grep -c revoked",
		0, "1", NULL},
	    {"$F doctor --address $FROE_ADDRESS", 1, "wants a token", NULL},
	    {"$F doctor --address $FROE_ADDRESS --token-file $DATA/token.client", 0,
		"warning  metrics", NULL},
	    {"$F doctor --address unix:$DATA/admin.sock", 0, "tokens", NULL},
	    {"$F token list --data $DATA --output ids | $F token revoke --data $DATA - | "
	     "grep -c revoked",
		0, "2", NULL},
	    {"$F runs list --token-file $DATA/token.client", 1, NULL, "UNAUTHENTICATED"},
	};
	struct server server;
	(void)state;
	server_init(&server);
	server.extra[0] = "--auth"; /* the later one counts */
	server.extra[1] = "on";
	server_start(&server);
	setenv("FROE_ADDRESS", server.address, 1);
	setenv("DATA", server.dir, 1);
	until("umask 077; for r in client worker; do $F token create --data $DATA --name $r "
	      "--role $r --tenant default >$DATA/token.$r || exit 1; done");
	EXPECT_ALL(lines);
	end(&server);
}

/* ------------------------------------------------------------------------------ on terminals */

/* What a line prints on a terminal of so many rows. */
static int
on_terminal(const char *text, unsigned short rows, char *to, size_t size)
{
	struct winsize window = {.ws_row = rows, .ws_col = 80};
	int master = posix_openpt(O_RDWR | O_NOCTTY), status;
	size_t have = 0;
	ssize_t got;
	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	assert_int_equal(ioctl(master, TIOCSWINSZ, &window), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setsid();
		int slave = open(ptsname(master), O_RDWR);
		dup2(slave, STDIN_FILENO);
		dup2(slave, STDOUT_FILENO);
		dup2(slave, STDERR_FILENO);
		close(slave);
		close(master);
		execl("/bin/sh", "sh", "-c", text, NULL);
		_exit(127);
	}
	while (have < size - 1 && (got = read(master, to + have, size - 1 - have)) > 0)
		have += (size_t)got;
	to[have] = 0;
	close(master);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool
ascii(const char *text)
{
	for (; *text != 0; text++) {
		if ((unsigned char)*text >= 0x80)
			return false;
	}
	return true;
}

static void
test_cli__terminal(void **state)
{
	static char text[TEXT_SIZE];
	struct server server;
	(void)state;
	begin(&server);
	pid_t worker = worker_start("slow", "sleep 0.4; cat");
	pid_t evil = worker_start("evil", "printf 'a\\033[2Jb\\303\\251' >&2; exit 1");
	until("$F workflows get slow && $F workflows get evil");

	/* Drawn, and drawn again in its place; wholly at the end. */
	assert_int_equal(on_terminal("TERM=xterm LC_ALL=C.UTF-8 $F runs watch $($F run slow)", 24,
			     text, sizeof(text)), 0);
	assert_non_null(strstr(text, "\x1b[?7l"));
	assert_non_null(strstr(text, "RUNNING"));
	assert_non_null(strstr(text, "\x1b[5A")); /* over the five lines before */
	assert_non_null(strstr(text, "\x1b[32mCOMPLETED"));
	assert_non_null(strstr(text, "\xe2\x9c\x94 exec"));

	/* Larger than the window: cut, but not at the end. */
	assert_int_equal(on_terminal("TERM=xterm LC_ALL=C $F runs watch $($F run slow)", 4, text,
			     sizeof(text)), 0);
	assert_non_null(strstr(text, "more lines: froe runs get"));
	assert_non_null(strstr(text, "+ exec"));
	assert_true(ascii(text));

	/* Not to be drawn upon, not to be coloured: lines. */
	assert_int_equal(on_terminal("TERM=dumb $F runs watch $($F run slow)", 24, text,
			     sizeof(text)), 0);
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "exec completed"));
	assert_int_equal(
	    on_terminal("TERM=xterm NO_COLOR=1 $F runs list", 24, text, sizeof(text)), 0);
	assert_null(strchr(text, '\x1b'));
	assert_int_equal(on_terminal("TERM=xterm $F runs list", 24, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "\x1b[32mCOMPLETED"));

	/* What a task says cannot clear the screen, nor be what the terminal has no letters for. */
	keep("EVIL", "$F run evil --wait || true");
	assert_int_equal(on_terminal("TERM=xterm LC_ALL=C NO_COLOR=1 $F runs get $EVIL", 24, text,
			     sizeof(text)), 0);
	assert_non_null(strstr(text, "a [2Jb?"));
	assert_true(ascii(text));
	assert_null(strchr(text, '\x1b'));
	worker_end(worker);
	worker_end(evil);
	end(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cli__wrong_words),
	    cmocka_unit_test(test_cli__no_server),
	    cmocka_unit_test(test_cli__completion),
	    cmocka_unit_test(test_cli__runs),
	    cmocka_unit_test(test_cli__many),
	    cmocka_unit_test(test_cli__bench),
	    cmocka_unit_test(test_cli__rights),
	    cmocka_unit_test(test_cli__terminal),
	};
	static const char *const others[] = {"FROE_ADDRESS", "FROE_TOKEN", "FROE_TOKEN_FILE",
	    "FROE_TENANT", "FROE_OUTPUT", "FROE_CONFIG", "NO_COLOR"};
	char *binary = realpath(server_binary(), NULL);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		unsetenv(others[i]);
	setenv("F", binary != NULL ? binary : server_binary(), 1);
	setenv("RUN", "01937f1c-4a77-7000-8d3a-0c4b6f1e2400", 1);
	setenv("NONE", "01937f1c-4a77-7000-8d3a-0c4b6f1e2400", 1);
	free(binary);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
