/*
 * api/rest_view: a run's view as JSON: V1TaskSummary, V1WorkflowRunDetails and their parts.
 */
#ifndef API_REST_VIEW_H
#define API_REST_VIEW_H

#include "api/rest_int.h"

/* When a thing was made whose beginning is not kept: a day before there was any. */
#define VIEW_UNKNOWN_NS UINT64_C(1767225600000000000)

struct uuid view_run(const Froe__RunView *view);

/* The key "metadata" and its value. */
void view_meta(struct sheet *sheet, struct uuid id, uint64_t created_ns, uint64_t updated_ns);

/* Values. Without payloads input and output are {}. */
void view_details(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view);
void view_row(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view,
    bool payloads);
void view_task(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view,
    uint32_t index, bool payloads);
void view_shape(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view);
/* A run as the old interface had it, with the outputs of its steps. */
void view_shape_run(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view);
/* What happened to a task, or to all of them (VIEW_ALL_TASKS): elements of an array. */
#define VIEW_ALL_TASKS UINT32_MAX
struct rest_rows;
void view_events(struct rest_call *call, struct rest_rows *rows, const Froe__RunView *view,
    uint32_t index);
void view_timings(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view);

#endif
