/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Nodes: the character devices that a set can have, for programs that know
 * nothing of it.
 */
#ifndef VDI_NODES_H
#define VDI_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <linux/vdi.h>

/* What the kernel is told when it makes them; 0: its default */
struct nodes_options {
	bool wanted;
	unsigned int block_size;
	unsigned int transfer_size;
	unsigned int depth;
	FILE *out;			/* where their paths go */
};

struct session;

/* What the options of a client's verb say about nodes: 0, or an exit code. */
int nodes_parse(const struct session *session, struct nodes_options *nodes);
/* Does the kernel have them?  0, or an exit code after a line on stderr. */
int nodes_available(void);

/* How many a set has, and the path of that of device @index */
unsigned int nodes_count(const struct vdi_set_stat *stat);
void nodes_path(char *buf, size_t size, const struct vdi_set_stat *stat, unsigned int index);
/* A line for each, and the end of @out if that is stdout; false if it can't be written. */
bool nodes_print(FILE *out, const struct vdi_set_stat *stat);

#endif /* VDI_NODES_H */
