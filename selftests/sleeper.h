/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sleepers: threads that wait in one call each.  A test starts one, knows that
 * it is asleep when vt_sleep() returns, makes it wake, and reads what the call
 * gave and when.  What it must give is the test's.
 */
#ifndef VDI_TEST_SLEEPER_H
#define VDI_TEST_SLEEPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "child.h"

/**
 * struct vt_sleeper - A thread in one call
 * @call: makes the call: 0 or the errno
 * @fd: on this file
 * @x: for EXCHANGE: the arguments, then the answer
 * @events: for poll and epoll: waited for, then seen
 * @err: what @call gave
 * @end_ns: when it returned
 * @tid: the thread, 0 until it runs
 * @done: it has returned
 * @thread: to join
 */
struct vt_sleeper {
	int (*call)(struct vt_sleeper *s);
	int fd;
	struct vdi_exchange x;
	unsigned int events;
	int err;
	uint64_t end_ns;
	atomic_int tid;
	atomic_bool done;
	pthread_t thread;
};

static inline void *vt_sleeper_run(void *arg)
{
	struct vt_sleeper *s = arg;

	atomic_store(&s->tid, syscall(SYS_gettid));
	s->err = s->call(s);
	s->end_ns = vt_now();
	atomic_store(&s->done, true);
	return NULL;
}

static inline bool vt_sleeper_start(struct vt_sleeper *s)
{
	atomic_store(&s->tid, 0);
	atomic_store(&s->done, false);
	return !pthread_create(&s->thread, NULL, vt_sleeper_run, s);
}

static inline bool vt_still_asleep(struct vt_sleeper *s)
{
	return VT_UNTIL(atomic_load(&s->done) ||
			(atomic_load(&s->tid) && vt_asleep_now(atomic_load(&s->tid)))) &&
	       !atomic_load(&s->done);
}

/* Starts it; false: it did not sleep, but returned. */
static inline bool vt_sleep(struct vt_sleeper *s)
{
	return vt_sleeper_start(s) && vt_still_asleep(s);
}

/* Waits for its end; false: it still sleeps. */
static inline bool vt_awake(struct vt_sleeper *s)
{
	if (!VT_UNTIL(atomic_load(&s->done)))
		return false;
	pthread_join(s->thread, NULL);
	return true;
}

static inline int vt_call_exchange(struct vt_sleeper *s)
{
	return vt_call(s->fd, VDI_IOC_EXCHANGE, &s->x);
}

static inline int vt_call_get_config(struct vt_sleeper *s)
{
	return vt_get_config(s->fd, VDI_TIME_INFINITE);
}

static inline int vt_call_poll(struct vt_sleeper *s)
{
	struct pollfd p = { .fd = s->fd, .events = s->events };
	int ret = poll(&p, 1, -1);

	s->events = p.revents;
	return ret == 1 ? 0 : errno;
}

static inline int vt_call_epoll(struct vt_sleeper *s)
{
	struct epoll_event e = { .events = s->events };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int ret = -1;

	if (ep >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &e))
		ret = epoll_wait(ep, &e, 1, -1);
	s->events = e.events;
	if (ep >= 0)
		close(ep);
	return ret == 1 ? 0 : errno;
}

/* A sleeper in EXCHANGE that wants @min records of at most @n. */
static inline struct vt_sleeper vt_waiter(int fd, void *out, unsigned int n, unsigned int min,
					  uint64_t deadline)
{
	return (struct vt_sleeper){
		.call = vt_call_exchange, .fd = fd,
		.x = VT_INIT(vdi_exchange, .out = (uintptr_t)out, .nr_out = n, .min = min,
			     .deadline_ns = deadline),
	};
}

#endif /* VDI_TEST_SLEEPER_H */
