/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol of a set as a model for Spin: DEVICES devices with COMMANDS commands
 * each, a server that sends and an agent that collects, the primary client on device
 * 0 (with THREADS threads), a secondary client on device 1, and a fate: EVENTS of
 * death, SignalAbort and an early Close, each at any moment.  set->lock is atomic{}:
 * what is one critical section of the module is one step here.  Names and rules are
 * those of module/state.c, wait.c, command.c, device.c and handle.c; memory, user
 * copies, names and configuration are not in it.
 *
 * A sleeper is a bit that only a wake-up, its deadline or its death clears, so that
 * a lost wake-up is an end state that is none (Spin's own check).  TIMEOUTS deadlines
 * pass, of anybody at any moment: were there more to come, nobody would ever be seen
 * to sleep for good.
 *
 * M=1.. are mutants: the model with one rule broken.  Each must be found, see
 * scripts/model.sh; M=99 asks whether a good end can be reached at all.
 */
#include "rules.h"		/* made by scripts/model.sh from the file table */

#ifndef M
#define M		0
#endif
#ifndef DEVICES
#define DEVICES		2
#endif
#ifndef COMMANDS
#define COMMANDS	2
#endif
#ifndef THREADS
#define THREADS		1
#endif
#ifndef TIMEOUTS
#define TIMEOUTS	1
#endif
#ifndef EVENTS
#define EVENTS		1
#endif
#ifndef ERRORS
#define ERRORS		1	/* completions that say no */
#endif

#define SLOTS		(DEVICES * COMMANDS)
#define CLIENTS		(THREADS + DEVICES - 1)	/* threads; the last is the secondary's */
#define AGENT		CLIENTS			/* sleepers: clients and the agent */
#define SLEEPERS	(CLIENTS + 1)

#define FREE		0	/* where a command is, in this order only */
#define QUEUED		1
#define TAKEN		2
#define DONE		3
#define GONE		4

#define OPENING		0	/* what the set's state may be, in this order only */
#define ACTIVE		1
#define TERMINATED	2
#define ABORTED		3

#define PRIMARY		0	/* processes */
#define SECONDARY	1
#define SERVER		2

#define DEVICE(t)	((t) < THREADS -> 0 : 1)
#define PARTY(t)	((t) < THREADS -> PRIMARY : SECONDARY)
#define AT(d, i)	((d) * COMMANDS + (i))

byte st[SLOTS];			/* a command is st, clear */
bool clear[SLOTS];		/* it is a ClearError */
byte sent[DEVICES];		/* how many were accepted */
byte taken[DEVICES];
byte queued[DEVICES];
bool some_done;			/* a command is DONE */
byte state = OPENING;
bool copen[DEVICES], sopen[DEVICES], closing[DEVICES], closed[DEVICES], errored[DEVICES];
bool told[DEVICES];		/* the client has been given VD_E_CLOSE */
bool asleep[SLEEPERS];
#if THREADS > 1
bool woken;			/* the second thread, for a command, and has not looked */
#endif
byte timeouts = TIMEOUTS, errors = ERRORS;
bool dead[3];
bool running[CLIENTS];
bool agent_ended, freed;
byte refs;			/* of the set: handles that are bound to it */

#define ALIVE		(state < TERMINATED)
#define UNLESS(mutant)	(M != mutant)

inline use() { assert(!freed && refs > 0) }
inline put() {
	assert(refs > 0);
	refs--;
	if
	:: refs == 0 -> assert(!freed); freed = true
	:: else
	fi
}

inline wake_all() {
	d_step {
		w = 0;
		do
		:: w < SLEEPERS -> asleep[w] = false; w++
		:: else -> break
		od;
		w = 0
	}
}

/* Exclusive: one of the sleepers of the queue of a device */
inline wake_client(d) {
	if
	:: d == 0 && asleep[0] -> asleep[0] = false
#if THREADS > 1
	:: d == 0 && asleep[1] -> asleep[1] = false; woken = true
#endif
#if DEVICES > 1
	:: d == 1 && asleep[THREADS] -> asleep[THREADS] = false
#endif
	:: else
	fi
}

/* All who wait on one device: its clients, and the agent */
inline wake_device(d) {
	if
	:: d == 0 -> asleep[0] = false; asleep[THREADS - 1] = false
	:: else -> asleep[CLIENTS - 1] = false
	fi;
	asleep[AGENT] = false
}

inline finish(d, i) {
	assert(st[AT(d, i)] == QUEUED || st[AT(d, i)] == TAKEN);
	if
	:: st[AT(d, i)] == QUEUED -> queued[d]--
	:: else -> taken[d]--
	fi;
	st[AT(d, i)] = DONE;
	some_done = true
}

/* What the client has not seen is finished for it: 995, or 1117 */
inline finish_queued(d) {
	j = 0;
	do
	:: j < COMMANDS ->
		if
		:: st[AT(d, j)] == QUEUED -> finish(d, j)
		:: else
		fi;
		j++
	:: else -> break
	od;
	j = 0
}

inline abort_set() {
	if
	:: state < ABORTED && (ALIVE || M == 14) ->
		state = ABORTED;
		k = 0;
		do
		:: k < SLOTS ->
			if
			:: st[k] == QUEUED && UNLESS(3) || st[k] == TAKEN && UNLESS(2) ->
				finish(k / COMMANDS, k % COMMANDS)
			:: else
			fi;
			k++
		:: else -> break
		od;
		k = 0;
#if M == 8
		wake_client(0)		/* as a hand-over does, not all */
#else
		wake_all()
#endif
	:: else
	fi
}

/* SignalAbort: the only thing that makes an ended set aborted */
inline signal_abort() {
	if
	:: state == TERMINATED -> state = ABORTED; wake_all()
	:: else -> abort_set()
	fi
}

inline devices_changed() {
	if
	:: ALIVE && closed[0] && closed[DEVICES - 1] -> state = TERMINATED
	:: state == OPENING && copen[0] && copen[DEVICES - 1] && sopen[0] &&
	   sopen[DEVICES - 1] -> state = ACTIVE
	:: else
	fi
}

inline settle(d) {
	if
	:: closing[d] && !closed[d] && (M == 13 || queued[d] == 0 && taken[d] == 0) &&
	   state != ABORTED ->
		closed[d] = true;
		devices_changed();
		if
		:: state == TERMINATED && UNLESS(21) -> wake_all()
		:: (state != TERMINATED || M == 21) && UNLESS(11) -> wake_device(d)
		:: else
		fi
	:: else
	fi
}

/* One SendCommand of a call; what is woken is woken at the end of the call */
inline submit(d, is_clear) {
	assert(!closing[d] && ALIVE);
	st[AT(d, sent[d])] = QUEUED;
	clear[AT(d, sent[d])] = is_clear;
	sent[d]++;
	queued[d]++
}

#define MAY_OPEN(d) (!sopen[d] && !dead[SERVER] && (SERVER_OPEN_DEVICE(state)))
#define MAY_SEND(d) (sopen[d] && !dead[SERVER] && sent[d] < COMMANDS && \
		     ((SERVER_SEND(state)) || M == 1) && (!closing[d] || M == 20))
