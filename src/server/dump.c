#include "server/dump.h"

#include "base/mem.h"
#include "log/trail.h"
#include "server/record.h"
#include "server/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct dump {
	FILE *out;
	const struct dump_options *options;
	struct arena arena;
	struct buf line;
};

/* Did somebody do it, who is named? */
static enum froe_err
dump_wanted(struct dump *dump, const struct log_record *record, bool *ret_wanted,
    struct froe_fault *fault)
{
	struct eng_event event;
	*ret_wanted = true;
	if (!dump->options->audit)
		return FROE_OK;
	arena_reset(&dump->arena);
	enum froe_err err = record_decode(record, &dump->arena, &event, fault);
	*ret_wanted = err == FROE_OK && event.type != 0 && event.actor.size > 0;
	return err;
}

static enum froe_err
dump_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct dump *dump = context;
	bool wanted;
	enum froe_err err = dump_wanted(dump, record, &wanted, fault);
	if (err != FROE_OK || !wanted)
		return err;
	buf_reset(&dump->line);
	if (dump->options->json)
		record_print_json(record, &dump->line);
	else
		record_print_text(record, &dump->line);
	size_t size = buf_used(&dump->line);
	if (fwrite(dump->line.data, 1, size, dump->out) != size)
		return fault_set_errno(fault, errno, "cannot write the dump");
	return FROE_OK;
}

static int
dump_exit(enum froe_err err, const struct froe_fault *fault)
{
	if (err == FROE_OK)
		return FROE_EXIT_OK;
	if (fault->sys_errno == EPIPE)
		return FROE_EXIT_OK; /* the reader has seen enough */
	fprintf(stderr, "froe: %s\n", fault->text);
	return err == FROE_CORRUPT || err == FROE_INCOMPATIBLE ? FROE_EXIT_DATA : FROE_EXIT_FAILED;
}

int
dump_run(const char *data, const char *from, const struct dump_options *options, FILE *out)
{
	struct dump dump = {.out = out, .options = options};
	struct log_report report;
	struct froe_fault fault;
	struct lsn start = {0};
	if (from != NULL) {
		char *end;
		errno = 0;
		start.v = strtoull(from, &end, 16);
		if (*from == 0 || *end != 0 || errno != 0) {
			fprintf(stderr, "froe: \"%s\" is not a position: take one that log dump "
			    "has printed, such as 0000000100002000\n", from);
			return FROE_EXIT_USAGE;
		}
	}
	buf_init(&dump.line);
	arena_init(&dump.arena, 0);
	enum froe_err err =
	    log_scan(io_env_posix(), data, start, dump_record, &dump, &report, &fault);
	arena_release(&dump.arena);
	buf_release(&dump.line);
	if (fflush(out) != 0 && err == FROE_OK)
		err = fault_set_errno(&fault, errno, "cannot write the dump");
	return dump_exit(err, &fault);
}

/* ------------------------------------------------------------------------------------- verifying
 */

#define VERIFY_SNAPSHOTS_MAX 64u
#define VERIFY_TRIES 5u

struct verify {
	const char *data;
	const struct log_report *report;
	struct state state;
	uint64_t snapshots[VERIFY_SNAPSHOTS_MAX]; /* those that are there, not yet compared */
	unsigned snapshot_count;
	uint64_t segment; /* of the record before */
	unsigned agreed;
	enum froe_err err; /* what is wrong with a snapshot */
	struct froe_fault fault;
};

static void
verify_snapshot_found(void *context, uint64_t number)
{
	struct verify *verify = context;
	if (verify->snapshot_count < VERIFY_SNAPSHOTS_MAX)
		verify->snapshots[verify->snapshot_count++] = number;
}

static enum froe_err
hash_begin(void *context, const struct log_base *base, bool whole, struct froe_fault *fault)
{
	(void)context, (void)base, (void)whole, (void)fault;
	return FROE_OK;
}

static enum froe_err
hash_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	(void)context, (void)record, (void)fault;
	return FROE_OK;
}

static enum froe_err
hash_end(void *context, uint64_t state_hash, struct froe_fault *fault)
{
	uint64_t *hash = context;
	(void)fault;
	*hash = state_hash;
	return FROE_OK;
}

/* The state is the one at the end of this segment: a snapshot of it must say the same. A server
 * may have deleted it meanwhile. */
static void
verify_snapshot(struct verify *verify, uint64_t number)
{
	static const struct log_loader loader = {hash_begin, hash_record, hash_end};
	uint64_t hash = 0;
	struct log_base base;
	struct froe_fault fault;
	enum froe_err err = snapshot_read(io_env_posix(), verify->data, verify->report->store,
	    number, &loader, &hash, false, &base, &fault);
	if (err == FROE_NOT_FOUND)
		return;
	if (err == FROE_OK && hash == eng_hash(verify->state.eng)) {
		verify->agreed++;
		return;
	}
	if (err == FROE_OK)
		err = fault_set(&fault, FROE_CORRUPT,
		    "snapshot %016" PRIx64 " holds another state than the log leads to", number);
	if (verify->err == FROE_OK)
		verify->fault = fault;
	verify->err = verify->err == FROE_OK ? err : verify->err;
}

