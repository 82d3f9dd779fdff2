/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints vdi:*.  Nothing that a user can trigger is logged: it is traced. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vdi

#if !defined(VDI_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VDI_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(vdi_state,
	TP_PROTO(u64 set, u32 from, u32 to),
	TP_ARGS(set, from, to),
	TP_STRUCT__entry(
		__field(u64, set)
		__field(u32, from)
		__field(u32, to)
	),
	TP_fast_assign(
		__entry->set = set;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("set=%llu from=%u to=%u", __entry->set, __entry->from,
		  __entry->to)
);

TRACE_EVENT(vdi_abort,
	TP_PROTO(u64 set, u32 reason, u32 code, pid_t pid, uid_t uid, u32 role,
		 const char *text),
	TP_ARGS(set, reason, code, pid, uid, role, text),
	TP_STRUCT__entry(
		__field(u64, set)
		__field(u32, reason)
		__field(u32, code)
		__field(pid_t, pid)
		__field(uid_t, uid)
		__field(u32, role)
		__array(char, text, 128)
	),
	TP_fast_assign(
		__entry->set = set;
		__entry->reason = reason;
		__entry->code = code;
		__entry->pid = pid;
		__entry->uid = uid;
		__entry->role = role;
		strscpy(__entry->text, text, sizeof(__entry->text));
	),
	TP_printk("set=%llu reason=%u code=%u pid=%d uid=%u role=%u text=%s",
		  __entry->set, __entry->reason, __entry->code, __entry->pid,
		  __entry->uid, __entry->role, __entry->text)
);

DECLARE_EVENT_CLASS(vdi_command,
	TP_PROTO(u64 set, u32 device, u32 slot, u32 code, u64 arg),
	TP_ARGS(set, device, slot, code, arg),
	TP_STRUCT__entry(
		__field(u64, set)
		__field(u32, device)
		__field(u32, slot)
		__field(u32, code)
		__field(u64, arg)
	),
	TP_fast_assign(
		__entry->set = set;
		__entry->device = device;
		__entry->slot = slot;
		__entry->code = code;
		__entry->arg = arg;
	),
	TP_printk("set=%llu device=%u slot=%u code=%u arg=%llu", __entry->set,
		  __entry->device, __entry->slot, __entry->code, __entry->arg)
);

/* code is the command, arg its length; for the last two the completion */
DEFINE_EVENT(vdi_command, vdi_submit,
	TP_PROTO(u64 set, u32 device, u32 slot, u32 code, u64 arg),
	TP_ARGS(set, device, slot, code, arg));
DEFINE_EVENT(vdi_command, vdi_fetch,
	TP_PROTO(u64 set, u32 device, u32 slot, u32 code, u64 arg),
	TP_ARGS(set, device, slot, code, arg));
DEFINE_EVENT(vdi_command, vdi_complete,
	TP_PROTO(u64 set, u32 device, u32 slot, u32 code, u64 arg),
	TP_ARGS(set, device, slot, code, arg));
DEFINE_EVENT(vdi_command, vdi_collect,
	TP_PROTO(u64 set, u32 device, u32 slot, u32 code, u64 arg),
	TP_ARGS(set, device, slot, code, arg));

#endif /* VDI_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
