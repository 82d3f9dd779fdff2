/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * Virtual Device Interface: the ABI of /dev/vdi.
 *
 * This header is the only definition of the interface.  Section numbers such
 * as (3.1) name the sections of the VDI specification that a call implements.
 */
#ifndef _LINUX_VDI_H
#define _LINUX_VDI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: Object model
 *
 * A *virtual device set* connects one database engine (the *server*) with one
 * backup program (the *client*).  It has 1..64 *virtual devices*, each a queue
 * of commands from the server to the client and of completions back, and one
 * buffer area that both sides map.
 *
 * An open file of /dev/vdi is a *set handle*.  It is unbound until CREATE
 * (primary client), OPEN (server) or OPEN_SECONDARY (secondary client).
 * OPEN_DEVICE gives a *device handle*, a file of its own.
 *
 * Lifetime:
 *
 * 1. a set lives as long as a bound set handle or a device handle of it;
 * 2. a handle belongs to the process that bound, opened or adopted it: in
 *    another process (fork, fd passing) each ioctl but ADOPT and mmap gives EIO,
 *    poll works, and so does STATUS with %VDI_STATUS_F_FOREIGN;
 * 3. the end of a process, or the close of its last descriptor, before the
 *    set has ended in order aborts the set: the peer gets ECANCELED at once;
 * 4. a client's set handle is unbound again by CLOSE and may CREATE again; a
 *    server's is of no use after CLOSE but to collect what is left;
 * 5. a mapping stays valid until its owner unmaps it, whatever the peer does.
 *
 * All structures begin with @size, which the caller sets to the size of the
 * structure it knows; a larger structure of a newer program is accepted if
 * the part this kernel does not know is zero.  Because the size is there, the
 * request numbers are plain _IO() and never change when a structure grows.
 *
 * Times are absolute, CLOCK_MONOTONIC, in nanoseconds: %VDI_TIME_INFINITE
 * waits for ever, 0 polls.  On a file with O_NONBLOCK a call that would wait
 * returns EAGAIN instead.
 */

/**
 * DOC: Errors
 *
 * The errnos and the codes of the specification (section 9):
 *
 * ECANCELED is VD_E_ABORT, ESHUTDOWN VD_E_CLOSE, ETIMEDOUT and EAGAIN
 * VD_E_TIMEOUT, EPROTO and EIO VD_E_PROTOCOL, EBUSY VD_E_OPEN, EINVAL
 * VD_E_INVALID, EOPNOTSUPP VD_E_NOTSUPPORTED, ENXIO VD_E_INSTANCE_NAME, ENOMEM
 * and EDQUOT VD_E_MEMORY, EXFULL VD_E_BUSY (queue full), EREMOTEIO
 * VD_E_IO_ERROR, EACCES and EPERM VD_E_SECURITY, ENOENT VD_E_INVALID (server
 * Open) or VD_E_PROTOCOL, EEXIST VD_E_PROTOCOL (Create).
 *
 * An unknown request number gives ENOTTY.
 *
 * Errors common to every ioctl:
 *
 * * -EFAULT: the argument does not point to readable and writable memory
 * * -EINVAL: @size is smaller than the first version of the structure, or a
 *   reserved word is not zero
 * * -E2BIG: @size is larger than a page, or the part of the structure that
 *   this kernel does not know is not zero
 * * -EOPNOTSUPP: a flag is not known
 * * -EIO: the handle belongs to another process (not from ADOPT)
 *
 * The lists below give what is specific to each ioctl.  An error leaves the
 * caller's outputs and the set as they were, where nothing else is said.  A
 * call that needs kernel memory fails with ENOMEM when there is none.
 */

#define VDI_DEVICE_NODE		"/dev/vdi"

#define VDI_NAME_SIZE		256	/* bytes, with the NUL */
#define VDI_TEXT_SIZE		128	/* bytes, with the NUL */
#define VDI_VERSION_SIZE	32
#define VDI_MAX_DEVICES		64
#define VDI_MAX_PIECES		64
#define VDI_MIN_BLOCK_SIZE	512
#define VDI_MAX_BLOCK_SIZE	65536
#define VDI_MAX_ALIGNMENT	65536
#define VDI_MAX_PREFIX_ZONE	65536
#define VDI_TRANSFER_STEP	65536	/* max_transfer_size is a multiple of it */
#define VDI_MAX_TRANSFER	(64 * 1024 * 1024)
#define VDI_MAX_EXCHANGE	16384	/* records in one array of EXCHANGE */

#define VDI_TIME_INFINITE	(~0ULL)
#define VDI_DEVICE_UNKNOWN	(~0U)

/* Features of a set: VDF_* (6.1) */
#define VDI_FEAT_LIKE_PIPE		0x0
#define VDI_FEAT_REMOVABLE		0x1
#define VDI_FEAT_REWIND			0x2
#define VDI_FEAT_POSITION		0x10
#define VDI_FEAT_SKIP_BLOCKS		0x20
#define VDI_FEAT_REVERSE_POSITION	0x40
#define VDI_FEAT_DISCARD		0x80
#define VDI_FEAT_FILE_MARKS		0x100
#define VDI_FEAT_RANDOM_ACCESS		0x200
#define VDI_FEAT_SNAPSHOT_PREPARE	0x400
#define VDI_FEAT_ENUM_FROZEN_FILES	0x800
#define VDI_FEAT_VSS_WRITER		0x1000
#define VDI_FEAT_REQUEST_COMPLETE	0x2000
#define VDI_FEAT_WRITE_MEDIA		0x10000
#define VDI_FEAT_READ_MEDIA		0x20000
#define VDI_FEAT_COMPLETE_ENABLED	0x40000
#define VDI_FEAT_LATCH_STATS		0x80000000
#define VDI_FEAT_LIKE_TAPE		0x173
#define VDI_FEAT_LIKE_DISK		0x200

