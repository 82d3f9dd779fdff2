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

/* Of what kind the first failure was; the line on stderr has the details. */
enum stream_fault_kind {
	STREAM_FAULT_NONE,
	STREAM_FAULT_MISSING,		/* there is no such set */
	STREAM_FAULT_OPEN,		/* it can't be opened */
	STREAM_FAULT_CONFIG,		/* it can't be configured as asked for */
	STREAM_FAULT_MEMORY,		/* no memory for its buffers */
	STREAM_FAULT_CODE,		/* a command was answered with @code */
	STREAM_FAULT_ABORTED,		/* by the other side, or by a third party */
	STREAM_FAULT_LOCAL,		/* by stream_abort() or stream_cancel() */
	STREAM_FAULT_OTHER,
};

struct stream_fault {
	enum stream_fault_kind kind;
	int error;			/* -errno, or 0 */
	uint32_t code;
	char device[VDI_NAME_SIZE];
	char what[64];			/* the command */
};

struct stream_options {
	const char *name;		/* of the set */
	const char *instance;		/* NULL: the default one */
	const char *const *devices;	/* their names, @count; NULL: NAME, NAME.1 ... */
	unsigned int count;		/* refuse a set of another number of devices; 0: any */
	bool read;			/* a restore */
	bool digest;			/* SHA-256 of what is written */
	/*
	 * A command that is answered with an error ends in closed devices, not
	 * in an abort; a client that knows Discard is sent it.
	 */
	bool soft;
	bool rewind;			/* a tape: begin at its start */
	unsigned int file;		/* reading a tape: which file of it; 0, 1: the first */
	/*
	 * Reading: more is always wanted until stream_done(), so that there is no
	 * further medium is a failure, and no end of the stream.
	 */
	bool media;
	unsigned int depth;		/* buffers a device */
	unsigned int buffers;		/* instead: of all devices, at least one each; 0: @depth */
	unsigned int transfer_size;
	unsigned int block_size;
	int64_t connect_timeout_ms;	/* how long to wait for the set; 0: for ever */
	int64_t idle_timeout_ms;	/* 0: for ever */
	unsigned int max_count;		/* refuse a set of more devices; 0: any */
	struct stream_fault *fault;	/* out: the first failure; may be NULL */
};

struct stream_set;

/*
 * The name of device @index of the set @name: the set's own for the first,
 * NAME.1, NAME.2 and so on.  False if that is too long for a name.
 */
bool stream_device_name(char *buf, const char *name, unsigned int index);

int stream_open(struct stream_set **out, const struct stream_options *options);
/*
 * Instead: nothing will come of it.  Waits for the set as stream_open() would,
 * and aborts it with @text; 0 or -errno, says nothing.
 */
int stream_refuse(const struct stream_options *options, const char *text);
unsigned int stream_count(const struct stream_set *set);
int stream_hint(struct stream_set *set, uint64_t bytes);
/* For poll(2): POLLERR and POLLHUP say that the set is aborted. */
int stream_fd(const struct stream_set *set);
bool stream_dead(const struct stream_set *set);
/* Of a dead set, from any thread: tells why it is, unless all was told; the exit code. */
int stream_aborted(struct stream_set *set);
/* The same of a set that may be alive: 0 then */
int stream_alive(struct stream_set *set);

/* Writing: one thread for all streams, or one for each */
int stream_reserve(struct stream_set *set, unsigned int index, uint8_t **buf, size_t *room);
int stream_commit(struct stream_set *set, unsigned int index, size_t len);
/* The digest of all that was committed, sent or not */
int stream_digest(struct stream_set *set, unsigned int index, uint8_t *digest);
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

/*
 * The same in the thread of the work, when the server itself gives up: with
 * Discard, if the set is soft and the client knows it, else an abort.
 */
void stream_cancel(struct stream_set *set, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Closes; a set that did not end in order is aborted by that. */
void stream_close(struct stream_set *set);

#endif /* VDI_STREAM_H */
