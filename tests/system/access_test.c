/*
 * Who gets in, and how far: tokens, roles, tenants, pools, admin.sock, over the real binary; and
 * that all of it is the same after kill -9.
 */
#include "system/system.h"

#include "base/base64.h"
#include "base/bytes.h"
#include "system/echo.h"

#include <poll.h>

#define TOKEN_SIZE FROE_TOKEN_TEXT_SIZE

static void
auth_init(struct server *server)
{
	server_init(server);
	server->extra[0] = "--auth"; /* the later one counts */
	server->extra[1] = "on";
}

/* Runs the command; its exit status. What it says on stdout is in `out`. */
static int
run_froe(const char *const *words, char *out, size_t size)
{
	const char *argv[24] = {server_binary()};
	int fds[2], status;
	size_t have = 0;
	for (int i = 0; words[i] != NULL; i++)
		argv[i + 1] = words[i];
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], 1);
		if (getenv("FROE_VERBOSE") == NULL)
			assert_non_null(freopen("/dev/null", "w", stderr));
		execv(argv[0], (char **)(uintptr_t)argv);
		_exit(127);
	}
	close(fds[1]);
	for (ssize_t got; have < size - 1 && (got = read(fds[0], out + have, size - 1 - have)) > 0;)
		have += (size_t)got;
	out[have] = 0;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* With --data: by admin.sock, or without a server. */
static void
first_token(const struct server *server, const char *roles, const char *tenant, char *token)
{
	const char *const words[] = {"token", "create", "--name", "first", "--role", roles,
	    "--tenant", tenant, "--data", server->dir, "--segment-bytes", "16777216", NULL};
	char out[256];
	assert_int_equal(run_froe(words, out, sizeof(out)), 0);
	assert_int_equal(strlen(out), TOKEN_SIZE); /* with its newline */
	memcpy(token, out, TOKEN_SIZE - 1);
	token[TOKEN_SIZE - 1] = 0;
}

static enum froe_err
try_open(const struct server *server, const char *address, const char *token, const char *tenant,
    struct froe_client **ret_client)
{
	struct froe_error error;
	struct froe_client_options options = {
	    .address = address != NULL ? address : server->address,
	    .token = token,
	    .tenant = tenant,
	    .open_ms = 5000,
	};
	return froe_client_open(&options, ret_client, &error);
}

static struct froe_client *
must_open(const struct server *server, const char *token, const char *tenant)
{
	struct froe_client *client = NULL;
	assert_int_equal(try_open(server, NULL, token, tenant, &client), FROE_OK);
	return client;
}

static struct froe_client *
open_admin(const struct server *server)
{
	char address[300];
	struct froe_client *client = NULL;
	snprintf(address, sizeof(address), "unix:%s/admin.sock", server->dir);
	assert_int_equal(try_open(server, address, NULL, NULL, &client), FROE_OK);
	return client;
}

static struct froe_token
make_token(struct froe_client *admin, const char *role, const char *tenant, const char *action,
    uint64_t expires_ms)
{
	struct froe_token token;
	struct froe_error error;
	struct froe_token_options options = {
	    .name = role,
	    .tenant = tenant,
	    .roles = &role,
	    .role_count = 1,
	    .actions = &action,
	    .action_count = action != NULL ? 1 : 0,
	    .expires_ms = expires_ms,
	};
	CALL(froe_token_create(admin, &options, -1, &token, &error), error);
	return token;
}

static enum froe_err
try_list(struct froe_client *client)
{
	struct froe_run_page *page;
	struct froe_list_options options = {0};
	enum froe_err err = froe_run_list(client, &options, 5000, &page, NULL);
	if (err == FROE_OK)
		froe_run_page_free(page);
	return err;
}

static enum froe_err
try_start(struct froe_client *client)
{
	struct froe_run_options options = {.workflow = "echo", .input = {"1", 1}};
	struct froe_started started;
	return froe_run_start(client, &options, 5000, &started, NULL);
}

static enum froe_err
try_put(struct froe_client *client, const struct froe_workflow *workflow)
{
	struct froe_workflow_version version;
	return froe_workflow_put(client, workflow, 5000, &version, NULL);
}