/* Commands: VDC_* (7.1) */
#define VDI_CMD_READ			1
#define VDI_CMD_WRITE			2
#define VDI_CMD_CLEAR_ERROR		3
#define VDI_CMD_REWIND			4
#define VDI_CMD_WRITE_MARK		5
#define VDI_CMD_SKIP_MARKS		6
#define VDI_CMD_SKIP_BLOCKS		7
#define VDI_CMD_LOAD			8
#define VDI_CMD_GET_POSITION		9
#define VDI_CMD_SET_POSITION		10
#define VDI_CMD_DISCARD			11
#define VDI_CMD_FLUSH			12
#define VDI_CMD_SNAPSHOT		13
#define VDI_CMD_MOUNT_SNAPSHOT		14
#define VDI_CMD_PREPARE_TO_FREEZE	15
#define VDI_CMD_FILE_INFO_BEGIN		16
#define VDI_CMD_FILE_INFO_END		17
#define VDI_CMD_GET_ERROR		18
#define VDI_CMD_COMPLETE		19

/* Completion codes that the kernel itself gives or looks at (7.5) */
#define VDI_CODE_SUCCESS		0
#define VDI_CODE_OPERATION_ABORTED	995
#define VDI_CODE_IO_DEVICE		1117

/* States of a set (2.1); a set only moves to a larger number */
#define VDI_STATE_UNBOUND		0	/* Does Not Exist */
#define VDI_STATE_CONFIGURABLE		1	/* created, no server */
#define VDI_STATE_CONNECTED		2	/* server in */
#define VDI_STATE_CONFIGURING		3	/* Configurable, server in */
#define VDI_STATE_INITIALIZING		4
#define VDI_STATE_ACTIVE		5
#define VDI_STATE_TERMINATED		6	/* Normally Terminated */
#define VDI_STATE_ABORTED		7	/* Abnormally Terminated */

/* States of a device (2.4) */
#define VDI_DEVICE_UNOPENED		0
#define VDI_DEVICE_OPENED_BY_CLIENT	1
#define VDI_DEVICE_OPENED_BY_SERVER	2
#define VDI_DEVICE_ACTIVE		3
#define VDI_DEVICE_ERRORED		4
#define VDI_DEVICE_CLOSING		5	/* closed by the server, commands outstanding */
#define VDI_DEVICE_CLOSED		6
#define VDI_DEVICE_ABORTED		7

/* Roles of a handle; sides of a reason */
#define VDI_ROLE_NONE			0	/* unbound handle; a third party */
#define VDI_ROLE_CLIENT			1
#define VDI_ROLE_SERVER			2
#define VDI_ROLE_SECONDARY		3

/* Why a set was aborted */
#define VDI_REASON_NONE			0
#define VDI_REASON_CLIENT_CLOSE		1	/* a client closed early */
#define VDI_REASON_CLIENT_DIED		2
#define VDI_REASON_SERVER_CLOSE		3	/* the server closed early */
#define VDI_REASON_SERVER_DIED		4
#define VDI_REASON_SIGNALLED		5	/* ABORT by a party */
#define VDI_REASON_STALLED		6	/* the client did not answer in time */
#define VDI_REASON_FAULT		7	/* bad memory in EXCHANGE */
#define VDI_REASON_ADMIN		8	/* ABORT_NAME */

/* Which limit gave the last EDQUOT in a set */
#define VDI_LIMIT_NONE			0
#define VDI_LIMIT_SET_BYTES		1	/* buffer area of one set */
#define VDI_LIMIT_USER_BYTES		2	/* buffer areas of one user */
#define VDI_LIMIT_TOTAL_BYTES		3	/* buffer areas of all users */
#define VDI_LIMIT_PIECES		4	/* pieces of one buffer area */
#define VDI_LIMIT_HANDLES		5	/* handles of one user */

/*
 * Nodes: /dev/vdi-<n>, one for each device of a set that was created with
 * %VDI_CREATE_F_NODES.  Who opens one is the engine on that device.
 */
#define VDI_NODE_PREFIX			"/dev/vdi-"
#define VDI_NODE_NONE			(~0U)
#define VDI_MAX_NODE_DEPTH		64

/* Optional parts of the interface, in vdi_get_info.out_capabilities */
#define VDI_CAP_EARLY_DEATH		0x1	/* death is seen before memory is torn down */
#define VDI_CAP_NODES			0x2	/* %VDI_CREATE_F_NODES */

/* Kinds of a record that EXCHANGE gives out */
#define VDI_KIND_COMMAND		1
#define VDI_KIND_COMPLETION		2
#define VDI_KIND_CLOSED			3	/* set handles: this device is closed */

/**
 * struct vdi_config - Configuration of a set, VDConfig (5)
 * @device_count: number of devices, 1..64; by the client
 * @features: VDI_FEAT_*; by the client, then the server
 * @prefix_zone_size: bytes before the data zone of each buffer, 0..65536; by
 *	the client
 * @alignment: least alignment of data zones, 0 or a power of two up to 65536;
 *	by the client, then the server
 * @soft_filemark_block_size: 0, or bytes, only with %VDI_FEAT_FILE_MARKS; by
 *	the client
 * @eom_warning_size: bytes of the end-of-media warning zone; by the client
 * @server_timeout_ms: if commands are delivered and none is completed for more
 *	than two such intervals, the set is aborted (5.1); 0 is never; by the
 *	client
 * @block_size: block size of the devices, 512..65536, a power of two; by the
 *	server
 * @max_io_depth: always 4 on return (deprecated)
 * @max_transfer_size: largest transfer in bytes, a multiple of 64 KiB up to
 *	64 MiB; by the server
 * @buffer_area_size: always max_transfer_size * 4 * device_count on return,
 *	at most 2^32 - 1 (deprecated)
 * @__reserved: Must be 0
 *
 * In CREATE the server's fields must be 0.
 */