/* A patient server closes a device when it has all answers, a hasty one at any time */
#define MAY_CLOSE(d) (sopen[d] && !dead[SERVER] && !closing[d] && (SERVER_CLOSE_DEVICE(state)) && \
		      (hasty || queued[d] == 0 && taken[d] == 0 && !some_done && \
				(sent[d] == COMMANDS || errored[d])))

/* One call, if one is possible; a refused one changes nothing and is no step */
inline server_step(d) {
	if
	:: MAY_OPEN(d) ->
		use(); sopen[d] = true; refs++; devices_changed(); wake_all()
	:: MAY_SEND(d) && !errored[d] ->
		use(); submit(d, false);
#if M != 9
		wake_client(d)
#endif
	:: MAY_SEND(d) && !errored[d] && sent[d] + 1 < COMMANDS ->	/* two in a call */
		use(); submit(d, false); submit(d, false); wake_client(d)
	:: MAY_SEND(d) && errored[d] && !cleared[d] ->
		use(); cleared[d] = true; submit(d, true); wake_client(d)
	:: MAY_CLOSE(d) ->
		use(); closing[d] = true; settle(d);
		if
		:: queued[d] > 0 -> wake_device(d)
		:: else
		fi
	fi
}

/* Sends and closes in any order */
proctype server() {
	byte w, j, k;
	bool cleared[DEVICES], hasty;

	if
	:: hasty = true
	:: hasty = false
	fi;
	do
	:: atomic { server_step(0) }
#if DEVICES > 1
	:: atomic { server_step(1) }
#endif
#if DEVICES > 1
	/* a secondary that never had its device open is no death of the set: give up */
	:: atomic { !running[CLIENTS - 1] && !copen[1] && !dead[SERVER] && ALIVE ->
		use(); signal_abort() }
#endif
	/* the library's Close waits for the agent; a killed process for nobody */
	:: atomic { agent_ended || dead[SERVER] ->
		use();
#if M != 6
		abort_set();		/* Close, or release: no effect on an ended set */
#endif
		if
		:: sopen[0] -> put()
		:: else
		fi;
#if DEVICES > 1
		if
		:: sopen[1] -> put()
		:: else
		fi;
#endif
		put();
#if M == 7
		put();
#endif
		break }
	od
}

