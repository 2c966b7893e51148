/*
 * base/uuid: UUIDv7 (RFC 9562): 48 bits of milliseconds, then random.
 *
 * froe's runs and tasks: a run's id has its low ten bits zero; the id of its task i is the run's
 * id with i + 1 in those bits. So a task's id names its run, and no index is needed.
 */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define UUID_TEXT_SIZE 37 /* with the terminating zero */

struct uuid {
	uint8_t bytes[16];
};

/* As two words, in the machine's order. */
static inline void
uuid_halves(const struct uuid *id, uint64_t halves[2])
{
	memcpy(halves, id->bytes, sizeof(id->bytes));
}

static inline bool
uuid_equal(struct uuid a, struct uuid b)
{
	uint64_t x[2], y[2];
	uuid_halves(&a, x);
	uuid_halves(&b, y);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static inline bool
uuid_is_nil(struct uuid id)
{
	uint64_t halves[2];
	uuid_halves(&id, halves);
	return (halves[0] | halves[1]) == 0;
}

/* Mints one from wall-clock nanoseconds and 16 random bytes. */
struct uuid uuid_v7(uint64_t wall_ns, const uint8_t random[16]);

struct uuid uuid_run(uint64_t wall_ns, const uint8_t random[16]); /* a v7 with the low ten bits 0 */
struct uuid uuid_task(struct uuid run, uint32_t index);

/* Number 0: it is a run's id. */
static inline struct uuid
uuid_run_of(struct uuid task, uint32_t *ret_number)
{
	*ret_number = (uint32_t)(task.bytes[14] & 0x03) << 8 | task.bytes[15];
	task.bytes[14] &= 0xfc;
	task.bytes[15] = 0;
	return task;
}

void uuid_format(struct uuid id, char text[UUID_TEXT_SIZE]);
bool uuid_parse(const char *text, size_t size, struct uuid *ret_id);

#endif