struct vdi_config {
	__u32 device_count;
	__u32 features;
	__u32 prefix_zone_size;
	__u32 alignment;
	__u32 soft_filemark_block_size;
	__u32 eom_warning_size;
	__u32 server_timeout_ms;
	__u32 block_size;
	__u32 max_io_depth;
	__u32 max_transfer_size;
	__u32 buffer_area_size;
	__u32 __reserved;
};

/**
 * struct vdi_party - Who holds a side of a set
 * @pid: process id in the reader's pid namespace, 0 if there is none or it is
 *	not visible there
 * @uid: user id in the reader's user namespace
 * @gid: group id likewise
 * @role: VDI_ROLE_*, %VDI_ROLE_NONE if the side was never there
 */
struct vdi_party {
	__s32 pid;
	__u32 uid;
	__u32 gid;
	__u32 role;
};

/**
 * struct vdi_reason - Why a set was aborted and who did it
 * @reason: VDI_REASON_*, %VDI_REASON_NONE if the set is not aborted
 * @code: the number that ABORT was given
 * @who: who aborted, died or closed
 * @time_ns: when, CLOCK_MONOTONIC
 * @text: the text that ABORT was given, or one of the kernel's
 */
struct vdi_reason {
	__u32 reason;
	__u32 code;
	struct vdi_party who;
	__aligned_u64 time_ns;
	char text[VDI_TEXT_SIZE];
};

/**
 * struct vdi_set_stat - State and counters of a set
 * @name: name of the set
 * @instance: instance name, empty for the default one
 * @id: number of the set, unique until the module is unloaded, never 0
 * @state: VDI_STATE_*
 * @device_count: number of devices
 * @features: VDI_FEAT_* as configured so far
 * @mode: permission bits
 * @client: the primary client
 * @server: the server
 * @reason: why and by whom the set was aborted
 * @limit: VDI_LIMIT_* of the last EDQUOT
 * @ring_depth: commands that one device can hold
 * @client_devices: devices that clients have opened
 * @server_devices: devices that the server has opened
 * @closed_devices: devices closed in order
 * @pieces: pieces of the buffer area
 * @area_size: bytes of the buffer area
 * @hint_bytes: total that the server expects to move, 0 if unknown
 * @created_ns: when the set was created, CLOCK_MONOTONIC
 * @commands: commands accepted
 * @completions: commands completed by clients
 * @errors: completions with a code other than success
 * @bytes_written: bytes of completed writes
 * @bytes_read: bytes of completed reads
 * @outstanding: commands queued or taken now
 * @exchanges: calls of EXCHANGE
 * @wakeups: wake-ups sent to sleepers in EXCHANGE
 * @sleeps: sleeps in EXCHANGE
 * @client_wait_ns: time that clients slept in EXCHANGE
 * @server_wait_ns: time that the server slept in EXCHANGE
 * @first_node: number of the node of the first device, %VDI_NODE_NONE if the set
 *	has no nodes; the other devices have those that follow
 * @completed_devices: devices whose Complete the client has answered with success;
 *	the server gets these answers also if the set is aborted afterwards
 * @spin_hits: spins in EXCHANGE that spared a sleep
 * @spin_misses: spins in EXCHANGE after which the caller slept
 */
struct vdi_set_stat {
	char name[VDI_NAME_SIZE];
	char instance[VDI_NAME_SIZE];
	__aligned_u64 id;
	__u32 state;
	__u32 device_count;
	__u32 features;
	__u32 mode;
	struct vdi_party client;
	struct vdi_party server;
	struct vdi_reason reason;
	__u32 limit;
	__u32 ring_depth;
	__u32 client_devices;
	__u32 server_devices;
	__u32 closed_devices;
	__u32 pieces;
	__aligned_u64 area_size;
	__aligned_u64 hint_bytes;
	__aligned_u64 created_ns;
	__aligned_u64 commands;
	__aligned_u64 completions;
	__aligned_u64 errors;
	__aligned_u64 bytes_written;
	__aligned_u64 bytes_read;
	__aligned_u64 outstanding;
	__aligned_u64 exchanges;
	__aligned_u64 wakeups;
	__aligned_u64 sleeps;
	__aligned_u64 client_wait_ns;
	__aligned_u64 server_wait_ns;
	__u32 first_node;
	__u32 completed_devices;
	__aligned_u64 spin_hits;
	__aligned_u64 spin_misses;
};

/**
 * struct vdi_get_info - ioctl(VDI_IOC_GET_INFO)
 * @size: sizeof(struct vdi_get_info)
 * @flags: Must be 0
 * @out_capabilities: VDI_CAP_*
 * @out_features: all VDI_FEAT_* that CREATE may be given
 * @out_max_area_bytes: largest buffer area of one set
 * @out_max_user_bytes: largest sum of buffer areas of one user
 * @out_max_devices: devices in one set
 * @out_max_ring_depth: largest ring depth
 * @out_ring_depth: ring depth when CREATE names none
 * @out_max_sets: sets of one user
 * @out_max_handles: handles of one user
 * @out_max_spin_us: longest spin in EXCHANGE, microseconds
 * @out_version: version of the module, for people
 *
 * What this kernel offers.  On any set handle, unbound too.
 *
 * Return: 0.
 */
