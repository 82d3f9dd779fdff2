/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The trials of `vdi selftest`: each is one or more runs of the client under
 * test, by a story that its name tells, on a medium of its own.
 */
#ifndef VDI_TRIAL_H
#define VDI_TRIAL_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "flow.h"

#define TRIAL_TAPE	0x1	/* only tape-like clients */
#define TRIAL_DISK	0x2	/* only disk-like ones */
#define TRIAL_POSITION	0x4	/* either of the two */
#define TRIAL_REMOVABLE	0x8
#define TRIAL_DISCARD	0x10
#define TRIAL_SEQUENTIAL 0x20	/* a pipe or a tape */
#define TRIAL_FEATURES	0x40	/* must know the client's features before its first run */
#define TRIAL_OWN	0x80	/* kills the client: one that we started */

/* The kinds of a run */
#define RUN_BACKUP	0
#define RUN_RESTORE	0x1
#define RUN_TOLERANT	0x2	/* a client that refuses is no failure */
#define RUN_ANY_END	0x4	/* the data may end anywhere */
#define RUN_READ_BACK	0x8	/* a backup that also reads */

struct selftest {
	struct checks *checks;
	/* from the command line */
	const char *set;		/* serve this one; NULL: start clients */
	const char *backup, *restore;	/* lines for a shell */
	char *const *argv;		/* or a command for both */
	uint64_t seed;
	uint64_t size;			/* of the data of a device */
	unsigned int devices;		/* 0: as many as the client makes */
	unsigned int depth;
	unsigned int block_size;	/* 0: it varies */
	unsigned int transfer_size;	/* 0: it varies */
	int64_t connect_ms, timeout_ms, idle_ms;
	/* known from the first run on */
	bool known;
	uint32_t features;
	unsigned int count;
	/* of the trial that runs */
	char directory[PATH_MAX];
	char medium[PATH_MAX];
	char log[PATH_MAX];
	struct pattern pattern;
	struct flow_media media[VDI_MAX_DEVICES];
	unsigned int trial_block, trial_transfer;
	pthread_mutex_t lock;
	struct exercise *exercise;	/* the run that is under way (protected by @lock) */
};

struct trial {
	const char *name;
	const char *text;
	unsigned int needs;
	uint64_t checks;
	void (*run)(struct selftest *selftest);
};

extern const struct trial trials[];
extern const unsigned int trial_count;

/* Runs it and prints its lines: all good? */
bool trial_run(struct selftest *selftest, const struct trial *trial);

/* In a trial: a new run, up to the devices that are open; NULL if it came to nothing. */
struct exercise *trial_open(struct selftest *selftest, unsigned int kind);
/* The same, not yet connected. */
struct exercise *trial_prepare_run(struct selftest *selftest, unsigned int kind);
void trial_close(struct selftest *selftest);
/* All that the trials have left in their directory, and the directory */
void trial_delete(const struct selftest *selftest);
/* From another thread: the run that is under way ends. */
void trial_interrupt(struct selftest *selftest, const char *text);

/* The client and its medium, at work without and with errors: trial_data.c */
void trial_backup(struct selftest *selftest);
void trial_errors(struct selftest *selftest);
void trial_outstanding(struct selftest *selftest);
void trial_head(struct selftest *selftest);
void trial_idle(struct selftest *selftest);
void trial_read_back(struct selftest *selftest);
void trial_load(struct selftest *selftest);
/* Ends: trial_end.c */
void trial_killed(struct selftest *selftest);
void trial_flushed(struct selftest *selftest);
void trial_aborted(struct selftest *selftest);
void trial_abandoned(struct selftest *selftest);
void trial_server_dies(struct selftest *selftest);
void trial_restore_aborted(struct selftest *selftest);
void trial_discard(struct selftest *selftest);
/* Positions: trial_tape.c, trial_disk.c */
void trial_tape(struct selftest *selftest);
void trial_disk(struct selftest *selftest);

#endif /* VDI_TRIAL_H */
