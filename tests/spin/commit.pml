/*
 * The commit pipeline, from a step to its acknowledgement, and what recovery makes of what a crash
 * leaves: src/log/write.c, src/log/recovery.c, docs/log-format.md sections 4 and 6.
 *
 *   append    a step goes into the frame being built, or begins one
 *   flush     the frame is sealed with what is durable then, and written; at most INFLIGHT frames
 *             are ahead of the durable prefix
 *   done      in any order; a frame is durable when it and all before it are stored
 *   ack       of a step whose frame is durable
 *   watermark now and then, off the path: what is durable
 *   fail      a write fails: nothing becomes durable any more
 *   crash     at any time. Of each frame in flight nothing, a part, or all is stored; the watermark
 *             in flight is the old or the new one
 *   recovery  the frames up to the first that is not there or does not follow; that one and what
 *             lies behind is cut, frame by frame, also when the power goes again meanwhile
 *
 * Shown, within the bound: no acknowledged step is lost, none appears that was not appended;
 * recovery never refuses what a crash can leave; never more than INFLIGHT are in flight.
 *
 * Bound: FRAMES frames, INFLIGHT in flight, CRASHES crashes, also inside recovery. A frame is one
 * place; a torn one is known by its hash, and hashes do not lie. One segment.
 *
 * A planted fault is a definition: PLANT_ACK acknowledges when the write has begun; PLANT_HOLE takes
 * the newest stored frame for the durable prefix; PLANT_BOUND writes one frame too many (and the assertion at hand is off); PLANT_MARK has a
 * watermark ahead of what is durable; PLANT_JOIN puts steps into a frame that is sealed; PLANT_GO_ON
 * acknowledges after a failed write; PLANT_EVIDENCE seals a frame with itself as durable.
 */
#ifndef FRAMES
#define FRAMES 5
#endif
#ifndef INFLIGHT
#define INFLIGHT 3
#endif
#ifndef CRASHES
#define CRASHES 2
#endif

#define SIZE (FRAMES + 2)

mtype = { ZERO, TORN, WHOLE };          /* on the disk */
mtype = { FREE, BUILDING, WRITING, STORED }; /* in memory */

/* The disk: what lies at a frame's place, which writing of it, which one before it it follows, its
 * last step, and what it says is durable. */
mtype disk[SIZE] = ZERO;
byte disk_id[SIZE];
byte disk_follows[SIZE];
byte disk_step[SIZE];
byte disk_durable[SIZE];
byte disk_mark;

/* Memory. Places: 1, 2, ...; 0 is before the first. */
mtype state[SIZE] = FREE;
byte id[SIZE];
byte last_step[SIZE];     /* as the owner believes */
byte stored_step[SIZE];   /* as it was when it was sealed */
byte says_durable[SIZE];
byte newest;              /* place of the frame that was begun last */
byte durable;
byte inflight;
byte mark;                /* the watermark's write in flight; 255: none */
bool failed;
byte ids;                 /* writings so far */

byte steps;               /* appended */
byte acked;
byte crashes;
bool live = true;

/* Scratch, zero between steps. */
byte i, at, later, evidence;

inline put(n) {
	disk[n] = WHOLE;
	disk_id[n] = id[n];
	disk_follows[n] = id[n - 1];
	disk_step[n] = stored_step[n];
	disk_durable[n] = says_durable[n]
}

inline append() {
	if
	:: state[newest] == BUILDING
#ifdef PLANT_JOIN
	:: state[newest] == WRITING
#endif
	:: else -> newest++; ids++; state[newest] = BUILDING; id[newest] = ids
	fi;
	steps++;
	last_step[newest] = steps
}

inline flush() {
	stored_step[newest] = last_step[newest];
	says_durable[newest] = durable;
#ifdef PLANT_EVIDENCE
	says_durable[newest] = newest;
#endif
	state[newest] = WRITING;
	inflight++;
#ifndef PLANT_BOUND
	assert(inflight <= INFLIGHT)
#endif
}

inline advance() {
#ifdef PLANT_HOLE
	if
	:: at > durable -> durable = at
	:: else
	fi;
	inflight--
#else
	do
	:: state[durable + 1] == STORED -> durable++; inflight--
	:: else -> break
	od
#endif
}

