// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client program for the tests of `vdi selftest`: a pipe, a tape or a disk
 * that does what the specification says, over files, and on request one thing
 * that it does not (fault.c).
 *
 * usage: fault_client [OPTION]... backup|restore SET DIRECTORY
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define CLIENT_AHEAD	4	/* commands that are fetched before one is completed */

#define FAULT_NAME(id, name) name,
static const char * const fault_names[] = { FAULTS(FAULT_NAME) };

static uint32_t client_done(int ret)
{
	return ret ? VDI_CODE_IO_DEVICE : 0;
}

/* What the features promise; all else is not known. */
static bool client_knows(const struct client *client, uint32_t code)
{
	switch (code) {
	case VDI_CMD_READ:
	case VDI_CMD_WRITE:
	case VDI_CMD_CLEAR_ERROR:
	case VDI_CMD_FLUSH:
		return true;
	case VDI_CMD_REWIND:
		return client->features & VDI_FEAT_REWIND;
	case VDI_CMD_WRITE_MARK:
	case VDI_CMD_SKIP_MARKS:
		return client->features & VDI_FEAT_FILE_MARKS;
	case VDI_CMD_SKIP_BLOCKS:
		return client->features & VDI_FEAT_SKIP_BLOCKS;
	case VDI_CMD_LOAD:
		return client->features & VDI_FEAT_REMOVABLE;
	case VDI_CMD_GET_POSITION:
	case VDI_CMD_SET_POSITION:
		return client->features & (VDI_FEAT_POSITION | VDI_FEAT_RANDOM_ACCESS);
	case VDI_CMD_DISCARD:
		return client->features & VDI_FEAT_DISCARD;
	case VDI_CMD_COMPLETE:
		return client->config.features & VDI_FEAT_COMPLETE_ENABLED;
	default:
		return false;
	}
}

void client_execute(struct station *station, const struct vdi_client_command *command,
		    struct answer *answer)
{
	struct medium *m = &station->medium;

	if (!client_knows(station->client, command->code)) {
		answer->code = VDI_CODE_NOT_SUPPORTED;
		return;
	}
	switch (command->code) {
	case VDI_CMD_READ:
		answer->code = medium_read(m, command->position, command->buffer, command->size,
					   &answer->bytes);
		break;
	case VDI_CMD_WRITE:
		answer->code = medium_write(m, command->position, command->buffer, command->size,
					    &answer->bytes);
		break;
	case VDI_CMD_FLUSH:
		answer->code = client_done(medium_flush(m));
		break;
	case VDI_CMD_COMPLETE:
		answer->code = client_done(medium_complete(m));
		break;
	case VDI_CMD_REWIND:
		m->at = 0;
		break;
	case VDI_CMD_WRITE_MARK:
		answer->code = medium_mark(m);
		break;
	case VDI_CMD_SKIP_MARKS:
		answer->code = medium_skip_marks(m, command->size);
		break;
	case VDI_CMD_SKIP_BLOCKS:
		answer->code = medium_skip_blocks(m, command->size);
		break;
	case VDI_CMD_LOAD:
		answer->code = client_done(medium_load(m));
		break;
	case VDI_CMD_GET_POSITION:
		answer->position = m->kind == MEDIUM_DISK ? m->position : m->at;
		break;
	case VDI_CMD_SET_POSITION:
		answer->code = medium_seek(m, command->size, command->position, &answer->position);
		break;
	case VDI_CMD_DISCARD:
		medium_discard(m);
		break;
	}
}

static int client_answer(struct station *station, const struct vdi_client_command *command,
			 const struct answer *answer)
{
	uint16_t code = command->code;
	int ret;

	if (answer->none)
		return 0;
	fault_complete(station, command, answer);
	ret = vdi_client_complete_command(station->device, command, answer->code, answer->bytes,
					  answer->position);
	if (!ret)
		fault_completed(station, command, code);
	return ret;
}

