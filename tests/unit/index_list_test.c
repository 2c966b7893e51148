/*
 * Lists by every filter and combination against a plain model: a table of runs that is looked
 * through from the top. Runs are put in any order, close, open again, are dropped; the index is
 * closed and opened in between.
 */
#include "index_place.h"

#include "index/openset.h"

#define RUNS 5000u
#define TENANTS 2u
#define CLOSED_STATUSES 3u
#define METADATA_MAX 3u

enum shape_state { ABSENT, OPEN, CLOSED };

/* What the model knows of a run. */
struct shape {
	uint64_t number;
	uint32_t seq;
	enum shape_state state;
	unsigned workflow;
	unsigned status;    /* CLOSED: 2 .. 4 */
	unsigned kind;      /* OPEN: 0 .. 2 */
	bool marked;        /* OPEN: kind 3 besides */
	unsigned parent;    /* 0: none */
	unsigned customer;
	unsigned workers;   /* bits */
	uint64_t created_ns;
};

struct world {
	struct place *place;
	struct openset open;
	struct shape shapes[TENANTS][RUNS]; /* ascending numbers */
	uint64_t dice;
	uint64_t applied;
};

static unsigned
pick(struct world *world, unsigned count)
{
	return (unsigned)(dice_roll(&world->dice) % count);
}

/* Numbers that leave out blocks and groups, and times of which several are equal. */
static void
world_shape(struct world *world)
{
	for (uint32_t tenant = 0; tenant < TENANTS; tenant++) {
		uint64_t number = 1 + pick(world, 100), created_ns = 1000;
		for (uint32_t i = 0; i < RUNS; i++) {
			unsigned roll = pick(world, 1000);
			created_ns += roll % 3;
			number += roll == 0 ? 200000 : roll < 10 ? 9000 : 1 + roll % 30;
			world->shapes[tenant][i] = (struct shape){
			    .number = number,
			    .created_ns = created_ns,
			    .workflow = roll % 50 == 0 ? 7 : roll % 3,
			    .parent = roll % 20 == 0 ? 1 + pick(world, 3) : 0,
			    .customer = pick(world, 40),
			};
		}
	}
}

static struct world *
world_new(struct place *place, uint64_t seed)
{
	struct world *world = mem_zalloc(sizeof(*world));
	world->place = place;
	world->dice = seed;
	openset_init(&world->open);
	world_shape(world);
	assert_int_equal(place_open(place, store_a), FROE_OK);
	return world;
}

static void
world_free(struct world *world)
{
	openset_release(&world->open);
	mem_free(world);
}

static struct uuid
parent_id(unsigned parent)
{
	struct uuid id = {{0}};
	id.bytes[0] = (uint8_t)parent;
	return id;
}

static void
customer_text(unsigned customer, char text[16])
{
	snprintf(text, 16, "c-%u", customer);
}

static struct bytes
shape_metadata(const struct shape *shape, uint8_t *to)
{
	char customer[16], order[32];
	const char *texts[] = {"customer", customer, "order", order, "", "empty key"};
	customer_text(shape->customer, customer);
	snprintf(order, sizeof(order), "%llu", (unsigned long long)shape->number);
	return span_make(to, texts, 2 * (1 + shape->number % METADATA_MAX));
}

static void
shape_put(struct world *world, uint32_t tenant, const struct shape *shape, uint32_t seq)
{
	uint8_t metadata[96];
	char workflow[16];
	struct index_run run = {
	    .tenant = tenant,
	    .number = shape->number,
	    .seq = seq,
	    .parent = parent_id(shape->parent),
	    .created_ns = shape->created_ns,
	    .finished_ns = shape->state == CLOSED ? shape->created_ns + 9 : 0,
	    .status = (uint8_t)shape->status,
	    .metadata = shape_metadata(shape, metadata),
	};
	memcpy(run.id.bytes, &shape->number, 8);
	run.id.bytes[15] = (uint8_t)tenant;
	snprintf(workflow, sizeof(workflow), "flow-%u", shape->workflow);
	run.workflow = bytes_text(workflow);
	index_put(world->place->index, &run);
}

static void
shape_touch(struct world *world, uint32_t tenant, struct shape *shape)
{
	unsigned worker = pick(world, 5);
	char name[16];
	snprintf(name, sizeof(name), "w-%u", worker);
	index_touch(world->place->index, tenant, shape->number, bytes_text(name));
	shape->workers |= 1u << worker;
}

