/*
 * The two rings between the hot loop and an edge loop, and the wake-ups: src/base/ring.c,
 * src/server/bridge.c, and io_wake() as src/io/posix.c has it.
 *
 * Each side is a loop that does its turn and sleeps until its event is set. A store into a ring's
 * head or tail becomes visible later, in order (a store buffer, as x86 has one); an atomic exchange
 * waits until all earlier ones are visible. So what is shown holds where the processor does no worse
 * than that; for weaker ones src/server/bridge.c argues from acquire and release.
 *
 * Shown, within the bound: every command and every item arrives once, in order; no state is reached
 * in which something is under way and both sleep (spin reports it as an invalid end state).
 *
 * Bound: COMMANDS commands, each gives rise to EFFECTS items; rings of CAPACITY slots, which hold
 * one less. The sleeping loops get no event but each other's wake-ups. Not shown: that a turn ends.
 *
 * A planted fault is a definition: PLANT_LOAD_STORE the flags are read and written in two steps;
 * PLANT_FLAG_FIRST the event is cleared after the flag; PLANT_NO_LOOK a producer that finds no room
 * does not look again; PLANT_TOLD_EARLY the hot side clears its flag, then sleeps without a look;
 * PLANT_NO_ROOM nobody tells of room.
 */
#ifndef COMMANDS
#define COMMANDS 3
#endif
#ifndef EFFECTS
#define EFFECTS 2
#endif
#ifndef CAPACITY
#define CAPACITY 2
#endif
#define ITEMS (COMMANDS * EFFECTS)

#define HOT 0
#define EDGE 1
/* A ring has the name of the side that takes from it. */
#define TO_HOT 0
#define TO_EDGE 1

/* Positions count up; what the other side sees of them may be behind. */
byte tail_own[2], tail_seen[2], head_own[2], head_seen[2];
byte slot[2 * CAPACITY];
bool told[2];   /* by the side that takes from the ring: a wake is under way */
bool waits[2];  /* whose producer waits for room */
bool woken[2];
bool event[2];
byte taken[2];  /* from each ring */
byte queued;    /* items that wait for room: the overflow */
byte made;      /* items so far */

#define SLOT(ring, at) slot[(ring) * CAPACITY + (at) % CAPACITY]
/* For the producer: its own tail, and the head as far as it is visible. */
#define ROOM(ring) (CAPACITY - 1 - (tail_own[ring] - head_seen[ring]))
#define EMPTY(ring) (tail_seen[ring] == head_own[ring])
#define DONE (taken[TO_HOT] == COMMANDS && taken[TO_EDGE] == ITEMS)

/* All stores of a side are visible: it puts into the other's ring and takes from its own. */
inline drain(me) {
	tail_seen[1 - me] = tail_own[1 - me];
	head_seen[me] = head_own[me]
}

inline exchange(me, flag, value, was) {
#ifdef PLANT_LOAD_STORE
	was = flag;
	flag = value
#else
	atomic { drain(me); was = flag; flag = value }
#endif
}

inline wake(me, target) {
	exchange(me, woken[target], true, was_woken[me]);
	if
	:: !was_woken[me] -> event[target] = true
	:: else
	fi
}

/* Blocks until there is an event, or all is done. */
inline sleep(me) {
	if
	:: event[me]
	:: DONE -> goto end
	fi;
#ifdef PLANT_FLAG_FIRST
	exchange(me, woken[me], false, was_woken[me]);
	event[me] = false
#else
	event[me] = false;
	exchange(me, woken[me], false, was_woken[me])
#endif
}

inline push(me, ring, value) {
	atomic { SLOT(ring, tail_own[ring]) = value; tail_own[ring]++ };
	exchange(me, told[ring], true, was[me]);
	if
	:: !was[me] -> wake(me, ring)
	:: else
	fi
}

inline pop(ring) {
	atomic {
		assert(SLOT(ring, head_own[ring]) == taken[ring]);
		taken[ring]++;
		head_own[ring]++
	}
}

inline room_made(me) {
	exchange(me, waits[me], false, was[me]);
	if
#ifndef PLANT_NO_ROOM
	:: was[me] -> wake(me, 1 - me)
#endif
	:: else
	fi
}

bool was[2];
bool was_woken[2];

/* Stores become visible at any time. */
active proctype memory() {
end:
	do
	:: atomic { tail_seen[0] != tail_own[0] -> tail_seen[0]++ }
	:: atomic { tail_seen[1] != tail_own[1] -> tail_seen[1]++ }
	:: atomic { head_seen[0] != head_own[0] -> head_seen[0]++ }
	:: atomic { head_seen[1] != head_own[1] -> head_seen[1]++ }
	od
}

/* bridge_hot_pop, until it gives nothing; bridge_hot_deliver for what came of a command. */
active proctype hot() {
	bool again;
turn:
	/* overflow_flush */
	do
	:: queued == 0 -> break
	:: else ->
		if
		:: ROOM(TO_EDGE) > 0
		:: else ->
			exchange(HOT, waits[TO_EDGE], true, was[HOT]);
			if
#ifndef PLANT_NO_LOOK
			:: ROOM(TO_EDGE) > 0
#endif
			:: else -> goto asleep
			fi
		fi;
		push(HOT, TO_EDGE, made - queued);
		queued--
	od;
	if
	:: !EMPTY(TO_HOT) -> goto take
	:: else
	fi;
	exchange(HOT, told[TO_HOT], false, was[HOT]);
#ifndef PLANT_TOLD_EARLY
	if
	:: !EMPTY(TO_HOT) -> goto take
	:: else
	fi;
#endif
	room_made(HOT);
	goto asleep;
take:
	pop(TO_HOT);
	atomic { made = made + EFFECTS; queued = queued + EFFECTS };
	goto turn;
asleep:
	sleep(HOT);
	goto turn;
end:
	skip
}

/* bridge_edge_step; bridge_post for the commands, as long as it is not refused. */
active proctype edge() {
	byte posted = 0;
turn:
	exchange(EDGE, told[TO_EDGE], false, was[EDGE]);
	do
	:: !EMPTY(TO_EDGE) -> pop(TO_EDGE)
	:: else -> break
	od;
	room_made(EDGE);
	do
	:: posted == COMMANDS -> break
	:: else ->
		if
		:: ROOM(TO_HOT) > 0
		:: else ->
			exchange(EDGE, waits[TO_HOT], true, was[EDGE]);
			if
#ifndef PLANT_NO_LOOK
			:: ROOM(TO_HOT) > 0
#endif
			:: else -> break
			fi
		fi;
		push(EDGE, TO_HOT, posted);
		posted++
	od;
	sleep(EDGE);
	goto turn;
end:
	skip
}
