/*
 * The text of a token: what is taken has no other text, and what was made is taken.
 *
 * Input: a text; and the same bytes as a token's number and secret.
 */
#include "fuzz/feed.h"

#include "api/token.h"

static void
check_text(struct bytes text)
{
	char again[TOKEN_TEXT_SIZE], kid_text[TOKEN_KID_TEXT_SIZE];
	struct token token = {0};
	uint64_t kid;
	if (token_kid_parse(text, &kid)) {
		token_kid_format(kid, kid_text);
		froe_assert(bytes_equal(text, bytes_text(kid_text)));
	}
	if (!token_parse(text, &token))
		return;
	froe_assert(token.kid != 0 && token.kid >> TOKEN_KID_BITS == 0);
	token_format(&token, again);
	froe_assert(bytes_equal(text, bytes_text(again)));
}

/* Any character but the right one, anywhere, is seen: the sum is for that. */
static void
check_token(struct feed *feed)
{
	char text[TOKEN_TEXT_SIZE];
	uint8_t key[TOKEN_KEY_BYTES] = {0}, digest[TOKEN_DIGEST_BYTES], other[TOKEN_DIGEST_BYTES];
	struct token token = {0}, again = {0};
	size_t at = feed_u8(feed) % (TOKEN_TEXT_SIZE - 1);
	char with = (char)feed_u8(feed);
	token.kid = (feed_u64(feed) >> (64 - TOKEN_KID_BITS)) | 1;
	struct bytes secret = feed_take(feed, sizeof(token.secret));
	if (secret.size > 0)
		memcpy(token.secret, secret.data, secret.size);
	token_format(&token, text);
	froe_assert(strlen(text) == TOKEN_TEXT_SIZE - 1);
	froe_assert(token_parse(bytes_text(text), &again));
	froe_assert(again.kid == token.kid);
	froe_assert(memcmp(again.secret, token.secret, sizeof(token.secret)) == 0);
	token_digest(key, &token, digest);
	token_digest(key, &again, other);
	froe_assert(token_digest_equal(digest, other));
	bool same = text[at] == with;
	text[at] = with;
	froe_assert(token_parse(bytes_of(text, TOKEN_TEXT_SIZE - 1), &again) == same);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nothing[1];
	struct feed feed = {data, size};
	check_text(bytes_of(size > 0 ? data : nothing, size));
	check_token(&feed);
	return 0;
}
