// SPDX-License-Identifier: GPL-2.0-only
/*
 * An engine on a node does a fixed piece of work, and at one of its commands, each
 * in turn, something happens: the client fails it, aborts, closes, dies, answers and
 * then aborts, or a signal comes.  After a signal all is as if there had been none.
 * After the others the engine is told by a call or by close(2), or all is there: what
 * the client takes for a stream that ended well is the whole stream.
 */
#include <sys/mtio.h>

#include "node.h"

#define SEEN	(1U << 20)	/* bytes that one work reads, at most */

/* One attempt at the work. */
struct work {
	struct node_set *s;
	int fd;
	unsigned char *buf;	/* what is written: the stream of node_fill() */
	unsigned char *seen;	/* all that was read, behind one another */
	size_t nr_seen;
	int err;		/* that a call gave */
	bool unwritten;		/* and it was to write */
	int end;		/* that close(2) gave */
};

/* A call has failed: whether to do it again. */
static bool retry(struct work *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN | POLLOUT };

	if (errno == EINTR)
		return true;
	if (errno == EAGAIN && (poll(&p, 1, 20000 * vt_scale()) > 0 || errno == EINTR))
		return true;
	w->err = errno;
	return false;
}

/* @at below 0: where the file is */
static void put(struct work *w, off_t at, size_t from, size_t len)
{
	ssize_t n;

	while (len && !w->err) {
		n = at < 0 ? write(w->fd, w->buf + from, len) :
			     pwrite(w->fd, w->buf + from, len, at);
		if (n < 0) {
			w->unwritten = !retry(w);
			continue;
		}
		from += n;
		len -= n;
		at += at < 0 ? 0 : n;
	}
}

/* Up to @len, to the end, or on a tape to the end of the block */
static void get(struct work *w, off_t at, size_t len, bool block)
{
	ssize_t n;

	while (len && !w->err) {
		n = at < 0 ? read(w->fd, w->seen + w->nr_seen, len) :
			     pread(w->fd, w->seen + w->nr_seen, len, at);
		if (n < 0) {
			if (!retry(w))
				return;
			continue;
		}
		w->nr_seen += n;
		if (!n || block)
			return;
		len -= n;
		at += at < 0 ? 0 : n;
	}
}

static void sync_all(struct work *w)
{
	while (!w->err && fsync(w->fd))
		w->unwritten = !retry(w);
}

static void to(struct work *w, off_t offset, int whence)
{
	off_t at = -1;

	while (!w->err && (at = lseek(w->fd, offset, whence)) < 0)
		retry(w);
	memcpy(w->seen + w->nr_seen, &at, sizeof(at));
	w->nr_seen += sizeof(at);
}

static void mt(struct work *w, int op, int count)
{
	struct mtop m = { .mt_op = op, .mt_count = count };
	struct mtpos pos = { };

	while (!w->err && ioctl(w->fd, MTIOCTOP, &m))
		retry(w);
	/* a drive without a tape has no position */
	while (!w->err && op != MTOFFL && ioctl(w->fd, MTIOCPOS, &pos))
		retry(w);
	memcpy(w->seen + w->nr_seen, &pos.mt_blkno, sizeof(pos.mt_blkno));
	w->nr_seen += sizeof(pos.mt_blkno);
}

static void write_stream(struct work *w)
{
	put(w, -1, 0, 3 * NODE_TRANSFER + 1000);
	sync_all(w);
	put(w, -1, 3 * NODE_TRANSFER + 1000, 2 * NODE_TRANSFER);
	put(w, -1, 5 * NODE_TRANSFER + 1000, 77);
}

static void read_stream(struct work *w)
{
	get(w, -1, 1000, false);
	get(w, -1, SEEN / 2, false);
}

static void write_disk(struct work *w)
{
	put(w, 0, 0, 100);
	put(w, 5000, 5000, 2 * NODE_TRANSFER);
	get(w, 4000, 3000, false);
	to(w, 0, SEEK_END);
	put(w, -1, 200000, 1000);
	put(w, 700, 300, 512);
	sync_all(w);
	to(w, -10, SEEK_END);
	get(w, -1, 100, false);
	put(w, 1024, 1024, NODE_TRANSFER);
	to(w, 3, SEEK_CUR);
	put(w, 250000, 100, 1);
	get(w, 100000, NODE_TRANSFER, false);
}

