/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The server's side of a set as plain streams, one for each device: to write
 * a backup, or to read one back.  Used by engines, and by `vdi put` and `get`.
 *
 * Functions return 0 (or a count) or an exit code of the command after one
 * line on stderr; a stream that failed has aborted the set and says why.
 */
#ifndef VDI_STREAM_H
#define VDI_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vdi.h>

#define STREAM_DIGEST_SIZE	32
#define STREAM_MAX		VDI_MAX_DEVICES

struct stream_options {
	const char *name;		/* of the set */
	bool read;			/* a restore */
	bool digest;			/* SHA-256 of what is written */
	unsigned int depth;		/* buffers a device */
	unsigned int transfer_size;
	unsigned int block_size;
	int64_t connect_timeout_ms;	/* how long to wait for the set; 0: for ever */
	int64_t idle_timeout_ms;	/* 0: for ever */
	unsigned int max_count;		/* refuse a set of more devices; 0: any */
};

struct stream_set;

/*
 * The name of device @index of the set @name: the set's own for the first,
 * NAME.1, NAME.2 and so on.  False if that is too long for a name.
 */
bool stream_device_name(char *buf, const char *name, unsigned int index);

int stream_open(struct stream_set **out, const struct stream_options *options);
unsigned int stream_count(const struct stream_set *set);
int stream_hint(struct stream_set *set, uint64_t bytes);
/* For poll(2): POLLERR and POLLHUP say that the set is aborted. */
int stream_fd(const struct stream_set *set);
bool stream_dead(const struct stream_set *set);

/* Writing: one thread for all streams, or one for each */
int stream_reserve(struct stream_set *set, unsigned int index, uint8_t **buf, size_t *room);
int stream_commit(struct stream_set *set, unsigned int index, size_t len);
/* Sends what there is; @digest (may be NULL) is that of all sent so far. */
int stream_send(struct stream_set *set, unsigned int index, uint8_t *digest);
uint64_t stream_bytes(const struct stream_set *set, unsigned int index);

/* Writing: everything is sent, flushed and completed, then closed. */
int stream_finish(struct stream_set *set);

/*
 * Reading: the next bytes in order, at least one, or *@len 0 at the end.  They
 * are in memory that the client can write: copy what must not change.  They
 * are valid until the next call for this stream.
 */
int stream_read(struct stream_set *set, unsigned int index, const uint8_t **buf, size_t *len);
/* Reading: all that was wanted was read. */
int stream_done(struct stream_set *set);

/* From any thread.  The first text stays. */
void stream_abort(struct stream_set *set, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Closes; a set that did not end in order is aborted by that. */
void stream_close(struct stream_set *set);

#endif /* VDI_STREAM_H */
