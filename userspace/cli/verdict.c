// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Errors of libvdi and ends of sets, told to people: what was wrong, what to
 * do, and the exit code that goes with it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libvdi.h>

#include "cli.h"
#include "report.h"
#include "verdict.h"

int verdict_node(int ret)
{
	const char *node = getenv("VDI_DEVICE");

	if (!node || !*node)
		node = VDI_DEVICE_NODE;
	switch (-ret) {
	case ENOENT:
	case ENXIO:
		return report_fail(EXIT_NO_DEVICE,
				   "%s: no such device: is the module loaded? try: modprobe vdi",
				   node);
	case EACCES:
	case EPERM:
		return report_fail(EXIT_NO_DEVICE,
				   "%s: permission denied: join the group that owns it (ls -l %s)",
				   node, node);
	case ENODEV:
	case ENOTTY:
		return report_fail(EXIT_NO_DEVICE,
				   "%s: is something else than the VDI device, or of another version: see ls -l %s, modinfo vdi",
				   node, node);
	default:
		return report_fail(EXIT_NO_DEVICE, "%s: %s", node, vdi_strerror(ret));
	}
}

static const char *verdict_side(uint32_t role)
{
	switch (role) {
	case VDI_ROLE_CLIENT:
	case VDI_ROLE_SECONDARY:
		return "the backup program";
	case VDI_ROLE_SERVER:
		return "the engine";
	default:
		return "somebody else";
	}
}

const char *verdict_reason_name(uint32_t reason)
{
	static const char * const names[] = {
		[VDI_REASON_NONE] = "NONE",
		[VDI_REASON_CLIENT_CLOSE] = "CLIENT_CLOSE",
		[VDI_REASON_CLIENT_DIED] = "CLIENT_DIED",
		[VDI_REASON_SERVER_CLOSE] = "SERVER_CLOSE",
		[VDI_REASON_SERVER_DIED] = "SERVER_DIED",
		[VDI_REASON_SIGNALLED] = "SIGNALLED",
		[VDI_REASON_STALLED] = "STALLED",
		[VDI_REASON_FAULT] = "FAULT",
		[VDI_REASON_ADMIN] = "ADMIN",
	};

	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "UNKNOWN";
}

void verdict_reason(const struct vdi_reason *reason, char *buf, size_t size)
{
	const char *what;

	switch (reason->reason) {
	case VDI_REASON_CLIENT_CLOSE:
	case VDI_REASON_SERVER_CLOSE:
		what = "closed early";
		break;
	case VDI_REASON_CLIENT_DIED:
	case VDI_REASON_SERVER_DIED:
		/* who writes to a node, and says at the end that it went wrong */
		what = strstr(reason->text, " exited with status ") ? "failed" : "died";
		break;
	case VDI_REASON_STALLED:
		what = "did not answer in time";
		break;
	case VDI_REASON_FAULT:
		what = "gave bad memory";
		break;
	default:
		what = "aborted";
	}
	snprintf(buf, size, "%s %s (%s, pid %d, uid %u)%s%s", verdict_side(reason->who.role), what,
		 verdict_reason_name(reason->reason), reason->who.pid, reason->who.uid,
		 reason->text[0] ? ": " : "", reason->text);
}

bool verdict_agreed(const struct vdi_set_stat *stat)
{
	if (stat->closed_devices == stat->device_count)
		return true;
	return stat->completed_devices == stat->device_count &&
	       stat->state == VDI_STATE_ABORTED && stat->reason.who.role != VDI_ROLE_SERVER;
}

int verdict_aborted(const struct vdi_set_stat *stat)
{
	/* one line for programs, as in the manual */
	static const char format[] =
	"abort: set=%s reason=%s code=%u side=%s pid=%d uid=%u time_ns=%llu seen_ns=%llu";
	struct timespec now;
	char text[512];

	clock_gettime(CLOCK_MONOTONIC, &now);
	verdict_reason(&stat->reason, text, sizeof(text));
	report_fail(0, "aborted: %s", text);
	report_verbose(format, stat->name,
		       verdict_reason_name(stat->reason.reason), stat->reason.code,
		       vdi_role_name(stat->reason.who.role), stat->reason.who.pid,
		       stat->reason.who.uid, (unsigned long long)stat->reason.time_ns,
		       now.tv_sec * 1000000000ULL + now.tv_nsec);
	return EXIT_PEER;
}

int verdict_error(int ret, const char *what, const char *name)
{
	switch (-ret) {
	case ENOENT:
		return report_fail(EXIT_FAILED, "%s %s: there is no such set: see vdi list", what,
				   name);
	case EEXIST:
		return report_fail(EXIT_EXISTS,
				   "%s %s: a set of this name exists: choose another, or vdi abort %s",
				   what, name, name);
	case EBUSY:
		return report_fail(EXIT_EXISTS, "%s %s: %s", what, name, vdi_strerror(ret));
	case EACCES:
	case EPERM:
		return report_fail(EXIT_NO_DEVICE,
				   "%s %s: not permitted: see --mode and --group of the side that made the set",
				   what, name);
	case EDQUOT:
		return report_fail(EXIT_FAILED,
				   "%s %s: a limit is reached: use fewer devices or buffers, or see the module's parameters (modinfo vdi)",
				   what, name);
	case ENOMEM:
		return report_fail(EXIT_FAILED,
				   "%s %s: no memory for the buffers: use a smaller --depth or --transfer-size",
				   what, name);
	case ETIMEDOUT:
		return report_fail(EXIT_TIMEOUT,
				   "%s %s: nobody came in time: is the other side running?",
				   what, name);
	case EINVAL:
		return report_fail(EXIT_USAGE,
				   "%s %s: not accepted: a name has 1..255 bytes, without / and \\ and control characters",
				   what, name);
	default:
		return report_fail(EXIT_FAILED, "%s %s: %s", what, name, vdi_strerror(ret));
	}
}
