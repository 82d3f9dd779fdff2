/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_MAIN_H
#define VDI_MAIN_H

#include <linux/atomic.h>
#include <linux/percpu.h>
#include <linux/types.h>

#define VDI_VERSION	"0.1.0"

/**
 * enum vdi_counter - What must be zero when nothing is open, and totals
 * @VDI_COUNT_SETS: sets in memory
 * @VDI_COUNT_HANDLES: open files
 * @VDI_COUNT_OWNERS: processes that are watched for their death
 * @VDI_COUNT_NODES: nodes in memory
 * @VDI_COUNT_TOTAL_SETS: sets created since the module was loaded
 * @VDI_COUNT_TOTAL_ABORTS: sets aborted since
 * @VDI_COUNTERS: number of counters
 */
enum vdi_counter {
	VDI_COUNT_SETS,
	VDI_COUNT_HANDLES,
	VDI_COUNT_OWNERS,
	VDI_COUNT_NODES,
	VDI_COUNT_TOTAL_SETS,
	VDI_COUNT_TOTAL_ABORTS,
	VDI_COUNTERS,
};

extern atomic_long_t vdi_counters[VDI_COUNTERS];

/* Commands queued, taken or done: too many events for one shared counter */
DECLARE_PER_CPU(long, vdi_commands);

static inline void vdi_count(enum vdi_counter counter, long n)
{
	atomic_long_add(n, &vdi_counters[counter]);
}

u64 vdi_main_max_area_bytes(void);
u64 vdi_main_max_user_bytes(void);
u64 vdi_main_max_total_bytes(void);
unsigned int vdi_main_max_sets(void);
unsigned int vdi_main_max_handles(void);
unsigned int vdi_main_max_nodes(void);
unsigned int vdi_main_max_ring_depth(void);
unsigned int vdi_main_ring_depth(void);
unsigned int vdi_main_max_spin_us(void);
unsigned int vdi_main_spin_us(unsigned int us);
bool vdi_main_early_death(void);

#endif /* VDI_MAIN_H */
