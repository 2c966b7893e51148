#include "api/rest_rows.h"

bool
rest_rows_begin(struct rest_call *call, struct rest_rows *rows, uint64_t limit_default)
{
	*rows = (struct rest_rows){0};
	if (!rest_query_number(call, "limit", REST_ROWS_MAX, &rows->limit) ||
	    !rest_query_number(call, "offset", REST_ROWS_OFFSET_MAX, &rows->offset))
		return false;
	if (rows->limit == 0)
		rows->limit = limit_default;
	rows->sheet = rest_sheet(call);
	sheet_open(&rows->sheet, '{');
	sheet_key(&rows->sheet, "rows");
	sheet_open(&rows->sheet, '[');
	return true;
}

bool
rest_rows_take(struct rest_rows *rows)
{
	rows->found++;
	return rows->found > rows->offset && rows->found <= rows->offset + rows->limit;
}

bool
rest_rows_full(const struct rest_rows *rows)
{
	return rows->found > rows->offset + rows->limit;
}

void
rest_rows_end(struct rest_call *call, struct rest_rows *rows)
{
	uint64_t current = rows->offset / rows->limit + 1;
	uint64_t pages = (rows->found + rows->limit - 1) / rows->limit;
	sheet_close(&rows->sheet, ']');
	sheet_key(&rows->sheet, "pagination");
	rest_write_pages(&rows->sheet, current, current < pages ? current + 1 : 0, pages);
	sheet_close(&rows->sheet, '}');
	rest_finish(call, 200);
}
