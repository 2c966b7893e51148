/*
 * server/hub_durable: what workers hear of their durable tasks' nodes; open approvals.
 *
 * A node's result is a push, also when it answers a step at once: it may be as large as a payload,
 * and the connection's window paces it. It is a reference until it is sent.
 */
#include "server/hub_int.h"

#include "base/message.h"
#include "server/record.h"

static struct hub_push *
node_push(struct hub *hub, uint64_t conn, const struct eng_effect *effect)
{
	struct hub_push *push = hub_push_new(hub, HUB_PUSH_NODE, conn);
	push->run = effect->run;
	push->id = effect->id;
	push->task = effect->task;
	push->lease = effect->lease;
	push->node = effect->node;
	push->which = effect->which;
	push->order = effect->order;
	push->node_state = effect->node_state;
	push->child = effect->child;
	push->stored = effect->created && effect->node_state == ENG_NODE_DONE;
	push->record = push->stored ? 0 : effect->record;
	return push;
}

void
hub_node_answer(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	struct hub_push *push = node_push(hub, effect->origin.conn, effect);
	push->request = effect->origin.request;
	hub_item_object(hub, frame, HUB_ITEM_PUSH, push);
}

void
hub_node_done(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	struct hub_worker *worker = map_get_u64(&hub->workers, effect->worker);
	if (worker != NULL && worker->conn != 0) /* else it asks again when it comes back */
		hub_item_object(hub, frame, HUB_ITEM_PUSH, node_push(hub, worker->conn, effect));
}

static Froe__RunStatus
child_status(enum eng_reason reason)
{
	if (reason == ENG_REASON_COMPLETED)
		return FROE__RUN_STATUS__COMPLETED;
	return reason == ENG_REASON_FAILED ? FROE__RUN_STATUS__FAILED
	                                   : FROE__RUN_STATUS__CANCELLED;
}

static void
node_metadata(struct hub *hub, const struct eng_event *event, Froe__NodeDone *done)
{
	size_t count = event->metadata_count / 2;
	Froe__Pair *pairs = arena_alloc(&hub->arena, count * sizeof(*pairs));
	done->metadata = arena_alloc(&hub->arena, count * sizeof(Froe__Pair *));
	done->n_metadata = count;
	for (size_t i = 0; i < count; i++) {
		froe__pair__init(&pairs[i]);
		pairs[i].key = hub_text(hub, event->metadata[2 * i]);
		pairs[i].value = hub_text(hub, event->metadata[2 * i + 1]);
		done->metadata[i] = &pairs[i];
	}
}

/* What the record of the result says. It was written by this engine: it can be decoded. */
static void
node_result(struct hub *hub, uint64_t run, uint32_t number, const struct resolver_record *from,
    Froe__NodeDone *done)
{
	struct log_record record = {
	    .type = from->type,
	    .time_ns = from->time_ns,
	    .run_key = run,
	    .run_event_no = number,
	    .body = from->body,
	};
	struct eng_event event;
	struct froe_fault fault;
	if (record_decode(&record, &hub->arena, &event, &fault) != FROE_OK)
		froe_panic(__FILE__, __LINE__, __func__, fault.text);
	done->has_payload = event.payload.size != 0;
	done->payload = (ProtobufCBinaryData){event.payload.size,
	    (uint8_t *)(uintptr_t)event.payload.data};
	done->has_time_ns = true;
	done->time_ns = event.time_ns;
	node_metadata(hub, &event, done);
	if (!uuid_is_nil(event.child)) {
		done->has_child = done->has_status = true;
		done->child = (ProtobufCBinaryData){
		    sizeof(event.child.bytes), arena_copy(&hub->arena, event.child.bytes, 16)};
		done->status = child_status((enum eng_reason)event.reason);
	}
	if (event.type != ENG_EV_APPROVAL_DECIDED)
		return;
	done->has_approved = true;
	done->approved = event.approved != 0;
	done->reason = hub_text(hub, event.text);
	done->actor = hub_text(hub, event.actor);
}

