// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * vdi doctor: why virtual devices do not work here, and what to do.  Looks at
 * the module, the node and who may open it; changes nothing and makes no set.
 * A disk may have the name of the node, so that nothing is opened here: the
 * library does, and only what it found to be a character device.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <libvdi.h>

#include "cli.h"
#include "json.h"
#include "report.h"
#include "session.h"
#include "show.h"

#define MODULE_DIR	"/sys/module/vdi"
#define OTHER_NAME	"modprobe -r vdi; modprobe vdi devname=vdi0, then VDI_DEVICE=/dev/vdi0"

struct doctor {
	const char *node;
	struct json *json;	/* NULL: lines */
	unsigned int problems;
	bool loaded;
	bool enforced;		/* the kernel takes signed modules only */
	struct stat st;		/* of the node, if it is there */
	char devname[64];	/* of the module, if it is loaded */
	char number[32];	/* "major:minor" of its node */
};

static const char doctor_help[] =
"Usage: vdi doctor [--json]\n"
"Looks whether virtual devices work for you here; a line for each thing looked\n"
"at, and for each problem what to do.  The exit status is 1 if there is one.\n"
"\n"
"  --json                  one JSON object, see vdi(1)\n"
"  -h, --help              this text\n";

/* One thing looked at: @advice is NULL if it is in order. */
static void finding(struct doctor *doctor, const char *what, const char *advice,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void finding(struct doctor *doctor, const char *what, const char *advice,
		    const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	doctor->problems += !!advice;
	if (!doctor->json) {
		printf("%-8s %-11s %s%s%s\n", advice ? "PROBLEM" : "ok", what, text,
		       advice ? ": " : "", advice ? advice : "");
		return;
	}
	json_open(doctor->json, NULL, '{');
	json_string(doctor->json, "check", what);
	json_string(doctor->json, "status", advice ? "problem" : "ok");
	json_string(doctor->json, "text", text);
	if (advice)
		json_string(doctor->json, "advice", advice);
	else
		json_null(doctor->json, "advice");
	json_close(doctor->json, '}');
}

/* The first line of a small file; false if there is none. */
static bool read_line(const char *path, char *line, int size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(line, size, f);

	if (f)
		fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

/* Is vdi.ko in the list of the running kernel's modules, or built in? */
static bool installed(const char *release)
{
	static const char * const lists[] = { "modules.dep", "modules.builtin" };
	char path[512], line[4096];
	bool found = false;
	size_t i;
	FILE *f;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]) && !found; i++) {
		snprintf(path, sizeof(path), "/lib/modules/%s/%s", release, lists[i]);
		f = fopen(path, "re");
		while (f && !found && fgets(line, sizeof(line), f)) {
			line[strcspn(line, ":\n")] = '\0';
			found = strstr(line, "/vdi.ko");
		}
		if (f)
			fclose(f);
	}
	return found;
}

/* Secure Boot turns lockdown on, and that refuses modules that nobody signed. */
static void check_signature(struct doctor *doctor)
{
	const char *why = NULL;
	char line[128];

	if (read_line("/sys/module/module/parameters/sig_enforce", line, sizeof(line)) &&
	    line[0] == 'Y')
		why = "module.sig_enforce is on";
	else if (read_line("/sys/kernel/security/lockdown", line, sizeof(line)) &&
		 !strstr(line, "[none]"))
		why = "the kernel is locked down (Secure Boot)";
	doctor->enforced = why;
	if (why && !doctor->loaded)
		finding(doctor, "signature",
			"enrol the key that DKMS signs with: mokutil --import /var/lib/dkms/mok.pub, then boot",
			"%s: only a module signed with a known key loads", why);
	else
		finding(doctor, "signature", NULL, "%s",
			why ? "asked for, and the module has one that is known" : "not asked for");
}

