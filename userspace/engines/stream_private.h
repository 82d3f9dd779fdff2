/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Shared by the files of stream: its objects and its one exchange.
 */
#ifndef VDI_STREAM_PRIVATE_H
#define VDI_STREAM_PRIVATE_H

#include <openssl/evp.h>
#include <pthread.h>

#include <libvdi.h>

#include "stream.h"

struct stream_slot {
	uint8_t *buf;
	uint64_t offset;	/* in the area */
	uint64_t position;	/* random access: where on the device */
	uint32_t len;		/* of the command, 0: nothing to look at */
	uint32_t code;
	uint32_t result;
	bool sent;		/* it is the client's */
};

/* Of one device; used by one thread at a time */
struct stream {
	struct vdi_server_device *device;
	char name[VDI_NAME_SIZE];
	struct stream_slot *slots;	/* a ring: a command's slot is its number modulo depth */
	unsigned int depth;
	uint64_t head;		/* commands sent: writing fills the slot of this number */
	uint64_t tail;		/* reading: commands whose bytes were given out */
	size_t fill;		/* writing: bytes in the slot that is filled */
	size_t hashed;		/* of these in @md */
	uint64_t bytes;
	uint64_t position;	/* random access: of the next command, on this medium */
	uint64_t stored;	/* writing: bytes that this medium has taken */
	bool full;		/* writing: the next Write needs the next medium */
	unsigned int outstanding;
	uint32_t other_code;	/* of a command without a slot */
	bool eof;		/* reading: the client has said that there is no more */
	bool mark;		/* reading: and it was a filemark */
	bool over;		/* reading: there is no further medium */
	bool hole;		/* reading: the slot at @tail has a rest to be asked for */
	bool errored;		/* ClearError is due before anything else */
	EVP_MD_CTX *md;
};

struct stream_set {
	struct stream_options options;
	struct vdi_server *server;
	struct vdi_config config;
	struct stream *streams;
	pthread_mutex_t lock;
	int failed;		/* exit code, 0 while all is well (protected by @lock) */
	bool soft_end;		/* it failed, but the devices can be closed in order */
	bool ended;		/* all devices are closed in order */
};

static inline bool stream_has(const struct stream_set *set, uint32_t feature)
{
	return set->config.features & feature;
}

/* The exit code of a failure in whatever thread, else 0 */
int stream_has_failed(struct stream_set *set);

/* Notes the first failure; true if it is the first, which is the one to tell. */
bool stream_fail_first(struct stream_set *set, int code, const struct stream_fault *fault);

/* Each tells the first failure of the set, ends the set, returns an exit code. */
int stream_failed(struct stream_set *set, struct stream *stream, const char *what, int ret);
int stream_refused(struct stream_set *set, struct stream *stream, const char *what, uint32_t code);

/* 0 or -errno; -EREMOTEIO if the device is in the I/O-error state */
int stream_send_slot(struct stream_set *set, struct stream *stream, uint16_t code,
		     struct stream_slot *slot, uint32_t len);
int stream_send_other(struct stream_set *set, struct stream *stream, uint16_t code, int32_t arg);
int stream_wait_slot(struct stream_set *set, struct stream *stream, const struct stream_slot *slot);
int stream_wait_all(struct stream_set *set, struct stream *stream);

/*
 * Commands without data; 0 or an exit code.  On all devices they are sent at
 * once, and all answers are awaited.
 */
int stream_all(struct stream_set *set, uint16_t code, int32_t arg, const char *what);
/* Ends the I/O-error state, if there is one; all commands must be answered. */
int stream_clear(struct stream_set *set, struct stream *stream);
/* A tape: rewinds and skips as the options say. */
int stream_position(struct stream_set *set);
/* Writing: flushes this medium and loads the next. */
int stream_next_medium(struct stream_set *set, struct stream *stream);
/* Writing: after an error, what is not stored goes on to the next medium, or it fails. */
int stream_write_again(struct stream_set *set, struct stream *stream);
/* Reading: the next medium, nothing is under way. */
int stream_read_again(struct stream_set *set, struct stream *stream);
/* After a failure: Discard, and CloseDevice for all. */
void stream_give_up(struct stream_set *set);

/*
 * Closes all devices in order.  @completed: Complete was answered with success on
 * all of them, so that an end of the client makes no difference any more.
 */
int stream_end(struct stream_set *set, bool completed);

#endif /* VDI_STREAM_PRIVATE_H */
