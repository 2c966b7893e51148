#include "cli/payload.h"

#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
read_file(const struct cli *cli, FILE *file, const char *name, const char *what, struct buf *to)
{
	size_t got;
	do {
		got = fread(buf_reserve(to, 65536), 1, 65536, file);
		buf_commit(to, got);
	} while (got > 0 && buf_used(to) <= FROE_PAYLOAD_BYTES_MAX);
	if (ferror(file))
		cli_usage(cli, "%s: cannot read %s: %s", what, name, strerror(errno));
}

void
payload_read(const struct cli *cli, const char *text, const char *what, struct buf *to)
{
	size_t at;
	if (text == NULL) {
		buf_push_text(to, "{}");
	} else if (strcmp(text, "-") == 0) {
		read_file(cli, stdin, "standard input", what, to);
	} else if (text[0] == '@') {
		FILE *file = fopen(text + 1, "rb");
		if (file == NULL)
			cli_usage(
			    cli, "%s: cannot open %s: %s", what, text + 1, strerror(errno));
		read_file(cli, file, text + 1, what, to);
		fclose(file);
	} else {
		buf_push_text(to, text);
	}
	if (buf_used(to) > FROE_PAYLOAD_BYTES_MAX)
		cli_usage(cli, "%s: larger than 4 MiB", what);
	if (!json_valid(to->data, buf_used(to), &at))
		cli_usage(cli, "%s: not JSON, at byte %zu", what, at);
}
