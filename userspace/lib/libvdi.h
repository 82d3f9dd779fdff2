/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libvdi: the Virtual Device Interface for programs, over /dev/vdi.
 *
 * A *client* (backup program) creates a set; a *server* (database engine) opens
 * it, allocates buffers and sends commands.  There is one function for each
 * method of the interface, and for both sides the batch call, *_exchange().
 *
 * Results: 0 or a positive number is success, a negative number is -errno.
 * vdi_strerror() and vdi_error_name() explain it.  The most frequent are
 * -ECANCELED (the set is aborted), -ESHUTDOWN (the device is closed in order),
 * -ETIMEDOUT and -EPROTO (not allowed in this state).  Outputs are left as they
 * were on failure; pointers to new objects are set to NULL.
 *
 * Times are milliseconds in parameters that end in _ms: a negative number waits
 * for ever, 0 does not wait.  Signals do not end a wait; vdi_client_abort() and
 * vdi_server_abort() do, from any thread, and poll(2) on the descriptors waits
 * for other things at the same time.
 *
 * Threads: the functions of a set may be called from any thread.  A device is
 * meant to be served by one thread; calls from several are safe, but share its
 * commands out by chance.  *_free() must be the last call on its object.  The
 * library makes no threads, installs no signal handlers, prints nothing and
 * does not exit.
 *
 * Processes: after fork() the handles belong to the parent: in the child each
 * call of the kernel gives -EIO, and *_free() lets go of the child's copy; or
 * *_adopt() makes the child the owner.  From then on the child's end counts, the
 * parent's no longer, and it is the parent that gets -EIO.
 *
 * Device objects belong to their set.  Close makes them useless, and all
 * addresses of buffers invalid; no thread may touch a buffer any more.
 */
#ifndef LIBVDI_H
#define LIBVDI_H

#include <stddef.h>
#include <stdint.h>

#include <linux/vdi.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* Completion codes of the specification (7.5) that <linux/vdi.h> does not have */
#define VDI_CODE_INVALID_HANDLE		6
#define VDI_CODE_WRITE_PROTECT		19
#define VDI_CODE_HANDLE_EOF		38
#define VDI_CODE_HANDLE_DISK_FULL	39
#define VDI_CODE_NOT_SUPPORTED		50
#define VDI_CODE_INVALID_PARAMETER	87
#define VDI_CODE_DISK_FULL		112
#define VDI_CODE_NEGATIVE_SEEK		131
#define VDI_CODE_END_OF_MEDIA		1100
#define VDI_CODE_FILEMARK_DETECTED	1101
#define VDI_CODE_BEGINNING_OF_MEDIA	1102
#define VDI_CODE_NO_DATA_DETECTED	1104
#define VDI_CODE_INVALID_BLOCK_LENGTH	1106
#define VDI_CODE_NO_MEDIA_IN_DRIVE	1112
#define VDI_CODE_EOM_OVERFLOW		1129
#define VDI_CODE_NO_SYSTEM_RESOURCES	1450

struct vdi_client;		/* the client's side of a set, primary or secondary */
struct vdi_client_device;
struct vdi_server;		/* the server's side of a set */
struct vdi_server_device;

/**
 * struct vdi_batch - What a batch call may wait for, and what it did
 * @min: in: wait until so many records can be delivered, at most the size of
 *	the array; 0 does not wait
 * @spin_us: in: how long to spin before sleeping, at most
 * @accepted: out: records taken, always a prefix of the array
 * @delivered: out: records written
 * @refused: out: 0, or -errno of the first record that was not taken
 *
 * If the call fails, nothing was taken and nothing written.
 */
struct vdi_batch {
	unsigned int min;
	unsigned int spin_us;
	unsigned int accepted;
	unsigned int delivered;
	int refused;
};

/*
 * The library and the node
 */

/* Version of the library, as "0.1.0". */
const char *vdi_version(void);

/*
 * Names the node that later vdi_client_new() etc. open; NULL for the default:
 * the environment variable VDI_DEVICE, else /dev/vdi.
 */
int vdi_set_node(const char *path);

/*
 * What the kernel offers.  @info->size must be set.  -ENOENT: no node, is the
 * module loaded?  -ENODEV: the node is something else.  -EACCES: not permitted.
 */
int vdi_get_info(struct vdi_get_info *info);

