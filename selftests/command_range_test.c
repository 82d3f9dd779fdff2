// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ranges that a command may name: inside one piece of the area, with its
 * prefix zone, no longer than a transfer.  What a refused one leaves is checked
 * each time: nothing.
 */
#include "link.h"

#define PREFIX	512U

/* range: two pieces of 128 KiB and 64 KiB, a prefix zone, transfers of 64 KiB. */
FIXTURE(range) {
	struct vt_link l;
	int server;
	uint64_t size2;
	uint64_t offset2;
};

FIXTURE_VARIANT(range) {
	uint16_t code;
};

FIXTURE_VARIANT_ADD(range, write) {
	.code = VDI_CMD_WRITE,
};

FIXTURE_VARIANT_ADD(range, read) {
	.code = VDI_CMD_READ,
};

FIXTURE_SETUP(range)
{
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = VT_TRANSFER);

	vt_link_init(&self->l, 1);
	self->l.create.config.prefix_zone_size = PREFIX;
	self->l.area = 2 * VT_TRANSFER;
	ASSERT_EQ(0, vt_link_up(&self->l));
	ASSERT_OK(self->l.server, VDI_IOC_GROW_AREA, &g);
	self->offset2 = g.out_offset;
	self->size2 = g.out_size;
	self->server = self->l.sdev[0];
}

FIXTURE_TEARDOWN(range)
{
	vt_baseline(_metadata);
}

/* What sending gives; a refused command never reaches the client. */
static int try(struct __test_metadata *_metadata, struct vt_link *l, uint16_t code,
	       uint64_t offset, int32_t length)
{
	struct vdi_command got, c = { .code = code, .offset = offset, .length = length };
	int err = vt_put(l->sdev[0], &c, 1, NULL);
	struct vdi_completion done;

	if (err) {
		EXPECT_EQ(0, vt_take(l->cdev[0], &got, 1));
		return err;
	}
	EXPECT_EQ(1, vt_take(l->cdev[0], &got, 1));
	EXPECT_EQ(offset, got.offset);
	EXPECT_EQ(length, got.length);
	EXPECT_EQ(0, vt_complete(l->cdev[0], 0, got.id, 0, 0));
	EXPECT_EQ(1, vt_take(l->sdev[0], &done, 1));
	return 0;
}

#define TRY(offset, length)	try(_metadata, &self->l, variant->code, offset, length)

TEST_F(range, whole_pieces_are_good)
{
	uint64_t o = self->l.offset;

	EXPECT_EQ(0, TRY(o + PREFIX, 1));
	EXPECT_EQ(0, TRY(o + PREFIX, VT_TRANSFER));
	EXPECT_EQ(0, TRY(o + self->l.size - VT_TRANSFER, VT_TRANSFER));
	EXPECT_EQ(0, TRY(o + self->l.size - 1, 1));
	EXPECT_EQ(0, TRY(self->offset2 + PREFIX, self->size2 - PREFIX));
	EXPECT_EQ(0, TRY(self->offset2 + self->size2 - 512, 512));
}

TEST_F(range, end_of_piece_EINVAL)
{
	uint64_t end = self->l.offset + self->l.size;

	EXPECT_EQ(EINVAL, TRY(end - 1, 2));
	EXPECT_EQ(EINVAL, TRY(end - 512, 513));
	EXPECT_EQ(EINVAL, TRY(end - 4096, VT_TRANSFER));
	EXPECT_EQ(EINVAL, TRY(self->offset2 + self->size2 - 1, 2));
	EXPECT_EQ(EINVAL, TRY(self->offset2 + self->size2, 1));
}

/* Not even if the pieces follow each other. */
TEST_F(range, across_two_pieces_EINVAL)
{
	EXPECT_EQ(EINVAL, TRY(self->offset2 - 512, 1024));
	EXPECT_EQ(EINVAL, TRY(self->offset2 - 1, 2));
	EXPECT_EQ(EINVAL, TRY(self->offset2 - VT_TRANSFER / 2, VT_TRANSFER));
}

