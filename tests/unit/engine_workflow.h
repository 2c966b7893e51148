/*
 * tests/engine_workflow: definitions for tests, from a line such as "a b<a c<a d<b,c f!".
 *
 * One word a task: its name, after < its parents with commas between, a ! at the end marks the
 * on-failure task. Fields beyond that are set in workflow->tasks[i] before it is put.
 *
 * Ownership   everything lies in the caller's arena.
 */
#ifndef TESTS_ENGINE_WORKFLOW_H
#define TESTS_ENGINE_WORKFLOW_H

#include "base/arena.h"
#include "base/bytes.h"
#include "engine/engine.h"

struct workflow {
	struct arena *arena;
	struct eng_definition definition;
	struct eng_task_definition *tasks;
};

static inline struct bytes
text_copy(struct arena *arena, const char *text, size_t size)
{
	return bytes_of(arena_copy(arena, text, size), size);
}

/* Splits at any of the separators; NULL at the end. */
static inline const char *
word_next(const char **at, const char *separators, size_t *ret_size)
{
	const char *word = *at + strspn(*at, separators);
	*ret_size = strcspn(word, separators);
	*at = word + *ret_size;
	return *ret_size != 0 ? word : NULL;
}

static inline uint32_t
word_count(const char *text, const char *separators)
{
	uint32_t count = 0;
	size_t size;
	while (word_next(&text, separators, &size) != NULL)
		count++;
	return count;
}

/* A list of names, such as actions. */
static inline const struct bytes *
words_of(struct arena *arena, const char *text, const char *separators, uint32_t *ret_count)
{
	*ret_count = word_count(text, separators);
	struct bytes *words = arena_alloc(arena, *ret_count * sizeof(*words));
	for (uint32_t i = 0; i < *ret_count; i++) {
		size_t size;
		const char *word = word_next(&text, separators, &size);
		words[i] = text_copy(arena, word, size);
	}
	return words;
}

static inline void
workflow_init(struct workflow *workflow, struct arena *arena, const char *name, uint32_t tasks)
{
	workflow->arena = arena;
	workflow->tasks = arena_alloc(arena, tasks * sizeof(*workflow->tasks));
	if (tasks > 0)
		memset(workflow->tasks, 0, tasks * sizeof(*workflow->tasks));
	workflow->definition = (struct eng_definition){
	    .name = text_copy(arena, name, strlen(name)),
	    .tasks = workflow->tasks,
	    .task_count = tasks,
	};
}

static inline void
workflow_task(struct workflow *workflow, struct eng_task_definition *task, const char *word,
    size_t size)
{
	char *copy = arena_alloc(workflow->arena, size + 1);
	memcpy(copy, word, size);
	copy[size] = 0;
	if (copy[size - 1] == '!') {
		task->on_failure = true;
		copy[size - 1] = 0;
	}
	size_t name = strcspn(copy, "<");
	task->name = bytes_of(copy, name);
	if (copy[name] == '<')
		task->parents =
		    words_of(workflow->arena, copy + name + 1, ",", &task->parent_count);
}

static inline void
workflow_parse(struct workflow *workflow, struct arena *arena, const char *name, const char *line)
{
	workflow_init(workflow, arena, name, word_count(line, " "));
	for (uint32_t i = 0; i < workflow->definition.task_count; i++) {
		size_t size;
		const char *word = word_next(&line, " ", &size);
		workflow_task(workflow, &workflow->tasks[i], word, size);
	}
}

/* Canonical bytes, as the shell would make them: any change of the definition changes them. */
static inline void
workflow_encode(struct workflow *workflow)
{
	struct buf buf;
	struct eng_definition *definition = &workflow->definition;
	buf_init(&buf);
	buf_printf(&buf, "%.*s %llu %u\n", (int)definition->name.size,
	    (const char *)definition->name.data, (unsigned long long)definition->run_timeout_ms,
	    definition->priority);
	for (uint32_t i = 0; i < definition->task_count; i++) {
		const struct eng_task_definition *task = &workflow->tasks[i];
		const struct eng_backoff *backoff = &task->backoff;
		buf_printf(&buf, "%.*s %.*s %u %u %llu %llu %g %u %llu %llu %d",
		    (int)task->name.size, (const char *)task->name.data, (int)task->action.size,
		    (const char *)task->action.data, task->retries, backoff->kind,
		    (unsigned long long)backoff->initial_ms, (unsigned long long)backoff->max_ms,
		    backoff->factor, backoff->jitter_percent,
		    (unsigned long long)task->schedule_timeout_ms,
		    (unsigned long long)task->execution_timeout_ms, task->on_failure);
		for (uint32_t j = 0; j < task->parent_count; j++)
			buf_printf(&buf, " <%.*s", (int)task->parents[j].size,
			    (const char *)task->parents[j].data);
		buf_printf(&buf, " %u %u", task->delivery, task->priority);
		for (uint32_t j = 0; j < task->slot_count; j++)
			buf_printf(&buf, " %.*s=%u", (int)task->slots[j].type.size,
			    (const char *)task->slots[j].type.data, task->slots[j].count);
		for (uint32_t j = 0; j < backoff->table_count; j++)
			buf_printf(&buf, " +%llu", (unsigned long long)backoff->table_ms[j]);
		buf_push_text(&buf, "\n");
	}
	struct bytes bytes = buf_bytes(&buf);
	definition->encoded = text_copy(workflow->arena, (const char *)bytes.data, bytes.size);
	buf_release(&buf);
}

/* A copy that needs nothing of the original. */
static inline const struct eng_definition *
definition_copy(struct arena *arena, const struct eng_definition *from)
{
	struct eng_definition *to = arena_copy(arena, from, sizeof(*from));
	struct eng_task_definition *tasks =
	    arena_copy(arena, from->tasks, from->task_count * sizeof(*from->tasks));
	to->name = text_copy(arena, (const char *)from->name.data, from->name.size);
	to->encoded = text_copy(arena, (const char *)from->encoded.data, from->encoded.size);
	to->tasks = tasks;
	for (uint32_t i = 0; i < from->task_count; i++) {
		struct eng_task_definition *task = &tasks[i];
		struct bytes *parents = arena_copy(arena, task->parents,
		    task->parent_count * sizeof(*task->parents));
		for (uint32_t j = 0; j < task->parent_count; j++)
			parents[j] =
			    text_copy(arena, (const char *)parents[j].data, parents[j].size);
		task->name = text_copy(arena, (const char *)task->name.data, task->name.size);
		task->action = text_copy(arena, (const char *)task->action.data, task->action.size);
		task->parents = parents;
		struct eng_slots *slots =
		    arena_copy(arena, task->slots, task->slot_count * sizeof(*task->slots));
		for (uint32_t j = 0; j < task->slot_count; j++)
			slots[j].type = text_copy(arena, (const char *)slots[j].type.data,
			    slots[j].type.size);
		task->slots = slots;
		task->backoff.table_ms = arena_copy(arena, task->backoff.table_ms,
		    task->backoff.table_count * sizeof(*task->backoff.table_ms));
	}
	return to;
}

#endif
