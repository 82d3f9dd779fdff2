// SPDX-License-Identifier: GPL-2.0-only
/*
 * EXCHANGE with bad memory: before anything was taken over nothing changes;
 * after that the set is aborted, so that no command is lost or doubled.
 */
#include "link.h"
#include "sleeper.h"

#define DEPTH	256U

/* fault: a deep ring, and memory of two pages before a hole. */
FIXTURE(fault) {
	struct vt_link l;
	int client;
	int server;
	size_t len;		/* of the good part */
	char *good;
	char *hole;		/* where it ends */
	struct vdi_command cmd[DEPTH];
	struct vdi_completion done[DEPTH];
};

FIXTURE_SETUP(fault)
{
	size_t page = sysconf(_SC_PAGESIZE);

	vt_link_init(&self->l, 1);
	self->l.create.ring_depth = DEPTH;
	ASSERT_EQ(0, vt_link_up(&self->l));
	self->client = self->l.cdev[0];
	self->server = self->l.sdev[0];
	self->len = 2 * page;
	self->good = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->good);
	self->hole = self->good + self->len;
	ASSERT_EQ(0, munmap(self->hole, page));
}

FIXTURE_TEARDOWN(fault)
{
	vt_baseline(_metadata);
}

/* The set works as if the call had never been. */
static void expect_unharmed(struct __test_metadata *_metadata, struct vt_link *l)
{
	struct vdi_device_status s = VT_INIT(vdi_device_status);
	struct vdi_completion done;
	struct vdi_command c;

	ASSERT_EQ(0, vt_call(l->sdev[0], VDI_IOC_DEVICE_STATUS, &s));
	EXPECT_EQ(0, s.out_queued + s.out_taken + s.out_done);
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(l->client));
	ASSERT_EQ(0, vt_send(l->sdev[0], 0, VDI_CMD_FLUSH, 4711));
	ASSERT_EQ(0, vt_get(l->cdev[0], &c, VT_LONG));
	ASSERT_EQ(0, vt_complete(l->cdev[0], 0, c.id, 0, 0));
	ASSERT_EQ(0, vt_collect(l->sdev[0], &done, VT_LONG));
	EXPECT_EQ(4711, done.id);
}

static void expect_aborted_by_fault(struct __test_metadata *_metadata, struct vt_link *l,
				    unsigned int role)
{
	struct vdi_status s;

	ASSERT_EQ(0, vt_status(l->client, &s));
	EXPECT_EQ(VDI_STATE_ABORTED, s.out_stat.state);
	EXPECT_EQ(VDI_REASON_FAULT, s.out_stat.reason.reason);
	EXPECT_EQ(role, s.out_stat.reason.who.role);
	EXPECT_EQ(getpid(), s.out_stat.reason.who.pid);
}

TEST_F(fault, in_array_bad_from_the_start)
{
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)self->hole, .nr_in = 4);

	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, &x);
	EXPECT_ERRNO(EFAULT, self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_ERRNO(EFAULT, self->l.server, VDI_IOC_EXCHANGE, &x);
	x.in = 0;
	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, &x);
	x.in = ~0ULL - 31;
	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, &x);
	expect_unharmed(_metadata, &self->l);
}

/* Within the first chunk: nothing was taken over yet. */
TEST_F(fault, in_array_bad_at_the_second_record)
{
	struct vdi_command *c = (void *)(self->hole - sizeof(*c));
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)c, .nr_in = 2);

	*c = vt_flush(0, 1);
	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, &x);
	expect_unharmed(_metadata, &self->l);
}

/* So far on that something was taken over: 200 records are more than a chunk. */
TEST_F(fault, in_array_bad_after_acceptance_aborts)
{
	struct vdi_command *c = (void *)(self->hole - 200 * sizeof(*c));
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)c, .nr_in = 250);
	struct vdi_device_status s = VT_INIT(vdi_device_status);
	int i, n;

	vt_flushes(c, 200, 0, 0);
	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, &x);
	expect_aborted_by_fault(_metadata, &self->l, VDI_ROLE_SERVER);
	EXPECT_EQ(ECANCELED, vt_get(self->client, self->cmd, VDI_TIME_INFINITE));
	/* one completion for each that was taken over, and no others */
	ASSERT_OK(self->server, VDI_IOC_DEVICE_STATUS, &s);
	ASSERT_LT(0, s.out_commands);
	ASSERT_GE(200, s.out_commands);
	n = vt_take(self->server, self->done, DEPTH);
	ASSERT_EQ((int)s.out_commands, n);
	for (i = 0; i < n; i++) {
		EXPECT_EQ((uint64_t)i, self->done[i].id);
		EXPECT_EQ(995, self->done[i].code);
	}
	EXPECT_EQ(ECANCELED, vt_collect(self->server, self->done, VDI_TIME_INFINITE));
}

TEST_F(fault, completions_bad_after_acceptance_aborts)
{
	struct vdi_completion *c = (void *)(self->hole - 200 * sizeof(*c));
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)c, .nr_in = 250);
	unsigned int good = 0, aborted = 0;
	int i, n;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 250, 0, self->cmd, 250));
	for (i = 0; i < 200; i++)
		c[i] = vt_answer(&self->cmd[i], 0);
	EXPECT_ERRNO(EFAULT, self->client, VDI_IOC_EXCHANGE, &x);
	expect_aborted_by_fault(_metadata, &self->l, VDI_ROLE_CLIENT);
	n = vt_take(self->server, self->done, DEPTH);
	ASSERT_EQ(250, n);
	for (i = 0; i < n; i++) {
		good += self->done[i].code == 0;
		aborted += self->done[i].code == 995;
	}
	EXPECT_EQ(250, good + aborted);
	EXPECT_LE(50, aborted);
	EXPECT_NE(0, good);
}