static void read_disk(struct work *w)
{
	to(w, 0, SEEK_END);
	get(w, 1000, 100000, false);
	to(w, 10, SEEK_SET);
	get(w, -1, 3 * NODE_TRANSFER, false);
	get(w, 77, 1, false);
}

static void write_tape(struct work *w)
{
	int i;

	for (i = 0; i < 4; i++)
		put(w, -1, 1000 * i, 100 + i);
	mt(w, MTWEOF, 1);
	put(w, -1, 0, NODE_TRANSFER);
	sync_all(w);
	mt(w, MTREW, 1);
	get(w, -1, 1000, true);
	mt(w, MTFSR, 1);
	get(w, -1, 1000, true);
	mt(w, MTBSR, 1);
	mt(w, MTFSF, 1);
	get(w, -1, NODE_TRANSFER, true);
	mt(w, MTBSF, 1);
	mt(w, MTSEEK, 1);
	get(w, -1, 1000, true);
	mt(w, MTEOM, 1);
	put(w, -1, 5, 55);
	mt(w, MTSETBLK, 512);
	put(w, -1, 0, 4 * 512);
	mt(w, MTWEOF, 2);
	mt(w, MTBSF, 1);
	mt(w, MTOFFL, 1);
}

/* What was written is sent ahead: each of these has to wait for it first. */
static void move_tape(struct work *w)
{
	put(w, -1, 0, 100);
	mt(w, MTBSR, 1);
	put(w, -1, 0, 200);
	mt(w, MTREW, 1);
	mt(w, MTFSFM, 1);
	put(w, -1, 0, 300);
	mt(w, MTEOM, 1);
	put(w, -1, 0, 400);
	mt(w, MTSEEK, 1);
	get(w, -1, 1000, true);
	mt(w, MTBSFM, 0);
	put(w, -1, 0, 500);
	mt(w, MTSETBLK, 0);
	mt(w, MTWEOF, 1);
	mt(w, MTBSFM, 1);
	put(w, -1, 0, 600);
	mt(w, MTLOAD, 1);
	put(w, -1, 0, 700);
	mt(w, MTOFFL, 1);
}

static void read_tape(struct work *w)
{
	get(w, -1, 1000, true);
	get(w, -1, 1000, true);
	mt(w, MTFSF, 1);
	get(w, -1, 1000, true);
	mt(w, MTBSR, 1);
	get(w, -1, 1000, true);
	mt(w, MTREW, 1);
	get(w, -1, 1000, true);
	mt(w, MTEOM, 1);
	mt(w, MTBSF, 2);
	mt(w, MTFSF, 1);
	get(w, -1, 1000, true);
	mt(w, MTOFFL, 1);
}

FIXTURE(upset) {
	unsigned char *buf;
	unsigned char *seen;
	unsigned char *want;		/* what the work reads when nothing happens */
	size_t nr_want;
	struct node_set *calm;		/* and what the client has then */
};

FIXTURE_VARIANT(upset) {
	unsigned int features;
	int flags;
	void (*work)(struct work *w);
};

#define VARIANT(name, f, o, w)	\
	FIXTURE_VARIANT_ADD(upset, name) { .features = f, .flags = o, .work = w }
VARIANT(pipe_written, VDI_FEAT_LIKE_PIPE | VDI_FEAT_REQUEST_COMPLETE, O_WRONLY, write_stream);
VARIANT(pipe_read, VDI_FEAT_LIKE_PIPE, O_RDONLY, read_stream);
VARIANT(pipe_written_nonblock, VDI_FEAT_LIKE_PIPE, O_WRONLY | O_NONBLOCK, write_stream);
VARIANT(pipe_read_nonblock, VDI_FEAT_LIKE_PIPE, O_RDONLY | O_NONBLOCK, read_stream);
VARIANT(media_written, VDI_FEAT_LIKE_PIPE | VDI_FEAT_REMOVABLE, O_WRONLY, write_stream);
VARIANT(media_read, VDI_FEAT_LIKE_PIPE | VDI_FEAT_REMOVABLE, O_RDONLY, read_stream);
VARIANT(media_written_nonblock, VDI_FEAT_LIKE_PIPE | VDI_FEAT_REMOVABLE,
	O_WRONLY | O_NONBLOCK, write_stream);
