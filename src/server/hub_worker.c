/*
 * server/hub_worker: is a worker still there?
 *
 * The engine sees no clock of connections. A worker whose connection broke has
 * reconnect_grace_ms to come back (after a restart of the server too); one that is connected and
 * silent for heartbeat_lost_ms is lost. A gateway's workers take longer to come back, and go on
 * working meanwhile: they have that time for it, and more while their heartbeats come. One that is
 * lost stays registered for a while: its kind listens again by the id that it has, and never
 * registers once more. A worker's timer is not moved by each heartbeat: when it fires and the
 * worker was seen since, it is armed for the rest.
 */
#include "server/hub_int.h"

#include "base/mem.h"

/* So many times the silence after which it is lost a gateway's worker may be away while it says
 * that it lives: SDKs wait longer and longer before they try again. */
#define ROAMING_LOST_MAX 4
/* And after so many times it is forgotten. */
#define KEPT_TIMES 20u

static struct hub_worker *
worker_require(struct hub *hub, uint64_t number)
{
	struct hub_worker *worker = map_get_u64(&hub->workers, number);
	if (worker == NULL) {
		worker = mem_zalloc(sizeof(*worker));
		worker->worker = number;
		map_put_u64(&hub->workers, number, worker);
	}
	return worker;
}

static void
worker_arm(struct hub *hub, struct hub_worker *worker, uint32_t ms)
{
	wheel_remove(&hub->wheel, &worker->timer);
	wheel_insert(&hub->wheel, &worker->timer, hub->mono_ns + (uint64_t)ms * 1000000);
}

/* Is it a gateway's? */
static bool
worker_roams(const struct hub *hub, uint64_t number)
{
	struct eng_worker_view view;
	return eng_worker_view(hub->shard->eng, number, &view) && !view.leaving &&
	    view.incarnation == API_INCARNATION_ROAMING;
}

/* How long it may be without a connection. */
static uint32_t
worker_grace_ms(const struct hub *hub, uint64_t number)
{
	uint32_t grace_ms = hub->options.reconnect_grace_ms;
	uint32_t lost_ms = hub->options.heartbeat_lost_ms;
	return worker_roams(hub, number) && lost_ms > grace_ms ? lost_ms : grace_ms;
}

static void
worker_unbind(struct hub *hub, uint64_t number)
{
	struct hub_worker *worker = map_get_u64(&hub->workers, number);
	if (worker == NULL)
		return;
	worker->conn = 0;
	worker->gone_ns = hub->mono_ns;
	worker_arm(hub, worker, worker_grace_ms(hub, number));
}

/* The worker has registered on this connection. Another one it had is its no more; another worker
 * that the connection had has lost it. */
void
hub_worker_bind(struct hub *hub, struct hub_conn *conn, uint64_t number)
{
	struct hub_worker *worker = worker_require(hub, number);
	struct hub_conn *other = hub_conn_find(hub, worker->conn);
	if (other != NULL && other != conn)
		other->worker = 0;
	if (conn->worker != 0 && conn->worker != number)
		worker_unbind(hub, conn->worker);
	conn->worker = number;
	worker->conn = conn->handle;
	worker->seen_ns = hub->mono_ns;
	worker_arm(hub, worker, hub->options.heartbeat_lost_ms);
}

void
hub_worker_unbind(struct hub *hub, struct hub_conn *conn)
{
	worker_unbind(hub, conn->worker);
	conn->worker = 0;
}

void
hub_worker_seen(struct hub *hub, uint64_t number)
{
	struct hub_worker *worker = map_get_u64(&hub->workers, number);
	if (worker != NULL)
		worker->seen_ns = hub->mono_ns;
}

bool
hub_worker_attached(const struct hub *hub, uint64_t number)
{
	const struct hub_worker *worker = map_get_u64(&hub->workers, number);
	return worker != NULL && worker->conn != 0;
}

uint64_t
hub_worker_away_ns(const struct hub *hub, uint64_t number)
{
	const struct hub_worker *worker = map_get_u64(&hub->workers, number);
	const struct shard *shard = hub->shard;
	if (worker == NULL || worker->conn != 0)
		return 0;
	if (worker->gone_ns == 0)
		return shard->clock.now_ns - shard->report.last_time_ns;
	return hub->mono_ns - worker->gone_ns;
}

/* Whatever it still says is late; that its leases end is told to the connection it had. */
void
hub_worker_leaving(struct hub *hub, uint64_t number)
{
	struct hub_worker *worker = map_get_u64(&hub->workers, number);
	if (worker == NULL)
		return;
	struct hub_conn *conn = hub_conn_find(hub, worker->conn);
	if (conn != NULL && conn->worker == number)
		conn->worker = 0;
	wheel_remove(&hub->wheel, &worker->timer);
	worker->leaving = true;
}

void
hub_worker_left(struct hub *hub, uint64_t number)
{
	struct hub_worker *worker = map_get_u64(&hub->workers, number);
	if (worker == NULL)
		return;
	hub_worker_leaving(hub, number);
	map_remove_u64(&hub->workers, number);
	mem_free(worker);
}

/* A sixteenth more than what the worker counts: engine time may run 5 % fast. */
uint64_t
hub_lapse_ns(const struct hub *hub)
{
	uint64_t lost_ns = (uint64_t)hub->options.heartbeat_lost_ms * 1000000;
	return lost_ns + lost_ns / 16;
}