/* Takes what there is, does it in order, answers it in order or backwards. */
static int client_serve(struct station *station)
{
	const struct vdi_client_command *commands[CLIENT_AHEAD];
	struct answer answers[CLIENT_AHEAD];
	unsigned int n, i;
	int ret;

	for (;;) {
		ret = vdi_client_get_command(station->device, -1, &commands[0]);
		if (ret)
			return ret;
		for (n = 1; station->client->shuffle && n < CLIENT_AHEAD; n++)
			if (vdi_client_get_command(station->device, 0, &commands[n]))
				break;
		for (i = 0; i < n; i++) {
			answers[i] = (struct answer) { };
			if (!fault_before(station, commands[i], &answers[i]))
				client_execute(station, commands[i], &answers[i]);
			fault_after(station, commands[i], &answers[i]);
		}
		for (i = 0; i < n; i++) {
			ret = client_answer(station, commands[n - 1 - i], &answers[n - 1 - i]);
			if (ret)
				return ret;
		}
	}
}

static void *client_thread(void *arg)
{
	struct station *station = arg;
	struct client *client = station->client;
	int ret = client_serve(station);

	if (ret == -ECANCELED)
		atomic_store(&client->aborted, true);
	else if (ret != -ESHUTDOWN)
		atomic_store(&client->failed, true);
	return NULL;
}

static int client_fail(const char *what, int ret)
{
	fprintf(stderr, "fault_client: %s: %s\n", what, vdi_strerror(ret));
	return 1;
}

/* The data of the other device, if that is the fault */
static unsigned int client_medium(const struct client *client, unsigned int index)
{
	if (client->fault == FAULT_CROSSES && client->restore && client->count > 1 && index < 2)
		return !index;
	return index;
}

static int client_media(struct client *client)
{
	unsigned int i;

	for (i = 0; i < client->config.device_count; i++) {
		struct station *station = &client->stations[i];
		struct medium *m = &station->medium;

		station->client = client;
		station->index = i;
		m->kind = client->kind;
		m->device = client_medium(client, i);
		m->block = client->config.block_size;
		m->write = !client->restore;
		m->limit = client->limit;
		snprintf(m->dir, sizeof(m->dir), "%s", client->dir);
		if (client->restore && client->features & VDI_FEAT_REQUEST_COMPLETE &&
		    !medium_is_complete(m)) {
			fprintf(stderr, "fault_client: %s: not a whole backup\n", client->dir);
			return 1;
		}
		if (medium_open(m))
			return client_fail(client->dir, -errno);
	}
	return 0;
}

static int client_devices(struct client *client)
{
	unsigned int i, count = client->config.device_count;
	char name[VDI_NAME_SIZE];
	int ret = 0;

	for (i = 0; !ret && i < count; i++) {
		if (client->fault == FAULT_OPENS_LESS && i == count - 1)
			break;
		snprintf(name, sizeof(name), i ? "%s.%u" : "%s", client->set, i);
		ret = vdi_client_open_device(client->client, name, &client->stations[i].device);
	}
	if (ret == -ECANCELED)
		atomic_store(&client->aborted, true);
	if (ret)
		return client_fail("open a device", ret);
	for (i = 0; i < count; i++)
		if (client->stations[i].device)
			pthread_create(&client->stations[i].tid, NULL, client_thread,
				       &client->stations[i]);
	for (i = 0; i < count; i++)
		if (client->stations[i].device)
			pthread_join(client->stations[i].tid, NULL);
	while (client->fault == FAULT_OPENS_LESS)
		pause();
	return 0;
}

/* After the last command: what the end makes of the data. */
static int client_end(struct client *client)
{
	bool aborted = atomic_load(&client->aborted);
	unsigned int i;

	while (aborted && client->fault == FAULT_HANGS_ABORTED)
		pause();
	for (i = 0; i < client->config.device_count; i++) {
		struct medium *m = &client->stations[i].medium;
		bool late = client->fault == FAULT_STORES_LATE;
		bool keep = client->fault == FAULT_SURVIVES_ABORT ||
			    client->fault == FAULT_KEEPS_ABORTED;

		if (m->write && ((late && !aborted) || (keep && aborted)))
			medium_complete(m);
		medium_free(m);
	}
	if (aborted && client->fault != FAULT_SURVIVES_ABORT)
		return client_fail(client->set, -ECANCELED);
	return atomic_load(&client->failed);
}