VARIANT(disk_written, VDI_FEAT_LIKE_DISK | VDI_FEAT_REQUEST_COMPLETE, O_RDWR, write_disk);
VARIANT(disk_read, VDI_FEAT_LIKE_DISK, O_RDONLY, read_disk);
VARIANT(tape_written, VDI_FEAT_LIKE_TAPE | VDI_FEAT_REQUEST_COMPLETE, O_RDWR, write_tape);
VARIANT(tape_ahead, VDI_FEAT_LIKE_TAPE, O_RDWR, move_tape);
VARIANT(tape_read, VDI_FEAT_LIKE_TAPE, O_RDONLY, read_tape);

static void on_signal(int __attribute__((unused)) sig)
{
}

FIXTURE_SETUP(upset)
{
	struct sigaction act = { .sa_handler = on_signal };

	self->buf = malloc(SEEN);
	self->seen = malloc(SEEN);
	self->want = malloc(SEEN);
	ASSERT_NE(NULL, self->want);
	node_fill(self->buf, 0, SEEN);
	ASSERT_EQ(0, sigaction(SIGUSR1, &act, NULL));
}

FIXTURE_TEARDOWN(upset)
{
	vt_baseline(_metadata);
}

#define SIZE	(4 * NODE_TRANSFER + 123)
#define MEDIUM	(2 * NODE_TRANSFER + 30000)	/* ends within a transfer */

/* What there is to read: for a tape three files of two blocks. */
static void stock(struct node_set *s)
{
	struct node_store *store = &s->store[0];
	int i;

	if (s->create.config.features & VDI_FEAT_REMOVABLE) {
		store->volumes[0].used = MEDIUM;
		store->volumes[1].used = SIZE - MEDIUM;
	}
	if (!(s->create.config.features & VDI_FEAT_FILE_MARKS)) {
		store->size = SIZE;
		node_fill(store->data, 0, store->size);
		return;
	}
	node_fill(store->data, 0, 10000);
	for (i = 0; i < 9; i++)
		node_tape_add(store, store->data + 1000 * i, i % 3 == 2 ? 0 : 500 + i);
	store->at = 0;
}

static bool same_tape(const struct node_store *a, const struct node_store *b)
{
	const struct node_volume *v = &a->volumes[0], *u = &b->volumes[0];
	unsigned int i;

	if (v->count != u->count)
		return false;
	for (i = 0; i < v->count; i++)
		if (v->blocks[i].length != u->blocks[i].length ||
		    memcmp(a->data + v->blocks[i].at, b->data + u->blocks[i].at,
			   v->blocks[i].length))
			return false;
	return true;
}

static bool same_store(const struct node_set *s, const struct node_set *t)
{
	const struct node_store *a = &s->store[0], *b = &t->store[0];

	if (s->create.config.features & VDI_FEAT_FILE_MARKS)
		return same_tape(a, b);
	return a->size == b->size && !memcmp(a->data, b->data, a->size);
}

/* The work, with @upset at the nth command; its client is still there. */
static bool attempt(struct __test_metadata *_metadata, FIXTURE_DATA(upset) *self,
		    const FIXTURE_VARIANT(upset) *variant, struct work *w,
		    enum node_upset upset, unsigned int n)
{
	*w = (struct work){ .buf = self->buf, .seen = self->seen };
	w->s = node_new(variant->features, 1);
	if (!w->s)
		return false;
	w->s->upset = upset;
	w->s->upset_at = n;
	w->s->fail_answer = 1117;
	w->s->engine = getpid();
	if (variant->features & VDI_FEAT_REMOVABLE && !(variant->features & VDI_FEAT_FILE_MARKS))
		w->s->store[0].capacity = MEDIUM;
	if (variant->work == move_tape)
		w->s->create.config.eom_warning_size = 1 << 20;
	if ((variant->flags & O_ACCMODE) == O_RDONLY)
		stock(w->s);
	if (node_up(w->s))
		return false;
	w->fd = node_open(w->s, 0, variant->flags);
	EXPECT_LE(0, w->fd);
	if (w->fd < 0)
		return false;
	variant->work(w);
	w->end = node_close(w->fd);
	return true;
}

