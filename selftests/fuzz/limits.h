/* SPDX-License-Identifier: GPL-2.0-only */
/* Settings of the guest for the time of the fuzzer. */
#ifndef VDI_FUZZ_LIMITS_H
#define VDI_FUZZ_LIMITS_H

const char *fz_limits_set(void);
void fz_limits_restore(void);

#endif /* VDI_FUZZ_LIMITS_H */
