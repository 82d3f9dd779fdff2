/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Options that all verbs that move data share, and how verbs take options.
 */
#ifndef VDI_SESSION_H
#define VDI_SESSION_H

#include <getopt.h>
#include <stdint.h>

#include "client.h"
#include "progress.h"

struct session {
	const char *instance;		/* of the set, NULL for the default one */
	unsigned int count;		/* -n */
	enum progress_when progress;
	int64_t connect_timeout_ms;	/* 0: for ever */
	int64_t idle_timeout_ms;	/* 0: for ever */
	unsigned int mode;
	unsigned int gid;
	bool have_gid;
	unsigned int depth;
	unsigned int transfer_size;
	unsigned int block_size;
	bool nodes;
	bool force;
	bool allow_empty;
	bool direct;
};

/* What getopt_long() gives for long options without a letter of their own */
enum {
	SESSION_HELP = 256, SESSION_PROGRESS, SESSION_CONNECT, SESSION_IDLE, SESSION_MODE,
	SESSION_GROUP, SESSION_DEPTH, SESSION_TRANSFER, SESSION_BLOCK, SESSION_FORCE,
	SESSION_EMPTY, SESSION_INSTANCE, SESSION_NODES, SESSION_DIRECT,
	SESSION_OWN,	/* the verb's own from here */
};

#define SESSION_LONG_INSTANCE					\
	{ "instance", required_argument, NULL, SESSION_INSTANCE }
#define SESSION_SHORT		":qvh"
#define SESSION_SHORT_COUNT	":qvhn:"
#define SESSION_LONG						\
	{ "help", no_argument, NULL, 'h' },			\
	{ "quiet", no_argument, NULL, 'q' },			\
	{ "verbose", no_argument, NULL, 'v' },			\
	SESSION_LONG_INSTANCE,					\
	{ "connect-timeout", required_argument, NULL, SESSION_CONNECT }, \
	{ "idle-timeout", required_argument, NULL, SESSION_IDLE }
#define SESSION_LONG_PROGRESS					\
	{ "progress", required_argument, NULL, SESSION_PROGRESS }
#define SESSION_LONG_CLIENT					\
	{ "stripes", required_argument, NULL, 'n' },		\
	{ "mode", required_argument, NULL, SESSION_MODE },	\
	{ "group", required_argument, NULL, SESSION_GROUP }
#define SESSION_LONG_SERVER					\
	{ "depth", required_argument, NULL, SESSION_DEPTH },	\
	{ "transfer-size", required_argument, NULL, SESSION_TRANSFER }, \
	{ "block-size", required_argument, NULL, SESSION_BLOCK }
#define SESSION_LONG_NODES					\
	{ "nodes", no_argument, NULL, SESSION_NODES },		\
	SESSION_LONG_SERVER

#define SESSION_LONG_DIRECT					\
	{ "direct", no_argument, NULL, SESSION_DIRECT }

#define SESSION_HELP_DIRECT \
"  --direct                read and write files past the page cache (O_DIRECT)\n"
#define SESSION_HELP_INSTANCE \
"  --instance NAME         of the set: (instance, name) is unique; none by default\n"
#define SESSION_HELP_WAIT \
SESSION_HELP_INSTANCE \
"  --connect-timeout TIME  how long to wait for the other side (5s, 2m; 0: for ever)\n" \
"  --idle-timeout TIME     give up when nothing moves for so long (0: never)\n" \
"  -q, --quiet             errors only\n" \
"  -v, --verbose           say more\n" \
"  -h, --help              this text\n"
#define SESSION_HELP_SERVER \
"  --depth N               buffers a device that are on their way (4)\n" \
"  --transfer-size SIZE    of one buffer, a multiple of 64K up to 64M (1M)\n" \
"  --block-size SIZE       of the devices, a power of two, 512..64K (4K)\n"
#define SESSION_HELP_NODES \
"  --nodes                 a character device for each device, for programs that can't\n" \
"                          be an engine: prints their paths, see vdi-node(4)\n" \
"  --depth N, --transfer-size SIZE, --block-size SIZE\n" \
"                          with --nodes: buffers of each (4, 64 at most), their size\n" \
"                          (256K), and the block size (512; a tape's 64K)\n"
#define SESSION_HELP_PROGRESS \
"  --progress WHEN         auto (on a terminal), always or never; SIGUSR1 shows one line\n"
#define SESSION_HELP_SET \
"  --mode MODE             permission bits of the set, who may serve it (0600)\n" \
"  --group GROUP           group of the set\n"

void session_init(struct session *session);
/* Of a client: what the engine decides is 0 until an option says something. */
void session_init_client(struct session *session);

/*
 * One option of the verb argv[0]; -1 if it was taken, else an exit code, 0
 * after --help (@help was printed).
 */
int session_option(struct session *session, int option, char **argv, const char *help);

/* Exactly @count arguments after the options: 0, or EXIT_USAGE after a line. */
int session_arguments(int argc, char **argv, int count, const char *what);

void session_client(const struct session *session, const char *name,
		    struct client_options *options);

#endif /* VDI_SESSION_H */