static void finish(struct work *w)
{
	node_kill(w->s);
	munmap(w->s, sizeof(*w->s));
}

/* How the client saw the end: in order, or not. */
static bool ended_well(struct work *w)
{
	return VT_UNTIL(atomic_load(&w->s->ended)) && atomic_load(&w->s->ended) == ESHUTDOWN;
}

static void look(struct __test_metadata *_metadata, FIXTURE_DATA(upset) *self,
		 const FIXTURE_VARIANT(upset) *variant, struct work *w, enum node_upset upset)
{
	bool writes = (variant->flags & O_ACCMODE) != O_RDONLY;
	bool tape = variant->features & VDI_FEAT_FILE_MARKS;
	bool whole = same_store(w->s, self->calm) && w->nr_seen == self->nr_want &&
		     !memcmp(w->seen, self->want, self->nr_want);
	bool quiet = !w->err && !w->end;

	/* how often a command is sent again is chance: it did not come that far */
	if (atomic_load(&w->s->nr_seen) < w->s->upset_at)
		upset = NODE_SIGNALS;
	/* nobody is told that it was good when it was not */
	if (quiet)
		EXPECT_TRUE(whole);
	if (upset == NODE_SIGNALS) {
		EXPECT_TRUE(quiet);
		EXPECT_TRUE(ended_well(w));
	} else if (upset == NODE_FAILS) {
		/* who was told that it cannot read or move may end there, in order */
		if (writes && !(tape && w->err) && ended_well(w))
			EXPECT_TRUE(same_store(w->s, self->calm) || (w->err && !w->unwritten));
	} else if (writes && upset != NODE_PARTS) {
		/* behind the last answer it may be too late to tell */
		EXPECT_FALSE(quiet);
	}
}

static const char * const upset_name[] = {
	"nothing", "error", "signal", "abort", "close", "death", "answer and abort"
};

TEST_F_TIMEOUT(upset, at_each_command, 900)
{
	const char *all = getenv("VDI_NODE_UPSETS");
	enum node_upset last = all && !strcmp(all, "all") ? NODE_PARTS : NODE_ABORTS;
	unsigned int commands, n, done = 0;
	enum node_upset upset;
	struct work calm, w;

	vt_log_fd = -1;
	ASSERT_TRUE(attempt(_metadata, self, variant, &calm, NODE_CALM, 0));
	EXPECT_EQ(0, calm.err);
	EXPECT_EQ(0, calm.end);
	ASSERT_TRUE(ended_well(&calm));
	commands = atomic_load(&calm.s->nr_seen);
	self->calm = calm.s;
	self->nr_want = calm.nr_seen;
	memcpy(self->want, calm.seen, calm.nr_seen);
	for (upset = NODE_FAILS; upset <= last; upset++) {
		for (n = 1; n <= commands && _metadata->passed; n++) {
			if (!attempt(_metadata, self, variant, &w, upset, n))
				break;
			look(_metadata, self, variant, &w, upset);
			if (!_metadata->passed)
				TH_LOG("^ %s at command %u: %d, then %d; the client: %d",
				       upset_name[upset], n, w.err, w.end,
				       atomic_load(&w.s->ended));
			finish(&w);
			done++;
		}
	}
	EXPECT_EQ(done, commands * (last - NODE_FAILS + 1));
	TH_LOG("reached %u cases of %u asked: %u commands", done,
	       commands * (NODE_PARTS - NODE_FAILS + 1), commands);
	finish(&calm);
}

TEST_HARNESS_MAIN
