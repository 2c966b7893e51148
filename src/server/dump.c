#include "server/dump.h"

#include "base/mem.h"
#include "server/record.h"
#include "server/shard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct dump {
	FILE *out;
	bool json;
	struct buf line;
};

static enum froe_err
dump_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct dump *dump = context;
	buf_reset(&dump->line);
	if (dump->json)
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
dump_run(const char *data, const char *from, bool json, FILE *out)
{
	struct dump dump = {.out = out, .json = json};
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
	enum froe_err err =
	    log_scan(io_env_posix(), data, start, dump_record, &dump, &report, &fault);
	buf_release(&dump.line);
	if (fflush(out) != 0 && err == FROE_OK)
		err = fault_set_errno(&fault, errno, "cannot write the dump");
	return dump_exit(err, &fault);
}

struct verify {
	struct eng *eng;
	struct arena arena;
};

static enum froe_err
verify_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct verify *verify = context;
	struct eng_event event;
	arena_reset(&verify->arena);
	enum froe_err err = record_decode(record, &verify->arena, &event, fault);
	if (err == FROE_OK && event.type != 0)
		err = eng_apply_logged(verify->eng, &event, fault);
	return err;
}

int
dump_verify(const char *data, FILE *out)
{
	struct verify verify = {.eng = eng_open()};
	struct log_report report;
	struct froe_fault fault;
	struct lsn start = {0};
	arena_init(&verify.arena, 0);
	enum froe_err err =
	    log_scan(io_env_posix(), data, start, verify_record, &verify, &report, &fault);
	if (err == FROE_OK) {
		struct eng_counts counts;
		char store[UUID_TEXT_SIZE];
		eng_check(verify.eng);
		eng_counts(verify.eng, &counts);
		uuid_format(report.store, store);
		fprintf(out,
		    "store %s: %" PRIu64 " segments, %" PRIu64 " frames, %" PRIu64
		    " records, %" PRIu64 " bytes; %" PRIu64 " runs open, %" PRIu64
		    " started; ends at %016" PRIx64 "%s\n"
		    "state %016" PRIx64 "\nverified: no damage\n",
		    store, report.segments, report.frames, report.records, report.bytes,
		    counts.runs, counts.runs_started, report.end.v,
		    report.clean ? ", cleanly stopped" : "", eng_hash(verify.eng));
	}
	eng_close(verify.eng);
	arena_release(&verify.arena);
	return dump_exit(err, &fault);
}