/* EXCHANGE by the agent: first all that is left, then the verdict */
inline collect() {
	k = 0;
	do
	:: k < SLOTS ->
		if
		:: st[k] == DONE -> st[k] = GONE
		:: else
		fi;
		k++
	:: else -> break
	od;
	k = 0;
	some_done = false
}

proctype agent() {
	byte k;

	do
	:: atomic { !dead[SERVER] && !asleep[AGENT] ->
		use();
		if
		:: some_done -> collect()
		:: !some_done && state >= TERMINATED -> agent_ended = true; break
		:: !some_done && ALIVE -> asleep[AGENT] = true
		fi }
	:: atomic { asleep[AGENT] && timeouts > 0 -> asleep[AGENT] = false; timeouts-- }
	:: dead[SERVER] -> break
	od
}

/* The next command of a device, if the client may have it now */
#define READY(d) (queued[d] > 0 && !(errored[d] && taken[d] > 0 && UNLESS(17)))

inline fetch(d, mine) {
	j = 0;
	do
	:: st[AT(d, j)] == QUEUED -> break
	:: else -> j++
	od;
	assert(!errored[d] || clear[AT(d, j)] && taken[d] == 0);
	st[AT(d, j)] = TAKEN;
	queued[d]--;
	taken[d]++;
	mine = j;
	j = 0
}

inline complete(d, mine, failed) {
	if
	:: !(CLIENT_COMPLETE(state)) && UNLESS(4) -> assert(st[AT(d, mine)] >= DONE)
	:: else ->
		assert(ALIVE);
		finish(d, mine);
		if
		:: failed ->
			if
			:: !errored[d] && UNLESS(16) -> finish_queued(d)
			:: else
			fi;
			errored[d] = true
		:: !failed && clear[AT(d, mine)] -> errored[d] = false
		:: else
		fi;
		settle(d);
#if M != 10
		asleep[AGENT] = false;
#endif
		if
		:: errored[d] && UNLESS(22) -> wake_client(d)	/* a ClearError may go on */
		:: else
		fi
	fi
}

#define PRIMARY_RUNS	(running[0] || running[THREADS - 1])

/* What a handle of a set holds, and that of a device if it was opened */
inline leave(d) {
	if
	:: copen[d] -> put()
	:: else
	fi;
	put()
}

#define IDLE	COMMANDS
#define MINE	(!end && !dead[PARTY(t)])

/*
 * A thread of a client on one device: GetCommand, CompleteCommand, until the end.
 * The primary then waits on its set handle for the end of the set.
 */
