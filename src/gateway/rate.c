/*
 * gateway/rate: rate limits are put. Hatchet's windows are numbered as ours.
 */
#include "gateway/method.h"

_Static_assert((int)HATCHET__RATE_LIMIT_DURATION__SECOND == (int)FROE__RATE_WINDOW__WINDOW_SECOND &&
        (int)HATCHET__RATE_LIMIT_DURATION__YEAR == (int)FROE__RATE_WINDOW__WINDOW_YEAR,
    "a duration is a window");

static void
on_rate_put(struct call *call, const struct answer *answer)
{
	Hatchet__PutRateLimitResponse response = HATCHET__PUT_RATE_LIMIT_RESPONSE__INIT;
	if (!call_failed(call, answer))
		call_reply(call, &response.base);
}

void
put_rate_limit(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__PutRateLimitRequest *request = (const void *)message;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RateLimitPut put = FROE__RATE_LIMIT_PUT__INIT;
	if (request->limit < 0) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "limit", "limit is %d: give 0 or more",
		    request->limit);
		return;
	}
	put.key = request->key;
	put.has_limit = put.has_window = true;
	put.limit = (uint32_t)request->limit;
	put.window = (Froe__RateWindow)request->duration;
	envelope.body_case = FROE__ENVELOPE__BODY_RATE_LIMIT_PUT;
	envelope.rate_limit_put = &put;
	call_ask(call, &envelope, NULL, arena, on_rate_put);
}
