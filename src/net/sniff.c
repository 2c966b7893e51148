#include "net/sniff.h"

#include "net/frame.h"
#include "net/http2.h"

static const struct {
	const char *text;
	size_t size;
	enum sniff protocol;
} OPENINGS[] = {
    {FRAME_PREFACE, FRAME_PREFACE_SIZE, SNIFF_NATIVE},
    {"GET ", 4, SNIFF_HTTP},
    {"HEAD ", 5, SNIFF_HTTP},
    {"POST ", 5, SNIFF_HTTP},
    {"PUT ", 4, SNIFF_HTTP},
    {"PATCH ", 6, SNIFF_HTTP},
    {"DELETE ", 7, SNIFF_HTTP},
    {"OPTIONS ", 8, SNIFF_HTTP},
    {HTTP2_PREFACE, HTTP2_PREFACE_SIZE, SNIFF_HTTP2},
    {"\x16\x03", 2, SNIFF_TLS}, /* a handshake record of any version */
};

enum sniff
sniff_protocol(struct bytes input)
{
	enum sniff answer = SNIFF_UNKNOWN;
	for (size_t i = 0; i < sizeof(OPENINGS) / sizeof(OPENINGS[0]); i++) {
		size_t size = input.size < OPENINGS[i].size ? input.size : OPENINGS[i].size;
		if (size > 0 && memcmp(input.data, OPENINGS[i].text, size) != 0)
			continue;
		if (size == OPENINGS[i].size)
			return OPENINGS[i].protocol;
		answer = SNIFF_MORE;
	}
	return answer;
}