proctype client(byte t) {
	byte w, j, k, mine = IDLE;
	bool end, looked;

	atomic {
		if
		:: dead[PARTY(t)] || state == ABORTED -> end = true
		:: else ->
			use();
			if
			:: !copen[DEVICE(t)] ->
				copen[DEVICE(t)] = true; refs++; devices_changed(); wake_all()
			:: else
			fi
		fi
	}
	do
	:: atomic { MINE && mine == IDLE && !asleep[t] && !looked ->	/* GetCommand */
		use();
#if THREADS > 1
		woken = woken && t != 1;
#endif
		if
		:: !(CLIENT_GET_COMMAND(state)) -> end = true
		:: (CLIENT_GET_COMMAND(state)) && READY(DEVICE(t)) -> fetch(DEVICE(t), mine);
			if	/* who waits for the rest must not miss it */
			:: queued[DEVICE(t)] > 0 && UNLESS(18) -> wake_client(DEVICE(t))
			:: else
			fi
		:: (CLIENT_GET_COMMAND(state)) && !READY(DEVICE(t)) && closed[DEVICE(t)] &&
		   !told[DEVICE(t)] ->		/* VD_E_CLOSE, which comes last */
			assert(queued[DEVICE(t)] == 0 && taken[DEVICE(t)] == 0);
			told[DEVICE(t)] = true
		:: (CLIENT_GET_COMMAND(state)) && told[DEVICE(t)] &&
		   (state == TERMINATED || PARTY(t) == SECONDARY) -> end = true
		:: else ->
#if M == 12
			looked = true
#else
			asleep[t] = true
#endif
		fi }
#if M == 12
	:: atomic { looked -> looked = false; asleep[t] = true }	/* the lock was let go */
#endif
	:: atomic { asleep[t] && timeouts > 0 ->	/* the deadline consumes nothing */
		asleep[t] = false; timeouts--;
		if
		:: M == 15 && queued[DEVICE(t)] > 0 -> fetch(DEVICE(t), mine); mine = IDLE
		:: else
		fi }
	:: atomic { MINE && mine != IDLE ->		/* CompleteCommand */
		use(); complete(DEVICE(t), mine, false); mine = IDLE }
	:: atomic { MINE && mine != IDLE && errors > 0 && !clear[AT(DEVICE(t), mine)] ->
		use(); errors--; complete(DEVICE(t), mine, true); mine = IDLE }
#if THREADS > 1
	/* The second thread may go elsewhere; what it was woken for it passes on */
	:: atomic { t == 1 && MINE && running[0] && mine == IDLE && !asleep[t] && !looked ->
		running[t] = false;
		if
		:: woken && UNLESS(23) -> woken = false; wake_client(DEVICE(t))
		:: else
		fi;
		break }
#endif
	:: atomic { !MINE ->	/* Close, or release: the last thread of its process */
		mine = IDLE;
		looked = false;
		end = false;
		running[t] = false;
		if
		:: PARTY(t) == PRIMARY && !PRIMARY_RUNS ->
			use();
			if
			:: UNLESS(5) -> abort_set()
			:: else
			fi;
			leave(0)
		:: PARTY(t) == SECONDARY ->
			use();
			if	/* it counts while it has its device open */
			:: copen[1] && !told[1] && !closed[1] && UNLESS(19) -> abort_set()
			:: else
			fi;
			leave(1)
		:: else
		fi;
		break }
	od
}

inline dies(party) {
	dead[party] = true;
	if	/* a signal wakes its own threads */
	:: party == PRIMARY -> asleep[0] = false; asleep[THREADS - 1] = false
	:: party == SECONDARY -> asleep[CLIENTS - 1] = false
	:: party == SERVER -> asleep[AGENT] = false
	fi;
	if	/* seen early, by the notifier or ->flush: release comes later */
	:: party == PRIMARY && UNLESS(5) -> abort_set()
	:: party == SERVER && UNLESS(6) -> abort_set()
	:: party == SECONDARY && copen[DEVICES - 1] && !closed[DEVICES - 1] && UNLESS(19) ->
		abort_set()
	:: else
	fi
}

/* A finished backup stays one: only SignalAbort may change that */
#define STAYS		assert(before != TERMINATED || state == TERMINATED); before = 0; n++

proctype fate() {
	byte w, j, k, n, before;

	do
	:: atomic { n < EVENTS && running[0] && !dead[PRIMARY] ->
		before = state; dies(PRIMARY); STAYS }
#if DEVICES > 1
	:: atomic { n < EVENTS && running[CLIENTS - 1] && !dead[SECONDARY] ->
		before = state; dies(SECONDARY); STAYS }
#endif
	:: atomic { n < EVENTS && !freed && !dead[SERVER] ->
		before = state; dies(SERVER); STAYS }
	:: atomic { n < EVENTS && ALIVE -> abort_set(); n++ }	/* an early Close */
	:: atomic { n < EVENTS && state == TERMINATED -> signal_abort(); n++ }
	:: atomic { n = 0; break }
	od
}

/* Every command that was accepted is where it may be once all is over */
inline verdict() {
	k = 0;
	do
	:: k < SLOTS ->
		assert(st[k] == FREE || st[k] == GONE || dead[SERVER] && st[k] == DONE);
		assert((st[k] == FREE) == (k % COMMANDS >= sent[k / COMMANDS]));
		k++
	:: else -> break
	od;
	assert(state >= TERMINATED && freed);
#if M == 99
	assert(!(state == TERMINATED && sent[0] == COMMANDS && sent[DEVICES - 1] == COMMANDS &&
		 told[0] && told[DEVICES - 1]));
#endif
}

init {
	byte k;

	atomic {
		refs = 1 + DEVICES;		/* set handles: server, primary, secondary */
		k = 0;
		do
		:: k < CLIENTS -> running[k] = true; run client(k); k++
		:: else -> break
		od;
		k = 0;
		run server(); run agent(); run fate()
	}
	_nr_pr == 1;
	atomic { verdict() }
}