/*
 * The sets that the caller may see, those with an id larger than @after.
 * @entry_size is sizeof(struct vdi_set_stat).  Returns how many it wrote to
 * @sets, at most @nr; *@more (may be NULL) is how many more there are.
 */
int vdi_list(struct vdi_set_stat *sets, size_t entry_size, unsigned int nr,
	     uint64_t after, unsigned int *more);

/*
 * State and counters of a set by its name, and the abort of such a set.
 * @instance may be NULL, for the default one.  @size is sizeof(*@stat).
 */
int vdi_stat_name(const char *instance, const char *name,
		  struct vdi_set_stat *stat, size_t size);
int vdi_abort_name(const char *instance, const char *name, uint32_t code,
		   const char *text);

/*
 * Words for numbers: constant strings, never NULL
 */

/* What an error (negative or positive errno) of this library means. */
const char *vdi_strerror(int error);
/* Its name in the specification, as "VD_E_ABORT"; "" if it has none. */
const char *vdi_error_name(int error);
/* A completion code: name, as "ERROR_DISK_FULL" ("" if unknown), and meaning. */
const char *vdi_code_name(uint32_t code);
const char *vdi_code_text(uint32_t code);
/* VDI_CMD_*, VDI_STATE_*, VDI_DEVICE_*, VDI_REASON_*, VDI_ROLE_*, VDI_LIMIT_* */
const char *vdi_command_name(uint32_t command);
const char *vdi_state_name(uint32_t state);
const char *vdi_device_state_name(uint32_t state);
const char *vdi_reason_name(uint32_t reason);
const char *vdi_role_name(uint32_t role);
const char *vdi_limit_name(uint32_t limit);

/*
 * Client: the set
 */

#define VDI_CREATE_OPT_GID	(1U << 0)	/* @gid is given */
#define VDI_CREATE_OPT_NODES	(1U << 1)	/* a character device for each device */

/**
 * struct vdi_create_options - What vdi_client_create_ex() can be told besides
 * @size: sizeof(struct vdi_create_options)
 * @flags: VDI_CREATE_OPT_*
 * @mode: who may open the set: permission bits; 0 means 0600
 * @gid: with %VDI_CREATE_OPT_GID the group of the set
 * @ring_depth: commands that one device can hold, 0 for the default
 * @stall_limit_ms: abort the set if commands are delivered and none is
 *	completed for longer, 0 is never
 * @node_block_size: with %VDI_CREATE_OPT_NODES the block size of the nodes,
 *	512..65536, a power of two; 0 for the default: 65536 for a tape, else 512
 * @node_transfer_size: likewise their largest transfer, a multiple of 64 KiB up
 *	to 64 MiB; 0 for the default of 256 KiB
 * @node_depth: likewise the buffers of that size that each has, at most
 *	%VDI_MAX_NODE_DEPTH; 0 for the default of 4
 *
 * The structure grows at its end, and @size says which of its members a program
 * knows; what it does not know is 0.  The first version ended with
 * @stall_limit_ms.
 */
struct vdi_create_options {
	uint32_t size;
	uint32_t flags;
	uint32_t mode;
	uint32_t gid;
	uint32_t ring_depth;
	uint32_t stall_limit_ms;
	uint32_t node_block_size;
	uint32_t node_transfer_size;
	uint32_t node_depth;
};

/*
 * A new object; opens the node.  Errors as those of vdi_get_info().
 * vdi_client_free() closes the set if need be.
 */
int vdi_client_new(struct vdi_client **client);
void vdi_client_free(struct vdi_client *client);

/*
 * Create, CreateEx (3.1): @config needs at least device_count.  @instance and
 * @options may be NULL.  With nodes vdi_client_stat() tells their numbers, in
 * @first_node; -EOPNOTSUPP: the kernel has none, see %VDI_CAP_NODES.
 */
int vdi_client_create(struct vdi_client *client, const char *name,
		      const struct vdi_config *config);
int vdi_client_create_ex(struct vdi_client *client, const char *instance,
			 const char *name, const struct vdi_config *config,
			 const struct vdi_create_options *options);

/* OpenInSecondary, OpenInSecondaryEx (3.6): joins a set that is configured. */
int vdi_client_open_secondary(struct vdi_client *client, const char *instance,
			      const char *name);

