// SPDX-License-Identifier: GPL-2.0-only
/*
 * No race of names (3.3): again and again a client and a server, in two
 * processes, open the devices of a new set in orders of their own, as soon as
 * each may, and one thread for each device waits for its command at once, as
 * programs for the original do.  Every stream must reach the device of its name.
 * The single steps are provisional_test's.
 */
#include <sys/mman.h>

#include "liblink.h"

#define DEVICES	5
#define ROUNDS	150

struct shared {
	char name[VDI_NAME_SIZE];
	atomic_int round;		/* of the client: created */
	int err;			/* of the client, in round @at */
	int at;
};

/* A thread of the client's for one device. */
struct stripe {
	struct vdi_client *client;
	const char *set;
	int index;
	int err;
};

/* Each round another order, of both sides, that no one knows of the other. */
static void shuffle(int *order, unsigned int *seed)
{
	int i;

	for (i = 0; i < DEVICES; i++)
		order[i] = i;
	for (i = DEVICES - 1; i > 0; i--) {
		int j = rand_r(seed) % (i + 1), was = order[i];

		order[i] = order[j];
		order[j] = was;
	}
}

static void *serve(void *arg)
{
	const struct vdi_client_command *c;
	struct vdi_client_device *dev;
	struct stripe *s = arg;
	char name[VDI_NAME_SIZE];

	vt_device_name(name, s->set, s->index);
	s->err = vdi_client_open_device(s->client, name, &dev);
	if (s->err)
		return NULL;
	s->err = vdi_client_get_command(dev, -1, &c);
	if (s->err)
		return NULL;
	/* the stream is known by its device's name */
	s->err = c->position == s->index ? 0 : -1;
	s->err = s->err ?: vdi_client_complete_command(dev, c, 0, 0, 0);
	s->err = s->err ?: vdi_client_get_command(dev, -1, &c);
	s->err = s->err == -ESHUTDOWN ? 0 : s->err ?: -2;
	return NULL;
}

static int client_round(struct shared *shared, struct vdi_client *client, unsigned int *seed)
{
	struct vdi_config config = { .device_count = DEVICES };
	struct stripe s[DEVICES];
	pthread_t t[DEVICES];
	int order[DEVICES], err, i;

	err = vdi_client_create(client, shared->name, &config);
	atomic_fetch_add(&shared->round, 1);
	err = err ?: vdi_client_get_config(client, -1, &config);
	if (err)
		return err;
	shuffle(order, seed);
	for (i = 0; i < DEVICES; i++) {
		s[i] = (struct stripe){ client, shared->name, order[i], 0 };
		if (pthread_create(&t[i], NULL, serve, &s[i]))
			return -3;
	}
	for (i = 0; i < DEVICES; i++) {
		pthread_join(t[i], NULL);
		err = err ?: s[i].err;
	}
	return err ?: vdi_client_close(client);
}

static int client_process(struct vt_child *me, void *arg)
{
	struct shared *shared = arg;
	struct vdi_client *client;
	unsigned int seed = 2;
	int i;

	(void)me;
	if (vdi_client_new(&client))
		return 1;
	for (i = 0; i < ROUNDS && !shared->err; i++) {
		shared->at = i;
		shared->err = client_round(shared, client, &seed);
	}
	/* a server that waits for the next round sees that there is none */
	atomic_fetch_add(&shared->round, ROUNDS);
	return shared->err ? 2 : 0;
}

static int server_round(struct lib_link *l, unsigned int *seed)
{
	struct lib_call call[DEVICES];
	char name[VDI_NAME_SIZE];
	int order[DEVICES], err, i;

	shuffle(order, seed);
	err = vdi_server_begin_config(l->server, &l->begin) ?: vdi_server_end_config(l->server);
	for (i = 0; i < DEVICES && !err; i++) {
		vt_device_name(name, l->name, order[i]);
		err = vdi_server_open_device(l->server, name, &l->sdev[i]);
		if (err)
			break;
		lib_command(&call[i], VDI_CMD_SET_POSITION)->in_position = order[i];
		err = vdi_server_send_command(l->sdev[i], &call[i].command);
	}
	if (!err && !lib_agent_start(l))
		err = -1;
	for (i = 0; i < DEVICES && !err; i++)
		if (!lib_called(&call[i]) || call[i].code)
			err = -2;
	for (i = 0; i < DEVICES && !err; i++)
		err = vdi_server_close_device(l->sdev[i]);
	if (l->agent_runs && !lib_agent_ends(l))
		err = err ?: -3;
	return err ?: vdi_server_close(l->server);
}

TEST(each_stream_reaches_its_name)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int seed = 1;
	struct vt_child child;
	struct lib_link l;
	int i, err = 0;

	ASSERT_NE(MAP_FAILED, (void *)shared);
	lib_link_init(&l, DEVICES);
	strcpy(shared->name, l.name);
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, client_process, shared));
	for (i = 0; i < ROUNDS && !err; i++) {
		ASSERT_EQ(0, vdi_server_new(&l.server));
		ASSERT_TRUE(VT_UNTIL(atomic_load(&shared->round) > i));
		err = vdi_server_open(l.server, NULL, l.name) ?: server_round(&l, &seed);
		EXPECT_EQ(0, err) {
			TH_LOG("server, round %d; client: error %d in round %d", i, shared->err,
			       shared->at);
		}
		vdi_server_free(l.server);
	}
	EXPECT_EQ(0, vt_finish(&child));
	EXPECT_EQ(0, shared->err) {
		TH_LOG("client, round %d", shared->at);
	}
	vt_baseline(_metadata);
}

TEST_HARNESS_MAIN