struct vdi_get_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 out_capabilities;
	__aligned_u64 out_features;
	__aligned_u64 out_max_area_bytes;
	__aligned_u64 out_max_user_bytes;
	__u32 out_max_devices;
	__u32 out_max_ring_depth;
	__u32 out_ring_depth;
	__u32 out_max_sets;
	__u32 out_max_handles;
	__u32 out_max_spin_us;
	char out_version[VDI_VERSION_SIZE];
};

#define VDI_CREATE_F_GID	0x1	/* @gid is given */
#define VDI_CREATE_F_NODES	0x2	/* make a node for each device */
#define VDI_CREATE_F_ALL	(VDI_CREATE_F_GID | VDI_CREATE_F_NODES)

/**
 * struct vdi_create - ioctl(VDI_IOC_CREATE)
 * @size: sizeof(struct vdi_create)
 * @flags: VDI_CREATE_F_*
 * @name: name of the set and of its first device: 1..255 bytes of UTF-8
 *	without '/', '\\' and control characters
 * @instance: instance of the server, the same rules; may be empty
 * @config: the client's half of the configuration (5)
 * @mode: who may OPEN: permission bits up to 0777; 0 means 0600
 * @gid: with %VDI_CREATE_F_GID the group of the set, else the creator's
 * @ring_depth: commands that one device can hold; 0 for the default
 * @stall_limit_ms: abort the set if commands are delivered and none is
 *	completed for longer; 0 is never
 * @node_block_size: with %VDI_CREATE_F_NODES the block size that the nodes
 *	configure, 512..65536, a power of two; 0 for the default: 65536 for a
 *	tape, else 512
 * @node_transfer_size: likewise the largest transfer, a multiple of 64 KiB up to
 *	64 MiB; 0 for the default of 256 KiB
 * @node_depth: likewise how many buffers of that size each device has, at most
 *	%VDI_MAX_NODE_DEPTH and the ring depth; 0 for the default of 4
 * @__reserved: Must be 0
 *
 * Create and CreateEx (3.1): binds the handle as primary client.  The name
 * belongs to the user namespace of the opener of the file; (instance, name)
 * is unique there.
 *
 * With %VDI_CREATE_F_NODES each device gets a character device of its own,
 * %VDI_NODE_PREFIX and a number, with the owner, group and mode of the set.  Who
 * opens one makes the kernel the server of the set; see uapi/vdi.rst.  The
 * devices are then named like the set, those after the first with ".1", ".2" and
 * so on appended.  The nodes go with the primary client's set handle.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is bound
 * * -EINVAL: malformed name, mode beyond 0777, invalid gid, ring depth beyond
 *   the limit, or a server's field of @config is not 0; a @node_ field out of
 *   its range, or given without nodes; a name that is too long for the devices
 *   with nodes
 * * -ENXIO: malformed instance name
 * * -EOPNOTSUPP: a field of @config is invalid or not supported
 * * -EEXIST: the name is taken
 * * -EPERM: @gid is not a group of the caller; or nodes outside of the initial
 *   user namespace
 * * -EDQUOT: the user has too many sets, or there are too many nodes
 */
struct vdi_create {
	__u32 size;
	__u32 flags;
	char name[VDI_NAME_SIZE];
	char instance[VDI_NAME_SIZE];
	struct vdi_config config;
	__u32 mode;
	__u32 gid;
	__u32 ring_depth;
	__u32 stall_limit_ms;
	__u32 node_block_size;
	__u32 node_transfer_size;
	__u32 node_depth;
	__u32 __reserved;
};

/**
 * struct vdi_open - ioctl(VDI_IOC_OPEN)
 * @size: sizeof(struct vdi_open)
 * @flags: Must be 0
 * @name: name of the set
 * @instance: its instance, may be empty
 *
 * Open (4.1): binds the handle as server.  Needs read and write permission by
 * the mode of the set, or CAP_DAC_OVERRIDE in its user namespace.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is bound, or the set has a server already
 * * -EBUSY: the kernel is the set's server: a node of it was opened
 * * -EINVAL: malformed name
 * * -ENXIO: malformed instance name
 * * -ENOENT: no such set
 * * -EACCES: not permitted by the mode of the set
 */
struct vdi_open {
	__u32 size;
	__u32 flags;
	char name[VDI_NAME_SIZE];
	char instance[VDI_NAME_SIZE];
};

/**
 * struct vdi_open_secondary - ioctl(VDI_IOC_OPEN_SECONDARY)
 * @size: sizeof(struct vdi_open_secondary)
 * @flags: Must be 0
 * @name: name of the set
 * @instance: its instance, may be empty
 *
 * OpenInSecondary and OpenInSecondaryEx (3.6): binds the handle as another
 * client of the set, in a process of the creator's user.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is bound, or the set is not configured yet, or it has
 *   ended and the clients were told so of all devices
 * * -EINVAL: malformed name
 * * -ENXIO: malformed instance name
 * * -ENOENT: no such set
 * * -EACCES: the caller is not the user that created the set
 */
struct vdi_open_secondary {
	__u32 size;
	__u32 flags;
	char name[VDI_NAME_SIZE];
	char instance[VDI_NAME_SIZE];
};

/**
 * struct vdi_piece - One piece of the buffer area
 * @offset: where it begins in the area; also the offset for mmap
 * @size: its size in bytes, a multiple of the page size
 */
struct vdi_piece {
	__aligned_u64 offset;
	__aligned_u64 size;
};

