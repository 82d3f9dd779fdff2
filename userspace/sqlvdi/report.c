// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Translates errors and reports their causes.  What went wrong is decided
 * elsewhere; nothing here changes a set.
 *
 * The line goes to standard error, unless VDI_SQLVDI_LOG names a file or says
 * none.  Programs may close descriptor 2 and get a file of backup data under
 * this number, or have nobody at the other end of it: so it is written only to
 * what was standard error when the library was loaded, and never waits and never
 * raises a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"
#include "vdierror.h"

#define LINE_SIZE	1024
#define CAUSE_SIZE	400
#define LINE_FORMAT	"SQLVDI: Loc=%s. Desc=%s. ErrorCode=(0x%08x)%s. Process=%d. " \
			"Thread=%d. Client. Instance=%s. VD=%s.\n"

/*
 * VD_E_* of each errno.  Those that say all there is to say are not reported: a
 * program may well loop over them.
 */
static const struct {
	int err;
	int result;
	bool plain;
} results[] = {
	{ 0, 0, true },
	{ ECANCELED, VD_E_ABORT, false },
	{ ESHUTDOWN, VD_E_CLOSE, true },
	{ ETIMEDOUT, VD_E_TIMEOUT, true },
	{ EAGAIN, VD_E_TIMEOUT, true },
	{ EPROTO, VD_E_PROTOCOL, true },
	{ EIO, VD_E_PROTOCOL, false },
	{ EEXIST, VD_E_PROTOCOL, false },
	{ ENOENT, VD_E_PROTOCOL, false },
	{ EBUSY, VD_E_OPEN, true },
	{ EINVAL, VD_E_INVALID, false },
	{ EFAULT, VD_E_INVALID, false },
	{ EOPNOTSUPP, VD_E_NOTSUPPORTED, false },
	{ E2BIG, VD_E_NOTSUPPORTED, false },
	{ ENOTTY, VD_E_NOTSUPPORTED, false },
	{ ENXIO, VD_E_INSTANCE_NAME, false },
	{ ENOMEM, VD_E_MEMORY, false },
	{ EDQUOT, VD_E_MEMORY, false },
	{ EMFILE, VD_E_MEMORY, false },
	{ ENFILE, VD_E_MEMORY, false },
	{ EXFULL, VD_E_BUSY, false },
	{ EREMOTEIO, VD_E_IO_ERROR, false },
	{ EACCES, VD_E_SECURITY, false },
	{ EPERM, VD_E_SECURITY, false },
};

static const struct {
	int result;
	const char *name;
} names[] = {
	{ VD_E_NOTOPEN, "VD_E_NOTOPEN" },
	{ VD_E_ABORT, "VD_E_ABORT" },
	{ VD_E_SECURITY, "VD_E_SECURITY" },
	{ VD_E_INVALID, "VD_E_INVALID" },
	{ VD_E_INSTANCE_NAME, "VD_E_INSTANCE_NAME" },
	{ VD_E_NOTSUPPORTED, "VD_E_NOTSUPPORTED" },
	{ VD_E_MEMORY, "VD_E_MEMORY" },
	{ VD_E_UNEXPECTED, "VD_E_UNEXPECTED" },
	{ VD_E_PROTOCOL, "VD_E_PROTOCOL" },
	{ VD_E_OPEN, "VD_E_OPEN" },
	{ VD_E_BUSY, "VD_E_BUSY" },
	{ VD_E_IO_ERROR, "VD_E_IO_ERROR" },
};

static struct stat first_stderr;	/* st_mode 0: there was none */

__attribute__((constructor)) static void remember_stderr(void)
{
	if (fstat(STDERR_FILENO, &first_stderr))
		first_stderr.st_mode = 0;
}

static bool is_first_stderr(void)
{
	struct stat st;

	return first_stderr.st_mode && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == first_stderr.st_dev && st.st_ino == first_stderr.st_ino;
}

