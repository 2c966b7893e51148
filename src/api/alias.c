#include "api/alias.h"

#include "base/hash.h"

static const char *const STATUSES[] = {
    [ENG_QUEUED] = "QUEUED",
    [ENG_RUNNING] = "RUNNING",
    [ENG_COMPLETED] = "COMPLETED",
    [ENG_FAILED] = "FAILED",
    [ENG_CANCELLED] = "CANCELLED",
    [ENG_EVICTED] = "RUNNING",
};

/* What is there to be told apart is told apart by whoever names it: nobody gains by two names that
 * are the same here. */
static struct uuid
alias_make(const char *kind, struct uuid within, const void *data, size_t size)
{
	uint64_t seed = hash64(kind, strlen(kind), 0);
	uint64_t words[2];
	struct uuid id;
	seed = hash64(within.bytes, sizeof(within.bytes), seed);
	words[0] = hash64(data, size, seed);
	words[1] = hash64(data, size, ~seed);
	memcpy(id.bytes, words, sizeof(id.bytes));
	id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x80); /* version 8: by our own rule */
	id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
	return id;
}

struct uuid
alias_workflow(struct uuid tenant, struct bytes name)
{
	return alias_make("workflow", tenant, name.data, name.size);
}

struct uuid
alias_version(struct uuid workflow, uint32_t version)
{
	uint8_t number[4];
	le32_store(number, version);
	return alias_make("version", workflow, number, sizeof(number));
}

struct uuid
alias_step(struct uuid version, struct bytes task)
{
	return alias_make("step", version, task.data, task.size);
}

struct uuid
alias_event(struct uuid tenant, uint64_t number)
{
	uint8_t word[8];
	le64_store(word, number);
	struct uuid id = alias_make("event", tenant, word, sizeof(word));
	for (int i = 0; i < 7; i++)
		id.bytes[15 - i] = word[i];
	id.bytes[8] = 0x80;
	froe_assert(number >> 56 == 0);
	return id;
}

bool
alias_event_number(struct uuid tenant, struct uuid id, uint64_t *ret_number)
{
	*ret_number = 0;
	for (int i = 9; i < 16; i++)
		*ret_number = *ret_number << 8 | id.bytes[i];
	return uuid_equal(alias_event(tenant, *ret_number), id);
}

struct uuid
alias_label(struct uuid of, struct bytes name)
{
	return alias_make("label", of, name.data, name.size);
}

struct uuid
alias_task(struct uuid run, uint32_t index, uint32_t task_count)
{
	return task_count == 1 ? run : uuid_task(run, index);
}

struct uuid
alias_run(struct uuid id, uint32_t *ret_index, bool *ret_is_run)
{
	uint32_t number;
	struct uuid run = uuid_run_of(id, &number);
	*ret_is_run = number == 0;
	*ret_index = number == 0 ? 0 : number - 1;
	return run;
}

const char *
alias_status(enum eng_status status)
{
	return STATUSES[status];
}

uint32_t
alias_statuses(struct bytes word)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < sizeof(STATUSES) / sizeof(STATUSES[0]); i++) {
		if (bytes_equal(word, bytes_text(STATUSES[i])))
			bits |= UINT32_C(1) << i;
	}
	return bits;
}
