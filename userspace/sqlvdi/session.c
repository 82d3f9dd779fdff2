// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Sessions: who is inside, and when what goes.  It makes no call of the set.
 *
 * Programs call Close, and even delete the set, while a thread of theirs is on
 * its way out of GetCommand: so the library's client goes with the last call
 * that is inside, and the session with the last one that knows it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

struct session *session_new(const char *name, bool secondary)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->pid = getpid();
	s->secondary = secondary;
	/* only for reports: libvdi refuses a name that is too long */
	strncpy(s->name, name, sizeof(s->name) - 1);
	return s;
}

static void free_client(struct session *s)
{
	vdi_client_free(__atomic_exchange_n(&s->client, NULL, __ATOMIC_ACQ_REL));
}

static void put(struct session *s)
{
	struct CVD *cvd, *next;

	if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (cvd = s->devices; cvd; cvd = next) {
		next = cvd->next;
		free(cvd);
	}
	free(s);
}

static void leave(struct session *s)
{
	if (__atomic_sub_fetch(&s->calls, 1, __ATOMIC_ACQ_REL) == SESSION_CLOSED)
		free_client(s);
}

/* False after Close: then there is nothing to leave. */
bool session_enter(struct session *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	if (!(__atomic_fetch_add(&s->calls, 1, __ATOMIC_ACQ_REL) & SESSION_CLOSED))
		return true;
	leave(s);
	put(s);
	return false;
}

void session_leave(struct session *s)
{
	leave(s);
	put(s);
}

/* After Close, once: nobody comes in any more. */
void session_shut(struct session *s)
{
	if (__atomic_fetch_or(&s->calls, SESSION_CLOSED, __ATOMIC_ACQ_REL) == 0)
		free_client(s);
}

/*
 * The set object goes, after session_shut().  In a forked child it has been a
 * copy, whose calls will never leave.
 */
void session_drop(struct session *s)
{
	struct CVD *cvd;

	for (cvd = s->devices; cvd; cvd = cvd->next) {
		free(cvd->object);
		cvd->object = NULL;
	}
	if (s->pid != getpid()) {
		free_client(s);
		s->refs = 1;
	}
	put(s);
}

void session_add(struct session *s, struct CVD *cvd)
{
	cvd->session = s;
	cvd->next = __atomic_load_n(&s->devices, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&s->devices, &cvd->next, cvd, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}