TEST_F(range, prefix_zone_EINVAL)
{
	EXPECT_EQ(EINVAL, TRY(self->l.offset, 512));
	EXPECT_EQ(EINVAL, TRY(self->l.offset + PREFIX - 1, 512));
	/* it may not lie in the piece before */
	EXPECT_EQ(EINVAL, TRY(self->offset2, 512));
	EXPECT_EQ(EINVAL, TRY(self->offset2 + PREFIX - 1, 512));
	EXPECT_EQ(0, TRY(self->offset2 + PREFIX, 512));
}

TEST_F(range, overflow_EINVAL)
{
	static const uint64_t offsets[] = {
		~0ULL, ~0ULL - 1, ~0ULL - 511, ~0ULL - VT_TRANSFER + 1, 1ULL << 63,
		(1ULL << 63) - 512, 1ULL << 62, 1ULL << 32, (1ULL << 32) + 4096,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		EXPECT_EQ(EINVAL, TRY(offsets[i], 512));
		EXPECT_EQ(EINVAL, TRY(offsets[i], VT_TRANSFER));
	}
}

TEST_F(range, beyond_the_area_EINVAL)
{
	uint64_t end = self->offset2 + self->size2;

	EXPECT_EQ(EINVAL, TRY(end, 1));
	EXPECT_EQ(EINVAL, TRY(end + PREFIX, 512));
	EXPECT_EQ(EINVAL, TRY(end + (1ULL << 30), 512));
}

TEST_F(range, length_EINVAL)
{
	uint64_t o = self->l.offset + PREFIX;

	EXPECT_EQ(EINVAL, TRY(o, 0));
	EXPECT_EQ(EINVAL, TRY(o, -1));
	EXPECT_EQ(EINVAL, TRY(o, INT32_MIN));
	EXPECT_EQ(EINVAL, TRY(o, VT_TRANSFER + 1));
	EXPECT_EQ(EINVAL, TRY(o, INT32_MAX));
	EXPECT_EQ(0, TRY(o, VT_TRANSFER));
}

/* Without a buffer there is no offset, whatever the other words say. */
TEST_F(range, offset_without_buffer_EINVAL)
{
	uint16_t code;

	for (code = VDI_CMD_REWIND; code <= VDI_CMD_COMPLETE; code++) {
		EXPECT_EQ(EINVAL, try(_metadata, &self->l, code, self->l.offset + PREFIX, 512));
		EXPECT_EQ(EINVAL, try(_metadata, &self->l, code, 1, 0));
		EXPECT_EQ(0, try(_metadata, &self->l, code, 0, -5));
	}
	EXPECT_EQ(EINVAL, try(_metadata, &self->l, 0x4000, 1, 0));
	EXPECT_EQ(0, try(_metadata, &self->l, 0x4000, 0, 1 << 30));
}

/* A piece can be used as soon as GROW_AREA has returned, not before. */
TEST_F(range, grown_piece)
{
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = VT_TRANSFER + PREFIX);
	uint64_t next = self->offset2 + self->size2;

	EXPECT_EQ(EINVAL, TRY(next + PREFIX, 512));
	ASSERT_OK(self->l.server, VDI_IOC_GROW_AREA, &g);
	EXPECT_EQ(0, TRY(g.out_offset + PREFIX, VT_TRANSFER));
	EXPECT_EQ(0, TRY(g.out_offset + g.out_size - 512, 512));
	EXPECT_EQ(EINVAL, TRY(g.out_offset + g.out_size - 511, 512));
}

/* Large transfers, where they were agreed on. */
TEST_F(range, large_transfer)
{
	struct vt_link l;

	vt_link_init(&l, 1);
	l.begin.max_transfer_size = 4U << 20;
	l.area = 4U << 20;
	ASSERT_EQ(0, vt_link_up(&l));
	EXPECT_EQ(0, try(_metadata, &l, variant->code, l.offset, 4 << 20));
	EXPECT_EQ(EINVAL, try(_metadata, &l, variant->code, l.offset, (4 << 20) + 1));
	EXPECT_EQ(EINVAL, try(_metadata, &l, variant->code, l.offset + 1, 4 << 20));
}

TEST_HARNESS_MAIN