/* ------------------------------------------------------------------------------------ getting in
 */

static void
test_access__only_with_a_token(void **state)
{
	struct server server;
	struct froe_client *client;
	char token[TOKEN_SIZE], bad[TOKEN_SIZE];
	(void)state;
	auth_init(&server);
	first_token(&server, "admin", "*", token); /* before any server ran */
	server_start(&server);
	assert_int_equal(try_open(&server, NULL, NULL, NULL, &client), FROE_UNAUTHENTICATED);
	memcpy(bad, token, sizeof(bad));
	bad[30] = bad[30] == 'a' ? 'b' : 'a';
	assert_int_equal(try_open(&server, NULL, bad, NULL, &client), FROE_UNAUTHENTICATED);
	client = must_open(&server, token, NULL);
	assert_int_equal(try_list(client), FROE_OK);
	server_restart(&server); /* kill -9 */
	assert_int_equal(try_list(client), FROE_OK); /* it comes back with its token */
	assert_int_equal(try_open(&server, NULL, bad, NULL, &(struct froe_client *){NULL}),
	    FROE_UNAUTHENTICATED);
	froe_client_close(client);
	server_release(&server);
}

static void
test_access__admin_socket(void **state)
{
	struct server server;
	struct stat file;
	char path[300], token[TOKEN_SIZE], again[TOKEN_SIZE];
	(void)state;
	auth_init(&server);
	server_start(&server);
	snprintf(path, sizeof(path), "%s/admin.sock", server.dir);
	assert_int_equal(stat(path, &file), 0);
	assert_true(S_ISSOCK(file.st_mode));
	assert_int_equal(file.st_mode & 07777u, 0600);
	first_token(&server, "admin", "*", token); /* while it runs */
	server_restart(&server);                   /* the stale socket is replaced */
	first_token(&server, "client", "acme", again);
	froe_client_close(must_open(&server, token, "any-tenant"));
	froe_client_close(must_open(&server, again, NULL));
	server_end(&server, SIGTERM);
	assert_int_equal(stat(path, &file), -1);
	server_release(&server);
}

/* ------------------------------------------------------------------------------- how far it goes
 */

static void
test_access__roles(void **state)
{
	struct server server;
	struct froe_client *admin, *client, *worker, *operator;
	struct froe_token_list *list;
	(void)state;
	auth_init(&server);
	server_start(&server);
	admin = open_admin(&server);
	client = must_open(&server, make_token(admin, "client", NULL, NULL, 0).text, NULL);
	worker = must_open(&server, make_token(admin, "worker", NULL, NULL, 0).text, NULL);
	operator = must_open(&server, make_token(admin, "operator", NULL, NULL, 0).text, NULL);
	assert_int_equal(try_put(client, &echoes), FROE_FORBIDDEN);
	assert_int_equal(try_put(operator, &echoes), FROE_FORBIDDEN);
	assert_int_equal(try_put(worker, &echoes), FROE_OK);
	assert_int_equal(try_start(worker), FROE_FORBIDDEN);
	assert_int_equal(try_start(operator), FROE_FORBIDDEN);
	assert_int_equal(try_start(client), FROE_OK);
	assert_int_equal(try_list(worker), FROE_FORBIDDEN);
	assert_int_equal(try_list(operator), FROE_OK);
	struct froe_id run = start_run(client, "echo", "[1]");
	assert_int_equal(froe_run_cancel(client, run, "no", 5000, NULL), FROE_FORBIDDEN);
	assert_int_equal(froe_run_cancel(worker, run, "no", 5000, NULL), FROE_FORBIDDEN);
	assert_int_equal(froe_run_cancel(operator, run, "no", 5000, NULL), FROE_OK);
	assert_int_equal(froe_token_list(operator, 5000, &list, NULL), FROE_FORBIDDEN);
	assert_int_equal(froe_token_list(admin, 5000, &list, NULL), FROE_OK);
	assert_int_equal(list->row_count, 3);
	assert_string_equal(list->rows[2].name, "operator");
	assert_string_equal(list->rows[2].tenant, "default");
	assert_int_equal(list->rows[2].uses, 1);
	froe_token_list_free(list);
	froe_client_close(admin);
	froe_client_close(client);
	froe_client_close(worker);
	froe_client_close(operator);
	server_release(&server);
}

