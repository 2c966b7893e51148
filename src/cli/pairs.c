#include "cli/pairs.h"

#include "base/mem.h"

#include <string.h>

void
pairs_read(struct pairs *pairs, const struct cli *cli)
{
	pairs->count = 0;
	for (int i = 0; i < cli->given_count; i++) {
		const char *text = cli->given[i].value;
		if (strcmp(cli->given[i].name, "metadata") != 0)
			continue;
		const char *equals = strchr(text, '=');
		if (equals == NULL || equals == text)
			cli_usage(cli, "--metadata: \"%s\" is not KEY=VALUE", text);
		char *key = mem_strdup(text);
		key[equals - text] = 0;
		pairs->keys[pairs->count] = key;
		pairs->rows[pairs->count++] =
		    (struct froe_pair){.key = key, .value = equals + 1};
	}
}

void
pairs_release(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++)
		mem_free(pairs->keys[i]);
}
