#include "sim/world/judge.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct kind_row kind_table[KINDS] = {
#define KIND(name, class, meaning) [KIND_##name] = {#name, #class[0], meaning},
#include "sim/world/kinds.def"
#undef KIND
};

void
judge_mark(struct judge *judge, enum kind kind)
{
	judge->tally->counts[kind]++;
}

void
judge_mark_row(struct judge *judge, const char *text)
{
	static const struct {
		const char *row;
		enum kind kind;
	} rows[] = {
	    {"acknowledged", KIND_ROW_ACKNOWLEDGED},
	    {"torn", KIND_ROW_TORN},
	    {"torn-header", KIND_ROW_TORN_HEADER},
	    {"reordered", KIND_ROW_REORDERED},
	    {"stale", KIND_ROW_STALE},
	    {"rot", KIND_ROW_ROT},
	};
	const char *refused = strstr(text, "; durable up to");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t size = strlen(rows[i].row);
		bool cut = strncmp(text, rows[i].row, size) == 0 && text[size] == ':';
		bool bad = refused != NULL && (size_t)(refused - text) > size &&
		    refused[-(ptrdiff_t)size - 1] == '(' &&
		    strncmp(refused - size, rows[i].row, size) == 0;
		if (cut || bad)
			judge_mark(judge, rows[i].kind);
	}
}

void
judge_note(struct judge *judge, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t words[5] = {judge->hash, a, b, c, strlen(what)};
	judge->hash = hash64(words, sizeof(words), (uint64_t)what[0]);
	judge->lines++;
	if (judge->trace)
		printf("%8" PRIu64 " %-18s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", judge->lines,
		    what, a, b, c);
}

const char *
judge_invariants(const char *oracle)
{
	static const struct {
		const char *oracle, *invariants;
	} table[] = {
#define ORACLE(oracle, invariants) {#oracle, invariants},
#include "sim/world/invariants.def"
#undef ORACLE
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].oracle, oracle) == 0)
			return table[i].invariants;
	}
	return oracle[0] == 0 ? "assert" : "model";
}

void
judge_fail_in(struct judge *judge, const char *oracle, const char *format, ...)
{
	struct tally *tally = judge->tally;
	va_list args;
	snprintf(tally->oracle, sizeof(tally->oracle), "%s", oracle);
	int head = snprintf(tally->text, sizeof(tally->text), "%s: ", judge->phase);
	va_start(args, format);
	vsnprintf(tally->text + head, sizeof(tally->text) - (size_t)head, format, args);
	va_end(args);
	if (judge->trace)
		printf("%8" PRIu64 " FAILED %s\n", judge->lines + 1, tally->text);
	fflush(stdout);
	_exit(1);
}
