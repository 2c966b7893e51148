#include "net/frame.h"

enum frame_result
frame_next(struct bytes input, uint32_t message_bytes_max, struct bytes *ret_frame)
{
	if (input.size < FRAME_HEADER_SIZE)
		return FRAME_MORE;
	uint32_t size = le32_load(input.data);
	if (size == 0)
		return FRAME_EMPTY;
	if (size > message_bytes_max)
		return FRAME_TOO_LARGE;
	if (input.size - FRAME_HEADER_SIZE < size)
		return FRAME_MORE;
	*ret_frame = bytes_of(input.data + FRAME_HEADER_SIZE, size);
	return FRAME_WHOLE;
}
