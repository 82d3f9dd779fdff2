// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server's side for the tests of the SDK's clients: does what its arguments
 * say, step by step, on all devices of a set, and checks each answer and each
 * byte.  Over libvdi; streams that `vdi put` and `vdi get` can make are theirs.
 *
 * usage: server [-n DEVICES] [-m w|r|rw] [-p SECONDS] SET [STEP]...
 *
 * A step is NAME[:SIZE[:POSITION]][=CODE][@POSITION], with the code and position
 * that the client must answer, and 0 by default:
 *	write:COUNT read:COUNT	so many transfers, one after the other
 *	writeat:SIZE:POSITION readat:SIZE:POSITION
 *	readall			reads until the client says EOF
 *	flush, complete, rewind, ...  one command, by its name
 *	burst:COUNT		so many Flush at once
 *	sleep:MS  abort:CODE  die  leave
 *	aborted			waits for the client's abort and prints its reason
 * At the end devices and set are closed in order.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <libvdi.h>

#define TRANSFER	65536
#define PATIENCE_MS	60000
#define MAX_BURST	32

struct step {
	char name[32];
	long size;
	long position;
	long code;
	long answer;		/* position expected */
	bool check_answer;
};

static struct vdi_server *server;
static struct vdi_server_device *devices[VDI_MAX_DEVICES];
static uint64_t streamed[VDI_MAX_DEVICES];	/* where the next transfer is */
static int nr_devices = 1;
static unsigned int media = VDI_FEAT_WRITE_MEDIA;
static unsigned char *buffer;

static void die(const char *what, int err)
{
	fprintf(stderr, "server: %s: %s\n", what, err ? vdi_strerror(err) : "wrong");
	exit(1);
}

static unsigned char pattern(int device, uint64_t at)
{
	return (unsigned char)(((at * 2654435761u) >> 13) + 31 * device);
}

static void fill(int device, uint64_t at, long size)
{
	for (long i = 0; i < size; i++)
		buffer[i] = pattern(device, at + i);
}

static bool same(int device, uint64_t at, long size)
{
	for (long i = 0; i < size; i++)
		if (buffer[i] != pattern(device, at + i))
			return false;
	return true;
}

/* One command there and back. */
static struct vdi_completion command(int device, uint32_t code, long size, int64_t position)
{
	struct vdi_command c = {
		.device = device, .code = code, .length = size, .position = position, .id = 1,
	};
	struct vdi_batch batch = { .min = 1 };
	struct vdi_completion done;
	uint64_t offset = 0;
	int err;

	if (code == VDI_CMD_READ || code == VDI_CMD_WRITE)
		vdi_server_buffer_offset(server, buffer, &offset);
	c.offset = offset;
	err = vdi_server_device_exchange(devices[device], &c, 1, &done, 1, PATIENCE_MS, &batch);
	if (!err && batch.accepted == 1 && !batch.delivered)
		err = vdi_server_device_exchange(devices[device], NULL, 0, &done, 1, PATIENCE_MS,
						 &batch);
	if (err || !batch.delivered)
		die(vdi_command_name(code), err ? err : batch.refused);
	return done;
}

static void check(const struct step *s, int device, const struct vdi_completion *done)
{
	if (done->code != (uint32_t)s->code ||
	    (s->check_answer && (int64_t)done->result != s->answer)) {
		fprintf(stderr, "server: %s on device %d: code %u, result %lld\n", s->name, device,
			done->code, (long long)done->result);
		exit(1);
	}
}

static struct vdi_completion transfer(int device, uint32_t code, uint64_t at, long size)
{
	struct vdi_completion done;

	if (code == VDI_CMD_WRITE)
		fill(device, at, size);
	else
		memset(buffer, 0xdb, size);
	done = command(device, code, size, (int64_t)at);
	if (code == VDI_CMD_READ && !same(device, at, (long)done.result)) {
		fprintf(stderr, "server: device %d: wrong data at %llu\n", device,
			(unsigned long long)at);
		exit(1);
	}
	return done;
}

static void step_stream(const struct step *s, int device, uint32_t code)
{
	struct vdi_completion done;

	for (long i = 0; i < s->size; i++) {
		done = transfer(device, code, streamed[device], TRANSFER);
		check(s, device, &done);
		if (!done.code && done.result != TRANSFER)
			die("short transfer with success", 0);
		streamed[device] += done.result;
	}
}

static void step_at(const struct step *s, int device, uint32_t code)
{
	struct vdi_completion done = transfer(device, code, s->position, s->size);

	check(s, device, &done);
}

static void step_readall(int device)
{
	struct vdi_completion done;

	do {
		done = transfer(device, VDI_CMD_READ, streamed[device], TRANSFER);
		streamed[device] += done.result;
	} while (!done.code);
	if (done.code != VDI_CODE_HANDLE_EOF)
		die("no EOF at the end", 0);
	printf("device %d: %llu\n", device, (unsigned long long)streamed[device]);
}

/* All of them are taken before the first is answered, for all this side knows. */
static void step_burst(const struct step *s, int device)
{
	struct vdi_command c[MAX_BURST];
	struct vdi_completion done[MAX_BURST];
	struct vdi_batch batch = { 0 };
	unsigned int got = 0, i;
	uint64_t seen = 0;
	int err;

	for (i = 0; i < MAX_BURST; i++)
		c[i] = (struct vdi_command){ .device = device, .code = VDI_CMD_FLUSH, .id = i };
	err = vdi_server_device_exchange(devices[device], c, s->size, NULL, 0, 0, &batch);
	if (err || batch.accepted != s->size)
		die(s->name, err);
	batch.min = 1;
	while (got < s->size) {
		err = vdi_server_device_exchange(devices[device], NULL, 0, done, MAX_BURST,
						 PATIENCE_MS, &batch);
		if (err)
			die(s->name, err);
		for (i = 0; i < batch.delivered; i++)
			seen |= 1ULL << done[i].id;
		got += batch.delivered;
	}
	if (got != s->size || seen != (1ULL << s->size) - 1)
		die("completions of a burst", 0);
}

