// SPDX-License-Identifier: GPL-2.0-only
/*
 * An engine that does what a script says: sends the commands of its standard
 * input to the set NAME, one at a time, and compares each answer and each byte
 * with what the line expects.  For tests of clients; it knows nothing of media.
 *
 *	media_engine NAME DIRECTION [BLOCK_SIZE [TRANSFER_SIZE]] <SCRIPT
 *
 * DIRECTION is write, read, or both; flush is both, without Complete.  A line is
 * a command, its arguments and, behind "=", its completion code (0 if it is not
 * given):
 *
 *	dev N				the device that the next lines mean, from 0
 *	write LEN SEED [@POS]		= CODE BYTES	(0 LEN)
 *	read LEN [@POS]			= CODE BYTES PIECE...	(0 LEN)
 *	mark  rewind  flush  complete  discard  clear  load N
 *	skipmarks N  skipblocks N	= CODE
 *	getpos				= CODE POSITION
 *	setpos POS [ORIGIN]		= CODE POSITION
 *	save WORD			keep the position of the last answer,
 *					for "setpos $WORD"
 *	send NUMBER SIZE		any command
 *	queue LEN COUNT			COUNT reads at once = CODE COUNT: how many
 *					were answered with CODE
 *	sync WORD			print WORD and wait for a line on descriptor 3
 *	abort				abort the set and end
 *
 * Data is made from a seed: byte i of seed s is always the same.  A PIECE says
 * what the bytes read are: SEED+OFFSET:LEN, or 0:LEN for zeros.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libvdi.h>

#define MAX_WORDS	64
#define MAX_SAVED	64
#define MAX_QUEUE	8

static struct vdi_server *server;
static struct vdi_config config;
static struct vdi_server_device *devices[VDI_MAX_DEVICES];
static struct vdi_server_device *device;
static uint8_t *buffer;
static uint64_t buffer_offset[MAX_QUEUE];
static unsigned int line_number;
static char line_text[4096];
static uint64_t last_position;
static struct {
	char name[32];
	uint64_t position;
} saved[MAX_SAVED];

static void __attribute__((noreturn, format(printf, 1, 2))) wrong(const char *fmt, ...)
{
	va_list args;

	printf("line %u: %s: ", line_number, line_text);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	if (server)
		vdi_server_abort(server, 0, "the script's expectation was not met");
	exit(1);
}

static uint8_t data_byte(uint64_t seed, uint64_t i)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15 + i / 8;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (x ^ x >> 31) >> i % 8 * 8;
}

static long long number(const char *word)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(word, &end, 0);
	if (errno || end == word || *end)
		wrong("not a number: %s", word);
	return value;
}

static int64_t position(const char *word)
{
	unsigned int i;

	if (word[0] != '$')
		return number(word);
	for (i = 0; i < MAX_SAVED; i++)
		if (!strcmp(saved[i].name, word + 1))
			return saved[i].position;
	wrong("nothing is saved as %s", word);
}

static void save(const char *word)
{
	unsigned int i;

	for (i = 0; i < MAX_SAVED && saved[i].name[0]; i++)
		if (!strcmp(saved[i].name, word))
			break;
	if (i == MAX_SAVED)
		wrong("too much is saved");
	snprintf(saved[i].name, sizeof(saved[i].name), "%s", word);
	saved[i].position = last_position;
}

static void exchange(const struct vdi_command *commands, unsigned int count,
		     struct vdi_completion *done)
{
	unsigned int sent = 0, have = 0;

	while (have < count) {
		struct vdi_batch batch = { .min = 1 };
		int ret = vdi_server_device_exchange(device, commands + sent, count - sent,
						     done + have, count - have, -1, &batch);

		if (ret < 0)
			wrong("%s", vdi_strerror(ret));
		if (batch.refused)
			wrong("refused: %s", vdi_strerror(batch.refused));
		sent += batch.accepted;
		have += batch.delivered;
	}
}

static struct vdi_completion carry_out(uint16_t code, int32_t length, uint64_t pos)
{
	bool moves = code == VDI_CMD_READ || code == VDI_CMD_WRITE;
	const struct vdi_command command = {
		.device = vdi_server_device_index(device),
		.code = code,
		.length = length,
		.position = pos,
		.offset = moves ? buffer_offset[0] : 0,
	};
	struct vdi_completion done;

	if (moves && (length <= 0 || (uint32_t)length > config.max_transfer_size))
		wrong("no such transfer is possible");
	exchange(&command, 1, &done);
	last_position = done.result;
	return done;
}

static void expect_code(const struct vdi_completion *done, char **want, unsigned int count)
{
	uint32_t code = count ? number(want[0]) : 0;

	if (done->code != code)
		wrong("answered with %u %s", done->code, vdi_code_name(done->code));
}

static void expect_result(const struct vdi_completion *done, uint64_t result)
{
	if (done->result != result)
		wrong("the result is %" PRIu64, (uint64_t)done->result);
}

/* The bytes of one piece, from buffer[at]; returns where the next begins. */
static uint64_t expect_piece(const char *piece, uint64_t at, uint64_t bytes)
{
	uint64_t seed, offset = 0, len, i;
	char *end;

	seed = strtoull(piece, &end, 0);
	if (*end == '+')
		offset = strtoull(end + 1, &end, 0);
	if (*end != ':')
		wrong("not a piece: %s", piece);
	len = number(end + 1);
	if (len > bytes - at)
		wrong("the piece %s is longer than what came", piece);
	for (i = 0; i < len; i++) {
		uint8_t byte = seed ? data_byte(seed, offset + i) : 0;

		if (buffer[at + i] != byte)
			wrong("byte %" PRIu64 " of %s is %02x, not %02x", i, piece,
			      buffer[at + i], byte);
	}
	return at + len;
}

