// SPDX-License-Identifier: GPL-2.0-only
/*
 * EXCHANGE in programs: records as the program says, answers to what was delivered,
 * and a client that serves many commands.  Other calls are in call.c and file.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "call.h"

#define PAGE		4096UL
#define RECORDS		64

static void fill_commands(const struct fz_call *c, struct vdi_command *r)
{
	uint64_t length = fz_given(c, "length"), offset = fz_given(c, "offset");
	unsigned int i;

	for (i = 0; i < RECORDS; i++)
		r[i] = (struct vdi_command){
			.kind = fz_given(c, "kind"), .device = fz_given(c, "device"),
			.code = fz_given(c, "code"), .length = length, .id = i,
			.offset = offset + (length < 1 << 20 ? i * length : 0),
			.position = fz_given(c, "position"),
		};
}

/* Answers what was delivered last; or something else, if the program says so. */
static void fill_completions(struct fz_self *self, const struct fz_call *c,
			     struct vdi_completion *r)
{
	unsigned int n = atomic_load(&self->shared->nr_got), i;
	uint64_t nr = fz_given(c, "nr_in"), id = fz_given(c, "id");

	for (i = 0; i < RECORDS; i++) {
		const struct vdi_command *k =
			&self->shared->got[(n - (nr < RECORDS ? nr : RECORDS) + i) % FZ_GOT];

		r[i] = (struct vdi_completion){
			.kind = fz_given(c, "kind"), .device = k->device ^ fz_given(c, "device"),
			.code = fz_given(c, "answer"), .id = k->id ^ id,
			.result = k->length - fz_given(c, "length"),
			.__reserved = fz_given(c, "position") == 3,
		};
	}
}

static void learn_commands(struct fz_shared *s, const struct vdi_command *r, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n && i < RECORDS; i++)
		if (r[i].kind == VDI_KIND_COMMAND)
			s->got[atomic_fetch_add(&s->nr_got, 1) % FZ_GOT] = r[i];
}

int fz_exchange(struct fz_self *self, const struct fz_call *c)
{
	struct vdi_exchange *x = (void *)fz_structure(self, c);
	size_t at = 4 * PAGE;
	char *in = fz_memory(self, 0, at, 0), *out = in + 4 * PAGE;
	int err;

	if (fz_given(c, "completions"))
		fill_completions(self, c, (void *)in);
	else
		fill_commands(c, (void *)in);
	memset(out, 0, RECORDS * sizeof(struct vdi_command));
	x->in = fz_array(self, fz_given(c, "in"), at, 64);
	x->out = fz_array(self, fz_given(c, "out"), at + 4 * PAGE, 64);
	if (fz_given(c, "in") == 4)	/* in part in memory that is none */
		memcpy((void *)(uintptr_t)x->in, in, 40);
	err = fz_request(self, c, (void *)x);
	if (!err && !fz_given(c, "ptr") && fz_given(c, "out") == 1)
		learn_commands(self->shared, (void *)out, x->out_delivered);
	return err ?: !fz_given(c, "ptr") ? (int)x->out_refused : 0;
}

/* A client as there are many: get one, answer it. */
int fz_serve(struct fz_self *self, const struct fz_call *c)
{
	unsigned int n = fz_given(c, "n") % 65, nth = fz_given(c, "nth"), i;
	uint64_t wait = fz_deadline(fz_given(c, "deadline") % 100);
	struct vdi_command k;
	struct vdi_completion done;
	struct vdi_exchange x;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		x = (struct vdi_exchange){ .size = sizeof(x), .out = (uintptr_t)&k, .nr_out = 1,
					   .min = 1, .deadline_ns = wait };
		if (ioctl(fz_handle(self, c), VDI_IOC_EXCHANGE, &x) < 0)
			return errno;
		if (!x.out_delivered || k.kind != VDI_KIND_COMMAND)
			continue;
		learn_commands(self->shared, &k, 1);
		done = (struct vdi_completion){ .device = k.device, .id = k.id };
		if (k.code == VDI_CMD_READ || k.code == VDI_CMD_WRITE)
			done.result = k.length;
		if (!nth || nth == i + 1) {
			done.code = fz_given(c, "answer");
			if (fz_given(c, "result") < done.result)
				done.result -= fz_given(c, "result");
			else if (k.code == VDI_CMD_GET_POSITION || k.code == VDI_CMD_SET_POSITION)
				done.result = fz_given(c, "result");
		}
		x = (struct vdi_exchange){ .size = sizeof(x), .in = (uintptr_t)&done, .nr_in = 1 };
		err = ioctl(fz_handle(self, c), VDI_IOC_EXCHANGE, &x) < 0 ? errno : 0;
	}
	return err;
}