uint64_t
hub_worker_lapse_ns(const struct hub *hub, uint64_t number)
{
	const struct hub_worker *worker = map_get_u64(&hub->workers, number);
	uint64_t now_ns = hub->shard->clock.now_ns;
	if (worker == NULL)
		return now_ns + hub_lapse_ns(hub);
	uint64_t silent_ns = hub->mono_ns > worker->seen_ns ? hub->mono_ns - worker->seen_ns : 0;
	return silent_ns < hub_lapse_ns(hub) ? now_ns + hub_lapse_ns(hub) - silent_ns : now_ns;
}

void
hub_worker_recovered(void *context, uint64_t number, bool attached, struct bytes name)
{
	struct hub *hub = context;
	(void)attached;
	(void)name;
	struct hub_worker *worker = worker_require(hub, number);
	worker->seen_ns =
	    hub->mono_ns; /* it may have heard of the server a moment before that ended */
	worker_arm(hub, worker, worker_grace_ms(hub, number));
}

/* When it is to be looked at again; 0: it is gone. After a turn that came late (the process was
 * stopped, the machine slept) heartbeats may lie unread: there is time for one more. */
static uint64_t
worker_due_ns(const struct hub *hub, const struct hub_worker *worker)
{
	uint64_t beat_ns = (uint64_t)hub->options.heartbeat_ms * 1000000;
	uint64_t lost_ns = (uint64_t)hub->options.heartbeat_lost_ms * 1000000;
	uint64_t due_ns = worker->seen_ns + lost_ns;
	if (worker->conn == 0 &&
	    (!worker_roams(hub, worker->worker) || worker->seen_ns <= worker->gone_ns ||
	        hub_worker_away_ns(hub, worker->worker) > ROAMING_LOST_MAX * lost_ns))
		return 0;
	if (due_ns > hub->mono_ns)
		return due_ns;
	return hub->gap_ns > 2 * beat_ns ? hub->mono_ns + beat_ns : 0;
}

/* How long one that is lost stays registered; 0: not at all. */
static uint64_t
worker_kept_ns(const struct hub *hub, const struct hub_worker *worker)
{
	uint64_t kept_ns = (uint64_t)hub->options.heartbeat_lost_ms * KEPT_TIMES * 1000000;
	uint64_t away_ns = hub_worker_away_ns(hub, worker->worker);
	return worker_roams(hub, worker->worker) && away_ns < kept_ns ? kept_ns - away_ns : 0;
}

/* Without leases there is nothing that it could lose. */
static bool
worker_idle(const struct hub *hub, uint64_t number)
{
	struct eng_worker_view view;
	return eng_worker_view(hub->shard->eng, number, &view) && view.leases == 0;
}

/* What it was is another registration now. */
static void
worker_keep(struct hub *hub, struct uuid id, struct eng_tenant_id tenant, uint64_t gone_ns,
    uint64_t kept_ns)
{
	struct hub_worker *worker =
	    worker_require(hub, eng_worker_find(hub->shard->eng, tenant, id));
	worker->gone_ns = gone_ns;
	wheel_remove(&hub->wheel, &worker->timer);
	wheel_insert(&hub->wheel, &worker->timer, hub->mono_ns + kept_ns);
}

/* False: there is no room for it now. */
static bool
worker_lose(struct hub *hub, const struct hub_worker *worker)
{
	uint64_t number = worker->worker, kept_ns = worker_kept_ns(hub, worker);
	uint64_t gone_ns = worker->conn != 0 ? hub->mono_ns : worker->gone_ns;
	struct eng_worker_view view;
	bool known = eng_worker_view(hub->shard->eng, number, &view) && !view.leaving;
	struct eng_command command = {
	    .type = ENG_CMD_WORKER_LEAVE,
	    .lapse_ns = hub_worker_lapse_ns(hub, number),
	    .worker = {.worker.v = number, .lost = true, .kept = known && kept_ns > 0},
	};
	if (!shard_has_room(hub->shard, &command))
		return false;
	hub->stats.workers_lost++;
	if (shard_step(hub->shard, &command) == 0)
		hub_worker_left(hub, number); /* the engine knows it no more */
	if (command.worker.kept)
		worker_keep(hub, view.id, view.tenant, gone_ns, kept_ns);
	return true;
}

bool
hub_worker_turn(struct hub *hub)
{
	struct timer *timer;
	while ((timer = wheel_expired(&hub->wheel, hub->mono_ns)) != NULL) {
		struct hub_worker *worker = container_of(timer, struct hub_worker, timer);
		uint64_t due_ns = worker_due_ns(hub, worker);
		uint64_t kept_ns = worker->conn == 0 ? worker_kept_ns(hub, worker) : 0;
		if (due_ns == 0 && kept_ns > 0 && worker_idle(hub, worker->worker))
			due_ns = hub->mono_ns + kept_ns;
		if (due_ns != 0) {
			wheel_remove(&hub->wheel, timer);
			wheel_insert(&hub->wheel, timer, due_ns);
		} else if (!worker_lose(hub, worker)) {
			return false;
		}
	}
	return true;
}

void
hub_worker_release_all(struct hub *hub)
{
	for (size_t i = 0; i < hub->workers.capacity; i++)
		mem_free(hub->workers.entries[i].value);
}