static void do_write(char **words, unsigned int count, char **want, unsigned int wanted)
{
	int32_t length = number(words[1]);
	uint64_t seed = number(words[2]), i;
	struct vdi_completion done;

	for (i = 0; i < (uint64_t)length && i < config.max_transfer_size; i++)
		buffer[i] = data_byte(seed, i);
	done = carry_out(VDI_CMD_WRITE, length, count > 3 ? position(words[3] + 1) : 0);
	expect_code(&done, want, wanted);
	expect_result(&done, wanted > 1 ? (uint64_t)number(want[1]) : (uint64_t)length);
}

static void do_read(char **words, unsigned int count, char **want, unsigned int wanted)
{
	int32_t length = number(words[1]);
	struct vdi_completion done;
	uint64_t bytes, at = 0;
	unsigned int i;

	memset(buffer, 0xa5, config.max_transfer_size);
	done = carry_out(VDI_CMD_READ, length, count > 2 ? position(words[2] + 1) : 0);
	expect_code(&done, want, wanted);
	bytes = wanted > 1 ? number(want[1]) : length;
	expect_result(&done, bytes);
	for (i = 2; i < wanted; i++)
		at = expect_piece(want[i], at, bytes);
	if (wanted > 2 && at != bytes)
		wrong("the pieces are %" PRIu64 " bytes", at);
	/* what was not transferred is as it was */
	for (; bytes < config.max_transfer_size; bytes++)
		if (buffer[bytes] != 0xa5)
			wrong("byte %" PRIu64 ", behind the count, was changed", bytes);
}

static void do_queue(char **words, char **want, unsigned int wanted)
{
	unsigned int count = number(words[2]), i, hits = 0;
	struct vdi_command commands[MAX_QUEUE] = { };
	struct vdi_completion done[MAX_QUEUE];

	if (count > MAX_QUEUE || wanted != 2)
		wrong("bad use");
	for (i = 0; i < count; i++) {
		commands[i].device = vdi_server_device_index(device);
		commands[i].code = VDI_CMD_READ;
		commands[i].length = number(words[1]);
		commands[i].offset = buffer_offset[i];
	}
	exchange(commands, count, done);
	for (i = 0; i < count; i++)
		hits += done[i].code == number(want[0]);
	if (hits != number(want[1]))
		wrong("%u were answered so", hits);
}