static void
test_access__tenants(void **state)
{
	struct server server;
	struct froe_client *admin, *acme, *none;
	struct froe_token token;
	struct froe_token_list *list;
	const char *role = "client", *boss = "admin";
	(void)state;
	auth_init(&server);
	server_start(&server);
	admin = open_admin(&server);
	token = make_token(admin, "admin", "acme", NULL, 0);
	struct froe_token other = make_token(admin, "client", "other", NULL, 0);
	acme = must_open(&server, token.text, NULL);
	froe_client_close(must_open(&server, token.text, "acme"));
	assert_int_equal(try_open(&server, NULL, token.text, "other", &none), FROE_FORBIDDEN);
	/* An admin of a tenant makes, sees and revokes tokens within it. */
	struct froe_token_options mine = {.name = "a", .roles = &role, .role_count = 1}, all = mine;
	assert_int_equal(froe_token_create(acme, &mine, 5000, &token, NULL), FROE_OK);
	mine.tenant = "other";
	assert_int_equal(froe_token_create(acme, &mine, 5000, &token, NULL), FROE_FORBIDDEN);
	all.tenant = "*";
	all.roles = &boss;
	assert_int_equal(froe_token_create(acme, &all, 5000, &token, NULL), FROE_FORBIDDEN);
	all.roles = &role; /* what would a client of all tenants be? */
	assert_int_equal(froe_token_create(admin, &all, 5000, &token, NULL), FROE_FORBIDDEN);
	assert_int_equal(froe_token_list(acme, 5000, &list, NULL), FROE_OK);
	assert_int_equal(list->row_count, 2);
	froe_token_list_free(list);
	assert_int_equal(froe_token_revoke(acme, other.id, 5000, NULL), FROE_NOT_FOUND);
	froe_client_close(must_open(&server, other.text, NULL));
	froe_client_close(acme);
	froe_client_close(admin);
	server_release(&server);
}

/* A token for a pool: its actions, and workflows made of nothing else. */
static void
test_access__pools(void **state)
{
	struct server server;
	struct froe_client *admin, *worker;
	static const struct froe_task_def mixed[] = {
	    {.name = "a", .action = "echo:x", .handler = echo},
	    {.name = "b", .action = "orders:ship", .handler = echo}};
	static const struct froe_workflow both = {.name = "both", .tasks = mixed, .task_count = 2};
	struct froe_workflow other = echoes;
	(void)state;
	auth_init(&server);
	server_start(&server);
	admin = open_admin(&server);
	worker = must_open(&server, make_token(admin, "worker", NULL, "echo:*", 0).text, NULL);
	other.name = "other";
	assert_int_equal(try_put(worker, &other), FROE_FORBIDDEN);
	assert_int_equal(try_put(worker, &both), FROE_FORBIDDEN);
	assert_int_equal(try_put(worker, &echoes), FROE_OK);
	froe_client_close(worker);
	froe_client_close(admin);
	server_release(&server);
}

/* -------------------------------------------------------------------------------- how it ends */

static void
expect_cut(struct froe_client *client, uint64_t within_ms)
{
	uint64_t until_ms = now_ms() + within_ms;
	while (froe_client_connected(client) && now_ms() < until_ms)
		sleep_ms(10);
	assert_false(froe_client_connected(client));
}

static void
test_access__revoked_on_an_open_connection(void **state)
{
	struct server server;
	struct froe_client *admin, *client;
	struct froe_token token;
	struct froe_error error;
	(void)state;
	auth_init(&server);
	server_start(&server);
	admin = open_admin(&server);
	token = make_token(admin, "client", NULL, NULL, 0);
	client = must_open(&server, token.text, NULL);
	assert_int_equal(try_list(client), FROE_OK);
	CALL(froe_token_revoke(admin, token.id, -1, &error), error);
	expect_cut(client, 1000);
	assert_int_equal(try_list(client), FROE_UNAUTHENTICATED); /* it does not wait for ever */
	froe_client_close(client);
	froe_client_close(admin);
	server_restart(&server);
	assert_int_equal(try_open(&server, NULL, token.text, NULL, &client), FROE_UNAUTHENTICATED);
	server_release(&server);
}

