/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files that carry out calls (call.c, exchange.c, file.c) have of each other. */
#ifndef VDI_FUZZ_CALL_H
#define VDI_FUZZ_CALL_H

#include "run.h"

/* call.c */
uint64_t fz_given(const struct fz_call *c, const char *name);
int fz_handle(const struct fz_self *self, const struct fz_call *c);
int fz_put(struct fz_self *self, const struct fz_call *c, int fd);
uint64_t fz_deadline(uint64_t ms);
char *fz_map_at(const struct fz_self *self, uint64_t map);
void *fz_memory(struct fz_self *self, uint64_t how, size_t at, size_t len);
uint64_t fz_array(struct fz_self *self, uint64_t how, size_t at, size_t len);
char *fz_structure(struct fz_self *self, const struct fz_call *c);
int fz_request(struct fz_self *self, const struct fz_call *c, char *arg);

/* exchange.c */
int fz_exchange(struct fz_self *self, const struct fz_call *c);
int fz_serve(struct fz_self *self, const struct fz_call *c);

/* file.c */
int fz_send_fd(struct fz_self *self, const struct fz_call *c);
int fz_recv_fd(struct fz_self *self, const struct fz_call *c);
int fz_poll_fd(struct fz_self *self, const struct fz_call *c);
int fz_watch_fd(struct fz_self *self, const struct fz_call *c);
int fz_flags_of_fd(struct fz_self *self, const struct fz_call *c);
int fz_map(struct fz_self *self, const struct fz_call *c);
int fz_on_map(struct fz_self *self, const struct fz_call *c);
int fz_touch(struct fz_self *self, const struct fz_call *c);
int fz_transfer(struct fz_self *self, const struct fz_call *c);
int fz_splice_fd(struct fz_self *self, const struct fz_call *c);
int fz_close_fd(struct fz_self *self, const struct fz_call *c);
int fz_on_fd(struct fz_self *self, const struct fz_call *c);

#endif /* VDI_FUZZ_CALL_H */