/* Something happens to one run. */
static void
shape_change(struct world *world, uint32_t tenant, struct shape *shape)
{
	unsigned roll = pick(world, 10);
	struct shape stale = *shape;
	uint32_t kinds = 0;
	if (shape->state != ABSENT && roll == 0) {
		index_drop(world->place->index, tenant, shape->number);
		shape->state = ABSENT;
		shape->workers = 0;
		shape->seq = 0;
	} else {
		shape->state = roll < 4 ? OPEN : CLOSED;
		shape->status = shape->state == CLOSED ? 2 + pick(world, CLOSED_STATUSES) : 0;
		shape->kind = pick(world, 3);
		shape->marked = roll == 1;
		shape_put(world, tenant, shape, ++shape->seq);
		if (roll % 3 != 0)
			shape_touch(world, tenant, shape);
		if (stale.state != ABSENT && roll == 2) /* what is older comes behind it */
			shape_put(world, tenant, &stale, stale.seq);
	}
	if (shape->state == OPEN)
		kinds = 1u << shape->kind | (shape->marked ? 8u : 0);
	openset_put(&world->open, tenant, shape->number, kinds);
}

static void
world_commit(struct world *world, unsigned changes)
{
	while (changes-- > 0) {
		uint32_t tenant = pick(world, 10) == 0 ? 1 : 0;
		shape_change(world, tenant, &world->shapes[tenant][pick(world, RUNS)]);
	}
	place_commit(world->place, ++world->applied);
}

/* ------------------------------------------------------------------------------------- filters */

/* A filter, and what it means to the model. */
struct wanted {
	struct index_filter filter;
	uint8_t metadata[96];
	char workflow[16];
	char customer[16];
	char worker[16];
	char order[32];
	int workflow_no; /* -1: any */
	int parent;
	int customer_no;
	int worker_no;
	uint64_t order_no; /* 0: any */
};

static void
wanted_status(struct world *world, struct wanted *wanted)
{
	unsigned roll = pick(world, 4);
	if (roll < 2)
		wanted->filter.statuses = 4u << pick(world, CLOSED_STATUSES);
	if (roll == 1)
		wanted->filter.statuses |= 4u << pick(world, CLOSED_STATUSES);
	if (roll >= 1)
		wanted->filter.kinds = 1u + pick(world, 7);
}

static void
wanted_metadata(struct world *world, struct wanted *wanted, const struct shape *near)
{
	const char *texts[] = {"customer", wanted->customer, "order", wanted->order};
	wanted->customer_no = (int)near->customer;
	customer_text(near->customer, wanted->customer);
	if (pick(world, 3) == 0 && near->number % METADATA_MAX != 0)
		wanted->order_no = near->number;
	snprintf(wanted->order, sizeof(wanted->order), "%llu", (unsigned long long)near->number);
	wanted->filter.metadata =
	    span_make(wanted->metadata, texts, wanted->order_no != 0 ? 4 : 2);
}

static void
wanted_make(struct world *world, unsigned members, struct wanted *wanted)
{
	uint32_t tenant = pick(world, 5) == 0 ? 1 : 0;
	const struct shape *near = &world->shapes[tenant][pick(world, RUNS)];
	*wanted = (struct wanted){
	    .workflow_no = -1, .parent = -1, .customer_no = -1, .worker_no = -1};
	wanted->filter.tenant = tenant;
	wanted->filter.open = &world->open;
	if ((members & 1) != 0) {
		wanted->workflow_no = pick(world, 4) == 0 ? 7 : (int)pick(world, 4);
		snprintf(wanted->workflow, sizeof(wanted->workflow), "flow-%d",
		    wanted->workflow_no);
		wanted->filter.workflow = bytes_text(wanted->workflow);
	}
	if ((members & 2) != 0)
		wanted_status(world, wanted);
	if ((members & 4) != 0)
		wanted->filter.since_ns = near->created_ns + pick(world, 3) - 1;
	if ((members & 8) != 0)
		wanted->filter.until_ns =
		    world->shapes[tenant][pick(world, RUNS)].created_ns + pick(world, 3) - 1;
	if ((members & 16) != 0) {
		wanted->parent = (int)(1 + pick(world, 3));
		wanted->filter.parent = parent_id((unsigned)wanted->parent);
	}
	if ((members & 32) != 0)
		wanted_metadata(world, wanted, near);
	if ((members & 64) != 0) {
		wanted->worker_no = (int)pick(world, 5);
		snprintf(wanted->worker, sizeof(wanted->worker), "w-%d", wanted->worker_no);
		wanted->filter.worker = bytes_text(wanted->worker);
	}
	if ((members & 128) != 0)
		wanted->filter.marks = 8;
}

