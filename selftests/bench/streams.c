// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command vdi beside what else carries a backup from one program to another: the
 * same file to the same place, by command lines as people write them.  Counts what
 * all their processes use: instructions, system calls, and the bytes that they give
 * to read and write.  The engine of vdi with several devices, and the two ends of a
 * pair of sockets, are here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vdi.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench.h"

#define MIB		(1024 * 1024)
#define DIRECTORY	"/dev/shm/bench-streams"
#define SOURCE		DIRECTORY "/source"
#define TARGET		DIRECTORY "/target"
#define PIECE		MIB		/* what the engine hands out, as vdi put does */
#define DEPTH		4

/**
 * struct way - One line of the table
 * @name: in the table and in the JSON lines
 * @command: for sh, from $SOURCE to $TARGET; $BENCH is this program, $VDI_PROGRAMS
 *	where scripts/programs.sh has put those that others wrote
 * @needs: a program, without which it is left out; NULL if none
 * @counted: all its bytes go through read and write, not through send and receive
 */
static const struct way {
	const char *name;
	const char *command;
	const char *needs;
	bool counted;
} ways[] = {
	{ "vdi put, 1 device",
	  "vdi recv -q bench $TARGET & vdi put -q bench <$SOURCE && wait $!", "vdi", true },
	{ "vdi, bare stream",
	  "vdi recv -q bench - >$TARGET & $BENCH --engine bench,1,$SOURCE && wait $!", "vdi",
	  true },
	{ "vdi, 1 device",
	  "vdi recv -q bench $TARGET & $BENCH --engine bench,1,$SOURCE && wait $!", "vdi", true },
	{ "vdi, 4 devices",
	  "vdi recv -q -n 4 bench $TARGET/ & $BENCH --engine bench,4,$SOURCE && wait $!", "vdi",
	  true },
	{ "cp", "cp $SOURCE $TARGET", "cp", true },
	{ "pipe, cat | cat", "cat $SOURCE | cat >$TARGET", "cat", true },
	{ "pipe, dd bs=1M",
	  "dd if=$SOURCE bs=1M status=none | dd of=$TARGET bs=1M iflag=fullblock status=none",
	  "dd", true },
	{ "pipe, SHA-256", "cat $SOURCE | tee $TARGET | sha256sum >/dev/null", "sha256sum", true },
	{ "FIFO + cat",
	  "mkfifo $TARGET.fifo; cat $SOURCE >$TARGET.fifo & cat $TARGET.fifo >$TARGET && wait $!",
	  "cat", true },
	{ "socketpair", "$BENCH --sockets $SOURCE,$TARGET", NULL, true },
	{ "nbdkit, nbdcopy",
	  "truncate -s $SIZE $TARGET; lib=$VDI_PROGRAMS/usr/lib/x86_64-linux-gnu\n"
	  "export LD_LIBRARY_PATH=$lib plugin=$lib/nbdkit/plugins/nbdkit-file-plugin.so\n"
	  "nbdkit -U - $plugin file=$TARGET --run 'nbdcopy $SOURCE \"$uri\"'\n",
	  "nbdkit", false },
};

#define NR_WAYS		(sizeof(ways) / sizeof(ways[0]))

/**
 * struct used - What one run of a way has used
 * @instr: instructions of its processes, in the kernel too
 * @calls: system calls
 * @bytes: given to read and write
 */
struct used {
	double instr;
	double calls;
	double bytes;
};

static void check_call(long ret, const char *what)
{
	if (ret < 0)
		bench_fail("%s: %s", what, strerror(errno));
}

/* --engine SET,DEVICES,FILE */

struct engine {
	int fd, file;
	unsigned int devices;
	unsigned int outstanding;
	unsigned int features;
	int device_fd[VDI_MAX_DEVICES];
	unsigned char *area;
	uint64_t offset, at, size;
	bool busy[VDI_MAX_DEVICES * DEPTH];
};

