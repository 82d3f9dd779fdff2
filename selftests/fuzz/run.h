/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Carrying out a program: what the supervisor (run.c) and its processes (worker.c,
 * call.c) share.  The processes live on from one program to the next, for a fork
 * costs more than a program; who dies, forks or execs in one is replaced.
 */
#ifndef VDI_FUZZ_RUN_H
#define VDI_FUZZ_RUN_H

#include <linux/vdi.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "program.h"

/* Descriptors of our own have fixed numbers, those of programs are above. */
#define FZ_FD_SHARED	3
#define FZ_FD_SOCKET	4		/* of process p: +2p to send to it, +2p+1 to receive */
#define FZ_FD_COVER	12		/* see fz_cover_index() */
#define FZ_FD_EXE	28
#define FZ_FD_FIRST	32

#define FZ_COVERS	(FZ_PROCS * FZ_THREADS * 2)
#define FZ_MAP_SIZE	(4UL << 20)	/* room for one mapping */
#define FZ_GOT		64
#define FZ_PIECES	4
#define FZ_NOT_RUN	(-1)

/**
 * struct fz_proc - A process of a program
 * @pid: who plays it now, 0 if nobody
 * @tid: its threads
 * @go: futex: number of the program that the thread shall work on
 * @idle: number of the last one that it is through with
 * @here: the thread will come to its calls
 * @busy: it makes one
 * @running: threads that are not through with the program
 * @forked: made by a fork of the program
 * @transient: ends with the program
 * @fd: descriptors that the program can name
 */
struct fz_proc {
	atomic_int pid;
	atomic_int tid[FZ_THREADS];
	atomic_uint go[FZ_THREADS];
	atomic_uint idle[FZ_THREADS];
	atomic_bool here[FZ_THREADS];
	atomic_bool busy[FZ_THREADS];
	atomic_uint running;
	atomic_bool forked;
	atomic_bool transient;
	atomic_int fd[FZ_SLOTS];
};

/**
 * struct fz_shared - Memory of all processes
 * @program: the program
 * @number: of it
 * @turn: futex: the call that may begin
 * @event: futex: something happened that the supervisor waits for
 * @proc: the processes
 * @got: commands that were delivered, a ring
 * @nr_got: how many were
 * @piece: of the area
 * @nr_pieces: how many are known
 * @first_node: of the last set with nodes
 * @result: errno of each call, or FZ_NOT_RUN
 */
struct fz_shared {
	struct fz_program program;
	unsigned int number;
	atomic_uint turn;
	atomic_uint event;
	struct fz_proc proc[FZ_PROCS];
	struct vdi_command got[FZ_GOT];
	atomic_uint nr_got;
	struct vdi_piece piece[FZ_PIECES];
	atomic_uint nr_pieces;
	atomic_uint first_node;
	atomic_int result[FZ_CALLS];
};

/**
 * struct fz_self - A thread of a process
 * @shared: memory of all
 * @proc: its process
 * @p: index of that
 * @t: its own
 * @maps: room for the mappings of the process
 * @buffer: FZ_BUFFER bytes for arguments; then a page that is not there, one like any,
 *	one that can only be read
 */
struct fz_self {
	struct fz_shared *shared;
	struct fz_proc *proc;
	unsigned int p;
	unsigned int t;
	char *maps;
	char *buffer;
};

#define FZ_BUFFER	(1UL << 18)

enum fz_verdict { FZ_PASSED, FZ_HANG, FZ_LEFT, FZ_BROKEN };

/* run.c */
int fz_run_begin(void);
enum fz_verdict fz_run(const struct fz_program *p);
const struct fz_shared *fz_run_state(void);
const char *fz_run_why(void);
extern unsigned int fz_run_slow;
void fz_run_end(void);

/* worker.c */
void fz_worker_main(struct fz_shared *shared, unsigned int p);
void fz_worker_after_exec(struct fz_shared *shared, unsigned int p, unsigned int t,
			  unsigned int from);
void fz_worker_fork(struct fz_self *self, unsigned int to, unsigned int from);
void fz_worker_exec(struct fz_self *self, unsigned int from);
void fz_worker_exit_thread(struct fz_self *self);
void fz_wake(atomic_uint *word);
bool fz_wait(atomic_uint *word, unsigned int value, unsigned int ms);

/* call.c */
int fz_call(struct fz_self *self, unsigned int index);

/* cover.c */
int fz_cover_begin(void);
void fz_cover_thread(const struct fz_self *self);
void fz_cover_reset(void);
unsigned int fz_cover_collect(void);
unsigned int fz_cover_merge(void);
unsigned int fz_cover_total(void);
void fz_cover_keep_new(void);
bool fz_cover_still(void);
void fz_cover_learn(void);

#endif /* VDI_FUZZ_RUN_H */
