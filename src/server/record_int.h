/*
 * server/record_int: which members of struct eng_event a record's type carries.
 */
#ifndef SERVER_RECORD_INT_H
#define SERVER_RECORD_INT_H

#include "server/record.h"

enum record_member_kind {
	MEMBER_U32,
	MEMBER_U64,
	MEMBER_BYTES,
	MEMBER_UUID,
	MEMBER_UUID_IF, /* absent when it is nil */
	MEMBER_LIST,
};

struct record_member {
	const char *name;
	enum record_member_kind kind;
	size_t offset;
	size_t count_offset; /* LIST: of its uint32_t count */
};

/* The descriptor of a type's message; NULL: the type is not known. */
const ProtobufCMessageDescriptor *record_descriptor(uint16_t type);

/* The member of one of its fields. */
const struct record_member *record_member(const ProtobufCFieldDescriptor *field);

#endif
