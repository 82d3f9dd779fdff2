/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fault injection: makes the nth allocation or copy from or to the user in one
 * call of this thread fail, by /proc/thread-self/fail-nth.  What calls are made,
 * and what they may give then, is the tests'.
 */
#ifndef VDI_TEST_FAIL_NTH_H
#define VDI_TEST_FAIL_NTH_H

#include "vdi_test.h"

#define VT_FAIL_NTH	"/proc/thread-self/fail-nth"
#define VT_FAIL_DIR	"/sys/kernel/debug/"
#define VT_FAIL_MAX	1000	/* points in one call: more is a bug of the test */

static inline bool vt_fail_set(const char *file, const char *word)
{
	char path[128];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), VT_FAIL_DIR "%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, word, strlen(word)) > 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* NULL, or why nothing can be injected. */
static inline const char *vt_fail_begin(void)
{
	if (access(VT_FAIL_NTH, W_OK))
		return "the kernel has no fault injection";
	/* Sleeping allocations are meant; each failure in the log costs more than the call */
	if (!vt_fail_set("failslab/ignore-gfp-wait", "N") ||
	    !vt_fail_set("fail_page_alloc/ignore-gfp-wait", "N") ||
	    !vt_fail_set("fail_page_alloc/min-order", "0"))
		return "the kernel injects no failures of slab and page";
	vt_fail_set("fail_page_alloc/ignore-gfp-highmem", "N");
	if (!vt_fail_set("fail_usercopy/verbose", "0"))
		return "the kernel injects no failures of user copies";
	vt_fail_set("failslab/verbose", "0");
	vt_fail_set("fail_page_alloc/verbose", "0");
	return NULL;
}

/* Arms this thread: a descriptor for vt_fail_disarm(), or -1. */
static inline int vt_fail_arm(unsigned int n)
{
	int fd = open(VT_FAIL_NTH, O_RDWR | O_CLOEXEC);
	char word[16];
	int len = snprintf(word, sizeof(word), "%u", n);

	if (fd >= 0 && pwrite(fd, word, len, 0) != len) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Whether something was injected.  Reading and writing the file can be hit as well. */
static inline bool vt_fail_disarm(int fd)
{
	char word[16] = "";
	ssize_t n = pread(fd, word, sizeof(word) - 1, 0);
	int tries = VT_FAIL_MAX;

	while (pwrite(fd, "0", 1, 0) != 1 && tries--)
		;
	close(fd);
	return n > 0 && atoi(word) == 0;
}

#endif /* VDI_TEST_FAIL_NTH_H */
