/*
 * engine/save: the whole state of an engine as a sequence of records, and an engine from them.
 *
 * Purpose     What snapshot files hold. Where an event of the log carries the truth (tenants,
 *             definitions, workers' registrations) it is used again; the rest are state objects,
 *             whose types lie outside those of the log (engine/save.def). An engine that was
 *             loaded has the hash of the one that was saved, and decides the same from then on.
 * Ownership   what eng_save hands over is borrowed for the call; eng_load_put copies.
 * Invariants  1. a run's records follow its dependencies: tenants, definitions, workers come first.
 *             2. what eng_load_close returns satisfies eng_check, whatever the bytes were.
 * Threading   the engine's owner only.
 * Failure     eng_save: what the callback returned. Loading: FROE_CORRUPT for what does not fit,
 *             FROE_INCOMPATIBLE for what a newer version saved.
 * See         docs/log-format.md; engine/save_int.h on how to add state
 */
#ifndef ENGINE_SAVE_H
#define ENGINE_SAVE_H

#include "engine/engine.h"

#define ENG_OBJECT_FIRST 16384u
#define ENG_OBJECT_LAST 16639u

enum eng_object_type {
#define ENG_OBJECT(name, number, meaning) ENG_OBJ_##name = number,
#include "engine/save.def"
#undef ENG_OBJECT
};

struct eng_saved {
	uint16_t type;		       /* enum eng_event_type or enum eng_object_type */
	uint64_t run;		       /* RUN: its key; else 0 */
	const struct eng_event *event; /* an event; of a WORKFLOW_PUT without its definition */
	struct bytes body;	       /* an object */
};

const char *eng_object_name(uint16_t type); /* "RUN"; NULL: no object's */

/* Calls `each` for every record, in order; stops at its first error and returns it. */
enum froe_err eng_save(const struct eng *eng,
    enum froe_err (*each)(void *context, const struct eng_saved *saved, struct froe_fault *fault),
    void *context, struct froe_fault *fault) FROE_CHECKED;

/* The other way: every record of a save in its order. Events come with their definition, decoded
 * from the payload as it is for the log. */
struct eng_load;
struct eng_load *eng_load_open(void);
void eng_load_seed(struct eng_load *load, const struct hash_seed *seed); /* as eng_seed */
enum froe_err eng_load_put(
    struct eng_load *load, const struct eng_saved *saved, struct froe_fault *fault) FROE_CHECKED;
/* How many runs it says will come; bounded, and 0 until it has said so. */
uint64_t eng_load_runs(const struct eng_load *load);
/* How many records the run has that was put last. */
uint32_t eng_load_records(const struct eng_load *load);
enum froe_err eng_load_close(struct eng_load *load, struct eng **ret_eng,
    struct froe_fault *fault) FROE_CHECKED; /* frees the load, also when it fails */
void eng_load_abort(struct eng_load *load);

#endif