static void do_sync(const char *word)
{
	static FILE *from;
	char answer[64];

	if (!from)
		from = fdopen(3, "r");
	printf("%s\n", word);
	fflush(stdout);
	if (!from || !fgets(answer, sizeof(answer), from))
		wrong("no line came on descriptor 3");
}

static bool do_simple(char **words, unsigned int count, char **want, unsigned int wanted)
{
	static const struct {
		const char *word;
		uint16_t code;
		unsigned int arguments;	/* 1: the size */
		bool answers;		/* with a position */
	} simple[] = {
		{ "mark", VDI_CMD_WRITE_MARK, 0, false },
		{ "rewind", VDI_CMD_REWIND, 0, false },
		{ "flush", VDI_CMD_FLUSH, 0, false },
		{ "complete", VDI_CMD_COMPLETE, 0, false },
		{ "discard", VDI_CMD_DISCARD, 0, false },
		{ "clear", VDI_CMD_CLEAR_ERROR, 0, false },
		{ "load", VDI_CMD_LOAD, 1, false },
		{ "skipmarks", VDI_CMD_SKIP_MARKS, 1, false },
		{ "skipblocks", VDI_CMD_SKIP_BLOCKS, 1, false },
		{ "getpos", VDI_CMD_GET_POSITION, 0, true },
	};
	struct vdi_completion done;
	unsigned int i;

	for (i = 0; i < sizeof(simple) / sizeof(simple[0]); i++) {
		if (strcmp(words[0], simple[i].word))
			continue;
		if (count != simple[i].arguments + 1)
			wrong("bad use");
		done = carry_out(simple[i].code, count > 1 ? number(words[1]) : 0, 0);
		expect_code(&done, want, wanted);
		if (wanted > 1)
			expect_result(&done, position(want[1]));
		return true;
	}
	return false;
}

static void do_line(char **words, unsigned int count, char **want, unsigned int wanted)
{
	struct vdi_completion done;

	if (!strcmp(words[0], "write") && count >= 3) {
		do_write(words, count, want, wanted);
	} else if (!strcmp(words[0], "read") && count >= 2) {
		do_read(words, count, want, wanted);
	} else if (!strcmp(words[0], "queue") && count == 3) {
		do_queue(words, want, wanted);
	} else if (!strcmp(words[0], "setpos") && count >= 2) {
		done = carry_out(VDI_CMD_SET_POSITION, count > 2 ? number(words[2]) : 0,
				 position(words[1]));
		expect_code(&done, want, wanted);
		if (wanted > 1)
			expect_result(&done, position(want[1]));
	} else if (!strcmp(words[0], "send") && count == 3) {
		done = carry_out(number(words[1]), number(words[2]), 0);
		expect_code(&done, want, wanted);
	} else if (!strcmp(words[0], "dev") && count == 2) {
		if ((uint64_t)number(words[1]) >= config.device_count)
			wrong("no such device");
		device = devices[number(words[1])];
	} else if (!strcmp(words[0], "save") && count == 2) {
		save(words[1]);
	} else if (!strcmp(words[0], "sync") && count == 2) {
		do_sync(words[1]);
	} else if (!strcmp(words[0], "abort")) {
		vdi_server_abort(server, 0, "the script says so");
		exit(0);
	} else if (!do_simple(words, count, want, wanted)) {
		wrong("no such command");
	}
}

