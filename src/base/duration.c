#include "base/duration.h"

#include "base/fault.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct unit {
	const char *name;
	uint64_t ns;
};

/* Longer names first where one begins another. */
static const struct unit units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", NS_PER_MS},
    {"s", NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"d", 86400 * NS_PER_S},
};

static const struct unit *
unit_find(const char *text)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strncmp(text, units[i].name, strlen(units[i].name)) == 0)
			return &units[i];
	}
	return NULL;
}

bool
duration_parse(const char *text, uint64_t *ret_ns)
{
	uint64_t total = 0;
	if (*text == 0)
		return false;
	while (*text != 0) {
		uint64_t whole = 0, part = 0, scale = 1;
		const char *start = text;
		for (; *text >= '0' && *text <= '9'; text++) {
			if (whole > INT64_MAX / 20)
				return false;
			whole = whole * 10 + (uint64_t)(*text - '0');
		}
		if (text == start)
			return false;
		if (*text == '.') {
			start = ++text;
			for (; *text >= '0' && *text <= '9'; text++) {
				if (scale < NS_PER_S) {
					part = part * 10 + (uint64_t)(*text - '0');
					scale *= 10;
				}
			}
			if (text == start)
				return false;
		}
		const struct unit *unit = unit_find(text);
		if (unit == NULL || whole > INT64_MAX / unit->ns)
			return false;
		text += strlen(unit->name);
		uint64_t ns = whole * unit->ns;
		ns += (uint64_t)((long double)part * (long double)unit->ns / (long double)scale);
		if (ns > INT64_MAX - total)
			return false;
		total += ns;
	}
	*ret_ns = total;
	return true;
}

void
duration_format(uint64_t ns, char text[DURATION_TEXT_SIZE])
{
	if (ns < NS_PER_MS)
		snprintf(text, DURATION_TEXT_SIZE, "%" PRIu64 "us", ns / 1000);
	else if (ns < NS_PER_S)
		snprintf(text, DURATION_TEXT_SIZE, "%.1fms", (double)ns / (double)NS_PER_MS);
	else if (ns < 600 * NS_PER_S)
		snprintf(text, DURATION_TEXT_SIZE, "%.2fs", (double)ns / (double)NS_PER_S);
	else
		snprintf(text, DURATION_TEXT_SIZE, "%" PRIu64 "h%02um", ns / (3600 * NS_PER_S),
		    (unsigned)(ns / (60 * NS_PER_S) % 60));
}

void
timestamp_format(uint64_t wall_ns, char text[TIMESTAMP_TEXT_SIZE])
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	size_t length = strftime(text, TIMESTAMP_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + length, TIMESTAMP_TEXT_SIZE - length, ".%03uZ",
	    (unsigned)(wall_ns / NS_PER_MS % 1000));
}

/* Takes `size` digits and what follows them; false: they are not there. */
static bool
digits_take(const char **at, int size, int *ret_value)
{
	*ret_value = 0;
	for (; size > 0; size--, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		*ret_value = *ret_value * 10 + (**at - '0');
	}
	return true;
}

static bool
char_take(const char **at, char wanted)
{
	if (**at != wanted)
		return false;
	(*at)++;
	return true;
}

static uint64_t
fraction_take(const char **at)
{
	uint64_t ns = 0;
	for (uint64_t unit = NS_PER_S / 10; **at >= '0' && **at <= '9'; unit /= 10, (*at)++)
		ns += (uint64_t)(**at - '0') * unit;
	return ns;
}

/* The time of the day, as much of it as there is. */
static bool
clock_take(const char **at, struct tm *tm, uint64_t *ret_ns)
{
	if (!char_take(at, 'T'))
		return true;
	if (!digits_take(at, 2, &tm->tm_hour) || !char_take(at, ':') ||
	    !digits_take(at, 2, &tm->tm_min))
		return false;
	if (char_take(at, ':') && !digits_take(at, 2, &tm->tm_sec))
		return false;
	if (char_take(at, '.'))
		*ret_ns = fraction_take(at);
	FROE_DROP(char_take(at, 'Z'), "it is UTC without it too");
	return true;
}

bool
timestamp_parse(const char *text, uint64_t *ret_wall_ns)
{
	struct tm tm = {0};
	uint64_t ns = 0;
	if (!digits_take(&text, 4, &tm.tm_year) || !char_take(&text, '-') ||
	    !digits_take(&text, 2, &tm.tm_mon) || !char_take(&text, '-') ||
	    !digits_take(&text, 2, &tm.tm_mday) || !clock_take(&text, &tm, &ns) || *text != 0)
		return false;
	int month = tm.tm_mon, day = tm.tm_mday;
	if (tm.tm_year < 1970 || tm.tm_year > 2500 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 59)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	time_t seconds = timegm(&tm); /* makes 1 March of 29 February when there is none */
	if (tm.tm_mon != month - 1 || tm.tm_mday != day)
		return false;
	*ret_wall_ns = (uint64_t)seconds * NS_PER_S + ns;
	return true;
}
