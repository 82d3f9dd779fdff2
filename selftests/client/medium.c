// SPDX-License-Identifier: GPL-2.0-only
/*
 * A medium of the test's client.  Correct in the plainest way there is: all in
 * memory, written whole to a file beside the old one, then renamed over it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libvdi.h>

#include "medium.h"

/* In front of the marks and the data */
struct medium_head {
	uint64_t units;		/* of a disk: its length */
	uint64_t block;
};

static void medium_path(const struct medium *m, unsigned int number, const char *suffix,
			char *path, size_t size)
{
	snprintf(path, size, "%s/device-%u.%u%s", m->dir, m->device, number, suffix);
}

static bool medium_grow(struct medium *m, size_t units)
{
	size_t room = m->room ? m->room : 64;

	while (room < units)
		room *= 2;
	if (room == m->room)
		return true;
	m->marks = realloc(m->marks, room);
	m->data = realloc(m->data, room * m->block);
	if (!m->marks || !m->data)
		return false;
	memset(m->marks + m->room, 0, room - m->room);
	memset(m->data + m->room * m->block, 0, (room - m->room) * m->block);
	m->room = room;
	return true;
}

static void medium_empty(struct medium *m)
{
	memset(m->marks, 0, m->room);
	memset(m->data, 0, m->room * m->block);
	m->units = 0;
	m->at = 0;
	m->length = 0;
	m->last = 0;
	m->position = 0;
}

/* The file of the medium that is in */
static int medium_fetch(struct medium *m)
{
	struct medium_head head;
	char path[256];
	int ret = -1;
	FILE *f;

	medium_path(m, m->number, "", path, sizeof(path));
	medium_empty(m);
	f = fopen(path, "r");
	if (!f)
		return -1;
	errno = EIO;
	if (fread(&head, sizeof(head), 1, f) != 1 || head.block != m->block)
		goto out;
	m->units = (head.units + (m->kind == MEDIUM_DISK ? m->block - 1 : 0)) /
		   (m->kind == MEDIUM_DISK ? m->block : 1);
	if (!medium_grow(m, m->units + 1) || fread(m->marks, 1, m->units, f) != m->units ||
	    fread(m->data, m->block, m->units, f) != m->units)
		goto out;
	if (m->kind == MEDIUM_DISK)
		m->length = head.units;
	ret = 0;
out:
	fclose(f);
	return ret;
}

int medium_open(struct medium *m)
{
	if (m->write && mkdir(m->dir, 0700) && errno != EEXIST)
		return -1;
	if (!medium_grow(m, 1))
		return -1;
	if (m->write) {
		medium_discard(m);
		return 0;
	}
	return medium_fetch(m);
}

int medium_load(struct medium *m)
{
	if (medium_flush(m))
		return -1;
	m->number++;
	if (m->write) {
		medium_empty(m);
		return 0;
	}
	return medium_fetch(m);
}

int medium_flush(struct medium *m)
{
	struct medium_head head = { .units = m->units, .block = m->block };
	char path[256], temporary[256];
	FILE *f;

	if (!m->write)
		return 0;
	if (m->kind == MEDIUM_DISK) {
		m->length = m->last;
		head.units = m->length;
		m->units = (m->length + m->block - 1) / m->block;
	}
	medium_path(m, m->number, "", path, sizeof(path));
	medium_path(m, m->number, ".new", temporary, sizeof(temporary));
	f = fopen(temporary, "w");
	if (!f)
		return -1;
	if (fwrite(&head, sizeof(head), 1, f) != 1 ||
	    fwrite(m->marks, 1, m->units, f) != m->units ||
	    fwrite(m->data, m->block, m->units, f) != m->units || fflush(f) || fsync(fileno(f))) {
		fclose(f);
		return -1;
	}
	fclose(f);
	return rename(temporary, path);
}

void medium_free(struct medium *m)
{
	free(m->marks);
	free(m->data);
}

void medium_discard(struct medium *m)
{
	unsigned int i;
	char path[256];

	for (i = 0; i <= m->number; i++) {
		medium_path(m, i, "", path, sizeof(path));
		unlink(path);
	}
	medium_path(m, 0, ".whole", path, sizeof(path));
	unlink(path);
	m->number = 0;
	medium_empty(m);
}

