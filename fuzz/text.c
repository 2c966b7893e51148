/*
 * The small things that are read from text: spans of time, timestamps, ids, addresses, names of
 * segments.
 *
 * Input: text, without a zero byte.
 *
 * What is written from what was read is read as the same again; nothing is read beyond the end.
 */
#include "fuzz/feed.h"

#include "base/duration.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "cli/guess.h"
#include "client/address.h"
#include "log/segment_int.h"

static void
judge_duration(const char *text)
{
	char written[DURATION_TEXT_SIZE];
	uint64_t ns = 0;
	if (!duration_parse(text, &ns))
		return;
	froe_assert(ns <= INT64_MAX);
	duration_format(ns, written);
	froe_assert(strlen(written) > 0);
}

static void
judge_timestamp(const char *text)
{
	char written[TIMESTAMP_TEXT_SIZE], again[TIMESTAMP_TEXT_SIZE];
	uint64_t ns = 0, same = 0;
	if (!timestamp_parse(text, &ns))
		return;
	timestamp_format(ns, written);
	froe_assert(timestamp_parse(written, &same));
	froe_assert(same == ns - ns % NS_PER_MS);
	timestamp_format(same, again);
	froe_assert(strcmp(written, again) == 0);
}

static void
judge_uuid(const char *text)
{
	char written[UUID_TEXT_SIZE];
	struct uuid id, same;
	uint32_t number;
	if (!uuid_parse(text, strlen(text), &id))
		return;
	uuid_format(id, written);
	froe_assert(uuid_parse(written, strlen(written), &same) && uuid_equal(id, same));
	struct uuid run = uuid_run_of(id, &number);
	if (number > 0)
		froe_assert(uuid_equal(uuid_task(run, number - 1), id));
}

static void
judge_address(const char *text)
{
	char host[ADDRESS_HOST_SIZE];
	struct froe_fault fault = {0};
	bool tls = false;
	enum froe_err err = address_check(text, host, &tls, &fault);
	froe_assert(err == FROE_OK || (err == FROE_INVALID_ARGUMENT && fault.text[0] != 0));
	if (err == FROE_OK)
		froe_assert(strlen(host) < sizeof(host));
}

static void
judge_segment(const char *text)
{
	char name[SEG_NAME_SIZE];
	uint64_t no;
	if (!seg_name_parse(text, &no))
		return;
	seg_name(no, name);
	froe_assert(strcmp(name, text) == 0);
}

static void
judge_guess(const char *text)
{
	static const char *const words[] = {"", "list", "workflows", "cancel"};
	struct guess guess;
	guess_begin(&guess, text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		guess_try(&guess, words[i]);
	const char *nearest = guess_end(&guess);
	froe_assert(nearest == NULL || strlen(nearest) < 10);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_alloc(size + 1);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = 0;
	char *whole = mem_strdup(text); /* as long as it reads, so that its end is seen */
	judge_duration(whole);
	judge_timestamp(whole);
	judge_uuid(whole);
	judge_address(whole);
	judge_segment(whole);
	judge_guess(whole);
	mem_free(whole);
	mem_free(text);
	return 0;
}
