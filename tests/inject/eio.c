/*
 * tests/inject/eio: the disk fails under a server at work.
 *
 *     eio OUT [--rounds N]
 *
 * In each round the file system, on a loop device, is shut down (as it does itself when its disk is
 * gone): from that moment the kernel answers every write with EIO. The server, the released one,
 * must end with status 74 and name the file. Then the file system is mounted anew, and another
 * server must start: whatever the first one acknowledged, before or after, is there. Each round is
 * a test, on ext4 and XFS, io_uring and posix; and one more: half of the servers ended within 100
 * ms.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "inject/disk.h"
#include "inject/scene.h"

#include <sys/syscall.h>

#define READY_MS 30000
#define ROUNDS_MAX 1000u
#define WITHIN_NS (100 * LEDGER_NS_PER_MS)
#define END_MS 30000
#define PAD 2000u

static const struct {
	const char *kind;
	const char *io;
	off_t bytes;
} variants[] = {
    {"ext4", "io_uring", 64 << 20},
    {"ext4", "posix", 64 << 20},
    {"xfs", "io_uring", 320 << 20},
    {"xfs", "posix", 320 << 20},
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

struct eio {
	const char *out;
	unsigned rounds;
	unsigned passed;
	unsigned failed;
	uint64_t took_ns[ROUNDS_MAX * VARIANTS];
	size_t count;
};

struct eio_round {
	char dir[PROCESS_PATH];
	char binary[PROCESS_PATH];
	struct disk disk;
	struct server server;
	struct scene scene;
};

static bool
said(const struct server *server, const char *text)
{
	char line[4096];
	bool found = false;
	FILE *file = fopen(server->log, "r");

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, text) != NULL;
	if (file != NULL)
		fclose(file);
	return found;
}

/* Keeps the server at work; the disk fails in the middle of it. How long until it has ended? */
static bool
fail_disk(struct eio_round *round, uint32_t how, uint64_t *ret_took_ns)
{
	struct scene *scene = &round->scene;
	int pidfd = (int)syscall(SYS_pidfd_open, round->server.pid, 0);
	struct pollfd end = {.fd = pidfd, .events = POLLIN};

	if (pidfd < 0)
		process_die("pidfd_open");
	for (unsigned i = 0; i < 200; i++)
		(void)(scene->pending < SCENE_INFLIGHT && scene_start_run(scene));
	for (unsigned i = 0; i < 10; i++)
		(void)scene_step(scene, 0);
	/* What is cached may be written first: from its return on nothing can be. */
	if (!disk_shutdown(&round->disk, how)) {
		close(pidfd);
		return scene_fail(scene, "the file system cannot be shut down");
	}
	uint64_t began_ns = ledger_now_ns();
	while (poll(&end, 1, 0) == 0 && ledger_now_ns() < began_ns + END_MS * LEDGER_NS_PER_MS) {
		if (scene->pending < SCENE_INFLIGHT)
			(void)scene_start_run(scene);
		(void)scene_step(scene, 0);
	}
	*ret_took_ns = ledger_now_ns() - began_ns;
	close(pidfd);
	return process_ended(round->server.pid) || scene_fail(scene, "the server does not end");
}

static bool
run_server(struct eio_round *round, uint32_t how, uint64_t *ret_took_ns)
{
	struct scene *scene = &round->scene;

	server_spawn(&round->server, NULL);
	if (!server_ready(&round->server, READY_MS) || !scene_open(scene, &round->server) ||
	    !scene_load(scene, 100)) {
		server_end(&round->server, SIGKILL);
		return scene_fail(scene, "the server does not serve");
	}
	bool ended = fail_disk(round, how, ret_took_ns);
	/* What it had sent before its end may still be on its way: it counts. */
	for (unsigned i = 0; i < 20 && ended; i++)
		froe_client_step(scene->client, 1, NULL);
	int status = server_end(&round->server, ended ? 0 : SIGKILL);
	if (!ended)
		return false;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 74)
		return scene_fail(scene, "the server ended with %x, not with status 74", status);
	/* A frame, or the segment that comes next. */
	return (said(&round->server, "the log cannot be written: ") &&
		   said(&round->server, "output error; nothing after it was")) ||
	       scene_fail(scene, "the server does not say what failed");
}