int medium_complete(struct medium *m)
{
	char path[256];
	int fd;

	if (medium_flush(m))
		return -1;
	medium_path(m, 0, ".whole", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || fsync(fd))
		return -1;
	return close(fd);
}

bool medium_is_complete(const struct medium *m)
{
	char path[256];

	medium_path(m, 0, ".whole", path, sizeof(path));
	return !access(path, F_OK);
}

static uint32_t medium_write_disk(struct medium *m, uint64_t position, const uint8_t *buf,
				  uint32_t size, uint32_t *bytes)
{
	if (!medium_grow(m, (position + size) / m->block + 1))
		return VDI_CODE_DISK_FULL;
	memcpy(m->data + position, buf, size);
	m->last = position + size;
	if (m->length < m->last)
		m->length = m->last;
	*bytes = size;
	return 0;
}

/* The warning comes when the limit is passed; all is stored none the less. */
uint32_t medium_write(struct medium *m, uint64_t position, const uint8_t *buf, uint32_t size,
		      uint32_t *bytes)
{
	uint32_t n = size / m->block;

	if (m->kind == MEDIUM_DISK)
		return medium_write_disk(m, position, buf, size, bytes);
	if (!medium_grow(m, m->at + n))
		return VDI_CODE_DISK_FULL;
	memcpy(m->data + m->at * m->block, buf, size);
	memset(m->marks + m->at, 0, n);
	m->at += n;
	m->units = m->at;	/* what was behind is overwritten */
	*bytes = size;
	return m->limit && m->units * m->block >= m->limit ? VDI_CODE_END_OF_MEDIA : 0;
}

uint32_t medium_read(struct medium *m, uint64_t position, uint8_t *buf, uint32_t size,
		     uint32_t *bytes)
{
	uint32_t n = 0;

	if (m->kind == MEDIUM_DISK) {
		uint64_t left = position < m->length ? m->length - position : 0;

		*bytes = size < left ? size : left;
		memcpy(buf, m->data + position, *bytes);
		return *bytes < size ? VDI_CODE_HANDLE_EOF : 0;
	}
	while (n < size / m->block && m->at < m->units && !m->marks[m->at]) {
		memcpy(buf + (size_t)n * m->block, m->data + m->at * m->block, m->block);
		m->at++;
		n++;
	}
	*bytes = n * m->block;
	if (*bytes == size)
		return 0;
	if (m->at < m->units) {
		m->at++;	/* over the mark */
		return VDI_CODE_FILEMARK_DETECTED;
	}
	return m->kind == MEDIUM_TAPE ? VDI_CODE_NO_DATA_DETECTED : VDI_CODE_HANDLE_EOF;
}

uint32_t medium_mark(struct medium *m)
{
	if (!medium_grow(m, m->at + 1))
		return VDI_CODE_DISK_FULL;
	m->marks[m->at++] = 1;
	m->units = m->at;
	return 0;
}

uint32_t medium_skip_marks(struct medium *m, int32_t count)
{
	while (count > 0 && m->at < m->units)
		count -= m->marks[m->at++];
	while (count < 0 && m->at > 0)
		count += m->marks[--m->at];
	return count ? VDI_CODE_NO_DATA_DETECTED : 0;
}

uint32_t medium_skip_blocks(struct medium *m, int32_t count)
{
	for (; count > 0; count--) {
		if (m->at == m->units)
			return VDI_CODE_NO_DATA_DETECTED;
		if (m->marks[m->at++])
			return VDI_CODE_FILEMARK_DETECTED;
	}
	for (; count < 0; count++) {
		if (!m->at)
			return VDI_CODE_NO_DATA_DETECTED;
		if (m->marks[--m->at])
			return VDI_CODE_FILEMARK_DETECTED;
	}
	return 0;
}

uint32_t medium_seek(struct medium *m, int32_t origin, uint64_t position, uint64_t *result)
{
	if (m->kind == MEDIUM_DISK) {
		if (origin < 0 || origin > 2)
			return VDI_CODE_INVALID_PARAMETER;
		m->position = position + (origin == 1 ? m->position : origin ? m->length : 0);
		*result = m->position;
		return 0;
	}
	if (position > m->units)
		return VDI_CODE_NO_DATA_DETECTED;
	m->at = position;
	*result = position;
	return 0;
}