static void check_module(struct doctor *doctor)
{
	struct utsname uts;
	char path[256];

	doctor->loaded = !access(MODULE_DIR, F_OK);
	uname(&uts);
	if (doctor->loaded) {
		if (!read_line(MODULE_DIR "/parameters/devname", doctor->devname,
			       sizeof(doctor->devname)))
			strcpy(doctor->devname, "vdi");
		snprintf(path, sizeof(path), "/sys/class/misc/%s/dev", doctor->devname);
		read_line(path, doctor->number, sizeof(doctor->number));
		finding(doctor, "module", NULL, "loaded, its node is called %s (%s)",
			doctor->devname, doctor->number);
	} else if (installed(uts.release)) {
		finding(doctor, "module", "modprobe vdi", "installed but not loaded");
	} else {
		finding(doctor, "module",
			"install vdi-dkms and the kernel headers, or run make module install; then modprobe vdi",
			"not installed for this kernel (%s)", uts.release);
	}
	check_signature(doctor);
}

static void check_version(struct doctor *doctor)
{
	char version[VDI_VERSION_SIZE] = "";

	if (!doctor->loaded)
		return;
	read_line(MODULE_DIR "/version", version, sizeof(version));
	if (strcmp(version, vdi_version()))
		finding(doctor, "version",
			"install both from one release, then modprobe -r vdi; modprobe vdi",
			"the module is %s, libvdi %s", version, vdi_version());
	else
		finding(doctor, "version", NULL, "module and libvdi are %s", version);
}

static void check_absent(struct doctor *doctor)
{
	char path[128], advice[256];

	snprintf(path, sizeof(path), "/dev/%s", doctor->devname);
	if (!doctor->loaded) {
		finding(doctor, "node", "load the module, it makes the node",
			"%s is not there", doctor->node);
	} else if (strcmp(path, doctor->node)) {
		snprintf(advice, sizeof(advice), "export VDI_DEVICE=%s", path);
		finding(doctor, "node", advice, "%s is not there, the module's node is %s",
			doctor->node, path);
	} else {
		finding(doctor, "node",
			"udevadm trigger -c add -s misc; in a container pass the node in (--device)",
			"%s is not there although the module is loaded", doctor->node);
	}
}

/* Is there something at the node that may be asked at all? */
static bool check_kind(struct doctor *doctor)
{
	const struct stat *st = &doctor->st;

	if (stat(doctor->node, &doctor->st)) {
		if (errno == ENOENT)
			check_absent(doctor);
		else
			finding(doctor, "node", "see ls -l", "%s: %s", doctor->node,
				strerror(errno));
		return false;
	}
	if (S_ISBLK(st->st_mode)) {
		finding(doctor, "node", OTHER_NAME " (see vdi(4))",
			"%s is a disk (%u:%u), which is not touched: the ninth virtio disk has that name%s",
			doctor->node, major(st->st_rdev), minor(st->st_rdev),
			doctor->loaded ? ", and the module, which came second, has no node" : "");
		return false;
	}
	if (!S_ISCHR(st->st_mode)) {
		finding(doctor, "node", "remove it, then load the module anew",
			"%s is no device", doctor->node);
		return false;
	}
	return true;
}

static void check_permitted(struct doctor *doctor)
{
	const struct group *group = getgrgid(doctor->st.st_gid);
	const struct passwd *user = getpwuid(geteuid());
	const char *name = group ? group->gr_name : "?";
	char advice[256];

	if (!faccessat(AT_FDCWD, doctor->node, R_OK | W_OK, AT_EACCESS)) {
		finding(doctor, "permission", NULL, "%s may open %s (group %s, mode %04o)",
			user ? user->pw_name : "you", doctor->node, name,
			doctor->st.st_mode & 07777);
		return;
	}
	if (doctor->st.st_gid && (doctor->st.st_mode & 060) == 060)
		snprintf(advice, sizeof(advice), "as root usermod -aG %s %s, then log in anew",
			 name, user ? user->pw_name : "USER");
	else
		snprintf(advice, sizeof(advice),
			 "as root install 60-vdi.rules and the group vdi, then udevadm trigger");
	finding(doctor, "permission", advice, "%s may not open %s (group %s, mode %04o)",
		user ? user->pw_name : "you", doctor->node, name, doctor->st.st_mode & 07777);
}

