/* server/doctor: what it finds in directories that are fit, absent, open to others, in memory. */
#include "server/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

struct findings {
	struct doctor_finding rows[16];
	size_t count;
};

static void
take(void *context, const struct doctor_finding *finding)
{
	struct findings *findings = context;
	assert_true(findings->count < 16);
	findings->rows[findings->count++] = *finding;
}

static const struct doctor_finding *
find(const struct findings *findings, const char *name)
{
	for (size_t i = 0; i < findings->count; i++) {
		if (strcmp(findings->rows[i].name, name) == 0)
			return &findings->rows[i];
	}
	fail_msg("nothing is said about %s", name);
	return NULL;
}

static void
make_dir(char path[64])
{
	snprintf(path, 64, "/tmp/froe-doctor-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static void
test_doctor__a_directory_of_ours(void **state)
{
	char path[64];
	struct findings findings = {0};
	(void)state;
	make_dir(path);
	doctor_examine(path, take, &findings);
	assert_int_equal(find(&findings, "directory")->level, DOCTOR_OK);
	assert_non_null(strstr(find(&findings, "write latency")->fact, "p99"));
	assert_non_null(strstr(find(&findings, "kernel")->fact, "Linux"));
	assert_int_equal(rmdir(path), 0); /* what it wrote is gone */
}

static void
test_doctor__advice_goes_with_every_fault(void **state)
{
	char path[64], deep[128];
	struct findings findings = {0};
	(void)state;
	make_dir(path);
	snprintf(deep, sizeof(deep), "%s/not/yet", path);
	doctor_examine(deep, take, &findings);
	assert_non_null(strstr(find(&findings, "directory")->fact, "does not exist yet"));
	for (size_t i = 0; i < findings.count; i++) {
		bool advised = findings.rows[i].advice[0] != 0;
		assert_int_equal(advised, findings.rows[i].level != DOCTOR_OK);
		assert_true(findings.rows[i].fact[0] != 0);
	}
	assert_int_equal(rmdir(path), 0);
}

static void
test_doctor__others_may_write(void **state)
{
	char path[64];
	struct findings findings = {0};
	(void)state;
	make_dir(path);
	assert_int_equal(chmod(path, 0777), 0);
	doctor_examine(path, take, &findings);
	assert_int_equal(find(&findings, "directory")->level, DOCTOR_BAD);
	assert_int_equal(rmdir(path), 0);
}

static void
test_doctor__files_in_memory(void **state)
{
	struct statfs status;
	struct findings findings = {0};
	(void)state;
	if (statfs("/dev/shm", &status) != 0 || status.f_type != 0x01021994)
		skip();
	doctor_examine("/dev/shm/froe-absent", take, &findings);
	assert_int_equal(find(&findings, "file system")->level, DOCTOR_BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_doctor__a_directory_of_ours),
	    cmocka_unit_test(test_doctor__advice_goes_with_every_fault),
	    cmocka_unit_test(test_doctor__others_may_write),
	    cmocka_unit_test(test_doctor__files_in_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
