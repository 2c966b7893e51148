/*
 * engine/idem: idempotency keys of triggers: the run that the first one started.
 *
 * A key is kept for its time, or until its run has ended. What has had its time is forgotten when
 * its tenant's next run starts, a few at a time; until then it is there but counts no more
 * (idem_valid). The heap's order at equal times depends on the order of its calls, so whoever saves
 * keys saves them in the heap's order.
 */
#include "engine/engine_int.h"

#include "base/plant.h"

struct eng_idem *
idem_find(const struct eng_tenant *tenant, struct bytes name)
{
	struct eng_named *named = named_find(&tenant->idems, name);
	return named != NULL ? container_of(named, struct eng_idem, named) : NULL;
}

bool
idem_valid(const struct eng_idem *key, uint64_t now_ns)
{
	if (plant(KEY_FORGOTTEN))
		now_ns += 10000000000; /* 10 s */
	return key->until_ns == 0 || now_ns < key->until_ns;
}

struct eng_idem *
idem_add(struct eng_tenant *tenant, struct bytes name, uint64_t until_ns)
{
	struct eng_idem *key = mem_zalloc(sizeof(*key));
	key->tenant = tenant;
	key->until_ns = until_ns;
	named_add(&tenant->idems, &key->named, name);
	if (until_ns != 0)
		heap_put(&tenant->idems_due, &key->due, until_ns);
	tenant->idem_count++;
	return key;
}

void
idem_free(struct eng *eng, struct eng_idem *key)
{
	struct eng_run *run = key->open ? eng_run_get(eng, key->run) : NULL;
	if (run != NULL)
		run->ties->idempotency = NULL;
	heap_remove(&key->tenant->idems_due, &key->due);
	named_remove(&key->tenant->idems, &key->named);
	key->tenant->idem_count--;
	mem_free(key);
}

void
idems_forget(struct eng *eng, struct eng_tenant *tenant, uint64_t now_ns)
{
	for (unsigned i = 0; i < ENG_KEYS_FORGOTTEN_MAX; i++) {
		struct heap_node *node = heap_first(&tenant->idems_due);
		if (node == NULL || now_ns < node->key)
			return;
		idem_free(eng, container_of(node, struct eng_idem, due));
	}
}

/* Its run is over: a key that was to last until then is free, the others know how it ended. */
void
idem_run_closed(struct eng *eng, struct eng_idem *key, uint8_t status)
{
	if (key->until_ns == 0) {
		idem_free(eng, key);
		return;
	}
	key->open = false;
	key->status = status;
}
