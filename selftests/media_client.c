// SPDX-License-Identifier: GPL-2.0-only
/*
 * A backup program for tests: its devices are as simple or as odd as options
 * say, and it writes down each command that it is sent.  Owns nothing that a
 * test should not see: all is in the files of a directory and on stdout.
 *
 * A device's data are the files DIR/DEVICE.MEDIUM.FILE, all counted from 0;
 * FILE counts filemarks: if FILE + 1 exists, a mark follows FILE.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libvdi.h>

enum trick { TRICK_NONE, TRICK_CODE, TRICK_DIE, TRICK_ABORT, TRICK_NEVER, TRICK_EXIT };

static struct {
	const char *dir;
	bool random, marks, removable;
	bool short_success;	/* the end of the data is a success with fewer bytes */
	bool partial;		/* at the end of a medium a part of the Write is stored */
	uint64_t medium_size;	/* 0: no limit */
	uint32_t cut;		/* a Read gets no more than this, 0: all */
	int64_t timeout_ms;
	/* at the so manyth command of this code ... */
	enum trick trick;
	unsigned int trick_command;
	unsigned int trick_number;
	uint32_t trick_code;
	unsigned int trick_device;
} how = { .dir = ".", .timeout_ms = -1 };

struct device {
	unsigned int index;
	const char *name;
	pthread_t tid;
	unsigned int medium, file;
	uint64_t position;
	uint64_t on_medium;	/* bytes written */
	unsigned int seen[32];	/* commands, by code */
	int end;		/* how it ended: -errno */
	long long gap_ns;	/* longest wait for a command, ... */
	unsigned int gap_after;	/* ... and after how many */
	unsigned int commands;
};

static struct vdi_client *client;

static int device_file(const struct device *device, unsigned int file, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%u.%u.%u", how.dir, device->index, device->medium, file);
	return open(path, flags | O_CLOEXEC, 0666);
}

