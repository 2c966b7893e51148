/*
 * engine/save_job: jobs, as state objects: one each; those that have ended first, in the order of
 * their ends.
 */
#include "engine/save_int.h"

#include "base/plant.h"

static void
save_job(struct save *save, const struct eng_job_view *view)
{
	put_number(save, view->number);
	put_number(save, view->tenant);
	put_number(save, view->kind);
	put_number(save, view->status);
	put_number(save, view->children);
	put_number(save, view->created_ns);
	put_number(save, view->ended_ns);
	put_number(save, view->first);
	put_number(save, view->cursor);
	put_number(save, plant(JOB_UNSAVED) ? 0 : view->done);
	put_number(save, view->refused);
	put_number(save, view->refusal);
	put_bytes(save, view->filter);
	put_bytes(save, view->reason);
	put_bytes(save, view->task);
	put_bytes(save, view->actor);
	put_bytes(save, view->ended_by);
	put_bytes(save, view->error);
	save_object(save, ENG_OBJ_JOB, 0);
}

void
save_jobs(struct save *save)
{
	struct list *at;
	for (uint32_t i = 0; i < save->eng->tenant_count; i++) {
		const struct eng_tenant *tenant = save->eng->tenants[i];
		list_for_each(at, &tenant->jobs_ended)
			save_job(save, &container_of(at, struct eng_job, ended_link)->view);
		list_for_each(at, &tenant->jobs) {
			const struct eng_job *job = container_of(at, struct eng_job, link);
			if (job->view.status == ENG_RUNNING)
				save_job(save, &job->view);
		}
	}
}

static bool
job_fits(const struct eng_load *load, const struct eng_job_view *view)
{
	const struct eng_tenant *tenant = eng_tenant_get(load->eng, view->tenant);
	bool running = view->status == ENG_RUNNING;
	if (tenant == NULL || view->number == 0 || view->number > load->engine.job_last ||
	    map_get_u64(&load->eng->jobs, view->number) != NULL)
		return false;
	if (!running && (view->status < ENG_COMPLETED || view->status > ENG_CANCELLED))
		return false;
	if (view->kind != ENG_JOB_CANCEL && view->kind != ENG_JOB_REPLAY)
		return false;
	if (view->cursor == 0 || view->cursor > view->first ||
	    view->first > load->engine.run_last + 1 ||
	    view->filter.size > FROE_JOB_FILTER_BYTES_MAX)
		return false;
	return running ? tenant->job_count - tenant->job_ended_count < FROE_JOBS_MAX
	               : tenant->job_ended_count < FROE_JOBS_ENDED_MAX;
}

enum froe_err
load_job(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng_job_view view = {.number = take_number(take)};
	view.tenant = take_u32(take);
	view.kind = (enum eng_job_kind)take_u8(take);
	view.status = (enum eng_status)take_u8(take);
	view.children = take_u8(take) == 1;
	view.created_ns = take_number(take);
	view.ended_ns = take_number(take);
	view.first = take_number(take);
	view.cursor = take_number(take);
	view.done = take_number(take);
	view.refused = take_number(take);
	view.refusal = (enum froe_err)take_u32(take);
	view.filter = take_bytes(take);
	view.reason = take_bytes(take);
	view.task = take_bytes(take);
	view.actor = take_bytes(take);
	view.ended_by = take_bytes(take);
	view.error = take_bytes(take);
	if (take->bad || !job_fits(load, &view))
		return load_bad(load, "a job");
	job_add(load->eng, &view);
	return take_end(load, take, "a job");
}
