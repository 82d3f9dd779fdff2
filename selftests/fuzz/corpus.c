// SPDX-License-Identifier: GPL-2.0-only
/*
 * The corpus in memory, read from files.  Which programs belong in it is main.c's.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "corpus.h"

static struct fz_program **programs;
static unsigned int size;

unsigned int fz_corpus_size(void)
{
	return size;
}

const struct fz_program *fz_corpus_at(unsigned int i)
{
	return programs[i];
}

/* fz_corpus_add() - Take a copy of a program; -1: no memory */
int fz_corpus_add(const struct fz_program *p)
{
	struct fz_program **more = realloc(programs, (size + 1) * sizeof(*more));
	struct fz_program *copy = malloc(sizeof(*copy));

	if (more)
		programs = more;
	if (!more || !copy) {
		free(copy);
		return -1;
	}
	*copy = *p;
	programs[size++] = copy;
	return 0;
}

static int load_file(const char *path)
{
	FILE *f = fopen(path, "re");
	struct fz_program p;
	unsigned int line = 0;
	int ret;

	if (!f) {
		fprintf(stderr, "fuzz: cannot read %s: %s\n", path, strerror(errno));
		return -1;
	}
	while ((ret = fz_parse(f, &p, &line)) > 0)
		if (fz_corpus_add(&p)) {
			ret = -1;
			break;
		}
	if (ret < 0)
		fprintf(stderr, "fuzz: %s: line %u is no call of a program\n", path, line);
	fclose(f);
	return ret;
}

static int text_file(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return dot && !strcmp(dot, ".txt");
}

/**
 * fz_corpus_load() - Read programs
 * @path: a file, or a directory of files NAME.txt
 *
 * Return: 0, or -1 after a message.
 */
int fz_corpus_load(const char *path)
{
	struct dirent **list;
	char name[4096];
	int n = scandir(path, &list, text_file, alphasort), i, ret = 0;

	if (n < 0)
		return load_file(path);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, list[i]->d_name);
		if (!ret)
			ret = load_file(name);
		free(list[i]);
	}
	free(list);
	return ret;
}
