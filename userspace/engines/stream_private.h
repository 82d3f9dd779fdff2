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
	uint64_t head;		/* commands sent: writing fills the slot of this number */
	uint64_t tail;		/* reading: commands whose bytes were given out */
	size_t fill;		/* writing: bytes in the slot that is filled */
	uint64_t bytes;
	unsigned int outstanding;
	uint32_t other_code;	/* of a command without a slot */
	bool eof;		/* reading: the client has said that there is no more */
	EVP_MD_CTX *md;
};

struct stream_set {
	struct stream_options options;
	struct vdi_server *server;
	struct vdi_config config;
	struct stream *streams;
	pthread_mutex_t lock;
	int failed;		/* exit code, 0 while all is well (protected by @lock) */
	bool ended;		/* all devices are closed in order */
};

/* Each tells the first failure of the set, aborts the set, returns an exit code. */
int stream_failed(struct stream_set *set, struct stream *stream, const char *what, int ret);
int stream_refused(struct stream_set *set, struct stream *stream, const char *what, uint32_t code);

/* 0 or -errno; -EREMOTEIO if the device is in the I/O-error state */
int stream_send_slot(struct stream_set *set, struct stream *stream, uint16_t code,
		     struct stream_slot *slot, uint32_t len);
int stream_send_other(struct stream_set *set, struct stream *stream, uint16_t code);
int stream_wait_slot(struct stream_set *set, struct stream *stream, const struct stream_slot *slot);
int stream_wait_all(struct stream_set *set, struct stream *stream);

/* Closes all devices in order. */
int stream_end(struct stream_set *set);

#endif /* VDI_STREAM_PRIVATE_H */