static bool device_has(const struct device *device, unsigned int file)
{
	int fd = device_file(device, file, O_RDONLY);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static uint32_t device_write(struct device *device, const struct vdi_client_command *cmd,
			     uint32_t *bytes)
{
	uint64_t at = how.random ? (uint64_t)cmd->position : device->position;
	uint32_t size = cmd->size, code = 0;
	int fd;

	if (how.medium_size && device->on_medium + size > how.medium_size) {
		code = VDI_CODE_END_OF_MEDIA;
		if (how.partial)
			size = device->on_medium < how.medium_size ?
			       (how.medium_size - device->on_medium) & ~511U : 0;
	}
	fd = device_file(device, device->file, O_WRONLY | O_CREAT | (at ? 0 : O_TRUNC));
	if (fd < 0 || pwrite(fd, cmd->buffer, size, at) != (ssize_t)size)
		code = VDI_CODE_DISK_FULL;
	if (fd >= 0)
		close(fd);
	device->position = at + size;
	device->on_medium += size;
	*bytes = size;
	return code;
}

static uint32_t device_read(struct device *device, const struct vdi_client_command *cmd,
			    uint32_t *bytes)
{
	uint64_t at = how.random ? (uint64_t)cmd->position : device->position;
	uint32_t want = how.cut && how.cut < (uint32_t)cmd->size ? how.cut : (uint32_t)cmd->size;
	int fd = device_file(device, device->file, O_RDONLY);
	ssize_t len = fd < 0 ? 0 : pread(fd, cmd->buffer, want, at);

	if (fd >= 0)
		close(fd);
	*bytes = len < 0 ? 0 : len;
	device->position = at + *bytes;
	if (*bytes == want || (how.short_success && *bytes))
		return 0;
	if (how.marks && device_has(device, device->file + 1)) {
		device->file++;
		device->position = 0;
		return VDI_CODE_FILEMARK_DETECTED;
	}
	return how.marks ? VDI_CODE_NO_DATA_DETECTED : VDI_CODE_HANDLE_EOF;
}

static uint32_t device_mark(struct device *device)
{
	int fd = device_file(device, device->file + 1, O_WRONLY | O_CREAT | O_TRUNC);

	if (fd < 0)
		return VDI_CODE_DISK_FULL;
	close(fd);
	device->file++;
	device->position = 0;
	return 0;
}

static uint32_t device_other(struct device *device, const struct vdi_client_command *cmd)
{
	switch (cmd->code) {
	case VDI_CMD_FLUSH:
	case VDI_CMD_COMPLETE:
	case VDI_CMD_CLEAR_ERROR:
	case VDI_CMD_DISCARD:
		return 0;
	case VDI_CMD_REWIND:
		device->file = 0;
		device->position = 0;
		return 0;
	case VDI_CMD_WRITE_MARK:
		return device_mark(device);
	case VDI_CMD_SKIP_MARKS:
		if (!device_has(device, device->file + cmd->size))
			return VDI_CODE_NO_DATA_DETECTED;
		device->file += cmd->size;
		device->position = 0;
		return 0;
	case VDI_CMD_LOAD:
		device->medium++;
		device->file = 0;
		device->position = 0;
		device->on_medium = 0;
		return 0;
	}
	return VDI_CODE_NOT_SUPPORTED;
}

/* What a test has ordered for this command; false: nothing, carry it out */
static bool device_trick(struct device *device, const struct vdi_client_command *cmd,
			 uint32_t *code, bool *answer)
{
	if (how.trick == TRICK_NONE || cmd->code != how.trick_command ||
	    device->index != how.trick_device || device->seen[cmd->code] != how.trick_number)
		return false;
	*code = how.trick_code;
	switch (how.trick) {
	case TRICK_DIE:
		raise(SIGKILL);
		break;
	case TRICK_EXIT:
		_exit(7);
	case TRICK_ABORT:
		vdi_client_abort(client, 0, "the test wants it so");
		break;
	case TRICK_NEVER:
		*answer = false;
		break;
	default:
		break;
	}
	return true;
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void *device_run(void *arg)
{
	struct device *device = arg;
	struct vdi_client_device *handle;

	device->end = vdi_client_open_device(client, device->name, &handle);
	while (!device->end) {
		const struct vdi_client_command *cmd;
		long long start = now_ns();
		uint32_t code, bytes = 0;
		bool answer = true;

		device->end = vdi_client_get_command(handle, how.timeout_ms, &cmd);
		if (now_ns() - start > device->gap_ns) {
			device->gap_ns = now_ns() - start;
			device->gap_after = device->commands;
		}
		if (device->end)
			break;
		device->commands++;
		device->seen[cmd->code % 32]++;
		if (!device_trick(device, cmd, &code, &answer))
			code = cmd->code == VDI_CMD_READ ? device_read(device, cmd, &bytes) :
			       cmd->code == VDI_CMD_WRITE ? device_write(device, cmd, &bytes) :
			       device_other(device, cmd);
		printf("%u %s size=%d position=%lld code=%u bytes=%u\n", device->index,
		       vdi_command_name(cmd->code), cmd->size, (long long)cmd->position, code,
		       bytes);
		fflush(stdout);
		if (answer)
			vdi_client_complete_command(handle, cmd, code, bytes, 0);
	}
	printf("%u end=%s commands=%u gap_ms=%lld gap_after=%u\n", device->index,
	       vdi_error_name(device->end), device->commands, device->gap_ns / 1000000,
	       device->gap_after);
	if (device->end == -ETIMEDOUT)
		vdi_client_abort(client, 0, "no command came in time");
	return NULL;
}

/* "die:Write:3", "code:Flush:1:112", "abort:Read:2@1": what, and at which command */
static bool trick_parse(char *arg)
{
	static const char * const tricks[] = { "", "code", "die", "abort", "never", "exit" };
	char *at = strchr(arg, '@'), *what, *command, *number, *code, *save;
	unsigned int i;

	if (at)
		how.trick_device = atoi(at + 1);
	what = strtok_r(arg, ":@", &save);
	command = strtok_r(NULL, ":@", &save);
	number = strtok_r(NULL, ":@", &save);
	code = strtok_r(NULL, ":@", &save);
	if (!what || !command || !number)
		return false;
	for (i = 1; i < sizeof(tricks) / sizeof(tricks[0]); i++)
		if (!strcmp(what, tricks[i]))
			how.trick = i;
	for (i = 1; i < 32; i++)
		if (!strcmp(vdi_command_name(i), command))
			how.trick_command = i;
	how.trick_number = atoi(number);
	how.trick_code = code ? atoi(code) : 0;
	return how.trick && how.trick_command && how.trick_number;
}

static void usage(void)
{
	fputs("usage: media_client [OPTION]... SET [DEVICE]...\n"
	      "  --dir DIR  --features HEX  --prefix N  --align N  --size BYTES  --cut BYTES\n"
	      "  --timeout MS  --short  --partial  --trick WHAT:COMMAND:NUMBER[:CODE][@DEVICE]\n"
	      "  --devices N (without opening them)\n",
	      stderr);
	exit(2);
}

static void config_print(const struct vdi_config *config)
{
	struct vdi_set_stat stat = { };

	vdi_client_stat(client, &stat, sizeof(stat));
	printf("config devices=%u features=0x%x prefix=%u align=%u block=%u ",
	       config->device_count, config->features, config->prefix_zone_size,
	       config->alignment, config->block_size);
	printf("transfer=%u area=%llu\n", config->max_transfer_size,
	       (unsigned long long)stat.area_size);
	fflush(stdout);
}

static bool parse_option(int option, struct vdi_config *config)
{
	unsigned long long value = optarg ? strtoull(optarg, NULL, 0) : 0;

	switch (option) {
	case 'd':
		how.dir = optarg;
		return true;
	case 'f':
		config->features = value;
		return true;
	case 'p':
		config->prefix_zone_size = value;
		return true;
	case 'a':
		config->alignment = value;
		return true;
	case 's':
		how.medium_size = value;
		return true;
	case 'c':
		how.cut = value;
		return true;
	case 't':
		how.timeout_ms = value;
		return true;
	case 'S':
		how.short_success = true;
		return true;
	case 'P':
		how.partial = true;
		return true;
	case 'n':
		config->device_count = value;
		return true;
	case 'T':
		return trick_parse(optarg);
	}
	return false;
}

static int parse(int argc, char **argv, struct vdi_config *config)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "features", required_argument, NULL, 'f' },
		{ "prefix", required_argument, NULL, 'p' },
		{ "align", required_argument, NULL, 'a' },
		{ "size", required_argument, NULL, 's' },
		{ "cut", required_argument, NULL, 'c' },
		{ "timeout", required_argument, NULL, 't' },
		{ "short", no_argument, NULL, 'S' },
		{ "partial", no_argument, NULL, 'P' },
		{ "trick", required_argument, NULL, 'T' },
		{ "devices", required_argument, NULL, 'n' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!parse_option(option, config))
			usage();
	if (optind == argc)
		usage();
	how.random = config->features & VDI_FEAT_RANDOM_ACCESS;
	how.marks = config->features & VDI_FEAT_FILE_MARKS;
	return argc - optind;
}

