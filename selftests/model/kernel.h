/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Just enough of the kernel for module/state.c and the headers that it includes to
 * be compiled in user space; scripts/model.sh puts it in the place of their headers.
 */
#ifndef VDI_MODEL_KERNEL_H
#define VDI_MODEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef int16_t s16;
typedef uint16_t u16;
typedef int32_t s32;
typedef uint32_t u32;
typedef uint64_t u64;

struct list_head { void *next; };
struct kref { int n; };
struct mutex { int n; };
struct delayed_work { int n; };
struct opaque { int n; };
#define spinlock_t		struct opaque
#define wait_queue_head_t	struct opaque
#define kuid_t			struct opaque
#define kgid_t			struct opaque

#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK_ULL(high, low)	((~0ULL >> (63 - (high))) & (~0ULL << (low)))

extern int kernel_warned;
#define WARN_ON_ONCE(condition)	((condition) ? (kernel_warned++, true) : false)
#define lockdep_assert_held(lock) ((void)(lock))

/* instead of module/trace.h */
#define VDI_TRACE_H
#define trace_vdi_state(set, from, to) ((void)(set), (void)(from), (void)(to))

#endif /* VDI_MODEL_KERNEL_H */
