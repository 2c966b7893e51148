/*
 * api/rest_rows: an answer that is a list with limit and offset.
 *
 * Purpose     `{"rows":[...],"pagination":{...}}`: counts what the filter finds and says which of
 *             it is to be written.
 * Units       pages are of `limit` rows. Whoever stops at the first row behind the list, as
 *             rest_rows_full says, knows of one page to come.
 */
#ifndef API_REST_ROWS_H
#define API_REST_ROWS_H

#include "api/rest_int.h"

#define REST_ROWS_DEFAULT 50u
#define REST_ROWS_MAX 10000u
#define REST_ROWS_OFFSET_MAX 100000u

struct rest_rows {
	struct sheet sheet;
	uint64_t offset, limit;
	uint64_t found;
};

/* Takes limit and offset from the query. False: they were refused. */
bool rest_rows_begin(struct rest_call *call, struct rest_rows *rows, uint64_t limit_default);
/* One more is found. True: it is to be written. */
bool rest_rows_take(struct rest_rows *rows);
/* One more has been found than is written: that is enough. */
bool rest_rows_full(const struct rest_rows *rows);
void rest_rows_end(struct rest_call *call, struct rest_rows *rows);

#endif
