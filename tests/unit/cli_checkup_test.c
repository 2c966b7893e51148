/* cli/checkup: what metrics say about a server. */
#include "cli/checkup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DAY_S UINT64_C(86400)
#define NOW_NS (UINT64_C(1700000000) * 1000000000)

struct wanted {
	const char *name;
	bool found;
	struct doctor_finding finding;
};

static void
take(void *context, const struct doctor_finding *finding)
{
	struct wanted *wanted = context;
	if (strcmp(finding->name, wanted->name) != 0)
		return;
	assert_false(wanted->found);
	wanted->found = true;
	wanted->finding = *finding;
}

/* The level, or -1 when the question was not asked. */
static int
level(const char *metrics, const char *name, const char *fact)
{
	struct wanted wanted = {.name = name};
	checkup_metrics(metrics, NOW_NS, take, &wanted);
	if (!wanted.found)
		return -1;
	if (strstr(wanted.finding.fact, fact) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", fact, wanted.finding.fact);
	assert_true((wanted.finding.level == DOCTOR_OK) == (wanted.finding.advice[0] == 0));
	return (int)wanted.finding.level;
}

static void
test_checkup__disk(void **state)
{
	(void)state;
	assert_int_equal(level("froe_disk_state 0\nfroe_disk_free_bytes 1e12\n"
			       "froe_disk_total_bytes 2e12\n",
			     "disk", "931.3 of 1862.6"),
	    DOCTOR_OK);
	assert_int_equal(level("froe_disk_state 0\nfroe_disk_free_bytes 1e11\n"
			       "froe_disk_total_bytes 2e12\n", "disk", ""), DOCTOR_WARNING);
	assert_int_equal(level("froe_disk_state 1\n", "disk", ""), DOCTOR_BAD);
	assert_int_equal(level("froe_disk_state 3\n", "disk", ""), DOCTOR_BAD);
}

static void
test_checkup__alarms(void **state)
{
	(void)state;
	assert_int_equal(level("froe_state_differs 0\n", "state", "as the log"), DOCTOR_OK);
	assert_int_equal(level("froe_state_differs 1\n", "state", "not what"), DOCTOR_BAD);
	assert_int_equal(level("froe_scrub_faults_total 0\n", "scrub", "0 faults"), DOCTOR_OK);
	assert_int_equal(level("froe_scrub_faults_total 2\n", "scrub", "2 faults"), DOCTOR_BAD);
	assert_int_equal(level("froe_snapshots_failed_total 1\n", "snapshots", "none yet"),
	    DOCTOR_WARNING);
	assert_int_equal(level("froe_snapshots_failed_total 0\nfroe_snapshot_age_seconds 90\n",
			     "snapshots", "90.00s"), DOCTOR_OK);
	assert_int_equal(level("froe_tokens 4\nfroe_tokens_expiring 1\n", "tokens", "of which 1"),
	    DOCTOR_WARNING);
	assert_int_equal(level("froe_log_durable_frame 50000\nfroe_index_applied_frame 9\n",
			     "index", "49991 frames"), DOCTOR_WARNING);
	assert_int_equal(level("froe_log_durable_frame 50000\nfroe_index_applied_frame 9\n"
	                       "froe_index_damages 1\n",
			     "index", "49991 frames"), DOCTOR_BAD);
}

static void
test_checkup__certificate(void **state)
{
	(void)state;
	assert_int_equal(level("froe_tls_certificate_expires_seconds 1703000000\n", "certificate",
			     "expires 2023-12-19"), DOCTOR_OK);
	assert_int_equal(level("froe_tls_certificate_expires_seconds 1700100000\n", "certificate",
			     "expires"), DOCTOR_WARNING);
	assert_int_equal(level("froe_tls_certificate_expires_seconds 1699999999\n", "certificate",
			     "expired"), DOCTOR_BAD);
}

/* Series with labels are added up; a name that only begins alike is another metric. */
static void
test_checkup__queues(void **state)
{
	static const char text[] =
	    "# TYPE froe_queue_length gauge\n"
	    "froe_workers 0\n"
	    "froe_workers_lost_total 7\n"
	    "froe_queue_length{tenant=\"a\",workflow=\"w x\"} 2\n"
	    "froe_queue_length{tenant=\"b\",workflow=\"w\"} 3\n"
	    "froe_queue_length_others 100\n"
	    "froe_queue_oldest_seconds{tenant=\"a\"} 1.5\n"
	    "froe_queue_oldest_seconds{tenant=\"b\"} 400\n";
	(void)state;
	assert_int_equal(level(text, "workers", "5 tasks queued"), DOCTOR_WARNING);
	assert_int_equal(level(text, "queues", "400.00s"), DOCTOR_WARNING);
	assert_int_equal(level("", "queues", "no task waits"), DOCTOR_OK);
}

static void
test_checkup__older_server(void **state)
{
	(void)state;
	assert_int_equal(level("froe_runs_open 1\n", "scrub", ""), -1);
	assert_int_equal(level("froe_runs_open 1\n", "disk", ""), -1);
	assert_int_equal(level("", "certificate", ""), -1);
	assert_int_equal(level("froe_tls_certificate_expires_seconds 0\n", "certificate", ""), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_checkup__disk),
	    cmocka_unit_test(test_checkup__alarms),
	    cmocka_unit_test(test_checkup__certificate),
	    cmocka_unit_test(test_checkup__queues),
	    cmocka_unit_test(test_checkup__older_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