/**
 * struct vdi_get_config - ioctl(VDI_IOC_GET_CONFIG)
 * @size: sizeof(struct vdi_get_config)
 * @flags: Must be 0
 * @deadline_ns: when to stop waiting
 * @pieces: array of struct vdi_piece, or 0
 * @nr_pieces: how many fit there, at most %VDI_MAX_PIECES
 * @out_pieces: how many pieces the area has now
 * @out_config: the configuration
 * @out_ring_depth: commands that one device can hold
 * @__reserved: Must be 0
 *
 * GetConfiguration: a client waits until the server has configured the set
 * (3.2); the server reads what the client asked for at once (4.2).  Later
 * calls return at once and list the pieces made meanwhile.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is not bound, or the server has closed it
 * * -ECANCELED: the set is aborted
 * * -ETIMEDOUT: the deadline has passed; nothing changed
 * * -EAGAIN: not configured, and the file has O_NONBLOCK
 * * -EINTR: a signal came
 * * -EINVAL: @nr_pieces is beyond its limit
 */
struct vdi_get_config {
	__u32 size;
	__u32 flags;
	__aligned_u64 deadline_ns;
	__aligned_u64 pieces;
	__u32 nr_pieces;
	__u32 out_pieces;
	struct vdi_config out_config;
	__u32 out_ring_depth;
	__u32 __reserved;
};

/**
 * struct vdi_begin_config - ioctl(VDI_IOC_BEGIN_CONFIG)
 * @size: sizeof(struct vdi_begin_config)
 * @flags: Must be 0
 * @features: the client's bits and %VDI_FEAT_WRITE_MEDIA,
 *	%VDI_FEAT_READ_MEDIA, and if the client asked for it
 *	%VDI_FEAT_COMPLETE_ENABLED
 * @block_size: 512..65536, a power of two; 0 means 512
 * @alignment: power of two, from the block size and the client's alignment up
 *	to 65536; 0 means the smallest that is allowed
 * @max_transfer_size: a multiple of 64 KiB up to 64 MiB; 0 means 64 KiB
 * @timeout_ms: accepted and not used (4.3)
 * @__reserved: Must be 0
 *
 * BeginConfiguration (4.3), by the server.  The values are final.
 *
 * Return: 0, or
 *
 * * -EPROTO: not the server's handle, or configuration has begun already
 * * -ECANCELED: the set is aborted
 * * -EINVAL: a value is outside its range, the client's features are changed,
 *   or neither or, for a pipe-like set, both of the media bits are given
 */
struct vdi_begin_config {
	__u32 size;
	__u32 flags;
	__u32 features;
	__u32 block_size;
	__u32 alignment;
	__u32 max_transfer_size;
	__u32 timeout_ms;
	__u32 __reserved;
};

/**
 * struct vdi_end_config - ioctl(VDI_IOC_END_CONFIG)
 * @size: sizeof(struct vdi_end_config)
 * @flags: Must be 0
 * @area_size: bytes of buffer area wanted, with all prefix zones
 * @out_offset: where the first piece begins
 * @out_size: its size, @area_size rounded up to pages
 *
 * EndConfiguration (4.6), by the server: makes the buffer area and the rings;
 * clients that wait in GET_CONFIG go on.  All memory is populated here and
 * charged to the caller.  On an error the set stays Configurable and the call
 * may be repeated with less.
 *
 * Return: 0, or
 *
 * * -EPROTO: not the server's handle, or not between BEGIN_CONFIG and
 *   END_CONFIG
 * * -ECANCELED: the set is aborted
 * * -EINVAL: @area_size is 0
 * * -ENOMEM: no memory
 * * -EDQUOT: a limit; vdi_set_stat.limit says which
 */
struct vdi_end_config {
	__u32 size;
	__u32 flags;
	__aligned_u64 area_size;
	__aligned_u64 out_offset;
	__aligned_u64 out_size;
};

/**
 * struct vdi_grow_area - ioctl(VDI_IOC_GROW_AREA)
 * @size: sizeof(struct vdi_grow_area)
 * @flags: Must be 0
 * @area_size: bytes of buffer area to add
 * @out_offset: where the new piece begins
 * @out_size: its size, @area_size rounded up to pages
 *
 * RequestBuffers after configuration (4.4), by the server: one more piece of
 * the buffer area.  A client finds it with GET_CONFIG.
 *
 * Return: 0, or
 *
 * * -EPROTO: not the server's handle, not configured yet, or ended
 * * -ECANCELED: the set is aborted
 * * -EINVAL: @area_size is 0
 * * -ENOMEM: no memory
 * * -EDQUOT: a limit; vdi_set_stat.limit says which
 */
struct vdi_grow_area {
	__u32 size;
	__u32 flags;
	__aligned_u64 area_size;
	__aligned_u64 out_offset;
	__aligned_u64 out_size;
};

#define VDI_OPEN_DEVICE_F_NONBLOCK	0x1	/* the new file has O_NONBLOCK */
#define VDI_OPEN_DEVICE_F_ALL		VDI_OPEN_DEVICE_F_NONBLOCK

/**
 * struct vdi_open_device - ioctl(VDI_IOC_OPEN_DEVICE)
 * @size: sizeof(struct vdi_open_device)
 * @flags: VDI_OPEN_DEVICE_F_*
 * @name: name of the device, the rules of a set's name; the first device has
 *	the name of the set
 * @out_fd: the device handle, close-on-exec
 * @out_index: index of the device, or %VDI_DEVICE_UNKNOWN: a client may use a
 *	name before the server does, and gets the index when the server has
 *	named the device; EXCHANGE on the handle waits meanwhile
 *
 * OpenDevice by the server (4.8) names the next device; by a client (3.3) it
 * opens the device of that name.  The server's names are final: once it has
 * named all devices, a client's handle of another name gives EINVAL from
 * EXCHANGE.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is not bound, the set is not configured yet or ended,
 *   or a client has opened the device already
 * * -ECANCELED: the set is aborted
 * * -EBUSY: all devices are open on this side
 * * -EINVAL: malformed name; for the server a name that is used already; for a
 *   client a name that is not in the set
 * * -EMFILE: no file descriptor is free
 * * -EDQUOT: the user has too many handles
 */
