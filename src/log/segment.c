#include "log/segment_int.h"

#include "log/block_int.h"

#include <stdio.h>

static const char seg_magic[8] = {'F', 'R', 'O', 'E', '\r', '\n', 0x1a, '\n'};

enum seg_offset {
	SEG_NO = 32,
	SEG_BYTES = 40,
	SEG_BLOCK_BYTES = 48,
	SEG_WINDOW = 52,
	SEG_SEED = 56,
	SEG_CREATED = 88,
	SEG_KIND = 96,
	SEG_SHARD = 98,
};

size_t
seg_step_bytes(uint64_t segment_bytes)
{
	uint64_t quarter = segment_bytes / 4;
	return quarter < LOG_FRAME_BYTES ? (size_t)quarter : LOG_FRAME_BYTES;
}

size_t
seg_step_bytes_max(uint64_t segment_bytes)
{
	uint64_t half = segment_bytes / 2;
	return half < LOG_FRAME_BYTES_MAX ? (size_t)half : LOG_FRAME_BYTES_MAX;
}

size_t
seg_frame_bytes(size_t step_bytes)
{
	size_t data = step_bytes + LOG_FRAME_CONTROL_BYTES;
	return log_frame_blocks(log_frame_header_bytes(data), data) * LOG_BLOCK_BYTES;
}

uint32_t
seg_window(uint64_t segment_bytes)
{
	size_t large = seg_frame_bytes(seg_step_bytes_max(segment_bytes));
	size_t ordinary = seg_frame_bytes(seg_step_bytes(segment_bytes));
	return (uint32_t)(large + (LOG_INFLIGHT_MAX - 1) * ordinary);
}

bool
seg_bytes_legal(uint64_t segment_bytes)
{
	return segment_bytes >= LOG_SEGMENT_BYTES_MIN && segment_bytes <= LOG_SEGMENT_BYTES_MAX &&
	    segment_bytes % LOG_SEGMENT_BYTES_MIN == 0;
}

void
seg_header_encode(uint8_t *to, const struct seg_header *header)
{
	block_begin(to, seg_magic, header->store);
	le64_store(to + SEG_NO, header->no);
	le64_store(to + SEG_BYTES, header->bytes);
	le32_store(to + SEG_BLOCK_BYTES, LOG_BLOCK_BYTES);
	le32_store(to + SEG_WINDOW, header->window);
	le64_store(to + SEG_SEED, header->seed);
	le64_store(to + SEG_CREATED, header->created_wall_ns);
	to[SEG_KIND] = (uint8_t)header->kind;
	le16_store(to + SEG_SHARD, 0);
	block_close(to);
	memcpy(to + LOG_BLOCK_BYTES, to, LOG_BLOCK_BYTES);
}

enum froe_err
seg_header_decode(const uint8_t *from, const char *name, enum seg_kind kind,
    struct seg_header *ret_header, struct froe_fault *fault)
{
	if (!block_verify(from, seg_magic)) {
		from += LOG_BLOCK_BYTES;
		if (!block_verify(from, seg_magic))
			return fault_set(fault, FROE_CORRUPT,
			    "%s: both copies of the segment's header (blocks 0 and 1) are damaged: "
			    "restore the data directory from a backup", name);
	}
	enum froe_err err = block_check_version(from, /* featured= */ true, name, fault);
	if (err != FROE_OK)
		return err;
	struct seg_header header = {
	    .store = block_store(from),
	    .no = le64_load(from + SEG_NO),
	    .bytes = le64_load(from + SEG_BYTES),
	    .seed = le64_load(from + SEG_SEED),
	    .created_wall_ns = le64_load(from + SEG_CREATED),
	    .window = le32_load(from + SEG_WINDOW),
	    .kind = kind,
	};
	if (le32_load(from + SEG_BLOCK_BYTES) != LOG_BLOCK_BYTES || from[SEG_KIND] != kind ||
	    le16_load(from + SEG_SHARD) != 0 ||
	    (kind == SEG_HOT && !seg_bytes_legal(header.bytes)))
		return fault_set(fault, FROE_INCOMPATIBLE,
		    "%s: blocks of %u bytes, kind %u, shard %u, %llu bytes long: "
		    "this froe cannot read it",
		    name, le32_load(from + SEG_BLOCK_BYTES), from[SEG_KIND],
		    le16_load(from + SEG_SHARD), (unsigned long long)header.bytes);
	*ret_header = header;
	return FROE_OK;
}

void
seg_name(uint64_t no, char name[SEG_NAME_SIZE])
{
	snprintf(name, SEG_NAME_SIZE, "%016llx.seg", (unsigned long long)no);
}

bool
seg_name_parse(const char *name, uint64_t *ret_no)
{
	uint64_t no = 0;

	for (int i = 0; i < 16; i++) {
		char c = name[i];
		unsigned digit;
		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else
			return false;
		no = no << 4 | digit;
	}
	if (strcmp(name + 16, ".seg") != 0)
		return false;
	*ret_no = no;
	return true;
}
