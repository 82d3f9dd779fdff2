/* SPDX-License-Identifier: GPL-2.0-only */
/* The corpus: programs that each came to a place that those before did not. */
#ifndef VDI_FUZZ_CORPUS_H
#define VDI_FUZZ_CORPUS_H

#include "program.h"

int fz_corpus_load(const char *path);
const struct fz_program *fz_corpus_at(unsigned int i);
unsigned int fz_corpus_size(void);
int fz_corpus_add(const struct fz_program *p);

#endif /* VDI_FUZZ_CORPUS_H */
