/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The client's side of a set: creates it, serves its devices with a thread
 * each, and knows how it ended.
 */
#ifndef VDI_CLIENT_H
#define VDI_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/vdi.h>

#include "nodes.h"
#include "progress.h"

struct client_options {
	const char *name;
	const char *instance;		/* NULL: the default one */
	unsigned int count;		/* devices */
	unsigned int features;		/* VDI_FEAT_* besides Complete, which is always asked for */
	unsigned int eom_warning_size;
	unsigned int mode;		/* of the set, 0 for the default */
	unsigned int gid;		/* of the set */
	bool have_gid;
	struct nodes_options nodes;
	int64_t connect_timeout_ms;	/* 0: for ever */
	int64_t idle_timeout_ms;	/* 0: for ever */
	enum progress_when progress;
	int peer_fd;			/* hangs up when the engine's process ends; -1: unknown */
	int over_fd;			/* open until all has been done, also after our death; -1 */
};

/* How a command ends */
struct client_answer {
	uint32_t code;
	uint32_t bytes;			/* of Read and Write */
	uint64_t position;		/* of GetPosition and SetPosition */
	bool failed;			/* no good end is possible any more; told on stderr */
};

/* What is done with the commands: a backup's target or a restore's source. */
struct client_job {
	void *ctx;
	bool read;			/* a restore */
	uint64_t total;			/* bytes, if they are known here */
	/* the set exists, @set_fd is its descriptor; 0 or an exit code; may be NULL */
	int (*created)(void *ctx, int set_fd);
	/* the set is to be closed; @ended as in the result; may be NULL */
	void (*over)(void *ctx, bool ended);
	/* before the first command of a device; 0 or -errno after a line on stderr */
	int (*start)(void *ctx, unsigned int index, const char *device,
		     const struct vdi_config *config);
	/* one command: *@answer was zeroed before */
	void (*command)(void *ctx, unsigned int index, const struct vdi_command *command,
			void *buffer, struct client_answer *answer);
};

struct client_result {
	bool ended;		/* in the engine's eyes too: see verdict_agreed() */
	bool failed;		/* a command failed here */
	uint64_t bytes;
};

/*
 * Runs a whole set.  0 if it ended in order; else an exit code after a line on
 * stderr.
 */
int client_run(const struct client_options *options, const struct client_job *job,
	       struct client_result *result);

/* A name for a set that nobody else has. */
bool client_make_name(char *buf, size_t size);

#endif /* VDI_CLIENT_H */
