// SPDX-License-Identifier: GPL-2.0-only
/*
 * Features in VDConfig, in and out: every combination of the defined bits in
 * Create against section 6.3 of the specification, and for each legal one what
 * BeginConfiguration may and may not make of it (4.3, 5.1).  Other values of the
 * configuration are set_test's and config_test's.
 */
#include "liblink.h"

/* The defined bits (6.1): the client's, the server's, and one that is nobody's. */
static const uint32_t bits[] = {
	0x1, 0x2, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000,
	0x10000, 0x20000, 0x40000, 0x80000000,
};

#define NR_BITS		16
#define REQUEST		0x2000
#define WRITE_MEDIA	0x10000
#define READ_MEDIA	0x20000
#define COMPLETE	0x40000

static uint32_t combination(unsigned int mask)
{
	uint32_t features = 0;
	unsigned int i;

	for (i = 0; i < NR_BITS; i++)
		features |= mask & 1U << i ? bits[i] : 0;
	return features;
}

/* 6.3: pipe, tape or disk; Removable but for the tape, which has it; and extras. */
static bool legal_for_client(uint32_t features)
{
	static const uint32_t media[] = { 0, 0x1, 0x173, 0x200, 0x201 };
	uint32_t extra, i;

	for (i = 0; i < ARRAY_SIZE(media); i++)
		for (extra = 0; extra < 8; extra++)
			if (features == (media[i] | (extra & 1 ? 0x80 : 0) |
					 (extra & 2 ? 0x400 : 0) | (extra & 4 ? REQUEST : 0)))
				return true;
	return false;
}

/* 4.3: what the client asked for, the direction, Complete if it was asked for. */
static bool legal_for_server(uint32_t client, uint32_t server)
{
	uint32_t own = server & (WRITE_MEDIA | READ_MEDIA | COMPLETE);
	bool pipe = !(client & (0x100 | 0x200));

	if ((server ^ own) != client)
		return false;
	if ((own & COMPLETE) && !(client & REQUEST))
		return false;
	switch (own & ~COMPLETE) {
	case WRITE_MEDIA:
	case READ_MEDIA:
		return true;
	case WRITE_MEDIA | READ_MEDIA:
		return !pipe;
	default:
		return false;
	}
}

FIXTURE(features) {
	struct vdi_client *client;
	struct vdi_server *server;
	struct vdi_config config;
	char name[VDI_NAME_SIZE];
};

FIXTURE_SETUP(features)
{
	ASSERT_EQ(0, vdi_client_new(&self->client));
	self->config.device_count = 1;
	vt_name(self->name);
}

FIXTURE_TEARDOWN(features)
{
	vdi_client_free(self->client);
	vdi_server_free(self->server);
	vt_baseline(_metadata);
}

TEST_F(features, create_all_combinations)
{
	unsigned int mask, legal = 0;
	int want, got;

	for (mask = 0; mask < 1U << NR_BITS; mask++) {
		self->config.features = combination(mask);
		want = legal_for_client(self->config.features) ? 0 : -EOPNOTSUPP;
		got = vdi_client_create(self->client, self->name, &self->config);
		if (got != want)
			EXPECT_EQ(want, got) {
				TH_LOG("features 0x%x", self->config.features);
			}
		if (got)
			continue;
		legal++;
		ASSERT_EQ(0, vdi_client_close(self->client));
	}
	EXPECT_EQ(5 * 8, legal);
}

/* Tries one answer of a server's: 0 if it is as it should be. */
static int answer(FIXTURE_DATA(features) *self, uint32_t features)
{
	uint32_t client = self->config.features;
	struct vdi_config begin = { .features = features }, out;
	struct vdi_set_stat s;
	int want = legal_for_server(client, features) ? 0 : -EINVAL;
	int got = vdi_server_begin_config(self->server, &begin);

	if (got != want)
		return got ?: 1;
	if (vdi_server_stat(self->server, &s, sizeof(s)))
		return 2;
	if (got)
		return s.state == VDI_STATE_CONNECTED ? 0 : 3;
	/* the client reads it as it was given, and the set is used up */
	if (vdi_server_end_config(self->server) ||
	    vdi_client_get_config(self->client, 0, &out) || out.features != features)
		return 4;
	vdi_client_close(self->client);
	vdi_server_free(self->server);
	self->server = NULL;
	return vdi_client_create(self->client, self->name, &self->config) ?:
	       vdi_server_new(&self->server) ?:
	       vdi_server_open(self->server, NULL, self->name);
}

/* All of the server's bits, with the client's as they are and with one changed. */
TEST_F(features, begin_configuration)
{
	unsigned int mask, own, i;

	for (mask = 0; mask < 1U << 12; mask++) {
		uint32_t client = combination(mask);

		if (!legal_for_client(client))
			continue;
		self->config.features = client;
		ASSERT_EQ(0, vdi_client_create(self->client, self->name, &self->config));
		ASSERT_EQ(0, vdi_server_new(&self->server));
		ASSERT_EQ(0, vdi_server_open(self->server, NULL, self->name));
		for (own = 0; own < 16; own++) {
			uint32_t server = client | combination(own << 12);

			ASSERT_EQ(0, answer(self, server)) {
				TH_LOG("client 0x%x, server 0x%x", client, server);
			}
			for (i = 0; i < 12; i++)
				ASSERT_EQ(0, answer(self, server ^ bits[i])) {
					TH_LOG("client 0x%x, server 0x%x", client,
					       server ^ bits[i]);
				}
		}
		vdi_client_close(self->client);
		vdi_server_free(self->server);
		self->server = NULL;
	}
}

TEST_HARNESS_MAIN
