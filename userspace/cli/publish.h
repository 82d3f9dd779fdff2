/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * One file or directory that gets its final name in one step: PATH.partial is
 * written, then becomes PATH.  What PATH was before is kept as PATH.old until
 * publish_settle().
 */
#ifndef VDI_PUBLISH_H
#define VDI_PUBLISH_H

#include <stdbool.h>
#include <sys/stat.h>

struct publish {
	char *path;		/* without trailing slashes */
	char *partial;
	char *old;
	int parent_fd;
	int dir_fd;		/* the temporary directory, -1 for a file */
	int file_fd;		/* the temporary file, for the caller to take */
	bool force;
	bool claimed;		/* the temporary thing is ours */
	struct stat own;	/* what that is, whatever its name */
	bool replaced;		/* there is a PATH.old of ours */
};

/*
 * @mode: permission bits of a new file; one that replaces another gets those
 * of the other.  0, or an exit code after a line on stderr.
 */
int publish_open(struct publish *publish, const char *path, bool dir, bool force,
		 unsigned int mode);

/* NAME.partial in the temporary directory: a descriptor, or -1 and errno */
int publish_create_in(struct publish *publish, const char *name);
int publish_open_in(struct publish *publish, const char *name);	/* one that is there */
/* NAME.partial becomes NAME there, or back: 0 or -errno */
int publish_name_in(struct publish *publish, const char *name, bool final);

/* 0 or -errno, -ESTALE if PATH.partial is not what was written; durable */
int publish_commit(struct publish *publish);
int publish_withdraw(struct publish *publish);	/* 0 or -errno; durable */
/*
 * As seen by a process that has not written it.  At whatever point the other one
 * ended, makes what was PATH.partial in the beginning PATH for good if it has got
 * that name and @keep is set, or else takes the name away, and what it replaced is
 * back.  Returns 1 if it is PATH, 0 if not, or -errno.
 */
int publish_orphan(struct publish *publish, bool keep);
bool publish_left(const struct publish *publish);	/* is it there as PATH.partial? */
void publish_settle(struct publish *publish);	/* what was replaced goes */
void publish_discard(struct publish *publish);	/* the temporary thing goes */
void publish_free(struct publish *publish);

#endif /* VDI_PUBLISH_H */