/* Without the rule the node is root's alone after the next boot. */
static void check_rule(struct doctor *doctor)
{
	static const char * const dirs[] = {
		"/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d",
		"/usr/lib/udev/rules.d", "/lib/udev/rules.d",
	};
	bool group = getgrnam("vdi");
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/60-vdi.rules", dirs[i]);
		if (!access(path, F_OK))
			break;
	}
	if (i < sizeof(dirs) / sizeof(dirs[0]) && group)
		finding(doctor, "rule", NULL, "%s, and there is a group vdi", path);
	else if (i < sizeof(dirs) / sizeof(dirs[0]))
		finding(doctor, "rule", "groupadd --system vdi, then udevadm trigger",
			"%s names the group vdi, which is not there", path);
	else if (doctor->st.st_gid)
		finding(doctor, "rule", NULL, "no 60-vdi.rules, but the node has a group");
	else
		finding(doctor, "rule",
			"install scripts/packaging/60-vdi.rules and the group vdi, then udevadm trigger",
			"no 60-vdi.rules for udev: the node is for root only");
}

static void check_limits(struct doctor *doctor, const struct vdi_get_info *info)
{
	bool small = !info->out_max_sets || info->out_max_handles < 4 ||
		     info->out_max_area_bytes < 4 * VDI_TRANSFER_STEP ||
		     info->out_max_user_bytes < 4 * VDI_TRANSFER_STEP;

	finding(doctor, "limits",
		small ? "raise the parameters of the module, see vdi(4)" : NULL,
		"%sa user has %u sets, %u open files, %" PRIu64 " MiB of buffers (%" PRIu64
		" MiB a set)", small ? "too small for a backup: " : "", info->out_max_sets,
		info->out_max_handles, (uint64_t)info->out_max_user_bytes >> 20,
		(uint64_t)info->out_max_area_bytes >> 20);
}

/*
 * Is the node the module's?  The library looks before it opens, and asks before
 * it trusts; who may not open it can still compare the numbers.
 */
static bool check_answer(struct doctor *doctor)
{
	struct vdi_get_info info = { .size = sizeof(info) };
	int ret = vdi_get_info(&info);
	char number[32];

	snprintf(number, sizeof(number), "%u:%u", major(doctor->st.st_rdev),
		 minor(doctor->st.st_rdev));
	if (!ret) {
		finding(doctor, "node", NULL, "%s (%s) answers as vdi %s", doctor->node, number,
			info.out_version);
		check_limits(doctor, &info);
		return true;
	}
	if ((ret == -EACCES || ret == -EPERM) && !strcmp(number, doctor->number)) {
		finding(doctor, "node", NULL, "%s (%s) is the module's", doctor->node, number);
		return true;
	}
	if (ret == -ENODEV || ret == -EACCES || ret == -EPERM)
		finding(doctor, "node",
			doctor->loaded ? "remove it and load the module anew, or set VDI_DEVICE" :
					 "load the module; if the node stays, remove it first",
			"%s (%s) is not the module's%s%s", doctor->node, number,
			doctor->loaded ? ", which has " : "", doctor->number);
	else
		finding(doctor, "node", "see dmesg", "%s: %s", doctor->node, vdi_strerror(ret));
	return false;
}

static void doctor_look(struct doctor *doctor)
{
	const char *env = getenv("VDI_DEVICE");

	doctor->node = env && *env ? env : VDI_DEVICE_NODE;
	check_module(doctor);
	check_version(doctor);
	if (!check_kind(doctor) || !check_answer(doctor))
		return;
	check_permitted(doctor);
	check_rule(doctor);
}

int verb_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, SESSION_OWN },
		{ }
	};
	struct json json = { .out = stdout };
	struct doctor doctor = { };
	struct session session;
	int option, ret;

	session_init(&session);
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == SESSION_OWN) {
			doctor.json = &json;
			continue;
		}
		ret = session_option(&session, option, argv, doctor_help);
		if (ret >= 0)
			return ret;
	}
	ret = session_arguments(argc, argv, 0, "nothing");
	if (ret)
		return ret;
	if (doctor.json) {
		json_open(&json, NULL, '{');
		json_string(&json, "type", "vdi.doctor");
		json_number(&json, "schema_version", SHOW_SCHEMA_VERSION);
		json_open(&json, "checks", '[');
	}
	doctor_look(&doctor);
	if (doctor.json) {
		json_close(&json, ']');
		json_number(&json, "problems", doctor.problems);
		json_close(&json, '}');
		json_end(&json);
	}
	ret = report_stdout();
	return doctor.problems ? EXIT_FAILED : ret;
}
