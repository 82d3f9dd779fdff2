// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coverage by KCOV: which places of the module's code the calls of a program came
 * to, and which of them are new.  Each thread has a buffer of its own, made here
 * before there are processes, so that it is still there when its thread is not.
 * Without KCOV, or for a module that is not built for it, nothing is ever covered.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <linux/kcov.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run.h"

#define KCOV_FILE	"/sys/kernel/debug/kcov"
#define ENTRIES		(32UL * 1024)	/* of one thread in one program */
#define TEXT_MAX	(1UL << 20)

static unsigned long *buffers[FZ_COVERS];
static unsigned long text, text_size;
static bool have;

/* By place in the module: ever covered, covered by the last program, to be kept. */
static unsigned char seen[TEXT_MAX], now[TEXT_MAX], wanted[TEXT_MAX];
static unsigned int total;

static int fd_of(const struct fz_self *self)
{
	return FZ_FD_COVER + (self->p * FZ_THREADS + self->t) * 2 +
	       atomic_load(&self->proc->forked);
}

/* Where the module is: "vdi SIZE USES USERS STATE ADDRESS" */
static void find_text(void)
{
	char line[512], name[64];
	FILE *f = fopen("/proc/modules", "re");

	while (f && !text && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %lu %*s %*s %*s %lx", name, &text_size, &text) == 3 &&
		    strcmp(name, "vdi"))
			text = 0;
	if (f)
		fclose(f);
	if (text_size > TEXT_MAX)
		text_size = TEXT_MAX;
}

/* fz_cover_begin() - Make the buffers, at descriptors of fixed numbers; -1: no memory */
int fz_cover_begin(void)
{
	int i, fd;

	find_text();
	for (i = 0; i < FZ_COVERS; i++) {
		fd = open(text ? KCOV_FILE : "/dev/null", O_RDWR);
		have = fd >= 0 && text && !ioctl(fd, KCOV_INIT_TRACE, ENTRIES);
		if (fd < 0)
			fd = open("/dev/null", O_RDWR);
		if (fd < 0 || dup2(fd, FZ_FD_COVER + i) < 0)
			return -1;
		if (fd != FZ_FD_COVER + i)
			close(fd);
		if (!have)
			continue;
		buffers[i] = mmap(NULL, ENTRIES * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED,
				  FZ_FD_COVER + i, 0);
		if (buffers[i] == MAP_FAILED)
			return -1;
		/* only the supervisor reads it, and a fork copies each page of it */
		madvise(buffers[i], ENTRIES * sizeof(long), MADV_DONTFORK);
	}
	return 0;
}

/* fz_cover_thread() - Coverage of the calling thread goes to its buffer from now on */
void fz_cover_thread(const struct fz_self *self)
{
	/* after an exec it does so already */
	ioctl(fd_of(self), KCOV_ENABLE, KCOV_TRACE_PC);
}

/* fz_cover_reset() - A program begins */
void fz_cover_reset(void)
{
	int i;

	for (i = 0; have && i < FZ_COVERS; i++)
		__atomic_store_n(&buffers[i][0], 0, __ATOMIC_RELAXED);
}

/* fz_cover_collect() - What the program has covered; how much of it is new */
unsigned int fz_cover_collect(void)
{
	unsigned long n, k, pc;
	unsigned int fresh = 0;
	int i;

	if (!have)
		return 0;
	memset(now, 0, text_size);
	for (i = 0; i < FZ_COVERS; i++) {
		n = __atomic_load_n(&buffers[i][0], __ATOMIC_RELAXED);
		for (k = 1; k <= n && k < ENTRIES; k++) {
			pc = buffers[i][k] - text;
			if (pc >= text_size || now[pc])
				continue;
			now[pc] = 1;
			fresh += !seen[pc];
		}
	}
	return fresh;
}

/* fz_cover_keep_new() - What is new in the last program is what shall stay in it */
void fz_cover_keep_new(void)
{
	unsigned long pc;

	for (pc = 0; pc < text_size; pc++)
		wanted[pc] = now[pc] && !seen[pc];
}

/* fz_cover_still() - Is it? */
bool fz_cover_still(void)
{
	unsigned long pc;

	for (pc = 0; pc < text_size; pc++)
		if (wanted[pc] && !now[pc])
			return false;
	return true;
}

/* fz_cover_merge() - What the last program covered is not new any more; how much was */
unsigned int fz_cover_merge(void)
{
	unsigned int fresh = 0;
	unsigned long pc;

	for (pc = 0; have && pc < text_size; pc++) {
		fresh += now[pc] && !seen[pc];
		seen[pc] |= now[pc];
	}
	total += fresh;
	return fresh;
}

/* fz_cover_learn() - As fz_cover_merge(), and of what fz_cover_keep_new() said */
void fz_cover_learn(void)
{
	unsigned long pc;

	for (pc = 0; pc < text_size; pc++)
		now[pc] |= wanted[pc];
	fz_cover_merge();
}

/* fz_cover_total() - Places covered so far */
unsigned int fz_cover_total(void)
{
	return total;
}