/* All snapshots of segments before this one. */
static void
verify_passed(struct verify *verify, uint64_t segment)
{
	for (unsigned i = 0; i < verify->snapshot_count; i++) {
		if (verify->snapshots[i] == segment - 1)
			verify_snapshot(verify, segment - 1);
	}
	verify->segment = segment;
}

static enum froe_err
verify_begin(void *context, const struct log_base *base, bool whole, struct froe_fault *fault)
{
	struct verify *verify = context;
	verify->segment = base->number + 1;
	return state_loader.begin(&verify->state, base, whole, fault);
}

static enum froe_err
verify_load(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct verify *verify = context;
	return state_loader.record(&verify->state, record, fault);
}

static enum froe_err
verify_loaded(void *context, uint64_t state_hash, struct froe_fault *fault)
{
	struct verify *verify = context;
	return state_loader.end(&verify->state, state_hash, fault);
}

static enum froe_err
verify_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct verify *verify = context;
	struct eng_event event;
	if (record->lsn.v >> 32 != verify->segment)
		verify_passed(verify, record->lsn.v >> 32);
	enum froe_err err = state_apply(&verify->state, record, &event, NULL, fault);
	if (err == FROE_OK && event.type == ENG_EV_RUN_CLOSED)
		resolver_forget(verify->state.resolver, event.run);
	return err;
}

static enum froe_err
trail_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	(void)context, (void)record, (void)fault;
	return FROE_OK;
}

static enum froe_err
verify_trail(const struct verify *verify, struct froe_fault *fault)
{
	uint64_t last = verify->report->last_frame_seq;
	struct trail *trail =
	    trail_open(io_env_posix(), verify->data, verify->report->store, fault);
	enum froe_err err = trail != NULL ? trail_check_cold(trail, fault) : fault->code;
	while (err == FROE_OK && trail_frame(trail) < last)
		err = trail_step(trail, trail_record, NULL, fault);
	trail_close(trail);
	return err;
}

/* Replay began with a snapshot: what lies before it, hot and cold. A server may have retired a file
 * while it was being read; then the next reading does not miss it. */
static enum froe_err
verify_before(const struct verify *verify, struct froe_fault *fault)
{
	enum froe_err err = FROE_NOT_FOUND;
	if (verify->report->snapshot == 0)
		return FROE_OK;
	for (unsigned i = 0; i < VERIFY_TRIES && err == FROE_NOT_FOUND; i++)
		err = verify_trail(verify, fault);
	if (err == FROE_NOT_FOUND)
		err = fault->code = FROE_CORRUPT;
	return err;
}

static void
verify_print(struct verify *verify, FILE *out)
{
	const struct log_report *report = verify->report;
	struct eng_counts counts;
	char store[UUID_TEXT_SIZE];
	eng_check(verify->state.eng);
	eng_counts(verify->state.eng, &counts);
	uuid_format(report->store, store);
	fprintf(out,
	    "store %s: %" PRIu64 " segments, %" PRIu64 " frames, %" PRIu64 " records, %" PRIu64
	    " bytes; %" PRIu64 " runs open, %" PRIu64 " started; ends at %016" PRIx64 "%s\n"
	    "state %016" PRIx64 "; %u snapshots agree%s\n",
	    store, report->segments, report->frames, report->records, report->bytes, counts.runs,
	    counts.runs_started, report->end.v, report->clean ? ", cleanly stopped" : "",
	    eng_hash(verify->state.eng), verify->agreed,
	    report->snapshot != 0 ? ", replayed from the older one" : "");
	if (verify->err == FROE_OK)
		fprintf(out, "verified: no damage\n");
}

int
dump_verify(const char *data, FILE *out)
{
	static const struct log_loader loader = {verify_begin, verify_load, verify_loaded};
	struct verify verify = {.data = data};
	struct log_options options = {
	    .dir = data,
	    .read_only = true,
	    .dev = true,
	    .loader = &loader,
	    .replay_most = true,
	};
	struct log_report report;
	struct froe_fault fault;
	struct log *log;
	state_init(&verify.state, io_env_posix(), 0);
	verify.report = &report;
	enum froe_err err =
	    snapshot_list(io_env_posix(), data, verify_snapshot_found, &verify, &fault);
	if (err == FROE_OK)
		err = log_open(
		    io_env_posix(), &options, verify_record, &verify, &log, &report, &fault);
	if (err == FROE_OK) {
		log_close(log);
		if (report.end.v >> 32 != verify.segment)
			verify_passed(&verify, report.end.v >> 32);
		if (verify.err == FROE_OK)
			verify.err = verify_before(&verify, &verify.fault);
		verify_print(&verify, out);
		err = verify.err;
		fault = verify.fault;
	}
	state_release(&verify.state);
	return dump_exit(err, &fault);
}