static int engine_open(const char *name)
{
	struct vdi_open arg = { .size = sizeof(arg) };
	int fd = open(VDI_DEVICE_NODE, O_RDWR | O_CLOEXEC);

	check_call(fd, VDI_DEVICE_NODE);
	snprintf(arg.name, sizeof(arg.name), "%s", name);
	while (ioctl(fd, VDI_IOC_OPEN, &arg)) {
		if (errno != ENOENT)
			bench_fail("OPEN: %s", strerror(errno));
		usleep(1000);		/* the client has not come so far */
	}
	return fd;
}

static void engine_begin(struct engine *e, const char *name)
{
	struct vdi_status status = { .size = sizeof(status) };
	struct vdi_begin_config begin = { .size = sizeof(begin), .max_transfer_size = PIECE };
	struct vdi_end_config end = {
		.size = sizeof(end), .area_size = (uint64_t)e->devices * DEPTH * PIECE,
	};
	unsigned int i;

	e->fd = engine_open(name);
	check_call(ioctl(e->fd, VDI_IOC_STATUS, &status), "STATUS");
	begin.features = status.out_stat.features | VDI_FEAT_WRITE_MEDIA;
	if (begin.features & VDI_FEAT_REQUEST_COMPLETE)
		begin.features |= VDI_FEAT_COMPLETE_ENABLED;
	e->features = begin.features;
	check_call(ioctl(e->fd, VDI_IOC_BEGIN_CONFIG, &begin), "BEGIN_CONFIG");
	check_call(ioctl(e->fd, VDI_IOC_END_CONFIG, &end), "END_CONFIG");
	e->offset = end.out_offset;
	e->area = mmap(NULL, end.out_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, e->fd,
		       end.out_offset);
	if (e->area == MAP_FAILED)
		bench_fail("mmap: %s", strerror(errno));
	for (i = 0; i < e->devices; i++) {
		struct vdi_open_device arg = { .size = sizeof(arg) };

		if (i)
			snprintf(arg.name, sizeof(arg.name), "%.60s.%u", name, i);
		else
			snprintf(arg.name, sizeof(arg.name), "%s", name);
		check_call(ioctl(e->fd, VDI_IOC_OPEN_DEVICE, &arg), "OPEN_DEVICE");
		e->device_fd[i] = arg.out_fd;
	}
}

/* The next piece of the file, read into a buffer that is free; false at the end */
static bool engine_fill(struct engine *e, struct vdi_command *c)
{
	unsigned int i = 0;
	ssize_t n;

	while (i < e->devices * DEPTH && e->busy[i])
		i++;
	if (e->at == e->size || i == e->devices * DEPTH)
		return false;
	n = pread(e->file, e->area + (uint64_t)i * PIECE, PIECE, e->at);
	check_call(n, "read");
	*c = (struct vdi_command){
		.device = i % e->devices, .code = VDI_CMD_WRITE, .length = n, .id = i,
		.offset = e->offset + (uint64_t)i * PIECE,
	};
	e->busy[i] = true;
	e->at += n;
	return true;
}

/* Hands over @n commands and takes what is answered; waits if it must. */
static void engine_exchange(struct engine *e, struct vdi_command *c, unsigned int n)
{
	struct vdi_completion done[VDI_MAX_DEVICES * DEPTH];
	struct vdi_exchange x = {
		.size = sizeof(x), .in = (uintptr_t)c, .nr_in = n, .out = (uintptr_t)done,
		.nr_out = e->devices * DEPTH, .min = 1, .deadline_ns = VDI_TIME_INFINITE,
	};
	unsigned int i;

	check_call(ioctl(e->fd, VDI_IOC_EXCHANGE, &x), "EXCHANGE");
	e->outstanding += n;
	for (i = 0; i < x.out_delivered; i++) {
		if (done[i].code)
			bench_fail("a command was answered with %u", done[i].code);
		e->busy[done[i].id] = false;
		e->outstanding--;
	}
}

static void engine_all(struct engine *e, unsigned int code)
{
	struct vdi_command c[VDI_MAX_DEVICES];
	unsigned int i;

	for (i = 0; i < e->devices; i++)
		c[i] = (struct vdi_command){ .device = i, .code = code, .id = i };
	engine_exchange(e, c, e->devices);
	while (e->outstanding)
		engine_exchange(e, NULL, 0);
}

