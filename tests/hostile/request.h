/*
 * tests/hostile/request: HTTP requests that are well-formed, or damaged as one can be.
 *
 * All of it comes from the dice: the same seed is the same bytes. Include once, in the test
 * program, after wire.h.
 */
#ifndef TESTS_HOSTILE_REQUEST_H
#define TESTS_HOSTILE_REQUEST_H

static const char *
one_of(struct dice *dice, const char *const *texts, size_t count)
{
	return texts[dice_below(dice, (uint32_t)count)];
}
#define ONE_OF(dice, texts) one_of(dice, texts, sizeof(texts) / sizeof((texts)[0]))

static void
request_line(struct dice *dice, struct buf *to)
{
	static const char *const methods[] = {
	    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PRI", "get", "M-SEARCH", ""};
	static const char *const targets[] = {"/", "/healthz", "/readyz", "/metrics", "/../metrics",
	    "/%2e%2e/etc/passwd", "/metrics?x=1", "*", "http://froe/", "//", "/\xff", "", "/ /"};
	static const char *const versions[] = {" HTTP/1.1", " HTTP/1.1", " HTTP/1.1", " HTTP/1.0",
	    " HTTP/2.0", " HTTP/1.9", "", " HTTP/1.1 ", " HTTP/11"};
	buf_push_text(to, ONE_OF(dice, methods));
	buf_push_text(to, " ");
	buf_push_text(to, ONE_OF(dice, targets));
	for (unsigned n = dice_below(dice, 200) == 0 ? 9000 : 0; n > 0; n--)
		buf_push_text(to, "a");
	buf_push_text(to, ONE_OF(dice, versions));
	buf_push_text(to, dice_below(dice, 16) == 0 ? "\n" : "\r\n");
}

static void
request_fields(struct dice *dice, struct buf *to)
{
	static const char *const fields[] = {"Content-Length: 0\r\n", "Content-Length: 5\r\n",
	    "Content-Length: -1\r\n", "Content-Length: 18446744073709551616\r\n",
	    "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n",
	    "Connection: close\r\n", "Connection: keep-alive\r\n", "Upgrade: websocket\r\n",
	    "Expect: 100-continue\r\n", "Authorization: Bearer froe1_x\r\n", "X: a\r\n b\r\n",
	    "X : a\r\n", ": a\r\n", "X\r\n", "Accept: */*\r\n", "Range: bytes=0-\r\n",
	    "Cookie: a=b\r\n", "X: \x01\x02\xff\r\n", "Host: other\r\n"};
	if (dice_below(dice, 16) != 0)
		buf_push_text(to, "Host: froe\r\n");
	unsigned count = dice_below(dice, 64) == 0 ? 70 : dice_below(dice, 4);
	for (; count > 0; count--)
		buf_push_text(to, ONE_OF(dice, fields));
	buf_push_text(to, "\r\n");
	if (dice_below(dice, 4) == 0)
		buf_push_text(to, "5\r\nhello\r\n0\r\n\r\n");
}

static void
junk_request(struct dice *dice, struct buf *to)
{
	size_t start = buf_used(to);
	request_line(dice, to);
	request_fields(dice, to);
	uint8_t *bytes = (uint8_t *)(uintptr_t)buf_bytes(to).data + start;
	size_t size = buf_used(to) - start;
	for (unsigned n = dice_below(dice, 8); n > 5; n--) /* damaged at up to two places */
		bytes[dice_below(dice, (uint32_t)size)] = (uint8_t)dice_roll(dice);
}

/* Bytes of no protocol; half of them begin as one does. */
static void
junk_bytes(struct dice *dice, struct buf *to)
{
	static const char *const starts[] = {"FROE", "GET /", "\x16\x03\x01\x02", "PRI * HTTP/2.0"};
	if (dice_below(dice, 2) == 0)
		buf_push_text(to, ONE_OF(dice, starts));
	for (unsigned n = dice_below(dice, 300); n > 0; n--) {
		uint8_t byte = (uint8_t)dice_roll(dice);
		buf_push(to, &byte, 1);
	}
}

#endif