static void
test_access__expired(void **state)
{
	struct server server;
	struct froe_client *admin, *client;
	struct froe_token token;
	(void)state;
	auth_init(&server);
	server_start(&server);
	admin = open_admin(&server);
	token = make_token(admin, "client", NULL, NULL, 1500);
	client = must_open(&server, token.text, NULL);
	assert_int_equal(try_list(client), FROE_OK);
	sleep_ms(500);
	assert_true(froe_client_connected(client));
	expect_cut(client, 2500);
	froe_client_close(client);
	assert_int_equal(try_open(&server, NULL, token.text, NULL, &client), FROE_UNAUTHENTICATED);
	froe_client_close(admin);
	server_release(&server);
}

/* ----------------------------------------------------------------------------------- the rest */

/* Ten failures are answered at once, the next ones a second late; a good token never is. */
static void
test_access__failures_are_slowed(void **state)
{
	struct server server;
	struct froe_client *admin, *client;
	struct froe_token token;
	(void)state;
	auth_init(&server);
	server_start(&server);
	admin = open_admin(&server);
	token = make_token(admin, "client", NULL, NULL, 0);
	uint64_t before_ms = now_ms();
	for (int i = 0; i < 10; i++)
		assert_int_equal(
		    try_open(&server, NULL, "nonsense", NULL, &client), FROE_UNAUTHENTICATED);
	assert_true(now_ms() - before_ms < 900);
	before_ms = now_ms();
	assert_int_equal(try_open(&server, NULL, "nonsense", NULL, &client), FROE_UNAUTHENTICATED);
	assert_true(now_ms() - before_ms >= 1000);
	before_ms = now_ms();
	froe_client_close(must_open(&server, token.text, NULL));
	assert_true(now_ms() - before_ms < 900);
	froe_client_close(admin);
	server_release(&server);
}

/* The status of the answer to GET; head and body in `answer`. */
static int
http_status(const struct server *server, const char *path, const char *token, char *answer,
    size_t size)
{
	char more[200] = "";
	if (token != NULL)
		snprintf(more, sizeof(more), "Authorization: bearer %s\r\n", token);
	http_get_with(server, path, more, answer, size);
	assert_memory_equal(answer, "HTTP/1.1 ", 9);
	return atoi(answer + 9);
}

static void
test_access__http(void **state)
{
	struct server server;
	struct froe_client *admin;
	char answer[65536];
	(void)state;
	auth_init(&server);
	server_start(&server);
	admin = open_admin(&server);
	struct froe_token tenant = make_token(admin, "operator", "acme", NULL, 0);
	struct froe_token all = make_token(admin, "operator", "*", NULL, 0);
	assert_int_equal(http_status(&server, "/healthz", NULL, answer, sizeof(answer)), 200);
	assert_int_equal(http_status(&server, "/readyz", NULL, answer, sizeof(answer)), 200);
	assert_int_equal(http_status(&server, "/metrics", NULL, answer, sizeof(answer)), 401);
	assert_non_null(strstr(answer, "WWW-Authenticate: Bearer"));
	assert_null(strstr(answer, "froe_runs"));
	assert_int_equal(
	    http_status(&server, "/metrics", tenant.text, answer, sizeof(answer)), 403);
	assert_null(strstr(answer, "froe_runs"));
	assert_int_equal(
	    http_status(&server, "/metrics", all.text, answer, sizeof(answer)), 200);
	assert_non_null(strstr(answer, "\nfroe_tokens 2\n"));
	assert_null(strstr(answer, all.text));
	froe_client_close(admin);
	server_release(&server);
}