/**
 * bench_engine() - Back up a file: the server of a set with several devices
 * @arg: SET,DEVICES,FILE
 */
void bench_engine(const char *arg)
{
	char name[VDI_NAME_SIZE], path[256];
	struct vdi_close_device close_arg = { .size = sizeof(close_arg) };
	struct vdi_command c[DEPTH];
	struct engine e = { 0 };
	unsigned int n, i;

	if (sscanf(arg, "%63[^,],%u,%255s", name, &e.devices, path) != 3 || !e.devices ||
	    e.devices > VDI_MAX_DEVICES)
		bench_fail("--engine wants SET,DEVICES,FILE");
	e.file = open(path, O_RDONLY | O_CLOEXEC);
	check_call(e.file, path);
	e.size = lseek(e.file, 0, SEEK_END);
	engine_begin(&e, name);
	do {
		for (n = 0; n < DEPTH && engine_fill(&e, &c[n]); n++)
			;
		engine_exchange(&e, c, n);
	} while (e.outstanding || e.at < e.size);
	engine_all(&e, VDI_CMD_FLUSH);
	if (e.features & VDI_FEAT_COMPLETE_ENABLED)
		engine_all(&e, VDI_CMD_COMPLETE);
	for (i = 0; i < e.devices; i++)
		check_call(ioctl(e.device_fd[i], VDI_IOC_CLOSE_DEVICE, &close_arg),
			   "CLOSE_DEVICE");
}

/* --sockets FROM,TO */

static void send_file(const char *from, int to)
{
	char *buf = malloc(PIECE);
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	ssize_t n, at, m;

	check_call(fd, from);
	while ((n = read(fd, buf, PIECE)) > 0) {
		for (at = 0; at < n; at += m) {
			m = write(to, buf + at, n - at);
			check_call(m, "write to a socket");
		}
	}
	check_call(n, from);
}

static void receive_file(int from, const char *to)
{
	char *buf = malloc(PIECE);
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	check_call(fd, to);
	while ((n = read(from, buf, PIECE)) > 0)
		if (write(fd, buf, n) != n)
			bench_fail("%s: %s", to, strerror(errno));
	check_call(n, "read from a socket");
}

/**
 * bench_sockets() - Copy a file through a pair of stream sockets, as two processes
 * @arg: FROM,TO
 */
void bench_sockets(const char *arg)
{
	const int room = MIB;
	char from[256], to[256];
	int fd[2], status;

	if (sscanf(arg, "%255[^,],%255s", from, to) != 2)
		bench_fail("--sockets wants FROM,TO");
	check_call(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), "socketpair");
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (!fork()) {
		close(fd[1]);
		send_file(from, fd[0]);
		exit(0);
	}
	close(fd[0]);
	receive_file(fd[1], to);
	if (wait(&status) < 0 || status)
		bench_fail("the process that sends has failed");
}

/* What the children that have ended have used */
static void used_read(struct used *u)
{
	unsigned long long in, out;
	struct rusage ru;
	FILE *f;

	getrusage(RUSAGE_CHILDREN, &ru);
	u->instr = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e9 +
		   (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1e3;
	f = fopen("/proc/self/io", "re");
	if (!f || fscanf(f, "rchar: %llu wchar: %llu", &in, &out) != 2)
		bench_fail("cannot read /proc/self/io");
	fclose(f);
	u->bytes = in + out;
}

static void shell(const char *command)
{
	int status = system(command);

	if (status)
		bench_fail("'%s' has failed (status %#x)", command, status);
}

/* Counting system calls costs: then nothing else is believed. */
static void run_way(const struct way *w, bool calls, struct used *u)
{
	struct used before, after;

	used_read(&before);
	if (calls) {
		int fd = bench_calls_begin();

		shell(w->command);
		u->calls = bench_calls_end(fd);
	} else {
		shell(w->command);
		used_read(&after);
		u->instr = after.instr - before.instr;
		u->bytes = after.bytes - before.bytes;
	}
	/* what a backup of vdi adds to the bytes is a few kilobytes */
	shell("cat $(find $TARGET -type f | sort) | wc -c |\n"
	      "awk -v s=$SIZE '{ exit !($1 >= s && $1 < s + 65536) }'");
	shell("rm -rf $TARGET $TARGET.*");
}

static bool has(const char *program)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	return !system(command);
}