inline forget() {
	i = 0;
	do
	:: i < SIZE ->
		state[i] = FREE; last_step[i] = 0; stored_step[i] = 0; says_durable[i] = 0;
		i++
	:: else -> break
	od;
	i = 0; mark = 255; inflight = 0; failed = false; newest = 0; durable = 0
}

/* The first place that does not verify or does not follow, and what is known of later ones. */
inline look() {
	at = 1; later = 0; evidence = disk_mark;
	do
	:: at < SIZE && disk[at] == WHOLE && disk_follows[at] == disk_id[at - 1] ->
		if
		:: disk_durable[at] > evidence -> evidence = disk_durable[at]
		:: else
		fi;
		at++
	:: else -> break
	od;
	i = at + 1;
	do
	:: i < SIZE ->
		if
		:: disk[i] == WHOLE ->
			later = i;
			if
			:: disk_durable[i] > evidence -> evidence = disk_durable[i]
			:: else
			fi
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

active proctype machine() {
	mark = 255;
	do
	:: live ->
		if
		:: atomic { !failed && steps < 2 * FRAMES && crashes <= CRASHES &&
		    (newest < FRAMES || state[newest] == BUILDING) -> append() }
#ifdef PLANT_BOUND
		:: atomic { !failed && state[newest] == BUILDING && inflight <= INFLIGHT -> flush() }
#else
		:: atomic { !failed && state[newest] == BUILDING && inflight < INFLIGHT -> flush() }
#endif
		:: atomic { !failed && inflight > 0 ->
			/* The write of one of them is done. */
			select(at : 1 .. FRAMES);
			if
			:: state[at] == WRITING -> put(at); state[at] = STORED; advance()
			:: else
			fi;
			at = 0 }
		:: atomic { !failed && inflight > 0 -> failed = true }
		:: atomic { !failed && mark == 255 && disk_mark < durable ->
#ifdef PLANT_MARK
			mark = newest
#else
			mark = durable
#endif
			}
		:: atomic { mark != 255 -> disk_mark = mark; mark = 255 }
#ifdef PLANT_ACK
		:: atomic { state[newest] == WRITING && acked < last_step[newest] ->
			acked = last_step[newest] }
#endif
#ifdef PLANT_GO_ON
		:: atomic { failed && state[durable + 1] == WRITING ->
			durable++ }
#endif
		:: atomic { durable > 0 && acked < last_step[durable] -> acked = last_step[durable] }
		:: atomic { crashes < CRASHES ->
			crashes++;
			i = 1;
			do
			:: i < SIZE ->
				if
				:: state[i] == WRITING ->
					if
					:: put(i)
					:: disk[i] = TORN
					:: skip
					fi
				:: else
				fi;
				i++
			:: else -> break
			od;
			if
			:: mark != 255 -> disk_mark = mark
			:: skip
			fi;
			forget();
			live = false }
		:: crashes == CRASHES -> break /* it ends with a recovery, below */
		fi
	:: else ->
		atomic {
			look();
			assert(at > evidence);            /* row acknowledged */
			assert(later < at + INFLIGHT);    /* row too-far */
			/* A whole frame that does not follow would be another epoch's. */
			assert(disk[at] != WHOLE || disk_id[at] < disk_id[at - 1] ||
			    disk_follows[at] != disk_id[at - 1]);
			assert(disk_step[at - 1] >= acked);
			assert(disk_step[at - 1] <= steps)
		}
		/* Cut, place by place; the power may go in between. */
		do
		:: atomic { at < SIZE && disk[at] != ZERO -> disk[at] = ZERO; disk_id[at] = 0;
			disk_follows[at] = 0; disk_step[at] = 0; disk_durable[at] = 0; at++ }
		:: atomic { at < SIZE && disk[at] == ZERO -> at++ }
		:: at == SIZE -> break
		:: atomic { at < SIZE && crashes < CRASHES -> crashes++; at = SIZE + 1 }
		:: at > SIZE -> break
		od;
		if
		:: atomic { at == SIZE ->
			at = 0;
			look();
			newest = at - 1;
			durable = at - 1;
			steps = disk_step[at - 1];
			i = 1;
			do
			:: i < at ->
				id[i] = disk_id[i]; last_step[i] = disk_step[i];
				state[i] = STORED;
				i++
			:: else -> break
			od;
			i = 0; at = 0; later = 0; evidence = 0;
			live = true }
		:: at > SIZE -> at = 0
		fi
	od
}
