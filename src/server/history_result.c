/*
 * server/history_result: what a completed run has come to, of its tasks' outputs.
 */
#include "server/history.h"

bool
result_build(const struct result_part *parts, uint32_t count, bool bare, struct buf *to)
{
	size_t size = 2;
	for (uint32_t i = 0; i < count; i++)
		size += parts[i].output.size + 6 * parts[i].task.size + 4;
	if (size > HISTORY_PAYLOAD_BYTES_MAX)
		return false;
	if (bare && count == 1) {
		buf_push(to, parts[0].output.data, parts[0].output.size);
		return true;
	}
	buf_push_text(to, "{");
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			buf_push_text(to, ",");
		buf_push_json_string(to, parts[i].task.data, parts[i].task.size);
		buf_push_text(to, ":");
		buf_push(to, parts[i].output.data, parts[i].output.size);
	}
	buf_push_text(to, "}");
	return true;
}

bool
history_result(const struct history_fold *fold, struct buf *to)
{
	const struct eng_version_view *version = &fold->version;
	struct result_part parts[FROE_WORKFLOW_TASKS_MAX];
	uint32_t count = 0, ordinary = 0;
	for (uint32_t i = 0; i < version->task_count; i++) {
		if (version->tasks[i].on_failure)
			continue;
		ordinary++;
		if (version->children[i] == 0 && fold->cut[i])
			return false;
		if (version->children[i] == 0 && fold->outputs[i].size != 0) {
			parts[count++] =
			    (struct result_part){version->tasks[i].name, fold->outputs[i]};
		}
	}
	return result_build(parts, count, ordinary == 1, to);
}
