/*
 * The engine in the middle of its life is replaced by what was saved and loaded of it. Nothing
 * that follows may differ: the model, which knows nothing of it, goes on watching.
 */
#include "engine/save.h"
#include "server/record.h"
#include "sim/world/process_int.h"

struct reload {
	struct judge *judge;
	struct eng_load *load;
	struct arena arena;
};

/* As in a file: an event is a record of the log. */
static void
reload_event(struct reload *reload, struct eng_saved *saved)
{
	struct froe_fault fault = {0};
	struct eng_event event;
	struct buf body;
	buf_init(&body);
	record_encode(saved->event, &body);
	struct log_record record = {
	    .type = saved->type,
	    .time_ns = saved->event->time_ns, /* of a token: when it was made */
	    .body = buf_bytes(&body),
	};
	if (record_decode(&record, &reload->arena, &event, &fault) != FROE_OK)
		judge_fail(reload->judge, "a saved event does not decode: %s", fault.text);
	saved->event = &event;
	if (eng_load_put(reload->load, saved, &fault) != FROE_OK)
		judge_fail(reload->judge, "a saved event does not load: %s", fault.text);
	buf_release(&body);
	arena_reset(&reload->arena);
}

static enum froe_err
reload_each(void *context, const struct eng_saved *from, struct froe_fault *fault)
{
	struct reload *reload = context;
	struct eng_saved saved = *from;
	if (saved.event != NULL)
		reload_event(reload, &saved);
	else if (eng_load_put(reload->load, &saved, fault) != FROE_OK)
		judge_fail(reload->judge, "%s does not load: %s", eng_object_name(saved.type),
		    fault->text);
	return FROE_OK;
}

void
process_reload(struct process *process)
{
	struct froe_fault fault = {0};
	struct eng *eng = NULL;
	struct reload reload = {.judge = process->judge, .load = eng_load_open()};
	arena_init(&reload.arena, 0);
	enum froe_err err = eng_save(process->shard.eng, reload_each, &reload, &fault);
	if (err == FROE_OK)
		err = eng_load_close(reload.load, &eng, &fault);
	if (err != FROE_OK)
		judge_fail(process->judge, "a saved engine does not load: %s", fault.text);
	if (eng_hash(eng) != eng_hash(process->shard.eng))
		judge_fail(process->judge, "a saved engine loads as another");
	eng_check(eng);
	eng_close(process->shard.eng);
	process->shard.eng = eng;
	arena_release(&reload.arena);
	judge_mark(process->judge, KIND_RELOAD);
}
