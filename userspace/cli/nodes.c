// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Nodes: what the options say about them, whether there are any, their paths.
 * Owns how they are shown; what is done with the commands that come of them is
 * the same as with those of any engine.
 */
#include <libvdi.h>

#include "cli.h"
#include "nodes.h"
#include "report.h"
#include "session.h"
#include "verdict.h"

int nodes_parse(const struct session *session, struct nodes_options *nodes)
{
	*nodes = (struct nodes_options) {
		.wanted = session->nodes,
		.block_size = session->block_size,
		.transfer_size = session->transfer_size,
		.depth = session->depth,
		.out = stdout,
	};
	if (!nodes->wanted && (nodes->block_size || nodes->transfer_size || nodes->depth))
		return report_fail(EXIT_USAGE,
				   "--block-size, --transfer-size, --depth: the engine says them, unless there are nodes: add --nodes");
	if (nodes->depth > VDI_MAX_NODE_DEPTH)
		return report_fail(EXIT_USAGE, "--depth %u: must be at most %u with --nodes",
				   nodes->depth, VDI_MAX_NODE_DEPTH);
	return 0;
}

int nodes_available(void)
{
	struct vdi_get_info info = { .size = sizeof(info) };
	int ret = vdi_get_info(&info);

	if (ret)
		return verdict_node(ret);
	if (info.out_capabilities & VDI_CAP_NODES)
		return 0;
	return report_fail(EXIT_NO_DEVICE,
			   "--nodes: the kernel's module %s has none: a newer one is needed, or vdi put and get",
			   info.out_version);
}

unsigned int nodes_count(const struct vdi_set_stat *stat)
{
	return stat->first_node == VDI_NODE_NONE ? 0 : stat->device_count;
}

void nodes_path(char *buf, size_t size, const struct vdi_set_stat *stat, unsigned int index)
{
	snprintf(buf, size, VDI_NODE_PREFIX "%u", stat->first_node + index);
}

bool nodes_print(FILE *out, const struct vdi_set_stat *stat)
{
	char path[64];
	unsigned int i;

	for (i = 0; i < nodes_count(stat); i++) {
		nodes_path(path, sizeof(path), stat, i);
		fprintf(out, "%s\n", path);
	}
	if (fflush(out) || ferror(out))
		return false;
	/* that was all: who reads the paths from a pipe is at their end */
	return out != stdout || freopen("/dev/null", "w", stdout);
}