/* 0: every device was closed in order; 3: an abort, and its reason on stdout */
static int finish(struct device *devices, unsigned int count, bool aborted)
{
	struct vdi_set_stat stat;
	unsigned int i;

	for (i = 0; i < count; i++) {
		pthread_join(devices[i].tid, NULL);
		aborted = aborted || devices[i].end != -ESHUTDOWN;
	}
	if (aborted && !vdi_client_stat(client, &stat, sizeof(stat)))
		printf("aborted by=%s reason=%s text=%s\n",
		       vdi_role_name(stat.reason.who.role),
		       vdi_reason_name(stat.reason.reason), stat.reason.text);
	vdi_client_free(client);
	return aborted ? 3 : 0;
}

int main(int argc, char **argv)
{
	struct vdi_config config = { };
	struct device devices[VDI_MAX_DEVICES] = { };
	unsigned int i, count = parse(argc, argv, &config);
	int ret;

	if (!config.device_count)
		config.device_count = count;
	ret = vdi_client_new(&client);
	if (!ret)
		ret = vdi_client_create(client, argv[optind], &config);
	if (!ret) {
		puts("created");
		fflush(stdout);
		ret = vdi_client_get_config(client, -1, &config);
	}
	if (ret == -ECANCELED)
		return finish(devices, 0, true);
	if (ret) {
		fprintf(stderr, "media_client: %s\n", vdi_strerror(ret));
		return 1;
	}
	config_print(&config);
	for (i = 0; i < count; i++) {
		devices[i].index = i;
		devices[i].name = argv[optind + i];
		pthread_create(&devices[i].tid, NULL, device_run, &devices[i]);
	}
	return finish(devices, count, false);
}
