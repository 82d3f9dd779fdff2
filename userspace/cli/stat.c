// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * vdi stat: one set, by its name.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include <libvdi.h>

#include "cli.h"
#include "json.h"
#include "report.h"
#include "session.h"
#include "show.h"
#include "verdict.h"

static const char stat_help[] =
"Usage: vdi stat [--json] NAME\n"
"Shows state, parties and counters of a set that you made or serve.\n"
"\n"
"  --json                  one JSON object, see vdi(1)\n"
SESSION_HELP_INSTANCE
"  -h, --help              this text\n";

int verb_stat(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, SESSION_OWN },
		SESSION_LONG_INSTANCE,
		{ }
	};
	struct json json = { .out = stdout };
	struct vdi_set_stat stat;
	struct vdi_get_info info = { .size = sizeof(info) };
	struct session session;
	bool as_json = false;
	int option, ret;

	session_init(&session);
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == SESSION_OWN) {
			as_json = true;
			continue;
		}
		ret = session_option(&session, option, argv, stat_help);
		if (ret >= 0)
			return ret;
	}
	ret = session_arguments(argc, argv, 1, "NAME");
	if (ret)
		return ret;
	ret = vdi_get_info(&info);
	if (ret)
		return verdict_node(ret);
	ret = vdi_stat_name(session.instance, argv[optind], &stat, sizeof(stat));
	if (ret == -EPERM)
		return report_fail(EXIT_NO_DEVICE,
				   "%s: is another user's set: ask root", argv[optind]);
	if (ret)
		return verdict_error(ret, "stat", argv[optind]);
	if (as_json) {
		json_open(&json, NULL, '{');
		json_string(&json, "type", "vdi.stat");
		json_number(&json, "schema_version", SHOW_SCHEMA_VERSION);
		show_set_json(&json, &stat);
		json_close(&json, '}');
		json_end(&json);
	} else {
		show_set_text(&stat);
	}
	return report_stdout();
}