static bool
shape_fits(const struct shape *shape, const struct wanted *wanted)
{
	const struct index_filter *filter = &wanted->filter;
	bool status = filter->statuses == 0 && filter->kinds == 0;
	if (shape->state == CLOSED)
		status |= (filter->statuses & 1u << shape->status) != 0;
	else
		status |= (filter->kinds & 1u << shape->kind) != 0;
	return shape->state != ABSENT && status &&
	    (wanted->workflow_no < 0 || wanted->workflow_no == (int)shape->workflow) &&
	    (filter->since_ns == 0 || shape->created_ns >= filter->since_ns) &&
	    (filter->until_ns == 0 || shape->created_ns < filter->until_ns) &&
	    (wanted->parent < 0 || wanted->parent == (int)shape->parent) &&
	    (wanted->customer_no < 0 || wanted->customer_no == (int)shape->customer) &&
	    (wanted->order_no == 0 || wanted->order_no == shape->number) &&
	    (wanted->worker_no < 0 || (shape->workers & 1u << wanted->worker_no) != 0) &&
	    (filter->marks == 0 || (shape->state == OPEN && shape->marked));
}

/* Pages of a list, against the model's walk from the top. */
struct walk {
	const struct shape *shapes;
	const struct wanted *wanted;
	uint32_t at; /* the model's: all from here on have been seen */
	unsigned limit;
	unsigned page;
	unsigned found;
};

static void
walk_next(struct walk *walk)
{
	while (walk->at > 0 && !shape_fits(&walk->shapes[walk->at - 1], walk->wanted))
		walk->at--;
}

static bool
walk_each(void *context, const struct index_run *run)
{
	struct walk *walk = context;
	walk_next(walk);
	assert_true(walk->at > 0);
	assert_true(run->number == walk->shapes[walk->at - 1].number);
	walk->at--;
	walk->found++;
	return ++walk->page < walk->limit;
}

static unsigned
walk_list(struct world *world, struct wanted *wanted, unsigned limit)
{
	uint32_t tenant = wanted->filter.tenant;
	struct walk walk = {
	    .shapes = world->shapes[tenant], .wanted = wanted, .at = RUNS, .limit = limit};
	uint64_t next = 0;
	do {
		walk.page = 0;
		wanted->filter.before = next;
		assert_int_equal(index_list(world->place->index, &wanted->filter, walk_each, &walk,
		    &next), FROE_OK);
		assert_true(next == 0 || walk.page == limit);
	} while (next != 0);
	walk_next(&walk);
	assert_int_equal(walk.at, 0);
	return walk.found;
}

static void
world_compare(struct world *world, unsigned rounds)
{
	unsigned found = 0;
	while (rounds-- > 0) {
		struct wanted wanted;
		unsigned limit = 1 + pick(world, pick(world, 2) == 0 ? 8 : 500);
		unsigned members = pick(world, 256) & pick(world, 256);
		wanted_make(world, members, &wanted);
		found += walk_list(world, &wanted, limit);
	}
	assert_true(found > 100);
}

static void
test_list__model(void **state)
{
	struct world *world = world_new(*state, 21);
	for (unsigned round = 0; round < 30; round++) {
		world_commit(world, 1 + pick(world, 900));
		world_compare(world, 60);
		if (round % 7 != 3)
			continue;
		index_check(world->place->index);
		place_close(world->place);
		place_touch(world->place, "UNCLEAN");
		assert_int_equal(place_open(world->place, store_a), FROE_OK);
	}
	index_check(world->place->index);
	world_free(world);
}

/* Each combination of members, once at least, over everything. */
static void
test_list__each_combination(void **state)
{
	struct world *world = world_new(*state, 22);
	for (unsigned round = 0; round < 4; round++)
		world_commit(world, 6000);
	for (unsigned members = 0; members < 256; members++) {
		struct wanted wanted;
		wanted_make(world, members, &wanted);
		walk_list(world, &wanted, 50);
	}
	world_free(world);
}

