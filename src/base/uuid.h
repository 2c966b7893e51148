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

static inline bool
uuid_equal(struct uuid a, struct uuid b)
{
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

bool uuid_is_nil(struct uuid id);

/* Mints one from wall-clock nanoseconds and 16 random bytes. */
struct uuid uuid_v7(uint64_t wall_ns, const uint8_t random[16]);

struct uuid uuid_run(uint64_t wall_ns, const uint8_t random[16]); /* a v7 with the low ten bits 0 */
struct uuid uuid_task(struct uuid run, uint32_t index);
struct uuid uuid_run_of(struct uuid task, uint32_t *ret_number); /* number 0: it is a run's id */

void uuid_format(struct uuid id, char text[UUID_TEXT_SIZE]);
bool uuid_parse(const char *text, size_t size, struct uuid *ret_id);

#endif
