/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Shared by the files of exercise.
 */
#ifndef VDI_EXERCISE_PRIVATE_H
#define VDI_EXERCISE_PRIVATE_H

#include "exercise.h"

int64_t exercise_now_ms(void);

/* A call of libvdi has failed: mostly because the client has ended the set. */
bool exercise_failed(struct exercise *exercise, const char *what, int ret);

#endif /* VDI_EXERCISE_PRIVATE_H */