/* GetConfiguration (3.2): waits until the server has configured the set. */
int vdi_client_get_config(struct vdi_client *client, int64_t timeout_ms,
			  struct vdi_config *config);

/* OpenDevice (3.3).  The first device has the name of the set. */
int vdi_client_open_device(struct vdi_client *client, const char *name,
			   struct vdi_client_device **device);

/*
 * SignalAbort (3.4).  @code and @text (may be NULL) are for the other side; a
 * text that is too long is cut, and control characters become blanks.
 */
int vdi_client_abort(struct vdi_client *client, uint32_t code, const char *text);

/*
 * Close (3.5).  -EBUSY reports that devices were open: the set is aborted and
 * everything released none the less.  The object may create again.
 */
int vdi_client_close(struct vdi_client *client);

/* State and counters; @stat->reason tells who aborted and why.  Not after Close. */
int vdi_client_stat(const struct vdi_client *client, struct vdi_set_stat *stat,
		    size_t size);

/*
 * After fork(), in the child: takes over the set with all devices, or one device
 * alone.  Buffers keep their addresses: -EADDRINUSE if the child has mapped
 * something there since the fork; the handles are adopted then, without buffers.
 * Commands that the parent got and has not completed are the child's to complete.
 * -EOWNERDEAD: too late, the parent has ended.  No other thread of the parent may
 * be in a call when it forks.
 */
int vdi_client_adopt(struct vdi_client *client);
int vdi_client_device_adopt(struct vdi_client_device *device);

/*
 * A new object from a descriptor that another process passed: a set handle, bound
 * or not, or a device handle alone.  The descriptor belongs to the object if 0 is
 * returned.  An object of a device handle alone has its configuration, buffers,
 * state and abort; other calls of the set give -EPROTO.  -ENODEV: it is no such
 * handle; -EPROTO: it is the server's; -EOWNERDEAD: too late.
 */
int vdi_client_new_from_fd(struct vdi_client **client, int fd);
int vdi_client_new_from_device_fd(struct vdi_client **client,
				  struct vdi_client_device **device, int fd);

/* For poll(2): POLLOUT = configured, POLLIN = exchange would deliver. */
int vdi_client_fd(const struct vdi_client *client);

/*
 * GetBufferHandle, MapBufferHandle (3.7, 3.8): names a buffer of a Read or Write
 * to another process that has the set open.  A handle fits in 31 bits and is
 * refused in another set.
 */
int vdi_client_get_buffer_handle(struct vdi_client *client, const void *buffer,
				 uint32_t *handle);
int vdi_client_map_buffer_handle(struct vdi_client *client, uint32_t handle,
				 void **buffer);

/*
 * Between the address of a buffer and its offset in the area, which is what
 * struct vdi_command has.  The area is mapped when it is needed first.
 */
int vdi_client_buffer(struct vdi_client *client, uint64_t offset, void **buffer);
int vdi_client_buffer_offset(struct vdi_client *client, const void *buffer,
			     uint64_t *offset);

/* Batch call for all devices that this object opened: completes and fetches. */
int vdi_client_exchange(struct vdi_client *client,
			const struct vdi_completion *in, unsigned int nr_in,
			struct vdi_command *out, unsigned int nr_out,
			int64_t timeout_ms, struct vdi_batch *batch);

/*
 * Client: a device
 */

/**
 * struct vdi_client_command - A command to carry out, VDC_Command (8)
 * @code: VDI_CMD_*; answer what you do not know with %VDI_CODE_NOT_SUPPORTED
 * @size: bytes of a Read or Write, else what the code says (7.1)
 * @position: for random access and SetPosition
 * @buffer: the data zone of a Read or Write, else NULL; the prefix zone lies
 *	before it
 * @offset: where the buffer is in the area, 0 if there is none
 *
 * Read only, and valid until it was completed.
 */
struct vdi_client_command {
	uint32_t code;
	int32_t size;
	int64_t position;
	void *buffer;
	uint64_t offset;
};

/*
 * GetCommand (3.9).  -ESHUTDOWN is the normal end of a device and comes again
 * if asked again; -ETIMEDOUT loses nothing.
 */
int vdi_client_get_command(struct vdi_client_device *device, int64_t timeout_ms,
			   const struct vdi_client_command **command);

/*
 * CompleteCommand (3.10), in any order.  @bytes is for Read and Write,
 * @position for GetPosition and SetPosition.  -EINVAL: @command is not, or no
 * longer, to be completed, or @bytes is more than its size.
 */
