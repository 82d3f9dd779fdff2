// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is set in the guest while programs run: limits of the module that they can
 * come to, the node for the process of another user, injected failures that are
 * silent.  All of it is put back.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"

#define MODULE	"/sys/module/vdi/parameters/"
#define DEBUGFS	"/sys/kernel/debug/"

static struct {
	const char *path;
	const char *value;
	char before[32];
} settings[] = {
	{ MODULE "max_area_bytes",	"4194304" },
	{ MODULE "max_user_bytes",	"6291456" },
	{ MODULE "max_sets",		"6" },
	{ MODULE "max_handles",		"24" },
	{ MODULE "max_nodes",		"100" },
	{ DEBUGFS "failslab/ignore-gfp-wait",		"N" },
	{ DEBUGFS "failslab/verbose",			"0" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-wait",	"N" },
	{ DEBUGFS "fail_page_alloc/min-order",		"0" },
	{ DEBUGFS "fail_page_alloc/verbose",		"0" },
	{ DEBUGFS "fail_usercopy/verbose",		"0" },
};

#define NR_SETTINGS	(sizeof(settings) / sizeof(settings[0]))

static mode_t node_mode;

static int put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = -1;

	if (fd < 0)
		return -1;
	if (write(fd, value, strlen(value)) > 0)
		ret = 0;
	close(fd);
	return ret;
}

/* fz_limits_set() - NULL, or the file that cannot be written */
const char *fz_limits_set(void)
{
	struct stat st;
	unsigned int i;
	int fd, n;

	if (stat("/dev/vdi", &st) || chmod("/dev/vdi", 0666))
		return "/dev/vdi";
	node_mode = st.st_mode & 07777;
	for (i = 0; i < NR_SETTINGS; i++) {
		fd = open(settings[i].path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? 0 : read(fd, settings[i].before, sizeof(settings[i].before) - 1);
		if (fd >= 0)
			close(fd);
		settings[i].before[n > 0 ? n : 0] = 0;
		/* not every kernel injects failures */
		if (put(settings[i].path, settings[i].value) &&
		    !strncmp(settings[i].path, MODULE, strlen(MODULE)))
			return settings[i].path;
	}
	return NULL;
}

/* fz_limits_restore() - All as it was */
void fz_limits_restore(void)
{
	unsigned int i;

	for (i = 0; i < NR_SETTINGS; i++)
		if (settings[i].before[0])
			put(settings[i].path, settings[i].before);
	if (node_mode)
		chmod("/dev/vdi", node_mode);
}