/* All that is dropped is gone from every list: none of their blocks is left. */
static void
test_list__drop_all(void **state)
{
	struct world *world = world_new(*state, 23);
	world_commit(world, 3000);
	for (uint32_t tenant = 0; tenant < TENANTS; tenant++) {
		for (uint32_t i = 0; i < RUNS; i++) {
			struct shape *shape = &world->shapes[tenant][i];
			if (shape->state != ABSENT)
				index_drop(world->place->index, tenant, shape->number);
			shape->state = ABSENT;
			openset_put(&world->open, tenant, shape->number, 0);
		}
	}
	place_commit(world->place, world->applied + 1);
	index_check(world->place->index);
	for (unsigned members = 0; members < 256; members += 5) {
		struct wanted wanted;
		wanted_make(world, members, &wanted);
		assert_int_equal(walk_list(world, &wanted, 50), 0);
	}
	assert_true(world->open.count == 0);
	world_free(world);
}

static void
test_list__numbers_at_their_limits(void **state)
{
	struct place *place = *state;
	static const uint64_t numbers[] = {1, 8191, 8192, 131071, 131072, UINT64_C(1) << 40,
	    UINT64_MAX - 1, UINT64_MAX};
	enum { COUNT = sizeof(numbers) / sizeof(numbers[0]) };
	struct index_filter filter = {.tenant = 1, .statuses = 1u << 2};
	struct seen seen = {.stop_at = 0};
	uint64_t next;
	struct row row;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	for (size_t i = 0; i < COUNT; i++) {
		row_make(&row, 1, numbers[i], 2);
		row.run.created_ns = 100 + i;
		index_put(place->index, &row.run);
	}
	place_commit(place, 1);
	assert_int_equal(index_list(place->index, &filter, seen_each, &seen, &next), FROE_OK);
	assert_int_equal(seen.count, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		assert_true(seen.numbers[i] == numbers[COUNT - 1 - i]);
	filter.before = 131072;
	seen.count = 0;
	seen.stop_at = 1;
	assert_int_equal(index_list(place->index, &filter, seen_each, &seen, &next), FROE_OK);
	assert_true(seen.count == 1 && seen.numbers[0] == 131071 && next == 131071);
	index_check(place->index);
}

/* --------------------------------------------------------------------------------- the openset */

static void
test_openset__against_a_table(void **state)
{
	enum { SPAN = 20000 };
	static uint8_t kinds[SPAN];
	struct openset set;
	uint64_t dice = 5, base = UINT64_C(1) << 33, found;
	(void)state;
	memset(kinds, 0, sizeof(kinds));
	openset_init(&set);
	for (unsigned round = 0; round < 60000; round++) {
		uint64_t roll = dice_roll(&dice);
		uint64_t at = (roll >> 8) % ((roll & 1) != 0 ? SPAN : 300);
		uint32_t wanted = 1 + (roll >> 60 & 7);
		kinds[at] = (roll & 6) == 0 ? roll >> 40 & 15 : 0;
		openset_put(&set, 3, base + at, kinds[at]);
		assert_int_equal(openset_get(&set, 3, base + at), kinds[at]);
		if (round % 16 != 0)
			continue;
		at = roll >> 30 & 16383;
		bool has = openset_floor(&set, 3, wanted, base + at, &found);
		while (at > 0 && (kinds[at] & wanted) == 0)
			at--;
		assert_int_equal(has, (kinds[at] & wanted) != 0);
		assert_true(!has || found == base + at);
		assert_false(openset_floor(&set, 4, wanted, UINT64_MAX, &found));
	}
	uint64_t words[4] = {0}, count = 0;
	openset_collect(&set, 3, 5, base + 128, words, 4);
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal((words[i / 64] >> i % 64 & 1) != 0, (kinds[128 + i] & 5) != 0);
	for (uint32_t i = 0; i < SPAN; i++) {
		count += kinds[i] != 0 ? 1 : 0;
		openset_put(&set, 3, base + i, 0);
		kinds[i] = 0;
	}
	assert_true(count > 1000);
	assert_true(set.count == 0 && set.nodes.count == 0);
	openset_put(&set, 3, UINT64_MAX, 1);
	assert_true(openset_floor(&set, 3, 1, UINT64_MAX, &found) && found == UINT64_MAX);
	assert_false(openset_floor(&set, 3, 1, UINT64_MAX - 1, &found));
	openset_release(&set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_list__model),
	    CASE(test_list__each_combination),
	    CASE(test_list__drop_all),
	    CASE(test_list__numbers_at_their_limits),
	    cmocka_unit_test(test_openset__against_a_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
