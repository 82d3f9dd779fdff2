/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs of the fuzzer: up to 40 calls, each made by one thread of one of four
 * processes.  What calls there are is a table in grammar.c; program.c makes, bends,
 * prints and reads programs; call.c carries out one call.
 */
#ifndef VDI_FUZZ_PROGRAM_H
#define VDI_FUZZ_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FZ_CALLS	40
#define FZ_PROCS	4
#define FZ_THREADS	2
#define FZ_ARGS		24
#define FZ_SLOTS	16	/* descriptors that one process can name */
#define FZ_MAPS		4	/* mappings likewise */

/* What an argument is: says which values are tried. */
enum fz_kind {
	FZ_NONE,
	FZ_HANDLE,	/* slot with a descriptor */
	FZ_DST,		/* slot to put one into */
	FZ_MAP,
	FZ_PROC,
	FZ_NAME,
	FZ_INSTANCE,
	FZ_TEXT,
	FZ_SIZE,	/* of a structure: 0 is right, 0x10000 makes the tail not zero */
	FZ_ARG,		/* pointer to a structure: 0 is good */
	FZ_ARRAY,	/* pointer to an array: 0 is NULL, 1 is good */
	FZ_ZERO,	/* flags and reserved words */
	FZ_CREATE_FLAGS,
	FZ_DEVICES,
	FZ_FEATURES,
	FZ_MEDIA,
	FZ_ALIGN,
	FZ_BLOCK,
	FZ_TRANSFER,
	FZ_BYTES,
	FZ_MS,
	FZ_DEADLINE,	/* milliseconds from now */
	FZ_COUNT,
	FZ_DEPTH,
	FZ_MODE,
	FZ_WORD,
	FZ_CODE,
	FZ_ANSWER,
	FZ_LENGTH,
	FZ_PIECE,
	FZ_PROT,
	FZ_MAP_FLAGS,
	FZ_ADVICE,
	FZ_OPEN_MODE,
	FZ_SIGNAL,
	FZ_EVENTS,
	FZ_WHENCE,
	FZ_TAPE,
	FZ_BOOL,
	FZ_KINDS
};

/* The calls that are no ioctl of the ABI; those are told by fz_op.request. */
enum fz_action {
	FZ_IOCTL,
	FZ_EXCHANGE,
	FZ_SERVE,
	FZ_OPEN_NODE,
	FZ_OPEN_UNIT,
	FZ_CLOSE_FD,
	FZ_DUP,
	FZ_FCNTL,
	FZ_SEND_FD,
	FZ_RECV_FD,
	FZ_POLL,
	FZ_EPOLL,
	FZ_MMAP,
	FZ_MUNMAP,
	FZ_MREMAP,
	FZ_MPROTECT,
	FZ_MADVISE,
	FZ_TOUCH,
	FZ_READ,
	FZ_WRITE,
	FZ_SEEK,
	FZ_SYNC,
	FZ_SPLICE,
	FZ_TAPE_OP,
	FZ_BAD_IOCTL,
	FZ_FORK,
	FZ_EXEC,
	FZ_EXIT,
	FZ_EXIT_THREAD,
	FZ_KILL,
	FZ_UNSHARE,
	FZ_SLEEP,
};

/**
 * struct fz_param - An argument of a call
 * @name: in the text form
 * @kind: what it is
 * @offset: where it goes in the structure of an ioctl
 * @width: how many bytes of it, 0 if it is not in there
 */
struct fz_param {
	const char *name;
	enum fz_kind kind;
	uint16_t offset;
	uint16_t width;
};

/**
 * struct fz_op - A kind of call
 * @name: in the text form
 * @action: what it does
 * @weight: how often it is chosen
 * @request: of an ioctl
 * @size: of its structure
 * @params: up to the first without a name
 */
struct fz_op {
	const char *name;
	enum fz_action action;
	unsigned int weight;
	unsigned long request;
	unsigned int size;
	struct fz_param params[FZ_ARGS];
};

/**
 * struct fz_call - A call of a program
 * @op: index in fz_ops
 * @proc: the process that makes it
 * @thread: its thread
 * @async: the next call does not wait for its end
 * @fail: the how manyth allocation or user copy of it fails, 0 for none
 * @arg: arguments in the order of fz_op.params
 */
struct fz_call {
	uint8_t op;
	uint8_t proc;
	uint8_t thread;
	bool async;
	uint32_t fail;
	uint64_t arg[FZ_ARGS];
};

struct fz_program {
	unsigned int n;
	struct fz_call call[FZ_CALLS];
};

extern const struct fz_op fz_ops[];
extern const unsigned int fz_nr_ops;

/* grammar.c */
uint64_t fz_value(enum fz_kind kind);
int fz_param(const struct fz_op *op, enum fz_kind kind);
const char *fz_name(uint64_t index);

/* program.c */
void fz_seed(uint64_t seed);
uint32_t fz_chance(uint32_t below);
void fz_generate(struct fz_program *p);
void fz_mutate(struct fz_program *p, const struct fz_program *other);
bool fz_heavy(const struct fz_program *p);
void fz_drop(struct fz_program *p, unsigned int i);
void fz_print_calls(FILE *f, const struct fz_program *p);
void fz_print(FILE *f, const struct fz_program *p);
int fz_parse(FILE *f, struct fz_program *p, unsigned int *line);

#endif /* VDI_FUZZ_PROGRAM_H */