struct vdi_open_device {
	__u32 size;
	__u32 flags;
	char name[VDI_NAME_SIZE];
	__s32 out_fd;
	__u32 out_index;
};

#define VDI_STATUS_F_FOREIGN		0x1	/* of whatever process's handle */
#define VDI_STATUS_F_ALL		VDI_STATUS_F_FOREIGN

/**
 * struct vdi_status - ioctl(VDI_IOC_STATUS)
 * @size: sizeof(struct vdi_status)
 * @flags: VDI_STATUS_F_*
 * @out_role: VDI_ROLE_* of this handle
 * @out_draining: 1 if the server has closed this handle
 * @out_stat: state, parties, reason and counters of the set
 *
 * State of the set that the handle is bound to; the reason of an abort stays
 * until the last handle goes.
 *
 * With %VDI_STATUS_F_FOREIGN a handle of another process answers as well, also
 * when that one is dead: who was passed the descriptor learns how the set ended.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is not bound
 */
struct vdi_status {
	__u32 size;
	__u32 flags;
	__u32 out_role;
	__u32 out_draining;
	struct vdi_set_stat out_stat;
};

/**
 * struct vdi_set_hint - ioctl(VDI_IOC_SET_HINT)
 * @size: sizeof(struct vdi_set_hint)
 * @flags: Must be 0
 * @bytes: total that will be moved over all devices, 0 for unknown
 *
 * By the server, before the set has ended; for progress displays only.
 *
 * Return: 0, or
 *
 * * -EPROTO: not the server's handle, or the set has ended
 * * -ECANCELED: the set is aborted
 */
struct vdi_set_hint {
	__u32 size;
	__u32 flags;
	__aligned_u64 bytes;
};

/**
 * struct vdi_command - A command, from the server to the client (7)
 * @kind: out: %VDI_KIND_COMMAND or %VDI_KIND_CLOSED; in: Must be 0
 * @device: index of the device
 * @code: VDI_CMD_*, not 0
 * @length: bytes of the transfer for Read and Write; otherwise what the
 *	specification calls size: a signed count of marks or blocks, the
 *	origin of SetPosition, the eject bit of Load
 * @id: in: a word of the server's, given back with the completion;
 *	out: names the command in the completion
 * @offset: the data zone of the buffer, in the area, for Read and Write;
 *	otherwise Must be 0
 * @position: for random access and SetPosition: a signed number in two's
 *	complement
 */
struct vdi_command {
	__u8 kind;
	__u8 device;
	__u16 code;
	__s32 length;
	__aligned_u64 id;
	__aligned_u64 offset;
	__aligned_u64 position;
};

/**
 * struct vdi_completion - A completion, from the client to the server (7.5)
 * @kind: out: %VDI_KIND_COMPLETION or %VDI_KIND_CLOSED; in: Must be 0
 * @device: index of the device
 * @__reserved: Must be 0
 * @code: completion code, any value; 0 is success
 * @id: in: the command's id as it was delivered; out: the word that the
 *	server gave
 * @result: Read, Write: bytes transferred, at most the length; GetPosition,
 *	SetPosition: the position; otherwise not used, 0 on the way out
 */
struct vdi_completion {
	__u8 kind;
	__u8 device;
	__u16 __reserved;
	__u32 code;
	__aligned_u64 id;
	__aligned_u64 result;
};

/**
 * struct vdi_exchange - ioctl(VDI_IOC_EXCHANGE)
 * @size: sizeof(struct vdi_exchange)
 * @flags: Must be 0
 * @in: array of finished work: struct vdi_command by the server, struct
 *	vdi_completion by a client
 * @out: array to fill: struct vdi_completion for the server, struct
 *	vdi_command for a client
 * @nr_in: records in @in, at most %VDI_MAX_EXCHANGE
 * @nr_out: records that fit in @out, at most %VDI_MAX_EXCHANGE
 * @min: wait until so many can be delivered, at most @nr_out; 0 does not wait
 * @spin_us: how long to spin before sleeping, at most: capped by the module, less
 *	where it has not paid lately, and not at all on a single processor
 * @deadline_ns: when to stop waiting
 * @out_accepted: records taken from @in: always a prefix of it
 * @out_delivered: records written to @out
 * @out_refused: errno of the first record not taken, 0 if all were
 * @__reserved: Must be 0
 *
 * SendCommand and the completion agent for the server (4.7, 4.10),
 * CompleteCommand and GetCommand for a client (3.9, 3.10), many at a time.  On
 * a device handle for that device; on a set handle for all devices that were
 * opened through it.  On either, every record is delivered once, to whoever
 * asks first; a set handle also gets one %VDI_KIND_CLOSED record for each
 * device that is closed.
 *
 * The records of @in are taken in order until one is refused; after that the
 * call does not wait.  What can be delivered is delivered in the same call.
 * The call succeeds if anything was accepted or delivered; otherwise it fails
 * with the errno of the refused record, else with that of the wait.  Each
 * accepted command gets exactly one completion; a refused one never happened.
 *
 * @min is for batching and no condition of progress: the wait also ends when a
 * ring is full, when the peer is about to sleep itself or has come with nothing
 * and found nothing, when all of the server's outstanding commands are complete,
 * and at close and abort.
 *
 * Return: 0, or (also in @out_refused for a record)
 *
 * * -EPROTO: the handle is not bound, not configured or closed; a command for
 *   a device that the server has not opened or has closed; a ClearError while
 *   one is outstanding or for a device without an error; a completion for a
 *   device that is closed
 * * -ECANCELED: the set is aborted
 * * -ESHUTDOWN: the device is closed and nothing is left; on a set handle: all
 *   devices are
 * * -ETIMEDOUT: the deadline has passed
 * * -EAGAIN: nothing to deliver, and the file has O_NONBLOCK
 * * -EINTR: a signal came
 * * -EINVAL: bad count or @min; bad device, code, length, offset or id in a
 *   record, or a reserved word; for a client's device handle: the server has
 *   named all devices and none so
 * * -EXFULL: the ring of the device is full
 * * -EREMOTEIO: the device is in the I/O-error state (2.5)
 * * -EFAULT: bad memory; if work had been taken over already, the set is
 *   aborted with %VDI_REASON_FAULT
 */