int vdi_client_complete_command(struct vdi_client_device *device,
				const struct vdi_client_command *command,
				uint32_t code, uint32_t bytes, int64_t position);

/* Batch call for this device.  Records that it fetches are not tokens of the above. */
int vdi_client_device_exchange(struct vdi_client_device *device,
			       const struct vdi_completion *in, unsigned int nr_in,
			       struct vdi_command *out, unsigned int nr_out,
			       int64_t timeout_ms, struct vdi_batch *batch);

/* State and counters of the device; @status->size must be set. */
int vdi_client_device_status(struct vdi_client_device *device,
			     struct vdi_device_status *status);

/* For poll(2): POLLIN = command, POLLHUP = closed or aborted.  Until Close. */
int vdi_client_device_fd(const struct vdi_client_device *device);

/*
 * Server: the set
 */

/*
 * A new object; opens the node.  Errors as those of vdi_get_info().
 * vdi_server_free() closes the set if need be; an agent that still runs lets go
 * of the object when it returns.
 */
int vdi_server_new(struct vdi_server **server);
void vdi_server_free(struct vdi_server *server);

/* Open (4.1).  -ENOENT: there is no such set; -EPROTO: it has a server. */
int vdi_server_open(struct vdi_server *server, const char *instance,
		    const char *name);

/* GetConfiguration (4.2): at once what the client asked for. */
int vdi_server_get_config(struct vdi_server *server, struct vdi_config *config);

/*
 * BeginConfiguration (4.3): of @config it uses features, block_size, alignment
 * and max_transfer_size.
 */
int vdi_server_begin_config(struct vdi_server *server,
			    const struct vdi_config *config);

/*
 * RequestBuffers (4.4): @count buffers of @size bytes of data.  Before
 * vdi_server_end_config() requests are summed, after it each is met at once.
 * @alignment 0 is that of the set.  What was requested can be allocated
 * whatever the order of allocations.
 */
int vdi_server_request_buffers(struct vdi_server *server, uint32_t size,
			       uint32_t alignment, uint32_t count);

/* QueryAvailableBuffers (4.5): how many such buffers could be allocated now. */
int vdi_server_query_available_buffers(struct vdi_server *server, uint32_t size,
				       uint32_t alignment, uint32_t *count);

/*
 * EndConfiguration (4.6): makes the buffer area.  -ENOMEM, -EDQUOT: nothing is
 * requested any more, ask for less and try again.
 */
int vdi_server_end_config(struct vdi_server *server);

/*
 * AllocateBuffer, FreeBuffer, IsSharedBuffer (4.9).  -ENOMEM: none is free.
 * vdi_server_free_buffer() wants the same address and size, and refuses a buffer
 * that a command uses that is not complete.  vdi_server_is_shared_buffer() gives
 * 1 for an address in an allocated buffer, else 0.
 */
int vdi_server_alloc_buffer(struct vdi_server *server, void **buffer,
			    uint32_t size, uint32_t alignment);
int vdi_server_free_buffer(struct vdi_server *server, void *buffer, uint32_t size);
int vdi_server_is_shared_buffer(struct vdi_server *server, const void *buffer);

/* OpenDevice (4.8): the next device.  The first is named as the set is. */
int vdi_server_open_device(struct vdi_server *server, const char *name,
			   struct vdi_server_device **device);

/*
 * ExecuteCompletionAgent (4.7): calls the callbacks of completed commands in
 * this thread.  Returns 0 when all devices are closed and all callbacks were
 * called, or after an abort or a Close, when they were called with
 * %VDI_CODE_OPERATION_ABORTED.
 */
int vdi_server_run_agent(struct vdi_server *server);

/* Total that will be moved, 0 for unknown: for progress displays. */
int vdi_server_set_hint(struct vdi_server *server, uint64_t bytes);

/* SignalAbort (4.12), see vdi_client_abort(). */
int vdi_server_abort(struct vdi_server *server, uint32_t code, const char *text);

/*
 * Close (4.13).  -EPROTO also reports that devices were open: the set is aborted
 * and everything released none the less.  Commands that are outstanding get
 * their callback before it returns, in the agent's thread or, if none runs, in
 * this one.  From inside a callback it returns at once.  After it the object is
 * only good for vdi_server_free().
 */