/* Where the line goes, -1 for nowhere; @own: to be closed. */
static int destination(bool *own)
{
	const char *log = secure_getenv("VDI_SQLVDI_LOG");

	*own = log && *log == '/';
	if (*own)
		return open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
			    O_NONBLOCK, 0640);
	if (log && !strcmp(log, "none"))
		return -1;
	if (log && !strcmp(log, "stderr"))
		return STDERR_FILENO;
	return is_first_stderr() ? STDERR_FILENO : -1;
}

/* One write, so that lines of several processes stay whole. */
static void write_line(int fd, const char *line, size_t length)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	const struct timespec now = { 0 };
	sigset_t pipe, pending, old;

	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	if (write(fd, line, length) < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static const char *name_of(int result)
{
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].result == result)
			return names[i].name;
	return "";
}

void report_line(const char *method, int result, const char *set, const char *instance,
		 const char *cause)
{
	int saved = errno, length, fd;
	char line[LINE_SIZE];
	bool own;

	fd = destination(&own);
	if (fd < 0)
		goto out;
	length = snprintf(line, sizeof(line), LINE_FORMAT, method, cause, (unsigned int)result,
			  name_of(result), getpid(), gettid(), instance, set);
	if (length >= (int)sizeof(line)) {
		length = sizeof(line) - 1;
		line[length - 1] = '\n';
	}
	write_line(fd, line, (size_t)length);
	if (own)
		close(fd);
out:
	errno = saved;
}

static void tell(struct session *s, const char *method, int result, const char *format, ...)
{
	char cause[CAUSE_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(cause, sizeof(cause), format, args);
	va_end(args);
	report_line(method, result, s->name, s->environment.instance, cause);
}

/* Who aborted and why, once for a set, in whatever method it is seen first. */
static void tell_abort(struct session *s, const char *method)
{
	struct vdi_set_stat stat;
	const struct vdi_reason *r = &stat.reason;

	if (__atomic_exchange_n(&s->aborted, true, __ATOMIC_RELAXED))
		return;
	if (vdi_client_stat(s->client, &stat, sizeof(stat)) || !r->reason) {
		tell(s, method, VD_E_ABORT, "%s", vdi_strerror(ECANCELED));
		return;
	}
	tell(s, method, VD_E_ABORT, "%s: %s (pid %d, uid %u)%s%s%s, code %u",
	     vdi_reason_name(r->reason), r->who.role ? vdi_role_name(r->who.role) : "third party",
	     r->who.pid, r->who.uid, *r->text ? " says '" : "", r->text, *r->text ? "'" : "",
	     r->code);
}

/* What a limit was of, "" if it is not known. */
static const char *limit_of(struct session *s)
{
	struct vdi_set_stat stat;

	if (vdi_client_stat(s->client, &stat, sizeof(stat)) || !stat.limit)
		return "";
	return vdi_limit_name(stat.limit);
}

static void tell_cause(struct session *s, const char *method, int err, int result,
		       const char *about)
{
	const char *limit = err == -EDQUOT ? limit_of(s) : "";

	/* not again and again */
	if (__atomic_exchange_n(&s->reported, err, __ATOMIC_RELAXED) == err)
		return;
	if (err == -EIO)
		tell(s, method, result,
		     "the set is process %d's: use an own object and OpenInSecondary",
		     s->pid);
	else
		tell(s, method, result, "%s%s%s%s%s", vdi_strerror(err), *limit ? ": " : "",
		     limit, *about ? ": " : "", about);
}

/* The result for libvdi's @err, 0 or -errno; @about, or "", goes into the line. */
int report_result(struct session *s, const char *method, int err, const char *about)
{
	int result = VD_E_UNEXPECTED;
	bool plain = false;
	unsigned int i;

	for (i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		if (results[i].err == -err) {
			result = results[i].result;
			plain = results[i].plain;
			break;
		}
	}
	if (result == VD_E_ABORT)
		tell_abort(s, method);
	else if (!plain)
		tell_cause(s, method, err, result, about);
	return result;
}