struct vdi_exchange {
	__u32 size;
	__u32 flags;
	__aligned_u64 in;
	__aligned_u64 out;
	__u32 nr_in;
	__u32 nr_out;
	__u32 min;
	__u32 spin_us;
	__aligned_u64 deadline_ns;
	__u32 out_accepted;
	__u32 out_delivered;
	__u32 out_refused;
	__u32 __reserved;
};

/**
 * struct vdi_abort - ioctl(VDI_IOC_ABORT)
 * @size: sizeof(struct vdi_abort)
 * @flags: Must be 0
 * @code: a number of the caller's for the other side
 * @__reserved: Must be 0
 * @text: a text for people, UTF-8 without control characters, may be empty
 *
 * SignalAbort (3.4, 4.12) by a party, also of a set that has ended.  The
 * first reason stays; a second call returns 0 and changes nothing.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is not bound, or the server has closed it
 * * -EINVAL: malformed text
 */
struct vdi_abort {
	__u32 size;
	__u32 flags;
	__u32 code;
	__u32 __reserved;
	char text[VDI_TEXT_SIZE];
};

/**
 * struct vdi_close - ioctl(VDI_IOC_CLOSE)
 * @size: sizeof(struct vdi_close)
 * @flags: Must be 0
 *
 * Close by a client (3.5) and by the server (4.13).  Also with an error all is
 * released.  A client's handle is unbound again afterwards and its device
 * handles are of no further use; the server's handle and its device handles
 * can still collect what is left with EXCHANGE.  A set that has not ended is
 * aborted, but for the Close of a secondary client without open devices.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is not bound (nothing done); the server closed it
 *   already (nothing done); or the server had devices open: the set is
 *   aborted
 * * -EBUSY: a client had devices open: the set is aborted
 */
struct vdi_close {
	__u32 size;
	__u32 flags;
};

/**
 * struct vdi_adopt - ioctl(VDI_IOC_ADOPT)
 * @size: sizeof(struct vdi_adopt)
 * @flags: Must be 0
 *
 * On a set handle or a device handle that the caller inherited or was passed:
 * makes the caller its owner, in the role that the handle has.  From now on the
 * caller's end counts, and the former owner's no longer.  Calls of the former
 * owner that wait on the handle end with EIO and take nothing along; commands
 * that it has fetched can be completed by the new owner.  Each handle is adopted
 * on its own.  Whoever has the descriptor may do it, whatever the mode of the
 * set; the last one to do it is the owner.  By the owner itself it does nothing.
 *
 * A worker that adopts a device handle alone finds the area with GET_CONFIG
 * and mmap, the reason of an abort with STATUS, and can ABORT, on that handle.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is not bound
 * * -EOWNERDEAD: too late, the owner has ended or has closed its descriptor
 */
struct vdi_adopt {
	__u32 size;
	__u32 flags;
};

/**
 * struct vdi_list - ioctl(VDI_IOC_LIST)
 * @size: sizeof(struct vdi_list)
 * @flags: Must be 0
 * @sets: array to fill, or 0 to count
 * @nr_sets: how many fit there
 * @entry_size: bytes from one element of @sets to the next, at least
 *	sizeof(struct vdi_set_stat) of the first version, a multiple of 8
 * @after: only sets with an id larger than this; 0 for all
 * @out_sets: how many were written
 * @out_more: how many more there are
 *
 * The sets of the user namespace of this file that the caller may see: created
 * or served by its user, or all with CAP_SYS_ADMIN there.  Also those that are
 * aborted or closed, whose name may be another's by now, until their last handle
 * goes.  On an unbound set handle.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is bound
 * * -EINVAL: bad @entry_size
 */
struct vdi_list {
	__u32 size;
	__u32 flags;
	__aligned_u64 sets;
	__u32 nr_sets;
	__u32 entry_size;
	__aligned_u64 after;
	__u32 out_sets;
	__u32 out_more;
};

/**
 * struct vdi_stat_name - ioctl(VDI_IOC_STAT_NAME)
 * @size: sizeof(struct vdi_stat_name)
 * @flags: Must be 0
 * @name: name of the set
 * @instance: its instance, may be empty
 * @out_stat: state, parties and counters of the set
 *
 * STATUS of the set that has this name or, if none has, of the one that had it
 * last and of which a handle is still open: so the reason of an abort can be
 * read by others too.  On an unbound set handle.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is bound
 * * -EINVAL: malformed name
 * * -ENXIO: malformed instance name
 * * -ENOENT: no such set
 * * -EPERM: another user's set, and no CAP_SYS_ADMIN
 */