int vdi_server_close(struct vdi_server *server);

/* State and counters; @stat->reason tells who aborted and why. */
int vdi_server_stat(const struct vdi_server *server, struct vdi_set_stat *stat,
		    size_t size);

/*
 * As vdi_client_adopt() etc.  The buffers of the pool are the child's with the
 * set.  Who adopts a device alone has no pool and no agent: it uses buffers that
 * were allocated before, by vdi_server_buffer(), and batch calls for the device,
 * and nobody else may then collect for it; vdi_server_send_command() gives -EIO.
 * An object from a descriptor knows no buffers but by vdi_server_buffer().
 */
int vdi_server_adopt(struct vdi_server *server);
int vdi_server_device_adopt(struct vdi_server_device *device);
int vdi_server_new_from_fd(struct vdi_server **server, int fd);
int vdi_server_new_from_device_fd(struct vdi_server **server,
				  struct vdi_server_device **device, int fd);

/* For poll(2): POLLIN = exchange would deliver. */
int vdi_server_fd(const struct vdi_server *server);

/* The offset in the area of a buffer that was allocated, and back. */
int vdi_server_buffer_offset(struct vdi_server *server, const void *buffer,
			     uint64_t *offset);
int vdi_server_buffer(struct vdi_server *server, uint64_t offset, void **buffer);

/*
 * Batch call for all devices: sends and collects.  A set is served either by
 * batch calls or by vdi_server_send_command() and an agent: both take whatever
 * completion comes.  vdi_server_free_buffer() does not know of the commands of
 * batch calls.
 */
int vdi_server_exchange(struct vdi_server *server,
			const struct vdi_command *in, unsigned int nr_in,
			struct vdi_completion *out, unsigned int nr_out,
			int64_t timeout_ms, struct vdi_batch *batch);

/*
 * Server: a device
 */

/**
 * struct vdi_server_command - A command to send, VDS_Command (8)
 * @done: called exactly once; then the command is the caller's again
 * @context: the caller's
 * @code: VDI_CMD_*
 * @size: bytes of a Read or Write, else what the code says (7.1)
 * @in_position: for random access and SetPosition
 * @out_position: out: the result of GetPosition and SetPosition
 * @buffer: for Read and Write: what vdi_server_alloc_buffer() gave, not an
 *	address inside it; else not looked at
 * @completion_code: out: 0 or a completion code (7.5)
 * @bytes_transferred: out: of a Read or Write
 * @device: out: where it was sent
 * @reserved: for the library
 */
struct vdi_server_command {
	void (*done)(struct vdi_server_command *command);
	void *context;
	uint32_t code;
	int32_t size;
	int64_t in_position;
	int64_t out_position;
	void *buffer;
	uint32_t completion_code;
	uint32_t bytes_transferred;
	struct vdi_server_device *device;
	uint64_t reserved[2];
};

/*
 * SendCommand (4.10).  @command->done is called once for each call: by the agent
 * if 0 is returned, else in this thread before it returns, with the completion
 * code 1450 (-EXFULL, -ENOMEM), 1117 (-EREMOTEIO), 995 (-ECANCELED), 6 (-EPROTO,
 * -EIO) or 87 (-EINVAL).  Only a NULL argument or callback has none.
 */
int vdi_server_send_command(struct vdi_server_device *device,
			    struct vdi_server_command *command);

/*
 * CloseDevice (4.11).  Commands that are outstanding are still carried out.
 * -ESHUTDOWN: it is closed already.
 */
int vdi_server_close_device(struct vdi_server_device *device);

/* Batch call for this device; see vdi_server_exchange(). */
int vdi_server_device_exchange(struct vdi_server_device *device,
			       const struct vdi_command *in, unsigned int nr_in,
			       struct vdi_completion *out, unsigned int nr_out,
			       int64_t timeout_ms, struct vdi_batch *batch);

/* State and counters of the device; @status->size must be set. */
int vdi_server_device_status(struct vdi_server_device *device,
			     struct vdi_device_status *status);

/* Its index: the order in which the devices were opened. */
unsigned int vdi_server_device_index(const struct vdi_server_device *device);

/* For poll(2): POLLIN = completion, POLLOUT = room for a command.  Until Close. */
int vdi_server_device_fd(const struct vdi_server_device *device);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* LIBVDI_H */