void
hub_node_fill(struct hub *hub, struct hub_push *push, const struct resolver_record *record,
    struct api_effect *effect)
{
	Froe__NodeDone *done = arena_alloc(&hub->arena, sizeof(*done));
	froe__node_done__init(done);
	done->has_task = done->has_lease = done->has_node = done->has_state = true;
	done->task = (ProtobufCBinaryData){16, push->id.bytes};
	done->lease = push->lease;
	done->node = push->node;
	done->state = (Froe__NodeState)push->node_state;
	done->has_which = true;
	done->which = push->which;
	done->has_order = push->order != 0;
	done->order = push->order;
	done->has_stored = push->stored;
	done->stored = push->stored;
	done->has_child = !uuid_is_nil(push->child);
	done->child = (ProtobufCBinaryData){16, push->child.bytes};
	if (push->record != 0)
		node_result(hub, push->run, push->record, record, done);
	effect->message = &done->base;
}

/* One of them, as a field of the message in hub->pushed. */
static void
known_put(struct hub *hub, const struct hub_push *push, const struct eng_node_known *known,
    const struct resolver_record *record, unsigned field)
{
	Froe__NodeDone done = FROE__NODE_DONE__INIT;
	done.has_node = done.has_state = done.has_which = done.has_fingerprint = true;
	done.node = known->node;
	done.state = FROE__NODE_STATE__NODE_DONE;
	done.which = known->which;
	done.fingerprint = known->fingerprint;
	node_result(hub, push->run, known->record, record, &done);
	size_t begun = message_begin(&hub->pushed, field);
	message_push(&done.base, &hub->pushed);
	message_end(&hub->pushed, begun);
}

/* The steps that the task has taken, so that its handler need not ask for each again: the first
 * ones, as far as they are in memory and take little. */
void
hub_nodes_put(struct hub *hub, const struct hub_push *push, unsigned field)
{
	struct eng_node_known known[HUB_NODES_KNOWN_MAX];
	struct resolver_record record;
	size_t size = 0;
	uint32_t count = eng_nodes_known(
	    hub->shard->eng, push->run, push->task, known, HUB_NODES_KNOWN_MAX);
	for (uint32_t i = 0; i < count; i++) {
		if (!resolver_record(hub->shard->resolver, push->run, known[i].record, &record) ||
		    size + record.body.size > HUB_NODES_KNOWN_BYTES)
			continue;
		known_put(hub, push, &known[i], &record, field);
		size += record.body.size;
	}
}

static Froe__ApprovalRow *
approval_row(struct hub *hub, struct eng_approval_view *view)
{
	Froe__ApprovalRow *row = arena_alloc(&hub->arena, sizeof(*row));
	froe__approval_row__init(row);
	row->has_number = row->has_run = row->has_created_ns = row->has_node = true;
	row->number = view->number;
	row->run = (ProtobufCBinaryData){16, view->run.bytes};
	row->workflow = hub_text(hub, view->workflow);
	row->task = hub_text(hub, view->task);
	row->name = hub_text(hub, view->name);
	row->has_data = view->data.size != 0;
	row->data =
	    (ProtobufCBinaryData){view->data.size, (uint8_t *)(uintptr_t)view->data.data};
	row->created_ns = view->created_ns;
	row->node = view->node;
	return row;
}

void
hub_approval_list(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	Froe__ApprovalPage page = FROE__APPROVAL_PAGE__INIT;
	size_t limit = command->approvals.limit;
	arena_reset(&hub->arena);
	struct eng_approval_view *views = arena_alloc(&hub->arena, limit * sizeof(*views));
	page.rows = arena_alloc(&hub->arena, limit * sizeof(Froe__ApprovalRow *));
	page.n_rows = eng_approvals(
	    hub->shard->eng, conn->tenant, command->approvals.after, views, limit);
	for (size_t i = 0; i < page.n_rows; i++)
		page.rows[i] = approval_row(hub, &views[i]);
	page.has_next = true;
	page.next = page.n_rows == limit ? views[limit - 1].number : 0;
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_APPROVAL_PAGE, &page.base);
}