static void step_command(const struct step *s, int device)
{
	struct vdi_completion done;
	uint32_t code;

	for (code = VDI_CMD_READ; code <= VDI_CMD_COMPLETE; code++) {
		if (strcasecmp(vdi_command_name(code), s->name))
			continue;
		done = command(device, code, s->size, s->position);
		check(s, device, &done);
		return;
	}
	die(s->name, ENOENT);
}

static void step_aborted(void)
{
	struct vdi_completion done;
	struct vdi_batch batch = { .min = 1 };
	struct vdi_set_stat stat;
	int err;

	do
		err = vdi_server_exchange(server, NULL, 0, &done, 1, PATIENCE_MS, &batch);
	while (!err);
	if (err != -ECANCELED || vdi_server_stat(server, &stat, sizeof(stat)))
		die("no abort", err);
	printf("%s: %s, code %u\n", vdi_reason_name(stat.reason.reason), stat.reason.text,
	       stat.reason.code);
	vdi_server_free(server);
	exit(0);
}

static void on_device(const struct step *s, int device)
{
	if (!strcmp(s->name, "write"))
		step_stream(s, device, VDI_CMD_WRITE);
	else if (!strcmp(s->name, "read"))
		step_stream(s, device, VDI_CMD_READ);
	else if (!strcmp(s->name, "writeat"))
		step_at(s, device, VDI_CMD_WRITE);
	else if (!strcmp(s->name, "readat"))
		step_at(s, device, VDI_CMD_READ);
	else if (!strcmp(s->name, "readall"))
		step_readall(device);
	else if (!strcmp(s->name, "burst"))
		step_burst(s, device);
	else
		step_command(s, device);
}

static void carry_out(const struct step *s)
{
	if (!strcmp(s->name, "sleep")) {
		usleep(1000 * s->size);
	} else if (!strcmp(s->name, "abort")) {
		vdi_server_abort(server, s->size, "the test's server gives up");
		exit(0);
	} else if (!strcmp(s->name, "aborted")) {
		step_aborted();
	} else if (!strcmp(s->name, "die")) {
		raise(SIGKILL);
	} else if (!strcmp(s->name, "leave")) {
		_exit(0);
	} else {
		for (int i = 0; i < nr_devices; i++)
			on_device(s, i);
	}
}

static void parse(struct step *s, const char *text)
{
	char rest[64], *p = rest, *part;

	*s = (struct step){ 0 };
	snprintf(rest, sizeof(rest), "%s", text);
	part = strsep(&p, "@");
	s->check_answer = p;
	s->answer = p ? strtol(p, NULL, 0) : 0;
	p = part;
	part = strsep(&p, "=");
	s->code = p ? strtol(p, NULL, 0) : 0;
	p = part;
	snprintf(s->name, sizeof(s->name), "%s", strsep(&p, ":"));
	part = strsep(&p, ":");
	s->size = part ? strtol(part, NULL, 0) : 0;
	s->position = p ? strtol(p, NULL, 0) : 0;
}

static void connect_to(const char *set)
{
	struct vdi_config config;
	char name[VDI_NAME_SIZE];
	int err, tries = PATIENCE_MS / 20;

	err = vdi_server_new(&server);
	while (!err && (err = vdi_server_open(server, NULL, set)) == -ENOENT && --tries)
		usleep(20000), err = 0;
	if (!err)
		err = vdi_server_get_config(server, &config);
	if (err)
		die(set, err);
	config.features |= media;
	if (config.features & VDI_FEAT_REQUEST_COMPLETE)
		config.features |= VDI_FEAT_COMPLETE_ENABLED;
	config.max_transfer_size = TRANSFER;
	err = vdi_server_begin_config(server, &config) ?:
	      vdi_server_request_buffers(server, TRANSFER, 0, 2) ?:
	      vdi_server_end_config(server) ?:
	      vdi_server_alloc_buffer(server, (void **)&buffer, TRANSFER, 0);
	if (err)
		die("configuration", err);
	for (int i = 0; i < nr_devices; i++) {
		snprintf(name, sizeof(name), i ? "%s.%d" : "%s", set, i);
		err = vdi_server_open_device(server, name, &devices[i]);
		if (err)
			die(name, err);
	}
}

int main(int argc, char **argv)
{
	int opt, err;

	while ((opt = getopt(argc, argv, "n:m:p:")) != -1) {
		switch (opt) {
		case 'n':
			nr_devices = atoi(optarg);
			break;
		case 'm':
			media = (strchr(optarg, 'w') ? VDI_FEAT_WRITE_MEDIA : 0) |
				(strchr(optarg, 'r') ? VDI_FEAT_READ_MEDIA : 0);
			break;
		case 'p':
			sleep(atoi(optarg));
			break;
		default:
			return 2;
		}
	}
	if (optind == argc || nr_devices < 1 || nr_devices > VDI_MAX_DEVICES)
		return 2;
	connect_to(argv[optind]);
	while (++optind < argc) {
		struct step s;

		parse(&s, argv[optind]);
		carry_out(&s);
	}
	for (int i = 0; i < nr_devices; i++) {
		err = vdi_server_close_device(devices[i]);
		if (err)
			die("CloseDevice", err);
	}
	err = vdi_server_close(server);
	if (err)
		die("Close", err);
	vdi_server_free(server);
	return 0;
}
