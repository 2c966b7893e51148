#include "server/custody.h"

#include "base/fault.h"
#include "log/backup.h"
#include "log/repair.h"

#include <inttypes.h>
#include <time.h>

static int
custody_fail(enum froe_err err, const struct froe_fault *fault)
{
	fprintf(stderr, "froe: %s\n", fault->text);
	switch ((unsigned)err) {
	case FROE_CORRUPT:
	case FROE_INCOMPATIBLE:
		return FROE_EXIT_DATA;
	case FROE_IN_USE:
		return FROE_EXIT_IN_USE;
	case FROE_IO:
	case FROE_NO_SPACE:
		return FROE_EXIT_IO;
	default:
		return FROE_EXIT_FAILED;
	}
}

static void
print_copied(const struct log_report *report, FILE *out)
{
	char store[UUID_TEXT_SIZE];
	uuid_format(report->store, store);
	fprintf(out,
	    "store %s: %" PRIu64 " segments, %" PRIu64 " frames, %" PRIu64 " records, %" PRIu64
	    " bytes; up to frame %" PRIu64 ", ends at %016" PRIx64 "\n",
	    store, report->segments, report->frames, report->records, report->bytes,
	    report->last_frame_seq, report->end.v);
}

int
custody_backup(const char *data, const char *dir, FILE *out)
{
	struct backup_report report;
	struct froe_fault fault;
	enum froe_err err = backup_make(io_env_posix(), data, dir, &report, &fault);
	if (err != FROE_OK)
		return custody_fail(err, &fault);
	print_copied(&report.log, out);
	fprintf(out, "backed up and verified: %s\n", dir);
	return FROE_EXIT_OK;
}

static void
print_made(const struct backup_report *report, FILE *out)
{
	time_t seconds = (time_t)(report->made_wall_ns / UINT64_C(1000000000));
	struct tm parts;
	char text[32];
	gmtime_r(&seconds, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	fprintf(out, "a backup of %s\n", text);
}

int
custody_restore(const char *from, const char *data, FILE *out)
{
	struct backup_report report;
	struct froe_fault fault;
	enum froe_err err = backup_restore(io_env_posix(), from, data, &report, &fault);
	if (err != FROE_OK)
		return custody_fail(err, &fault);
	print_made(&report, out);
	print_copied(&report.log, out);
	fprintf(out, "restored and verified: froe server --data %s serves it\n", data);
	return FROE_EXIT_OK;
}

int
custody_check_backup(const char *from, FILE *out)
{
	struct backup_report report;
	struct froe_fault fault;
	enum froe_err err = backup_restore(io_env_posix(), from, NULL, &report, &fault);
	if (err != FROE_OK)
		return custody_fail(err, &fault);
	print_made(&report, out);
	print_copied(&report.log, out);
	fprintf(out, "verified: no damage\n");
	return FROE_EXIT_OK;
}

/* ------------------------------------------------------------------------------------ repairing */

static void
print_runs(const struct log_report *report, FILE *out)
{
	fprintf(out, "  runs known to be concerned:");
	for (unsigned i = 0; i < report->bad_run_count; i++)
		fprintf(out, " %" PRIu64, report->bad_runs[i]);
	fprintf(out, "%s\n", report->bad_run_count == 0 ? " none" : "");
}

static void
print_damage(const struct repair_report *report, FILE *out)
{
	uint64_t lost = report->last_durable_seq > report->last_good_seq
	    ? report->last_durable_seq - report->last_good_seq
	    : 0;
	if (report->watermark_damaged)
		fprintf(out, "WATERMARK: no slot verifies: it is made anew\n");
	if (report->log_damaged) {
		fprintf(out, "%s\n", report->log_text);
		fprintf(out,
		    "  the log is kept up to frame %" PRIu64 "; at least %" PRIu64
		    " acknowledged frames behind it are given up, and %" PRIu64
		    " later segments\n",
		    report->last_good_seq, lost, report->segments_after);
		print_runs(&report->log, out);
	}
	if (report->cold_damaged > 0)
		fprintf(out, "%u cold files: %s\n", report->cold_damaged, report->cold_text);
}

int
custody_repair(const char *data, bool accept_loss, FILE *out)
{
	struct repair_report report;
	struct froe_fault fault;
	enum froe_err err = repair_run(io_env_posix(), data, accept_loss, &report, &fault);
	print_damage(&report, out);
	if (err == FROE_CORRUPT && !accept_loss)
		fprintf(out,
		    "a backup loses less, if there is one; else \"froe log repair --accept-loss "
		    "--data %s\" does the above and moves what is given up to quarantine/\n", data);
	if (err != FROE_OK)
		return custody_fail(err, &fault);
	fputs(report.repaired ? "repaired: what was given up lies in shard-0000/quarantine, "
				"shard-0000/REPAIRS says what was done\n"
			      : "no damage that keeps a server from starting\n",
	    out);
	return FROE_EXIT_OK;
}