static double middle(double *v, unsigned int n)
{
	unsigned int i, k;

	for (i = 1; i < n; i++) {
		double x = v[i];

		for (k = i; k && v[k - 1] > x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
	return v[n / 2];
}

static void make_source(unsigned int mib)
{
	char text[64];

	shell("rm -rf " DIRECTORY "; mkdir " DIRECTORY);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)mib * MIB);
	setenv("SIZE", text, 1);
	setenv("SOURCE", SOURCE, 1);
	setenv("TARGET", TARGET, 1);
	/* nothing that anybody could leave out */
	shell("head -c $SIZE /dev/zero | tr '\\0' x >$SOURCE");
}

static void way_report(FILE *out, const struct way *w, unsigned int mib, const struct used *u,
		       double ratio)
{
	double bytes = u->bytes / mib / MIB;

	printf("%-18s%14.0f%9.2fx%14.2f", w->name, u->instr / mib, ratio, u->calls / mib);
	if (w->counted)
		printf("%12.2f\n", bytes);
	else
		printf("%12s\n", "-");
	if (!out)
		return;
	fprintf(out, "{\"mechanism\":\"%s\",\"mib\":%u,\"instr_per_mib\":%.0f,", w->name, mib,
		u->instr / mib);
	fprintf(out, "\"instr_to_pipe\":%.3f,\"syscalls_per_mib\":%.3f,", ratio, u->calls / mib);
	if (w->counted)
		fprintf(out, "\"copied_per_byte\":%.3f}\n", bytes);
	else
		fprintf(out, "\"copied_per_byte\":null}\n");
}

/**
 * bench_streams() - Compare whole command lines and print a table
 * @rounds: how often; the median counts
 * @mib: size of the file
 * @self: this program
 * @out: JSON lines, or NULL
 */
void bench_streams(unsigned int rounds, unsigned int mib, const char *self, FILE *out)
{
	double instr[NR_WAYS][BENCH_MAX_ROUNDS], pipe_instr = 0;
	struct used u[NR_WAYS];
	unsigned int i, r;

	setenv("BENCH", self, 1);
	make_source(mib);
	for (r = 0; r <= rounds; r++) {
		for (i = 0; i < NR_WAYS; i++) {
			if (ways[i].needs && !has(ways[i].needs))
				continue;
			fprintf(stderr, "bench: %s, round %u of %u\n", ways[i].name, r + 1,
				rounds + 1);
			run_way(&ways[i], r == rounds, &u[i]);
			if (r < rounds)
				instr[i][r] = u[i].instr;
		}
	}
	shell("rm -rf " DIRECTORY);
	printf("\n%u MiB from a file in memory to another one, all processes together; the median\n"
	       "of %u rounds.\n\n", mib, rounds);
	printf("%-18s%14s%10s%14s%12s\n", "", "instructions", "", "system calls", "copied");
	printf("%-18s%14s%10s%14s%12s\n", "", "per MiB", "to pipe", "per MiB", "per byte");
	for (i = 0; i < NR_WAYS; i++)
		if (!strncmp(ways[i].name, "pipe, cat", 9))
			pipe_instr = middle(instr[i], rounds);
	for (i = 0; i < NR_WAYS; i++) {
		if (ways[i].needs && !has(ways[i].needs)) {
			printf("%-18s  left out: there is no %s\n", ways[i].name, ways[i].needs);
			continue;
		}
		u[i].instr = middle(instr[i], rounds);
		way_report(out, &ways[i], mib, &u[i], u[i].instr / pipe_instr);
	}
	printf("\nCopied is what the processes give to read and write, for a byte of the file: 2\n"
	       "is the least without tricks, once from the file and once to it.  vdi also makes\n"
	       "its target durable and gives it its name when the engine has said that all is there, and but for\n"
	       "the bare stream it has a SHA-256 of each device in it; the others have nothing of\n"
	       "that.  An emulated processor has no instructions for SHA-256.  A string copy counts\n"
	       "each of its steps as an instruction.\n");
}
