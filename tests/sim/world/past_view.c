#include "sim/world/past_view.h"

#include "server/past.h"

enum froe_err
past_view(uint64_t run, const struct past_row *rows, uint32_t count,
    const struct eng_version_view *version, uint32_t from, uint32_t node, struct arena *arena,
    struct eng_replay *ret_replay, struct froe_fault *fault)
{
	uint32_t tenant;
	struct bytes task = {0};
	struct history history = {
	    .run = run,
	    .places = arena_alloc(arena, count * sizeof(struct log_place)),
	    .records = arena_alloc(arena, count * sizeof(struct history_record)),
	    .count = count,
	    .version = *version,
	};
	for (uint32_t i = 0; i < count; i++) {
		history.places[i] = rows[i].place;
		history.records[i] = (struct history_record){
		    .type = rows[i].type, .time_ns = rows[i].time_ns, .body = rows[i].body};
	}
	if (from != 0)
		task = version->tasks[from - 1].name;
	return past_replay(&history, task, node, arena, &tenant, ret_replay, fault);
}