static int client_run(struct client *client)
{
	const struct vdi_config config = {
		.device_count = client->count + (client->fault == FAULT_MORE_DEVICES),
		.features = client->features,
		.prefix_zone_size = client->prefix,
	};
	int ret;

	ret = vdi_client_new(&client->client);
	if (!ret)
		ret = vdi_client_create(client->client, client->set, &config);
	if (ret)
		return client_fail("create", ret);
	ret = vdi_client_get_config(client->client, 60000, &client->config);
	if (ret)
		return client_fail("configuration", ret);
	client->stations = calloc(client->config.device_count, sizeof(*client->stations));
	ret = client_media(client);
	if (!ret)
		ret = client_devices(client);
	if (!ret)
		ret = client_end(client);
	vdi_client_close(client->client);
	vdi_client_free(client->client);
	free(client->stations);
	while (!ret && client->fault == FAULT_STAYS_ON)
		pause();
	return ret ? ret : client->fault == FAULT_EXITS_WRONG;
}

static int client_usage(void)
{
	unsigned int i;

	fprintf(stderr, "usage: fault_client [--pipe|--tape|--disk] [--removable] [--discard]\n"
		"  [--no-complete] [--shuffle] [--prefix BYTES] [--media-size BYTES]\n"
		"  [-n DEVICES] [--fault NAME] backup|restore SET DIRECTORY\nfaults:");
	for (i = 0; i < FAULT_COUNT; i++)
		fprintf(stderr, " %s", fault_names[i]);
	fputc('\n', stderr);
	return 2;
}

static enum fault client_fault(const char *name)
{
	unsigned int i = 0;

	while (i < FAULT_COUNT && strcmp(fault_names[i], name))
		i++;
	return i;
}

static void client_options(struct client *client, int argc, char **argv)
{
	enum { PIPE = 256, TAPE, DISK, REMOVABLE, DISCARD, NO_COMPLETE, SHUFFLE, PREFIX, LIMIT,
	       FAULT };
	static const struct option options[] = {
		{ "pipe", no_argument, NULL, PIPE }, { "tape", no_argument, NULL, TAPE },
		{ "disk", no_argument, NULL, DISK }, { "removable", no_argument, NULL, REMOVABLE },
		{ "discard", no_argument, NULL, DISCARD },
		{ "no-complete", no_argument, NULL, NO_COMPLETE },
		{ "shuffle", no_argument, NULL, SHUFFLE },
		{ "prefix", required_argument, NULL, PREFIX },
		{ "media-size", required_argument, NULL, LIMIT },
		{ "fault", required_argument, NULL, FAULT },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:", options, NULL)) != -1) {
		switch (option) {
		case PIPE:
			break;
		case TAPE:
			client->kind = MEDIUM_TAPE;
			client->features |= VDI_FEAT_LIKE_TAPE;
			break;
		case DISK:
			client->kind = MEDIUM_DISK;
			client->features |= VDI_FEAT_LIKE_DISK;
			break;
		case REMOVABLE:
			client->features |= VDI_FEAT_REMOVABLE;
			break;
		case DISCARD:
			client->features |= VDI_FEAT_DISCARD;
			break;
		case NO_COMPLETE:
			client->features &= ~VDI_FEAT_REQUEST_COMPLETE;
			break;
		case SHUFFLE:
			client->shuffle = true;
			break;
		case PREFIX:
			client->prefix = strtoul(optarg, NULL, 10);
			break;
		case LIMIT:
			client->limit = strtoull(optarg, NULL, 10);
			break;
		case FAULT:
			client->fault = client_fault(optarg);
			break;
		case 'n':
			client->count = strtoul(optarg, NULL, 10);
			break;
		default:
			client->fault = FAULT_COUNT;
		}
	}
}

int main(int argc, char **argv)
{
	struct client client = { .count = 1, .features = VDI_FEAT_REQUEST_COMPLETE };

	client_options(&client, argc, argv);
	if (argc - optind != 3 || client.fault == FAULT_COUNT)
		return client_usage();
	client.restore = !strcmp(argv[optind], "restore");
	client.set = argv[optind + 1];
	client.dir = argv[optind + 2];
	if (client.fault == FAULT_NO_SET)
		return 1;
	return client_run(&client);
}