/* Where the answers go is touched first: nothing was taken over. */
TEST_F(fault, out_array_bad_changes_nothing)
{
	struct vdi_command c = vt_flush(0, 1);
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)&c, .nr_in = 1,
					.out = (uintptr_t)self->hole, .nr_out = 4);

	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, &x);
	x.out = 0;
	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, &x);
	x.out = ~0ULL - 31;
	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, &x);
	expect_unharmed(_metadata, &self->l);
}

TEST_F(fault, out_array_read_only_changes_nothing)
{
	struct vdi_command c = vt_flush(0, 1);
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)&c, .nr_in = 1,
					.out = (uintptr_t)self->good, .nr_out = 4);

	memset(self->good, VT_POISON, self->len);
	ASSERT_EQ(0, mprotect(self->good, self->len, PROT_READ));
	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, &x);
	EXPECT_TRUE(vt_poisoned(self->good, self->len));
	expect_unharmed(_metadata, &self->l);
}

/* With something to deliver: it stays where it is. */
TEST_F(fault, out_array_bad_keeps_what_waits)
{
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)self->hole,
					.nr_out = 4, .min = 1, .deadline_ns = VDI_TIME_INFINITE);

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 2, 0, self->cmd, 1));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->cmd[0].id, 0, 0));
	EXPECT_ERRNO(EFAULT, self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, &x);
	EXPECT_ERRNO(EFAULT, self->l.client, VDI_IOC_EXCHANGE, &x);
	EXPECT_ERRNO(EFAULT, self->l.server, VDI_IOC_EXCHANGE, &x);
	EXPECT_EQ(1, vt_take(self->client, self->cmd, 4));
	EXPECT_EQ(1, vt_take(self->server, self->done, 4));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.client));
}

/* The last page of a long array is touched as well. */
TEST_F(fault, out_array_bad_at_its_end)
{
	unsigned int fits = self->len / sizeof(struct vdi_command);
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)self->good,
					.nr_out = fits + 8);

	ASSERT_EQ(0, vt_link_load(&self->l, 0, DEPTH, 0, NULL, 0));
	EXPECT_ERRNO(EFAULT, self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.client));
	EXPECT_EQ((int)DEPTH, vt_take(self->client, self->cmd, DEPTH));
}

/*
 * Memory that was good when the call began and is gone when there is something to
 * deliver: the record was taken over, so that only an abort is true.
 */
TEST_F(fault, out_array_gone_while_asleep_aborts)
{
	struct vt_sleeper s = {
		.call = vt_call_exchange,
		.fd = self->client,
		.x = VT_INIT(vdi_exchange, .out = (uintptr_t)self->good, .nr_out = 1, .min = 1,
			     .deadline_ns = VDI_TIME_INFINITE),
	};

	ASSERT_TRUE(vt_sleep(&s));
	ASSERT_EQ(0, munmap(self->good, self->len));
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 4711));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(EFAULT, s.err);
	expect_aborted_by_fault(_metadata, &self->l, VDI_ROLE_CLIENT);
	ASSERT_EQ(1, vt_take(self->server, self->done, 4));
	EXPECT_EQ(4711, self->done[0].id);
	EXPECT_EQ(VDI_CODE_OPERATION_ABORTED, self->done[0].code);
}

/* Memory that is not there yet, or is shared with nobody, is good memory. */
TEST_F(fault, untouched_memory_is_good)
{
	struct vdi_command *c = (void *)(self->hole - sizeof(*c));

	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(1, vt_take(self->client, c, 1));
	EXPECT_EQ(VDI_CMD_FLUSH, c->code);
}

/* The arguments themselves in memory that cannot take the answer. */
TEST_F(fault, arguments_read_only_change_nothing)
{
	struct vdi_exchange *x = (void *)self->good;
	struct vdi_command c = vt_flush(0, 1);

	*x = VT_INIT(vdi_exchange, .in = (uintptr_t)&c, .nr_in = 1);
	ASSERT_EQ(0, mprotect(self->good, self->len, PROT_READ));
	EXPECT_ERRNO(EFAULT, self->server, VDI_IOC_EXCHANGE, x);
	expect_unharmed(_metadata, &self->l);
}

/* Nothing is touched that the call does not use. */
TEST_F(fault, pointers_without_records_are_not_used)
{
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)self->hole,
					.out = (uintptr_t)self->hole);

	EXPECT_OK(self->server, VDI_IOC_EXCHANGE, &x);
	EXPECT_OK(self->client, VDI_IOC_EXCHANGE, &x);
}

/* A set that has ended is not aborted by a fault. */
TEST_F(fault, after_the_end_changes_nothing)
{
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)self->hole, .nr_in = 4);

	ASSERT_EQ(0, vt_close_device(self->server));
	ASSERT_EQ(VDI_STATE_TERMINATED, vt_state(self->l.client));
	EXPECT_ERRNO(EFAULT, self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->l.client));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->client, self->cmd, 0));
}

TEST_HARNESS_MAIN
