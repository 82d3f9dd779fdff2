/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each side gets of an aborted set from then on, by the table "Close,
 * abort and death".  For the tests of that table's rows.
 */
#ifndef VDI_TEST_ABORTED_H
#define VDI_TEST_ABORTED_H

#include "link.h"

/* @dev may be -1.  Completions must have been collected. */
static inline void client_is_aborted(struct __test_metadata *_metadata, int set, int dev)
{
	struct vdi_completion done = {};
	struct vdi_command c;

	EXPECT_EQ(ECANCELED, vt_get_config(set, 0));
	EXPECT_EQ(-ECANCELED, vt_open_device(set, "another"));
	EXPECT_EQ(ECANCELED, vt_get(set, &c, VDI_TIME_INFINITE));
	if (dev < 0)
		return;
	EXPECT_EQ(ECANCELED, vt_get(dev, &c, VDI_TIME_INFINITE));
	EXPECT_EQ(ECANCELED, vt_put(dev, &done, 1, NULL));
	EXPECT_EQ(VDI_DEVICE_ABORTED, vt_device_state(dev));
}

static inline void server_is_aborted(struct __test_metadata *_metadata, int set, int dev)
{
	struct vdi_completion done;

	EXPECT_EQ(ECANCELED, vt_get_config(set, 0));
	EXPECT_EQ(-ECANCELED, vt_open_device(set, "another"));
	EXPECT_EQ(ECANCELED, vt_collect(set, &done, VDI_TIME_INFINITE));
	EXPECT_EQ(ECANCELED, vt_send(set, 0, VDI_CMD_FLUSH, 1));
	if (dev < 0)
		return;
	EXPECT_EQ(ECANCELED, vt_collect(dev, &done, VDI_TIME_INFINITE));
	EXPECT_EQ(ECANCELED, vt_send(dev, 0, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(ECANCELED, vt_close_device(dev));
}

#endif /* VDI_TEST_ABORTED_H */