static bool
run_after(struct eio_round *round)
{
	struct scene *scene = &round->scene;

	if (!disk_mount_anew(&round->disk))
		return scene_fail(scene, "the file system cannot be mounted again");
	server_spawn(&round->server, NULL);
	bool good = server_ready(&round->server, READY_MS) && scene_load(scene, 6) &&
		    scene_check(scene) && scene_check_executions(scene);
	scene_close(scene);
	int status = server_end(&round->server, good ? SIGTERM : SIGKILL);
	if (!good)
		return scene_fail(scene, "the next server does not serve");
	return (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
		   server_verify(&round->server) == 0) ||
	       scene_fail(scene, "the next server does not stop in order");
}

/* False: there is no such file system here. */
static bool
run_round(struct eio *eio, size_t variant, unsigned number)
{
	struct eio_round *round = calloc(1, sizeof(*round));
	const char *base = getenv("TMPDIR");
	uint64_t took_ns = 0;

	if (round == NULL)
		process_die("calloc");
	process_path(round->dir, "%s/froe-eio-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(round->dir) == NULL)
		process_die(round->dir);
	server_init(&round->server, eio->out, round->dir, variants[variant].io, round->binary);
	round->scene.pad = PAD;
	bool there =
	    disk_open(&round->disk, round->dir, variants[variant].kind, variants[variant].bytes);
	process_path(round->server.data, "%s/data", round->disk.mount);
	bool good = there && run_server(round, number % 3, &took_ns) && run_after(round);
	scene_close(&round->scene);
	if (!disk_close(&round->disk))
		good = scene_fail(&round->scene, "the file system cannot be unmounted");
	if (there) {
		eio->passed += good ? 1 : 0;
		eio->failed += good ? 0 : 1;
		eio->took_ns[eio->count++] = took_ns;
		printf("%s %s: ended %.1f ms after the disk\n", variants[variant].kind,
		    variants[variant].io, (double)took_ns / 1e6);
	}
	if (there && !good) {
		printf("FAILED: %s\n", round->scene.why);
		process_show(round->server.log, 1500);
	}
	fflush(stdout);
	process_remove_tree(round->dir);
	free(round);
	return there;
}

static int
compare_ns(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* A machine that has other things to do may be late once, and not each second time. */
static void
judge_times(struct eio *eio)
{
	if (eio->count == 0)
		return;
	qsort(eio->took_ns, eio->count, sizeof(eio->took_ns[0]), compare_ns);
	uint64_t median_ns = eio->took_ns[eio->count / 2];
	bool good = median_ns <= WITHIN_NS;
	printf("sum: %zu servers ended %.1f ms after the disk (median; the last one %.1f ms)%s\n",
	    eio->count, (double)median_ns / 1e6, (double)eio->took_ns[eio->count - 1] / 1e6,
	    good ? "" : ": FAILED: more than 100 ms");
	eio->passed += good ? 1 : 0;
	eio->failed += good ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct eio *eio = calloc(1, sizeof(*eio));

	if (eio == NULL)
		process_die("calloc");
	eio->rounds = 1;
	if (argc == 4 && strcmp(argv[2], "--rounds") == 0)
		eio->rounds = (unsigned)atoi(argv[3]);
	if ((argc != 2 && argc != 4) || eio->rounds == 0 || eio->rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: eio OUT [--rounds N]\n");
		return 2;
	}
	eio->out = argv[1];
	for (size_t i = 0; i < VARIANTS; i++) {
		for (unsigned n = 0; n < eio->rounds; n++) {
			if (run_round(eio, i, n))
				continue;
			printf("skipping: no %s can be made and mounted here\n", variants[i].kind);
			break;
		}
	}
	judge_times(eio);
	printf("%u passed, %u failed\n", eio->passed, eio->failed);
	return eio->failed > 0;
}
