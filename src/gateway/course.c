#include "gateway/course.h"

#include "base/mem.h"
#include "gateway/gateway_int.h"

/* -------------------------------------------------------------------------------- courses */

struct course *
course_find(struct gateway *gateway, struct uuid task)
{
	return map_get_uuid(&gateway->courses, task);
}

static void
entry_free(struct entry *entry)
{
	list_remove(&entry->link);
	buf_release(&entry->conditions);
	mem_free(entry->name);
	mem_free(entry);
}

static void
course_free(struct gateway *gateway, struct course *course)
{
	for (size_t i = 0; i < course->entries.capacity; i++) {
		if (course->entries.entries[i].value != NULL)
			entry_free(course->entries.entries[i].value);
	}
	map_release(&course->entries);
	map_remove_uuid(&gateway->courses, course->task);
	list_remove(&course->link);
	list_remove(&course->stall);
	mem_free(course);
}

struct course *
course_new(
    struct gateway *gateway, struct uuid task, struct uuid tenant, uint32_t invocation)
{
	struct course *course = course_find(gateway, task);
	if (course != NULL)
		course_free(gateway, course);
	course = mem_zalloc(sizeof(*course));
	course->task = course->said = task;
	course->tenant = tenant;
	course->invocation = invocation;
	map_init(&course->entries);
	list_init(&course->ready);
	list_init(&course->link);
	list_init(&course->stall);
	map_put_uuid(&gateway->courses, task, course);
	return course;
}

void
course_forget(struct gateway *gateway, struct uuid task, uint64_t lease)
{
	struct course *course = course_find(gateway, task);
	if (course != NULL && course->invocation == lease)
		course_free(gateway, course);
}

void
course_attach(struct course *course, struct durable *stream, struct list *courses)
{
	if (course->stream == stream)
		return;
	course_detach(course);
	course->stream = stream;
	list_push(courses, &course->link);
}

void
course_detach(struct course *course)
{
	list_remove(&course->link);
	list_remove(&course->stall);
	course->stream = NULL;
	course->loading = false;
	for (size_t i = 0; i < course->entries.capacity; i++) {
		struct entry *entry = course->entries.entries[i].value;
		if (entry == NULL)
			continue;
		if (entry->state == ENTRY_ASKED ||
		    (entry->state == ENTRY_PENDING && entry->kind == ENTRY_MEMO))
			entry->state = ENTRY_UNKNOWN;
		if (entry->state == ENTRY_LOADING)
			course_ready(course, entry, entry->order, entry->since_ns);
		if (entry->state == ENTRY_SENT)
			entry->since_ns = 0; /* it may have been lost on the way */
	}
}

/* -------------------------------------------------------------------------------- entries */

struct entry *
course_entry(const struct course *course, uint64_t node)
{
	return map_get_u64(&course->entries, node);
}

struct entry *
course_add(struct course *course, uint32_t node, enum entry_kind kind)
{
	struct entry *entry = course_entry(course, node);
	if (entry != NULL)
		return entry;
	entry = mem_zalloc(sizeof(*entry));
	entry->node = node;
	entry->kind = kind;
	list_init(&entry->link);
	buf_init(&entry->conditions);
	map_put_u64(&course->entries, node, entry);
	return entry;
}

void
course_ready(struct course *course, struct entry *entry, uint32_t order, uint64_t now_ns)
{
	if (entry->state == ENTRY_READY || entry->state == ENTRY_SENT)
		return;
	entry->state = ENTRY_READY;
	entry->order = order;
	entry->since_ns = now_ns;
	list_push(&course->ready, &entry->link);
}

static bool
entry_wanted(const struct entry *entry)
{
	return entry->kind != ENTRY_CHILD || entry->waited;
}

/* Of the results before `order` that have not been told: those of children that were left. */
static uint32_t
results_left(const struct course *course, uint32_t order, uint64_t now_ns)
{
	struct list *at;
	uint32_t count = 0;
	list_for_each(at, &course->ready) {
		const struct entry *entry = container_of(at, struct entry, link);
		bool between = entry->order > course->delivered && entry->order < order;
		count += between && !entry_wanted(entry) &&
		    now_ns - entry->since_ns > COURSE_LEFT_NS;
	}
	return count;
}

/* The one whose turn it is; or the first of those that have waited long enough for a step that the
 * handler does not take any more. */
struct entry *
course_next(const struct course *course, uint64_t now_ns)
{
	struct entry *first = NULL;
	struct list *at;
	bool late = false;
	if (course->loading)
		return NULL;
	list_for_each(at, &course->ready) {
		struct entry *entry = container_of(at, struct entry, link);
		if (!entry_wanted(entry))
			continue;
		if (first == NULL || entry->order < first->order)
			first = entry;
		late = late || now_ns - entry->since_ns > COURSE_GAP_NS;
	}
	if (first == NULL || late || first->order <= course->delivered + 1)
		return first;
	uint32_t before = first->order - course->delivered - 1;
	return results_left(course, first->order, now_ns) == before ? first : NULL;
}

bool
course_stalls(const struct course *course)
{
	struct list *at;
	if (course->loading)
		return false;
	list_for_each(at, &course->ready) {
		if (entry_wanted(container_of(at, struct entry, link)))
			return true;
	}
	return false;
}

uint32_t
course_results(const struct course *course)
{
	uint32_t results = course->delivered;
	struct list *at;
	for (bool more = true; more;) {
		more = false;
		list_for_each(at, &course->ready) {
			const struct entry *entry = container_of(at, struct entry, link);
			if (entry->order == results + 1 && !entry_wanted(entry))
				more = true;
		}
		results += more ? 1 : 0;
	}
	return results;
}

void
course_loads(struct course *course, struct entry *entry)
{
	list_remove(&entry->link);
	entry->state = ENTRY_LOADING;
	course->loading = true;
}

void
course_sent(struct course *course, struct entry *entry, uint64_t now_ns)
{
	list_remove(&entry->link);
	if (entry->state == ENTRY_LOADING)
		course->loading = false;
	entry->state = ENTRY_SENT;
	entry->since_ns = now_ns;
	if (entry->order > course->delivered)
		course->delivered = entry->order;
}
