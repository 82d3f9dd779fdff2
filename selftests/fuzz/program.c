// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs as data: made by chance, bent, printed and read.  The text form has one
 * call in a line, "PROCESS.THREAD[&][!N] NAME [ARGUMENT=VALUE]...": with & the next
 * call does not wait for its end, !N makes the Nth allocation or user copy in it
 * fail; what is 0 is left out.  An empty line ends a program.
 */
#include <stdlib.h>
#include <string.h>

#include "program.h"

static uint64_t state = 1;

void fz_seed(uint64_t seed)
{
	/* splitmix64, so that seeds next to each other have nothing in common */
	seed += 0x9e3779b97f4a7c15ULL;
	seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebULL;
	state = (seed ^ (seed >> 31)) ?: 1;
}

/* xorshift64*: the same numbers everywhere */
uint32_t fz_chance(uint32_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

/* Calls after which there is another process: each costs as much as ten programs. */
static bool heavy(unsigned int op)
{
	switch (fz_ops[op].action) {
	case FZ_FORK:
	case FZ_EXEC:
	case FZ_EXIT:
	case FZ_EXIT_THREAD:
	case FZ_UNSHARE:
		return true;
	default:
		return false;
	}
}

static unsigned int random_op(void)
{
	unsigned int i, at, sum = 0;

	for (i = 0; i < fz_nr_ops; i++)
		sum += fz_ops[i].weight;
	do {
		at = fz_chance(sum);
		for (i = 0; at >= fz_ops[i].weight; i++)
			at -= fz_ops[i].weight;
	} while (heavy(i) && fz_chance(8));
	return i;
}

/* Names a descriptor that an earlier call may have made, with its process. */
static void refer(const struct fz_program *p, unsigned int at, struct fz_call *c, int h)
{
	unsigned int tries;

	for (tries = 0; at && tries < 8; tries++) {
		const struct fz_call *from = &p->call[fz_chance(at)];
		int dst = fz_param(&fz_ops[from->op], FZ_DST);

		if (dst < 0)
			continue;
		c->proc = from->proc;
		c->arg[h] = from->arg[dst];
		return;
	}
}

static void random_call(const struct fz_program *p, unsigned int at, struct fz_call *c)
{
	const struct fz_op *op;
	unsigned int i;
	int h;

	memset(c, 0, sizeof(*c));
	c->op = random_op();
	op = &fz_ops[c->op];
	c->proc = fz_chance(3) ? fz_chance(2) : fz_chance(FZ_PROCS);
	c->thread = !fz_chance(4);
	c->async = !fz_chance(8);
	c->fail = fz_chance(40) ? 0 : 1 + fz_chance(12);
	for (i = 0; i < FZ_ARGS && op->params[i].name; i++)
		c->arg[i] = fz_value(op->params[i].kind);
	h = fz_param(op, FZ_HANDLE);
	if (h >= 0 && fz_chance(6))
		refer(p, at, c, h);
}

static void insert(struct fz_program *p, unsigned int at, const struct fz_call *c)
{
	if (p->n == FZ_CALLS)
		p->n--;
	if (at > p->n)
		at = p->n;
	memmove(&p->call[at + 1], &p->call[at], (p->n - at) * sizeof(*c));
	p->call[at] = *c;
	p->n++;
}

/* fz_heavy() - Does it cost much? */
bool fz_heavy(const struct fz_program *p)
{
	unsigned int i;

	for (i = 0; i < p->n; i++)
		if (heavy(p->call[i].op))
			return true;
	return false;
}

/* fz_drop() - Take one call out */
void fz_drop(struct fz_program *p, unsigned int i)
{
	p->n--;
	memmove(&p->call[i], &p->call[i + 1], (p->n - i) * sizeof(p->call[0]));
}

/* fz_generate() - A program from nothing */
void fz_generate(struct fz_program *p)
{
	unsigned int n = 4 + fz_chance(FZ_CALLS - 4);
	struct fz_call c;

	p->n = 0;
	while (p->n < n) {
		random_call(p, p->n, &c);
		insert(p, p->n, &c);
	}
}

static void bend_call(struct fz_call *c)
{
	const struct fz_op *op = &fz_ops[c->op];
	unsigned int n = 0;

	while (n < FZ_ARGS && op->params[n].name)
		n++;
	switch (fz_chance(8)) {
	case 0:
		c->async = !c->async;
		break;
	case 1:
		c->thread = !c->thread;
		break;
	case 2:
		c->proc = fz_chance(FZ_PROCS);
		break;
	case 3:
		c->fail = fz_chance(3) ? 0 : 1 + fz_chance(20);
		break;
	default:
		if (n) {
			n = fz_chance(n);
			c->arg[n] = fz_value(op->params[n].kind);
		}
	}
}

/* Another program's end after the beginning of this one. */
static void splice(struct fz_program *p, const struct fz_program *other)
{
	unsigned int keep = fz_chance(p->n + 1), from = fz_chance(other->n);

	p->n = keep;
	while (p->n < FZ_CALLS && from < other->n)
		p->call[p->n++] = other->call[from++];
}

/* fz_mutate() - Bend a program; @other gives parts */
void fz_mutate(struct fz_program *p, const struct fz_program *other)
{
	unsigned int rounds = 1 + fz_chance(4), at;
	struct fz_call c;

	while (rounds--) {
		at = fz_chance(p->n);
		switch (fz_chance(12)) {
		case 0:
			if (p->n > 2)
				fz_drop(p, at);
			break;
		case 1:
			c = p->call[at];
			insert(p, fz_chance(p->n + 1), &c);
			break;
		case 2:
			c = p->call[at];
			fz_drop(p, at);
			insert(p, fz_chance(p->n + 1), &c);
			break;
		case 3:
			splice(p, other);
			break;
		case 4:
		case 5:
		case 6:
		case 7:
			bend_call(&p->call[at]);
			break;
		default:
			at = fz_chance(p->n + 1);
			random_call(p, at, &c);
			insert(p, at, &c);
		}
		if (!p->n)
			fz_generate(p);
	}
}

/* fz_print_calls() - The text form, without the empty line */
void fz_print_calls(FILE *f, const struct fz_program *p)
{
	unsigned int i, k;

	for (i = 0; i < p->n; i++) {
		const struct fz_call *c = &p->call[i];
		const struct fz_op *op = &fz_ops[c->op];

		fprintf(f, "%u.%u%s", c->proc, c->thread, c->async ? "&" : "");
		if (c->fail)
			fprintf(f, "!%u", c->fail);
		fprintf(f, " %s", op->name);
		for (k = 0; k < FZ_ARGS && op->params[k].name; k++) {
			unsigned long long v = c->arg[k];

			if (v)
				fprintf(f, v < 10000 ? " %s=%llu" : " %s=0x%llx",
					op->params[k].name, v);
		}
		fputc('\n', f);
	}
}

/* fz_print() - The text form */
void fz_print(FILE *f, const struct fz_program *p)
{
	fz_print_calls(f, p);
	fputc('\n', f);
}

static bool parse_argument(struct fz_call *c, const char *word)
{
	const struct fz_op *op = &fz_ops[c->op];
	const char *eq = strchr(word, '=');
	char *end;
	int i;

	for (i = 0; eq && i < FZ_ARGS && op->params[i].name; i++) {
		size_t len = strlen(op->params[i].name);

		if (len != (size_t)(eq - word) || strncmp(op->params[i].name, word, len))
			continue;
		c->arg[i] = strtoull(eq + 1, &end, 0);
		return end != eq + 1 && !*end;
	}
	return false;
}

static const char blanks[] = { ' ', '\n', 0 };

static bool parse_call(struct fz_call *c, char *line)
{
	char *save, *word = strtok_r(line, blanks, &save);
	unsigned int proc, thread;
	int n = 0;

	memset(c, 0, sizeof(*c));
	if (sscanf(word, "%u.%u%n", &proc, &thread, &n) != 2 || proc >= FZ_PROCS ||
	    thread >= FZ_THREADS)
		return false;
	c->proc = proc;
	c->thread = thread;
	if (word[n] == '&') {
		c->async = true;
		n++;
	}
	if (word[n] == '!' && sscanf(word + n + 1, "%u", &c->fail) != 1)
		return false;
	word = strtok_r(NULL, blanks, &save);
	while (word && c->op < fz_nr_ops && strcmp(fz_ops[c->op].name, word))
		c->op++;
	if (!word || c->op == fz_nr_ops)
		return false;
	while ((word = strtok_r(NULL, blanks, &save)))
		if (!parse_argument(c, word))
			return false;
	return true;
}

/**
 * fz_parse() - Read the next program
 * @f: from here
 * @p: to here
 * @line: counts the lines
 *
 * Return: 1, 0 if there is no other, -1 if the line @line is none.
 */
int fz_parse(FILE *f, struct fz_program *p, unsigned int *line)
{
	char text[2048];

	p->n = 0;
	while (fgets(text, sizeof(text), f)) {
		++*line;
		if (text[0] == '#')
			continue;
		if (text[0] == '\n') {
			if (p->n)
				return 1;
			continue;
		}
		if (p->n == FZ_CALLS || !parse_call(&p->call[p->n], text))
			return -1;
		p->n++;
	}
	return p->n > 0;
}