static void
flip_bit(const char *path, long at)
{
	FILE *file = fopen(path, "r+e");
	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	int byte = fgetc(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
	assert_int_equal(fclose(file), 0);
}

static void
test_access__permissions_are_checked(void **state)
{
	struct server server;
	char path[300], out[64];
	int status;
	const char *const open_words[] = {"server", "--data", "/nonexistent", "--auth", "off",
	    "--listen", "0.0.0.0:0", NULL};
	(void)state;
	assert_int_equal(run_froe(open_words, out, sizeof(out)), 2);
	auth_init(&server);
	assert_int_equal(chmod(server.dir, 0770), 0);
	assert_false(server_try_start(&server, &status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(chmod(server.dir, 0750), 0);
	server_start(&server);
	server_end(&server, SIGTERM);
	snprintf(path, sizeof(path), "%s/token.key", server.dir);
	assert_int_equal(chmod(path, 0640), 0);
	assert_false(server_try_start(&server, &status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(chmod(path, 0600), 0);
	/* A bit flipped: all tokens would be void, and nobody would know why. */
	for (long at = 0; at < 40; at += 39) {
		flip_bit(path, at);
		assert_false(server_try_start(&server, &status));
		assert_int_equal(WEXITSTATUS(status), 65);
		flip_bit(path, at);
	}
	server_start(&server);
	server_release(&server);
}

/* No token, and nothing of its secret, is in any file of the store or in the log's dump. */
static int
file_has(const char *path, const char *text)
{
	static char bytes[32 << 20];
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	size_t size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	return memmem(bytes, size, text, strlen(text)) != NULL;
}

static const char *canary;
static int canary_files, canary_found;

static int
look_for_canary(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat;
	(void)ftw;
	if (kind != FTW_F)
		return 0;
	canary_files++;
	canary_found += file_has(path, canary);
	return 0;
}

static void
test_access__nothing_of_a_secret_is_kept(void **state)
{
	struct server server;
	char token[TOKEN_SIZE], secret[24];
	(void)state;
	auth_init(&server);
	first_token(&server, "admin", "*", token);
	server_start(&server);
	froe_client_close(must_open(&server, token, NULL));
	server_end(&server, SIGKILL);
	memcpy(secret, token + 17, sizeof(secret) - 1);
	secret[sizeof(secret) - 1] = 0;
	canary = secret;
	canary_files = canary_found = 0;
	nftw(server.dir, look_for_canary, 16, FTW_PHYS);
	assert_true(canary_files > 3);
	assert_int_equal(canary_found, 0);
	server_release(&server);
}

/* ------------------------------------------------------------------------ for Hatchet's SDKs */

/* By the command, as a user makes it. */
static void
hatchet_token(const struct server *server, const char *tenant, char jwt[FROE_TOKEN_JWT_TEXT_SIZE])
{
	const char *const words[] = {"token", "create", "--hatchet", "--tenant", tenant, "--data",
	    server->dir, "--segment-bytes", "16777216", NULL};
	assert_int_equal(run_froe(words, jwt, FROE_TOKEN_JWT_TEXT_SIZE), 0);
	char *end = strchr(jwt, '\n');
	assert_non_null(end);
	*end = 0;
}

/* Is this text among its claims? They are for whoever has it to read. */
static bool
jwt_says(const char *jwt, const char *text)
{
	uint8_t payload[FROE_TOKEN_JWT_TEXT_SIZE] = {0};
	const char *from = strchr(jwt, '.') + 1, *to = strrchr(jwt, '.');
	assert_true(base64url_decode(bytes_of(from, (size_t)(to - from)), payload));
	return strstr((const char *)payload, text) != NULL;
}

static void
test_access__hatchet(void **state)
{
	struct server server;
	struct froe_client *client;
	char first[FROE_TOKEN_JWT_TEXT_SIZE], jwt[FROE_TOKEN_JWT_TEXT_SIZE], text[300];
	(void)state;
	auth_init(&server);
	hatchet_token(&server, "acme", first); /* before any server ran */
	assert_true(jwt_says(first, "\"grpc_broadcast_address\":\"127.0.0.1:7077\""));
	server_start(&server);
	hatchet_token(&server, "acme", jwt);
	snprintf(text, sizeof(text), "\"server_url\":\"http://%s\"", server.address);
	assert_true(jwt_says(jwt, text));

	/* It is the token within that is judged: roles client and worker, in its tenant. */
	froe_client_close(must_open(&server, first, "acme"));
	assert_int_equal(try_open(&server, NULL, jwt, "other", &client), FROE_FORBIDDEN);
	client = must_open(&server, jwt, NULL);
	assert_int_equal(try_list(client), FROE_OK);
	assert_int_equal(try_put(client, &echoes), FROE_OK);
	assert_int_equal(try_start(client), FROE_OK);
	assert_int_equal(froe_token_revoke(client, "0000000001", 5000, NULL), FROE_FORBIDDEN);
	froe_client_close(client);

	/* A claim that was changed. */
	char *claim = strchr(jwt, '.') + 200;
	*claim = *claim == 'A' ? 'B' : 'A';
	assert_int_equal(try_open(&server, NULL, jwt, NULL, &client), FROE_UNAUTHENTICATED);

	/* The same after a crash, until it is revoked. */
	server_end(&server, SIGKILL);
	server_start(&server);
	froe_client_close(must_open(&server, first, NULL));
	struct froe_token_list *list;
	struct froe_client *admin = open_admin(&server);
	assert_int_equal(froe_token_list(admin, 5000, &list, NULL), FROE_OK);
	assert_int_equal(list->row_count, 2);
	assert_string_equal(list->rows[0].name, "hatchet");
	assert_int_equal(list->rows[0].role_count, 2);
	assert_int_equal(froe_token_revoke(admin, list->rows[0].id, 5000, NULL), FROE_OK);
	froe_token_list_free(list);
	assert_int_equal(try_open(&server, NULL, first, NULL, &client), FROE_UNAUTHENTICATED);
	froe_client_close(admin);
	server_end(&server, SIGTERM);
	server_release(&server);
}

/* With --auth off a token says nothing, but for this: whose tenant it is. */
static void
test_access__hatchet_without_access_control(void **state)
{
	struct server server;
	struct froe_client *client;
	char jwt[FROE_TOKEN_JWT_TEXT_SIZE];
	(void)state;
	server_init(&server);
	server.extra[0] = "--advertise";
	server.extra[1] = "https://froe.example:443";
	server_start(&server);
	hatchet_token(&server, "acme", jwt);
	assert_true(jwt_says(jwt, "\"server_url\":\"https://froe.example:443\""));
	assert_true(jwt_says(jwt, "\"grpc_broadcast_address\":\"froe.example:443\""));
	client = must_open(&server, jwt, NULL);
	assert_int_equal(try_put(client, &echoes), FROE_OK);
	froe_client_close(client);
	client = must_open(&server, NULL, "acme");
	assert_int_equal(try_start(client), FROE_OK);
	froe_client_close(client);
	client = must_open(&server, "nonsense", NULL); /* default: nobody has put it there */
	assert_int_equal(try_start(client), FROE_NOT_FOUND);
	froe_client_close(client);
	server_end(&server, SIGTERM);
	server_release(&server);
}

/* ---------------------------------------------------------------------------------- strangers */

/* A connection from 127.0.0.`host` that has said nothing. */
static int
stranger_open(const struct server *server, uint32_t host)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	from.sin_addr.s_addr = htonl(0x7f000000u + host);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)server->port);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Has the server hung up on it, within the time? */
static bool
stranger_closed(int fd, int wait_ms)
{
	struct pollfd slot = {.fd = fd, .events = POLLIN};
	char byte;
	return poll(&slot, 1, wait_ms) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

static void
test_access__strangers_of_one_address(void **state)
{
	struct server server;
	int fds[4];
	(void)state;
	auth_init(&server);
	server.extra[2] = "--strangers-per-address";
	server.extra[3] = "3";
	server_start(&server);
	struct froe_client *admin = open_admin(&server);
	struct froe_token token = make_token(admin, "client", NULL, NULL, 0);
	struct froe_client *known = must_open(&server, token.text, NULL); /* does not count */
	for (int i = 0; i < 3; i++)
		fds[i] = stranger_open(&server, 1);
	fds[3] = stranger_open(&server, 1);
	assert_true(stranger_closed(fds[3], 5000));
	close(fds[3]);
	fds[3] = stranger_open(&server, 2);
	assert_false(stranger_closed(fds[3], 200));
	assert_false(stranger_closed(fds[0], 0));
	close(fds[0]);
	sleep_ms(100);
	fds[0] = stranger_open(&server, 1);
	assert_false(stranger_closed(fds[0], 200));
	assert_int_equal(try_list(known), FROE_OK);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	froe_client_close(known);
	froe_client_close(admin);
	server_release(&server);
}

/* The last places are for those who are known, and for others from where they come from. */
static void
test_access__room_for_the_known(void **state)
{
	struct server server;
	int fds[23], last = 21; /* with the admin 22 */
	(void)state;
	if (getenv("FROE_EDGE") != NULL)
		last++; /* the admin is at the other loop; who has said nothing is here */
	auth_init(&server);
	server.extra[2] = "--connections";
	server.extra[3] = "24"; /* 2 of them kept */
	server.extra[4] = "--handshake";
	server.extra[5] = "1h"; /* it is not that which ends them */
	server_start(&server);
	struct froe_client *admin = open_admin(&server);
	struct froe_token token = make_token(admin, "client", NULL, NULL, 0);
	for (int i = 0; i < last; i++)
		fds[i] = stranger_open(&server, 2);
	fds[last] = stranger_open(&server, 2);
	assert_true(stranger_closed(fds[last], 20000));
	assert_false(stranger_closed(fds[last - 1], 0)); /* they are taken in their order */
	close(fds[0]);
	sleep_ms(100);
	froe_client_close(must_open(&server, token.text, NULL)); /* from 127.0.0.1 */
	sleep_ms(100);
	fds[0] = stranger_open(&server, 2);
	assert_false(stranger_closed(fds[0], 200));
	struct froe_client *known = must_open(&server, token.text, NULL);
	froe_client_close(known);
	for (int i = 0; i <= last; i++)
		close(fds[i]);
	froe_client_close(admin);
	server_release(&server);
}

/* Requests that never end: what they hold together is bounded, and the server goes on. */
static void
test_access__memory_of_strangers(void **state)
{
	struct server server;
	int fds[30], closed = 0;
	char head[7000];
	(void)state;
	auth_init(&server);
	server.extra[2] = "--strangers-bytes";
	server.extra[3] = "131072";
	server_start(&server);
	struct froe_client *admin = open_admin(&server);
	memset(head, 'a', sizeof(head));
	memcpy(head, "GET /", 5);
	for (int i = 0; i < 30; i++) {
		fds[i] = stranger_open(&server, 1);
		assert_int_equal(send(fds[i], head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
	}
	sleep_ms(300);
	for (int i = 0; i < 30; i++)
		closed += stranger_closed(fds[i], 0);
	assert_true(closed >= 10);
	assert_true(closed < 30);
	assert_int_equal(try_list(admin), FROE_OK);
	for (int i = 0; i < 30; i++)
		close(fds[i]);
	froe_client_close(admin);
	server_release(&server);
}

static void
test_access__timeouts(void **state)
{
	struct server server;
	(void)state;
	auth_init(&server);
	server.extra[2] = "--handshake";
	server.extra[3] = "300ms";
	server.extra[4] = "--idle";
	server.extra[5] = "600ms";
	server_start(&server);
	struct froe_client *admin = open_admin(&server);
	int fd = stranger_open(&server, 1);
	assert_false(stranger_closed(fd, 200));
	assert_true(stranger_closed(fd, 2000));
	close(fd);
	sleep_ms(1500);
	assert_true(froe_client_connected(admin)); /* it answers pings */
	froe_client_close(admin);
	server_release(&server);
}

static void
read_file(const char *path, char *to, size_t size)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t have = fread(to, 1, size - 1, file);
	to[have] = 0;
	fclose(file);
}

static size_t
count_of(const char *text, const char *word)
{
	size_t count = 0;
	for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
		count++;
	return count;
}

/* Of the numbers behind a word. */
static long
sum_of(const char *text, const char *word)
{
	long sum = 0;
	for (const char *at = text; (at = strstr(at, word)) != NULL;)
		sum += strtol(at += strlen(word), NULL, 10);
	return sum;
}

#define assert_says(text, word)                                                                    \
	do {                                                                                       \
		if (strstr((text), (word)) == NULL)                                                \
			fail_msg("not said: %s\nin\n%s", (word), (text));                          \
	} while (0)

/* Who was refused, why and from where; who made and revoked tokens, paused workers, started jobs:
 * in the server's log as it happens, and in the store's for good. */
static void
test_access__audit(void **state)
{
	static char said[65536], out[65536];
	struct server server;
	char path[300], first[TOKEN_SIZE], wrong[TOKEN_SIZE];
	struct froe_client *client;
	struct froe_error error;
	uint64_t job;
	(void)state;
	auth_init(&server);
	snprintf(path, sizeof(path), "%s.log", server.dir);
	server.log = path;
	first_token(&server, "admin", "*", first);
	server_start(&server);
	uint64_t began_ms = now_ms();
	assert_int_equal(try_open(&server, NULL, NULL, NULL, &client), FROE_UNAUTHENTICATED);
	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    try_open(&server, NULL, "nonsense", NULL, &client), FROE_UNAUTHENTICATED);
	client = must_open(&server, first, "shop");
	struct froe_token token = make_token(client, "client", "shop", NULL, 0);
	assert_int_equal(froe_token_revoke(client, token.id, -1, &error), FROE_OK);
	struct froe_job_options job_options = {.all = true, .reason = "clean\x01 up"};
	CALL(froe_job_start(client, FROE_JOB_CANCEL, NULL, &job_options, -1, &job, &error), error);
	sleep_ms(1100); /* a line a second */
	memcpy(wrong, token.text, sizeof(wrong));
	assert_int_equal(try_open(&server, NULL, wrong, NULL, &client), FROE_UNAUTHENTICATED);
	froe_client_close(client);
	read_file(path, said, sizeof(said));
	assert_says(said, "token_refused: a connection was refused: without a token");
	assert_says(said, "peer=127.0.0.1:");
	assert_says(said, "revoked, or never made here: token ");
	assert_true(count_of(said, "token_refused") <= 1 + (now_ms() - began_ms) / 1000);
	assert_int_equal(sum_of(said, " refused="), 7); /* none is forgotten */
	assert_says(said, " (client) of tenant shop was created, for client actor=first");
	assert_says(said, " was revoked actor=first");
	assert_says(said, "job 1 was started, to cancel runs: clean  up actor=first");
	assert_null(strstr(said, token.text));
	const char *const words[] = {"log", "dump", "--data", server.dir, "--audit", NULL};
	assert_int_equal(run_froe(words, out, sizeof(out)), 0);
	assert_int_equal(count_of(out, "TOKEN_CREATED"), 2);
	assert_says(out, "actor=\"offline\"");
	assert_int_equal(count_of(out, "TOKEN_REVOKED"), 1);
	assert_int_equal(count_of(out, "JOB_STARTED"), 1);
	assert_int_equal(count_of(out, "ENGINE_STARTED"), 0);
	assert_int_equal(count_of(out, "\n"), 4);
	server_release(&server);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_access__only_with_a_token),
	    cmocka_unit_test(test_access__admin_socket),
	    cmocka_unit_test(test_access__roles),
	    cmocka_unit_test(test_access__tenants),
	    cmocka_unit_test(test_access__pools),
	    cmocka_unit_test(test_access__revoked_on_an_open_connection),
	    cmocka_unit_test(test_access__expired),
	    cmocka_unit_test(test_access__failures_are_slowed),
	    cmocka_unit_test(test_access__http),
	    cmocka_unit_test(test_access__permissions_are_checked),
	    cmocka_unit_test(test_access__strangers_of_one_address),
	    cmocka_unit_test(test_access__room_for_the_known),
	    cmocka_unit_test(test_access__memory_of_strangers),
	    cmocka_unit_test(test_access__timeouts),
	    cmocka_unit_test(test_access__audit),
	    cmocka_unit_test(test_access__nothing_of_a_secret_is_kept),
	    cmocka_unit_test(test_access__hatchet),
	    cmocka_unit_test(test_access__hatchet_without_access_control),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
