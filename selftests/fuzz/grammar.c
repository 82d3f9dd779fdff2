// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grammar: which calls there are, what their arguments are called, where they
 * go in the structures of the ABI, and which values are worth trying.  What a
 * program is, and what is done with one, is in program.c.
 */
#include <fcntl.h>
#include <linux/mtio.h>
#include <linux/vdi.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "program.h"

#define LEN(a)		(sizeof(a) / sizeof((a)[0]))
#define F(type, field, kind) \
	{ #field, kind, offsetof(struct type, field), sizeof(((struct type *)0)->field) }
#define CONFIG(field, kind) \
	{ #field, kind, offsetof(struct vdi_create, config.field), 4 }
#define HANDLE		{ "h", FZ_HANDLE }
#define HEAD(type)	HANDLE, { "ptr", FZ_ARG }, F(type, size, FZ_SIZE)
#define IOCTL(op, weight, nr, type, ...) \
	{ op, FZ_IOCTL, weight, VDI_IOC_##nr, sizeof(struct type), { HEAD(type), __VA_ARGS__ } }
#define FLAGS(type)	F(type, flags, FZ_ZERO)
#define RESERVED(type)	F(type, __reserved, FZ_ZERO)
#define NAMES(type)	F(type, name, FZ_NAME), F(type, instance, FZ_INSTANCE)

const struct fz_op fz_ops[] = {
	IOCTL("get_info", 1, GET_INFO, vdi_get_info, FLAGS(vdi_get_info)),
	IOCTL("create", 8, CREATE, vdi_create, F(vdi_create, flags, FZ_CREATE_FLAGS),
	      NAMES(vdi_create), CONFIG(device_count, FZ_DEVICES), CONFIG(features, FZ_FEATURES),
	      CONFIG(prefix_zone_size, FZ_ALIGN), CONFIG(alignment, FZ_ALIGN),
	      CONFIG(soft_filemark_block_size, FZ_ZERO), CONFIG(eom_warning_size, FZ_ZERO),
	      CONFIG(server_timeout_ms, FZ_MS), CONFIG(block_size, FZ_ZERO),
	      CONFIG(max_transfer_size, FZ_ZERO),
	      { "config_reserved", FZ_ZERO, offsetof(struct vdi_create, config.__reserved), 4 },
	      F(vdi_create, mode, FZ_MODE), F(vdi_create, gid, FZ_WORD),
	      F(vdi_create, ring_depth, FZ_DEPTH), F(vdi_create, stall_limit_ms, FZ_MS),
	      F(vdi_create, node_block_size, FZ_BLOCK),
	      F(vdi_create, node_transfer_size, FZ_TRANSFER), F(vdi_create, node_depth, FZ_DEPTH),
	      RESERVED(vdi_create)),
	IOCTL("open", 6, OPEN, vdi_open, FLAGS(vdi_open), NAMES(vdi_open)),
	IOCTL("open_secondary", 4, OPEN_SECONDARY, vdi_open_secondary, FLAGS(vdi_open_secondary),
	      NAMES(vdi_open_secondary)),
	IOCTL("get_config", 5, GET_CONFIG, vdi_get_config, FLAGS(vdi_get_config),
	      F(vdi_get_config, deadline_ns, FZ_DEADLINE), F(vdi_get_config, pieces, FZ_ARRAY),
	      F(vdi_get_config, nr_pieces, FZ_COUNT), RESERVED(vdi_get_config)),
	IOCTL("begin_config", 4, BEGIN_CONFIG, vdi_begin_config, FLAGS(vdi_begin_config),
	      F(vdi_begin_config, features, FZ_MEDIA), F(vdi_begin_config, block_size, FZ_BLOCK),
	      F(vdi_begin_config, alignment, FZ_ALIGN),
	      F(vdi_begin_config, max_transfer_size, FZ_TRANSFER),
	      F(vdi_begin_config, timeout_ms, FZ_MS), RESERVED(vdi_begin_config)),
	IOCTL("end_config", 4, END_CONFIG, vdi_end_config, FLAGS(vdi_end_config),
	      F(vdi_end_config, area_size, FZ_BYTES)),
	IOCTL("grow_area", 3, GROW_AREA, vdi_grow_area, FLAGS(vdi_grow_area),
	      F(vdi_grow_area, area_size, FZ_BYTES)),
	IOCTL("open_device", 8, OPEN_DEVICE, vdi_open_device, F(vdi_open_device, flags, FZ_ZERO),
	      F(vdi_open_device, name, FZ_NAME), { "dst", FZ_DST }),
	IOCTL("status", 2, STATUS, vdi_status, FLAGS(vdi_status)),
	IOCTL("set_hint", 1, SET_HINT, vdi_set_hint, FLAGS(vdi_set_hint),
	      F(vdi_set_hint, bytes, FZ_WORD)),
	IOCTL("abort", 3, ABORT, vdi_abort, FLAGS(vdi_abort), F(vdi_abort, code, FZ_WORD),
	      F(vdi_abort, text, FZ_TEXT), RESERVED(vdi_abort)),
	IOCTL("close", 4, CLOSE, vdi_close, FLAGS(vdi_close)),
	IOCTL("adopt", 5, ADOPT, vdi_adopt, FLAGS(vdi_adopt)),
	IOCTL("list", 2, LIST, vdi_list, FLAGS(vdi_list), F(vdi_list, sets, FZ_ARRAY),
	      F(vdi_list, nr_sets, FZ_COUNT), F(vdi_list, entry_size, FZ_BYTES),
	      F(vdi_list, after, FZ_WORD)),
	IOCTL("stat_name", 2, STAT_NAME, vdi_stat_name, FLAGS(vdi_stat_name),
	      NAMES(vdi_stat_name)),
	IOCTL("abort_name", 2, ABORT_NAME, vdi_abort_name, FLAGS(vdi_abort_name),
	      NAMES(vdi_abort_name), F(vdi_abort_name, code, FZ_WORD),
	      F(vdi_abort_name, text, FZ_TEXT), RESERVED(vdi_abort_name)),
	IOCTL("close_device", 5, CLOSE_DEVICE, vdi_close_device, FLAGS(vdi_close_device)),
	IOCTL("device_status", 2, DEVICE_STATUS, vdi_device_status, FLAGS(vdi_device_status)),
	{ "exchange", FZ_EXCHANGE, 20, VDI_IOC_EXCHANGE, sizeof(struct vdi_exchange), {
		HEAD(vdi_exchange), FLAGS(vdi_exchange), F(vdi_exchange, in, FZ_ARRAY),
		F(vdi_exchange, out, FZ_ARRAY), F(vdi_exchange, nr_in, FZ_COUNT),
		F(vdi_exchange, nr_out, FZ_COUNT), F(vdi_exchange, min, FZ_COUNT),
		F(vdi_exchange, spin_us, FZ_ZERO), F(vdi_exchange, deadline_ns, FZ_DEADLINE),
		RESERVED(vdi_exchange),
		/* the records: completions of what was delivered, or commands */
		{ "completions", FZ_BOOL }, { "code", FZ_CODE }, { "answer", FZ_ANSWER },
		{ "device", FZ_COUNT }, { "length", FZ_LENGTH }, { "offset", FZ_LENGTH },
		{ "position", FZ_WORD }, { "kind", FZ_ZERO }, { "id", FZ_WORD } } },
	/* a client that gets and completes one command after the other */
	{ "serve", FZ_SERVE, 8, 0, 0, { HANDLE, { "n", FZ_COUNT }, { "answer", FZ_ANSWER },
		{ "nth", FZ_COUNT }, { "result", FZ_LENGTH }, { "deadline", FZ_DEADLINE } } },
	{ "open_node", FZ_OPEN_NODE, 8, 0, 0, { { "dst", FZ_DST }, { "nonblock", FZ_BOOL } } },
	{ "open_unit", FZ_OPEN_UNIT, 6, 0, 0, { { "dst", FZ_DST }, { "unit", FZ_COUNT },
		{ "mode", FZ_OPEN_MODE } } },
	{ "close_fd", FZ_CLOSE_FD, 6, 0, 0, { HANDLE } },
	{ "dup", FZ_DUP, 3, 0, 0, { HANDLE, { "dst", FZ_DST } } },
	{ "fcntl", FZ_FCNTL, 3, 0, 0, { HANDLE, { "inherit", FZ_BOOL }, { "nonblock", FZ_BOOL } } },
	{ "send_fd", FZ_SEND_FD, 4, 0, 0, { HANDLE, { "to", FZ_PROC } } },
	{ "recv_fd", FZ_RECV_FD, 4, 0, 0, { { "dst", FZ_DST } } },
	{ "poll", FZ_POLL, 4, 0, 0, { HANDLE, { "events", FZ_EVENTS }, { "ms", FZ_MS } } },
	{ "epoll", FZ_EPOLL, 2, 0, 0, { HANDLE, { "dst", FZ_DST }, { "events", FZ_EVENTS } } },
	{ "mmap", FZ_MMAP, 6, 0, 0, { HANDLE, { "map", FZ_MAP }, { "piece", FZ_PIECE },
		{ "length", FZ_BYTES }, { "prot", FZ_PROT }, { "flags", FZ_MAP_FLAGS },
		{ "more", FZ_BYTES } } },
	{ "munmap", FZ_MUNMAP, 2, 0, 0, { { "map", FZ_MAP }, { "page", FZ_COUNT },
		{ "pages", FZ_COUNT } } },
	{ "mremap", FZ_MREMAP, 2, 0, 0, { { "map", FZ_MAP }, { "to", FZ_MAP },
		{ "pages", FZ_COUNT } } },
	{ "mprotect", FZ_MPROTECT, 2, 0, 0, { { "map", FZ_MAP }, { "page", FZ_COUNT },
		{ "pages", FZ_COUNT }, { "prot", FZ_PROT } } },
	{ "madvise", FZ_MADVISE, 2, 0, 0, { { "map", FZ_MAP }, { "page", FZ_COUNT },
		{ "pages", FZ_COUNT }, { "advice", FZ_ADVICE } } },
	{ "touch", FZ_TOUCH, 2, 0, 0, { { "map", FZ_MAP }, { "write", FZ_BOOL } } },
	{ "read", FZ_READ, 8, 0, 0, { HANDLE, { "length", FZ_LENGTH }, { "ptr", FZ_ARG },
		{ "at", FZ_LENGTH } } },
	{ "write", FZ_WRITE, 8, 0, 0, { HANDLE, { "length", FZ_LENGTH }, { "ptr", FZ_ARG },
		{ "at", FZ_LENGTH } } },
	{ "seek", FZ_SEEK, 2, 0, 0, { HANDLE, { "to", FZ_LENGTH }, { "whence", FZ_WHENCE } } },
	{ "sync", FZ_SYNC, 2, 0, 0, { HANDLE } },
	{ "splice", FZ_SPLICE, 2, 0, 0, { HANDLE, { "length", FZ_LENGTH }, { "write", FZ_BOOL } } },
	{ "tape", FZ_TAPE_OP, 5, MTIOCTOP, sizeof(struct mtop), { HANDLE, { "ptr", FZ_ARG },
		F(mtop, mt_op, FZ_TAPE), F(mtop, mt_count, FZ_COUNT) } },
	{ "tape_get", FZ_TAPE_OP, 1, MTIOCGET, sizeof(struct mtget), { HANDLE,
		{ "ptr", FZ_ARG } } },
	{ "tape_pos", FZ_TAPE_OP, 1, MTIOCPOS, sizeof(struct mtpos), { HANDLE,
		{ "ptr", FZ_ARG } } },
	{ "bad_ioctl", FZ_BAD_IOCTL, 1, 0, 0, { HANDLE, { "request", FZ_WORD } } },
	{ "fork", FZ_FORK, 4, 0, 0, { { "to", FZ_PROC } } },
	{ "exec", FZ_EXEC, 2, 0, 0, { } },
	{ "exit", FZ_EXIT, 2, 0, 0, { { "status", FZ_BOOL } } },
	{ "exit_thread", FZ_EXIT_THREAD, 1, 0, 0, { } },
	{ "kill", FZ_KILL, 3, 0, 0, { { "to", FZ_PROC }, { "signal", FZ_SIGNAL } } },
	{ "unshare", FZ_UNSHARE, 1, 0, 0, { } },
	{ "sleep", FZ_SLEEP, 1, 0, 0, { { "ms", FZ_MS } } },
};

const unsigned int fz_nr_ops = LEN(fz_ops);

/* The first of each is what stands for nothing given, when it is 0. */
#define VALUES(...) { LEN(((uint64_t[]){ __VA_ARGS__ })), { __VA_ARGS__ } }
static const struct {
	unsigned int n;
	uint64_t value[24];
} values[FZ_KINDS] = {
	[FZ_HANDLE]	= VALUES(0, 1, 2, 3, 4, 5, 6, 7),
	[FZ_DST]	= VALUES(0, 1, 2, 3, 4, 5, 6, 7),
	[FZ_MAP]	= VALUES(0, 1, 2, 3),
	[FZ_PROC]	= VALUES(0, 1, 2, 3),
	[FZ_NAME]	= VALUES(0, 0, 0, 0, 0, 1, 2, 2, 3, 4),
	[FZ_INSTANCE]	= VALUES(0, 0, 0, 0, 0, 0, 1),
	[FZ_TEXT]	= VALUES(0, 1, 7, 9),
	[FZ_SIZE]	= VALUES(0),
	[FZ_ARG]	= VALUES(0),
	[FZ_ARRAY]	= VALUES(1, 1, 1, 1, 1, 1, 0),
	[FZ_ZERO]	= VALUES(0),
	[FZ_CREATE_FLAGS] = VALUES(0, 2, 0, 2, 1, 3),
	[FZ_DEVICES]	= VALUES(1, 1, 1, 2, 3, 64),
	[FZ_FEATURES]	= VALUES(0, 0, 0, 0x200, 0x173, 0x173, 0x2000, 0x2200, 0x2173, 0x80,
				 0x80000000, 0x20, 0x40, 0x400, 0x1),
	[FZ_MEDIA]	= VALUES(0x10000, 0x10000, 0x20000, 0x30200, 0x30173, 0x52000, 0x72200,
				 0x72173, 0x72000, 0x10080),
	[FZ_ALIGN]	= VALUES(0, 0, 0, 512, 4096, 65536),
	[FZ_BLOCK]	= VALUES(0, 0, 512, 4096, 65536),
	[FZ_TRANSFER]	= VALUES(0, 0, 65536, 131072, 262144),
	[FZ_BYTES]	= VALUES(0, 65536, 65536, 262144, 4096, 1, 1048576),
	[FZ_MS]		= VALUES(0, 0, 1, 2, 5),
	[FZ_DEADLINE]	= VALUES(0, 1, 2, 5, 10, ~0ULL),
	[FZ_COUNT]	= VALUES(0, 1, 1, 2, 3, 4, 8, 20),
	[FZ_DEPTH]	= VALUES(0, 0, 1, 2, 4),
	[FZ_MODE]	= VALUES(0, 0666, 0660, 0600, 0777, 0400, 0060, 0606),
	[FZ_WORD]	= VALUES(0, 1, 2, 3, 4096, 65536),
	[FZ_CODE]	= VALUES(2, 2, 1, 1, 12, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17,
				 18, 19, 12),
	[FZ_ANSWER]	= VALUES(0, 0, 0, 0, 0, 0, 995, 1117, 112, 1100, 1101, 1104, 38, 1),
	[FZ_LENGTH]	= VALUES(0, 512, 4096, 65536, 4096, 65536, 1024, 513, 131072),
	[FZ_PIECE]	= VALUES(0, 0, 0, 1, 2),
	[FZ_PROT]	= VALUES(0, 3, 3, 3, 1, 2, 7),
	[FZ_MAP_FLAGS]	= VALUES(MAP_SHARED, MAP_SHARED, MAP_SHARED, MAP_SHARED | MAP_POPULATE,
				 MAP_PRIVATE),
	[FZ_ADVICE]	= VALUES(MADV_DONTNEED, MADV_REMOVE, MADV_DOFORK, MADV_DONTFORK, MADV_COLD,
				 MADV_PAGEOUT, MADV_WILLNEED, MADV_DODUMP, MADV_FREE,
				 MADV_MERGEABLE),
	[FZ_OPEN_MODE]	= VALUES(O_WRONLY, O_RDONLY, O_RDWR, O_WRONLY | O_NONBLOCK,
				 O_RDONLY | O_NONBLOCK, O_RDWR | O_SYNC, O_WRONLY | O_DIRECT),
	[FZ_SIGNAL]	= VALUES(SIGUSR1, SIGUSR2, SIGUSR1, SIGKILL, SIGSTOP, SIGCONT),
	[FZ_EVENTS]	= VALUES(POLLIN | POLLOUT, POLLIN, POLLOUT, 0),
	[FZ_WHENCE]	= VALUES(SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA),
	[FZ_TAPE]	= VALUES(MTWEOF, MTREW, MTFSF, MTBSF, MTFSR, MTBSR, MTEOM, MTSEEK, MTTELL,
				 MTOFFL, MTLOAD, MTNOP, MTSETBLK, MTERASE, MTFSFM, MTBSFM,
				 MTRESET, MTWEOFI, MTRETEN),
	[FZ_BOOL]	= VALUES(0, 1),
};

/* What belongs to no kind: at borders, and beyond. */
static const uint64_t wild[] = {
	0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 63, 64, 65, 255, 256, 257, 511, 512, 4095, 4096, 4097,
	16383, 16384, 16385, 65535, 65536, 65537, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
	0x7ffffffffffff000, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, ~0ULL,
};

static const uint64_t sizes[] = { 4, 8, 16, 24, 32, 64, 4096, 4097, 0xffff, 0x10000 | 4096 };

/* Above what memory and time the guest has are only sizes that are refused. */
static bool too_much(enum fz_kind kind, uint64_t v)
{
	switch (kind) {
	case FZ_MS:
		return v > 20;
	case FZ_DEADLINE:
		return v > 20 && v != ~0ULL;
	default:
		return false;
	}
}

/* A value of the kind: mostly one that makes sense. */
uint64_t fz_value(enum fz_kind kind)
{
	uint64_t v;

	switch (kind) {
	case FZ_HANDLE:
	case FZ_DST:
	case FZ_MAP:
	case FZ_PROC:
	case FZ_SIGNAL:
	case FZ_BOOL:
		return values[kind].value[fz_chance(values[kind].n)];
	case FZ_SIZE:
		return fz_chance(30) ? 0 : sizes[fz_chance(LEN(sizes))];
	case FZ_ARG:
		return fz_chance(25) ? 0 : fz_chance(8);
	case FZ_ARRAY:
		return fz_chance(15) ? values[kind].value[fz_chance(values[kind].n)] :
				       fz_chance(8);
	case FZ_NAME:
	case FZ_INSTANCE:
	case FZ_TEXT:
		return fz_chance(12) ? values[kind].value[fz_chance(values[kind].n)] :
				       fz_chance(12);
	default:
		break;
	}
	if (fz_chance(kind == FZ_ZERO ? 25 : 12))
		return values[kind].value[fz_chance(values[kind].n)];
	do {
		v = fz_chance(4) ? wild[fz_chance(LEN(wild))] : 1ULL << fz_chance(64);
		if (!fz_chance(4))
			v -= fz_chance(3);
	} while (too_much(kind, v));
	return v;
}

/* Which of the arguments is the first of that kind, or -1. */
int fz_param(const struct fz_op *op, enum fz_kind kind)
{
	int i;

	for (i = 0; i < FZ_ARGS && op->params[i].name; i++)
		if (op->params[i].kind == kind)
			return i;
	return -1;
}

/* 0..6 may work, the others are malformed (for a text: 9 is not). */
const char *fz_name(uint64_t index)
{
	static char longest[256], too_long[300];
	static const char * const names[] = {
		"fuzz", "other", "fuzz.1", "fuzz.2", "other.1", "f\xc3\xa4r", longest,
		"", "a/b", "two words", "\x01", "\xff\xfe",
	};

	memset(longest, 'n', 255);
	memset(too_long, 'x', 299);
	return index < LEN(names) ? names[index] : too_long;
}