static void run_script(void)
{
	char text[sizeof(line_text)];

	while (fgets(text, sizeof(text), stdin)) {
		char *words[MAX_WORDS], *word;
		unsigned int count = 0, expect = 0;

		line_number++;
		text[strcspn(text, "#\n")] = '\0';
		strcpy(line_text, text);
		for (word = strtok(text, " \t"); word; word = strtok(NULL, " \t")) {
			if (count == MAX_WORDS)
				wrong("too many words");
			if (!strcmp(word, "="))
				expect = count;
			else
				words[count++] = word;
		}
		if (!expect)
			expect = count;
		if (count)
			do_line(words, expect, words + expect, count - expect);
	}
}

static bool connect_to(const char *name)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int i, ret = -ENOENT;

	for (i = 0; i < 3000 && ret == -ENOENT; i++) {
		if (i)
			nanosleep(&pause, NULL);
		ret = vdi_server_open(server, NULL, name);
	}
	if (ret)
		printf("%s: %s\n", name, vdi_strerror(ret));
	return !ret;
}

static int configure(const char *name, uint32_t direction, bool complete, uint32_t block,
		     uint32_t transfer)
{
	unsigned int i;
	void *buf;
	int ret = vdi_server_get_config(server, &config);

	config.block_size = block;
	config.max_transfer_size = transfer;
	config.features |= direction;
	if (config.features & VDI_FEAT_REQUEST_COMPLETE && complete)
		config.features |= VDI_FEAT_COMPLETE_ENABLED;
	if (!ret)
		ret = vdi_server_begin_config(server, &config);
	if (!ret)
		ret = vdi_server_request_buffers(server, config.max_transfer_size, 0, MAX_QUEUE);
	if (!ret)
		ret = vdi_server_end_config(server);
	for (i = 0; !ret && i < MAX_QUEUE; i++) {
		ret = vdi_server_alloc_buffer(server, &buf, config.max_transfer_size, 0);
		if (!ret)
			ret = vdi_server_buffer_offset(server, buf, &buffer_offset[i]);
		if (!i)
			buffer = buf;
	}
	for (i = 0; !ret && i < config.device_count; i++) {
		char device_name[VDI_NAME_SIZE + 16];

		snprintf(device_name, sizeof(device_name), i ? "%s.%u" : "%s", name, i);
		ret = vdi_server_open_device(server, device_name, &devices[i]);
	}
	device = devices[0];
	return ret;
}

/* The client has ended, but had answered Complete on all devices. */
static bool promised(void)
{
	struct vdi_set_stat stat;

	return !vdi_server_stat(server, &stat, sizeof(stat)) &&
	       stat.completed_devices == stat.device_count &&
	       stat.reason.who.role != VDI_ROLE_SERVER;
}

int main(int argc, char **argv)
{
	uint32_t direction;
	unsigned int i;
	int ret;

	if (argc < 3 || argc > 5) {
		fprintf(stderr,
			"usage: media_engine NAME write|read|both|flush [BLOCK_SIZE [TRANSFER_SIZE]]\n");
		return 2;
	}
	direction = !strcmp(argv[2], "write") ? VDI_FEAT_WRITE_MEDIA :
		    !strcmp(argv[2], "read") ? VDI_FEAT_READ_MEDIA :
		    VDI_FEAT_WRITE_MEDIA | VDI_FEAT_READ_MEDIA;
	ret = vdi_server_new(&server);
	if (ret) {
		printf("%s\n", vdi_strerror(ret));
		return 1;
	}
	if (!connect_to(argv[1]))
		return 1;
	ret = configure(argv[1], direction, strcmp(argv[2], "flush"),
			argc > 3 ? number(argv[3]) : 4096, argc > 4 ? number(argv[4]) : 1 << 20);
	if (ret)
		wrong("configure: %s", vdi_strerror(ret));
	run_script();
	for (i = 0; i < config.device_count; i++) {
		ret = vdi_server_close_device(devices[i]);
		if (ret == -ECANCELED && promised())
			break;
		if (ret)
			wrong("close: %s", vdi_strerror(ret));
	}
	vdi_server_close(server);
	vdi_server_free(server);
	return 0;
}
