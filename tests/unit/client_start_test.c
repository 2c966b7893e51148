/*
 * A RunStart written field by field: the bytes that protobuf-c writes for the same, whatever of the
 * options are given.
 */
#include "client/start_int.h"

#include "base/mem.h"
#include "client/worker_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define PAIRS 3u

struct given {
	struct froe_run_options options;
	struct start start;
	struct froe_task parent;
	struct froe_id id;
	bool with_id;
};

/* Which of them are there: the bits of `which`. */
static void
given_fill(struct given *given, unsigned which, char *large)
{
	static struct froe_pair pairs[PAIRS] = {{"k", "v"}, {"", ""}, {"key", NULL}};
	struct froe_run_options *options = &given->options;
	memset(given, 0, sizeof(*given));
	memset(given->id.bytes, 0xa5, sizeof(given->id.bytes));
	memset(given->parent.id.bytes, 0x5a, sizeof(given->parent.id.bytes));
	pairs[2].value = large;
	given->parent.lease = UINT64_MAX;
	options->workflow = (which & 1) != 0 ? "a workflow" : NULL;
	options->input = (struct froe_bytes){large, (which & 2) != 0 ? strlen(large) : 0};
	options->priority = (which & 4) != 0 ? 3 : 0;
	options->run_timeout_ms = (which & 8) != 0 ? 300 : 0;
	options->metadata = pairs;
	options->metadata_count = (which & 16) != 0 ? PAIRS : 0;
	options->key = (which & 32) != 0 ? "" : NULL;
	options->key_ttl_ms = (which & 64) != 0 ? UINT64_MAX : 0;
	options->key_until_end = (which & 128) != 0;
	options->start_ns = (which & 256) != 0 ? 128 : 0;
	options->delay_ms = (which & 512) != 0 ? 127 : 0;
	given->start.options = options;
	given->start.wait = (which & 1024) != 0;
	given->start.parent = (which & 2048) != 0 ? &given->parent : NULL;
	given->start.child_key = (which & 4096) != 0 ? "child" : NULL;
	given->with_id = (which & 8192) != 0;
}

#define WHICH_END 16384u

static void
start_struct(const struct given *given, Froe__RunStart *start, Froe__Pair *rows, Froe__Pair **pairs)
{
	const struct froe_run_options *options = &given->options;
	froe__run_start__init(start);
	start->workflow = wire_text(wire_text_get(options->workflow));
	start->has_input = options->input.size > 0;
	start->input = wire_bytes(options->input.data, options->input.size);
	start->has_priority = (start->priority = options->priority) != 0;
	start->has_run_timeout_ms = (start->run_timeout_ms = options->run_timeout_ms) != 0;
	start->has_wait = start->wait = given->start.wait;
	start->has_run = given->with_id;
	start->run = wire_id(&given->id);
	start->key = wire_text(options->key);
	start->has_key_ttl_ms = (start->key_ttl_ms = options->key_ttl_ms) != 0;
	start->has_key_until_end = start->key_until_end = options->key_until_end;
	start->has_start_ns = (start->start_ns = options->start_ns) != 0;
	start->has_delay_ms = (start->delay_ms = options->delay_ms) != 0;
	start->metadata = pairs;
	for (size_t i = 0; i < options->metadata_count; i++) {
		froe__pair__init(&rows[i]);
		rows[i].key = wire_text(wire_text_get(options->metadata[i].key));
		rows[i].value = wire_text(wire_text_get(options->metadata[i].value));
		pairs[start->n_metadata++] = &rows[i];
	}
	start->has_parent = start->has_parent_lease = given->start.parent != NULL;
	start->parent = wire_id(&given->parent.id);
	start->parent_lease = given->parent.lease;
	start->has_child_index = start->has_parent && given->start.child_key == NULL;
	if (start->has_parent)
		start->child_key = wire_text(given->start.child_key);
}

static void
expect_alike(const struct given *given)
{
	Froe__RunStart start;
	Froe__Pair rows[PAIRS], *pairs[PAIRS];
	struct buf written;
	buf_init(&written);
	start_put(&written, &given->start, given->with_id ? &given->id : NULL);
	start_struct(given, &start, rows, pairs);
	size_t size = froe__run_start__get_packed_size(&start);
	uint8_t *packed = mem_alloc(size + 1);
	froe__run_start__pack(&start, packed);
	assert_int_equal(buf_used(&written), size);
	if (size > 0)
		assert_memory_equal(buf_bytes(&written).data, packed, size);
	mem_free(packed);
	buf_release(&written);
}

static void
test_start__as_protobuf_writes_it(void **state)
{
	static const size_t sizes[] = {1, 126, 127, 128, 16384};
	struct given given;
	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *large = mem_zalloc(sizes[i] + 1);
		memset(large, 'x', sizes[i]);
		for (unsigned which = i; which < WHICH_END; which += i == 0 ? 1 : 37) {
			given_fill(&given, which, large);
			expect_alike(&given);
		}
		mem_free(large);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_start__as_protobuf_writes_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
