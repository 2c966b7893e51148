/*
 * Requests are found by number: those that end in order and those that stay while others pass them
 * by, and come back under their old number. An array that is looked through is what is right.
 */
#include "client/request.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define ROUNDS 20000u
#define LIVE_MAX 500u

struct model {
	struct requests requests;
	struct request *live[LIVE_MAX];
	size_t count;
	uint64_t random;
};

static uint64_t
model_below(struct model *model, uint64_t limit)
{
	model->random = model->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (model->random >> 33) % limit;
}

static void
model_add(struct model *model)
{
	Froe__Ping ping = FROE__PING__INIT;
	uint8_t data[2000] = {0};
	ping.has_data = true;
	ping.data = wire_bytes(data, model_below(model, 8) == 0 ? sizeof(data) : 3);
	struct request *request = request_new(
	    &model->requests, FROE__ENVELOPE__BODY_PING, &ping.base, NULL, model);
	assert_null(requests_find(&model->requests, request->id));
	requests_put(&model->requests, request);
	model->live[model->count++] = request;
}

static void
model_end(struct model *model, size_t at, bool again)
{
	struct request *request = model->live[at];
	uint64_t id = request->id;
	requests_remove(&model->requests, request);
	assert_null(requests_find(&model->requests, id));
	if (again) {
		requests_put(&model->requests, request);
		return;
	}
	request_free(&model->requests, request);
	memmove(&model->live[at], &model->live[at + 1],
	    (--model->count - at) * sizeof(model->live[0]));
}

/* `stay`: so many of a hundred are not the oldest that end. */
static void
model_run(uint64_t most, uint64_t stay)
{
	struct model *model = mem_zalloc(sizeof(*model));
	requests_init(&model->requests);
	model->random = most * 1000 + stay;
	for (unsigned i = 0; i < ROUNDS; i++) {
		bool adds = model->count < most && model_below(model, 3) != 0;
		if (adds || model->count == 0)
			model_add(model);
		else if (model_below(model, 100) < stay)
			model_end(model, model_below(model, model->count), i % 5 == 0);
		else
			model_end(model, model->count / 10, false); /* behind a few that stay */
		assert_int_equal(model->requests.count, model->count);
		for (size_t at = 0; at < model->count; at += 1 + most / 20)
			assert_ptr_equal(requests_find(&model->requests, model->live[at]->id),
			    model->live[at]);
		if (i % 50 == 0)
			requests_check(&model->requests);
	}
	while (model->count > 0)
		model_end(model, model->count - 1, false);
	requests_check(&model->requests);
	assert_null(requests_find(&model->requests, 1));
	requests_release(&model->requests);
	mem_free(model);
}

static void
test_requests__found_by_number(void **state)
{
	(void)state;
	model_run(1, 0);
	model_run(2, 50);
	model_run(40, 0);
	model_run(40, 30);
	model_run(LIVE_MAX, 5);
	model_run(LIVE_MAX, 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_requests__found_by_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
