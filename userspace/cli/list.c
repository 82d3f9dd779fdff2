// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * vdi list: the sets that the caller may see.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include <libvdi.h>

#include "cli.h"
#include "json.h"
#include "report.h"
#include "session.h"
#include "show.h"
#include "verdict.h"

#define LIST_CHUNK	16

static const char list_help[] =
"Usage: vdi list [--json]\n"
"Shows the sets that you made or serve; as root those of all users.\n"
"\n"
"  --json                  one JSON object, see vdi(1)\n"
"  -h, --help              this text\n";

static void list_text(const struct vdi_set_stat *stat, bool first)
{
	if (first)
		printf("%-14s %7s %7s %7s %15s %15s  %s\n", "STATE", "DEVICES", "CLIENT", "SERVER",
		       "BYTES", "OF ABOUT", "NAME");
	printf("%-14s %7u %7d %7d %15" PRIu64 " %15" PRIu64 "  %s%s%s\n",
	       vdi_state_name(stat->state), stat->device_count, stat->client.pid, stat->server.pid,
	       (uint64_t)(stat->bytes_written + stat->bytes_read), (uint64_t)stat->hint_bytes,
	       stat->instance, stat->instance[0] ? "\\" : "", stat->name);
}

/* In portions: sets may come and go meanwhile, ids only grow. */
static int list_all(struct json *json)
{
	struct vdi_set_stat sets[LIST_CHUNK];
	uint64_t after = 0;
	bool first = true;
	unsigned int more;
	int ret, i;

	do {
		ret = vdi_list(sets, sizeof(sets[0]), LIST_CHUNK, after, &more);
		if (ret < 0)
			return ret;
		for (i = 0; i < ret; i++) {
			after = sets[i].id;
			if (json) {
				json_open(json, NULL, '{');
				show_set_json(json, &sets[i]);
				json_close(json, '}');
			} else {
				list_text(&sets[i], first);
			}
			first = false;
		}
	} while (more && ret);
	return 0;
}

int verb_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, SESSION_OWN },
		{ }
	};
	struct json json = { .out = stdout };
	struct session session;
	bool as_json = false;
	int option, ret;

	session_init(&session);
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == SESSION_OWN) {
			as_json = true;
			continue;
		}
		ret = session_option(&session, option, argv, list_help);
		if (ret >= 0)
			return ret;
	}
	ret = session_arguments(argc, argv, 0, "nothing");
	if (ret)
		return ret;
	if (as_json) {
		json_open(&json, NULL, '{');
		json_string(&json, "type", "vdi.list");
		json_number(&json, "schema_version", SHOW_SCHEMA_VERSION);
		json_open(&json, "sets", '[');
	}
	ret = list_all(as_json ? &json : NULL);
	if (ret)
		return verdict_node(ret);
	if (as_json) {
		json_close(&json, ']');
		json_close(&json, '}');
		json_end(&json);
	}
	return report_stdout();
}
