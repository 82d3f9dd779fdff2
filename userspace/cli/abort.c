// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * vdi abort: ends a set by its name, for both sides.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include <libvdi.h>

#include "cli.h"
#include "json.h"
#include "option.h"
#include "report.h"
#include "session.h"
#include "show.h"
#include "verdict.h"

static const char abort_help[] =
"Usage: vdi abort [OPTION]... NAME\n"
"Aborts a set that you made or serve: both sides are told at once.\n"
"\n"
"  --text TEXT             why, for both sides (up to 127 bytes)\n"
"  --code N                a number for both sides (0)\n"
"  --json                  one JSON object, see vdi(1)\n"
SESSION_HELP_INSTANCE
"  -h, --help              this text\n";

enum { ABORT_JSON = SESSION_OWN, ABORT_TEXT, ABORT_CODE };

static int abort_json(const char *name)
{
	struct json json = { .out = stdout };

	json_open(&json, NULL, '{');
	json_string(&json, "type", "vdi.abort");
	json_number(&json, "schema_version", SHOW_SCHEMA_VERSION);
	json_string(&json, "name", name);
	json_close(&json, '}');
	json_end(&json);
	return report_stdout();
}

int verb_abort(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, ABORT_JSON },
		SESSION_LONG_INSTANCE,
		{ "text", required_argument, NULL, ABORT_TEXT },
		{ "code", required_argument, NULL, ABORT_CODE },
		{ }
	};
	struct vdi_get_info info = { .size = sizeof(info) };
	const char *text = "vdi abort", *name;
	struct session session;
	bool as_json = false;
	unsigned int code = 0;
	int option, ret;

	session_init(&session);
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == ABORT_JSON) {
			as_json = true;
		} else if (option == ABORT_TEXT) {
			text = optarg;
		} else if (option == ABORT_CODE) {
			if (!option_count("--code", optarg, 0, UINT32_MAX, &code))
				return EXIT_USAGE;
		} else {
			ret = session_option(&session, option, argv, abort_help);
			if (ret >= 0)
				return ret;
		}
	}
	ret = session_arguments(argc, argv, 1, "NAME");
	if (ret)
		return ret;
	name = argv[optind];
	ret = vdi_get_info(&info);
	if (ret)
		return verdict_node(ret);
	ret = vdi_abort_name(session.instance, name, code, text);
	if (ret == -EPERM)
		return report_fail(EXIT_NO_DEVICE, "%s: is another user's set: ask root", name);
	if (ret == -EPROTO)
		return report_fail(EXIT_FAILED, "%s: has ended already", name);
	if (ret)
		return verdict_error(ret, "abort", name);
	return as_json ? abort_json(name) : 0;
}