struct vdi_stat_name {
	__u32 size;
	__u32 flags;
	char name[VDI_NAME_SIZE];
	char instance[VDI_NAME_SIZE];
	struct vdi_set_stat out_stat;
};

/**
 * struct vdi_abort_name - ioctl(VDI_IOC_ABORT_NAME)
 * @size: sizeof(struct vdi_abort_name)
 * @flags: Must be 0
 * @name: name of the set
 * @instance: its instance, may be empty
 * @code: a number of the caller's for both sides
 * @__reserved: Must be 0
 * @text: a text for people, the rules of ABORT
 *
 * Aborts a set by its name, with %VDI_REASON_ADMIN.  On an unbound set handle.
 *
 * Return: 0, or
 *
 * * -EPROTO: the handle is bound, or the set has ended
 * * -EINVAL: malformed name or text
 * * -ENXIO: malformed instance name
 * * -ENOENT: no such set
 * * -EPERM: another user's set, and no CAP_SYS_ADMIN
 */
struct vdi_abort_name {
	__u32 size;
	__u32 flags;
	char name[VDI_NAME_SIZE];
	char instance[VDI_NAME_SIZE];
	__u32 code;
	__u32 __reserved;
	char text[VDI_TEXT_SIZE];
};

/**
 * struct vdi_close_device - ioctl(VDI_IOC_CLOSE_DEVICE)
 * @size: sizeof(struct vdi_close_device)
 * @flags: Must be 0
 *
 * CloseDevice (4.11), by the server on a device handle.  Commands that are
 * outstanding are still delivered and completed; then the client gets
 * ESHUTDOWN.
 *
 * Return: 0, or
 *
 * * -EPROTO: a client's handle, or the server has closed the set
 * * -ECANCELED: the set is aborted
 * * -ESHUTDOWN: the device is closed already
 */
struct vdi_close_device {
	__u32 size;
	__u32 flags;
};

/**
 * struct vdi_device_status - ioctl(VDI_IOC_DEVICE_STATUS)
 * @size: sizeof(struct vdi_device_status)
 * @flags: Must be 0
 * @out_index: index, or %VDI_DEVICE_UNKNOWN while the server has not named it
 * @out_state: VDI_DEVICE_*
 * @out_queued: commands that wait for the client
 * @out_taken: commands that the client has
 * @out_done: completions that wait for the server
 * @out_refused: completions by the client that gave EINVAL for the id or the
 *	bytes, or EPROTO: of a command that was completed already, or never was;
 *	not counted any more when it was told that the set has ended
 * @out_commands: commands accepted
 * @out_completions: commands completed by the client
 * @out_errors: completions with a code other than success
 * @out_bytes_written: bytes of completed writes
 * @out_bytes_read: bytes of completed reads
 * @out_name: name of the device
 *
 * State and counters of one device, on a device handle, by its owner.
 *
 * Return: 0.
 */
struct vdi_device_status {
	__u32 size;
	__u32 flags;
	__u32 out_index;
	__u32 out_state;
	__u32 out_queued;
	__u32 out_taken;
	__u32 out_done;
	__u32 out_refused;
	__aligned_u64 out_commands;
	__aligned_u64 out_completions;
	__aligned_u64 out_errors;
	__aligned_u64 out_bytes_written;
	__aligned_u64 out_bytes_read;
	char out_name[VDI_NAME_SIZE];
};

#define VDI_IOC_TYPE		0xBD

/* On a set handle */
#define VDI_IOC_GET_INFO	_IO(VDI_IOC_TYPE, 0x00)
#define VDI_IOC_CREATE		_IO(VDI_IOC_TYPE, 0x01)
#define VDI_IOC_OPEN		_IO(VDI_IOC_TYPE, 0x02)
#define VDI_IOC_OPEN_SECONDARY	_IO(VDI_IOC_TYPE, 0x03)
#define VDI_IOC_GET_CONFIG	_IO(VDI_IOC_TYPE, 0x04)	/* also on a device handle */
#define VDI_IOC_BEGIN_CONFIG	_IO(VDI_IOC_TYPE, 0x05)
#define VDI_IOC_END_CONFIG	_IO(VDI_IOC_TYPE, 0x06)
#define VDI_IOC_GROW_AREA	_IO(VDI_IOC_TYPE, 0x07)
#define VDI_IOC_OPEN_DEVICE	_IO(VDI_IOC_TYPE, 0x08)
#define VDI_IOC_STATUS		_IO(VDI_IOC_TYPE, 0x09)	/* also on a device handle */
#define VDI_IOC_SET_HINT	_IO(VDI_IOC_TYPE, 0x0a)
#define VDI_IOC_EXCHANGE	_IO(VDI_IOC_TYPE, 0x0b)	/* also on a device handle */
#define VDI_IOC_ABORT		_IO(VDI_IOC_TYPE, 0x0c)	/* also on a device handle */
#define VDI_IOC_CLOSE		_IO(VDI_IOC_TYPE, 0x0d)
#define VDI_IOC_ADOPT		_IO(VDI_IOC_TYPE, 0x0e)	/* also on a device handle */
#define VDI_IOC_LIST		_IO(VDI_IOC_TYPE, 0x0f)
#define VDI_IOC_STAT_NAME	_IO(VDI_IOC_TYPE, 0x10)
#define VDI_IOC_ABORT_NAME	_IO(VDI_IOC_TYPE, 0x11)

/* On a device handle */
#define VDI_IOC_CLOSE_DEVICE	_IO(VDI_IOC_TYPE, 0x12)
#define VDI_IOC_DEVICE_STATUS	_IO(VDI_IOC_TYPE, 0x13)

#endif /* _LINUX_VDI_H */
