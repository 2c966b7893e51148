#include "base/uuid.h"

#include "base/fault.h"

#define TASK_NUMBER_MASK 0x3ffu

struct uuid
uuid_v7(uint64_t wall_ns, const uint8_t random[16])
{
	struct uuid id;
	uint64_t ms = wall_ns / 1000000;
	for (int i = 0; i < 6; i++)
		id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
	memcpy(id.bytes + 6, random, 10);
	id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0f));
	id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
	return id;
}

static void
number_store(struct uuid *id, uint32_t number)
{
	froe_assert(number <= TASK_NUMBER_MASK);
	id->bytes[14] = (uint8_t)((id->bytes[14] & 0xfc) | (number >> 8));
	id->bytes[15] = (uint8_t)number;
}

struct uuid
uuid_run(uint64_t wall_ns, const uint8_t random[16])
{
	struct uuid id = uuid_v7(wall_ns, random);
	number_store(&id, 0);
	return id;
}

struct uuid
uuid_task(struct uuid run, uint32_t index)
{
	number_store(&run, index + 1);
	return run;
}

void
uuid_format(struct uuid id, char text[UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *at = text;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[id.bytes[i] >> 4];
		*at++ = digits[id.bytes[i] & 15];
	}
	*at = 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
uuid_parse(const char *text, size_t size, struct uuid *ret_id)
{
	struct uuid id;
	if (size != UUID_TEXT_SIZE - 1)
		return false;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10) {
			if (*text++ != '-')
				return false;
		}
		int high = hex_digit(text[0]), low = hex_digit(text[1]);
		if (high < 0 || low < 0)
			return false;
		id.bytes[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	*ret_id = id;
	return true;
}
