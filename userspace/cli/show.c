// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * A set, shown: as the members of a JSON object, or as lines for people.  Owns
 * the names of the members; they are documented in vdi(1) and only ever added.
 */
#include <inttypes.h>
#include <stdio.h>

#include <libvdi.h>

#include "device.h"
#include "nodes.h"
#include "show.h"
#include "verdict.h"

/* Words for programs: they stay, whatever the library calls these things. */
static const char *show_side(uint32_t role)
{
	return role == VDI_ROLE_SERVER ? "server" : role == VDI_ROLE_CLIENT ? "client" :
	       role == VDI_ROLE_SECONDARY ? "secondary" : "other";
}

static const char *show_limit(uint32_t limit)
{
	static const char * const names[] = {
		[VDI_LIMIT_NONE] = "NONE",
		[VDI_LIMIT_SET_BYTES] = "SET_BYTES",
		[VDI_LIMIT_USER_BYTES] = "USER_BYTES",
		[VDI_LIMIT_TOTAL_BYTES] = "TOTAL_BYTES",
		[VDI_LIMIT_PIECES] = "PIECES",
		[VDI_LIMIT_HANDLES] = "HANDLES",
	};

	return limit < sizeof(names) / sizeof(names[0]) ? names[limit] : "UNKNOWN";
}

static void show_party_json(struct json *json, const char *key, const struct vdi_party *party)
{
	if (party->role == VDI_ROLE_NONE) {
		json_null(json, key);
		return;
	}
	json_open(json, key, '{');
	json_number(json, "pid", party->pid);
	json_number(json, "uid", party->uid);
	json_number(json, "gid", party->gid);
	json_close(json, '}');
}

static void show_reason_json(struct json *json, const struct vdi_reason *reason)
{
	if (reason->reason == VDI_REASON_NONE) {
		json_null(json, "abort");
		return;
	}
	json_open(json, "abort", '{');
	json_string(json, "reason", verdict_reason_name(reason->reason));
	json_number(json, "code", reason->code);
	json_string(json, "text", reason->text);
	json_string(json, "side", show_side(reason->who.role));
	json_number(json, "pid", reason->who.pid);
	json_number(json, "uid", reason->who.uid);
	json_monotonic(json, "time", reason->time_ns);
	json_close(json, '}');
}

static void show_nodes_json(struct json *json, const struct vdi_set_stat *stat)
{
	char path[64];
	unsigned int i;

	json_open(json, "nodes", '[');
	for (i = 0; i < nodes_count(stat); i++) {
		nodes_path(path, sizeof(path), stat, i);
		json_string(json, NULL, path);
	}
	json_close(json, ']');
}

void show_set_json(struct json *json, const struct vdi_set_stat *stat)
{
	json_string(json, "name", stat->name);
	json_string(json, "instance", stat->instance);
	json_number(json, "id", stat->id);
	json_string(json, "state", vdi_state_name(stat->state));
	json_number(json, "devices", stat->device_count);
	json_number(json, "features", stat->features);
	json_string(json, "kind", device_kind_name(stat->features));
	show_nodes_json(json, stat);
	json_number(json, "mode", stat->mode);
	json_monotonic(json, "created", stat->created_ns);
	show_party_json(json, "client", &stat->client);
	show_party_json(json, "server", &stat->server);
	show_reason_json(json, &stat->reason);
	json_string(json, "limit", show_limit(stat->limit));
	json_number(json, "ring_depth", stat->ring_depth);
	json_number(json, "client_devices", stat->client_devices);
	json_number(json, "server_devices", stat->server_devices);
	json_number(json, "completed_devices", stat->completed_devices);
	json_number(json, "closed_devices", stat->closed_devices);
	json_number(json, "pieces", stat->pieces);
	json_number(json, "area_bytes", stat->area_size);
	json_number(json, "hint_bytes", stat->hint_bytes);
	json_number(json, "commands", stat->commands);
	json_number(json, "completions", stat->completions);
	json_number(json, "errors", stat->errors);
	json_number(json, "bytes_written", stat->bytes_written);
	json_number(json, "bytes_read", stat->bytes_read);
	json_number(json, "outstanding", stat->outstanding);
	json_number(json, "exchanges", stat->exchanges);
	json_number(json, "wakeups", stat->wakeups);
	json_number(json, "sleeps", stat->sleeps);
	json_number(json, "spin_hits", stat->spin_hits);
	json_number(json, "spin_misses", stat->spin_misses);
	json_number(json, "client_wait_ns", stat->client_wait_ns);
	json_number(json, "server_wait_ns", stat->server_wait_ns);
}

static void show_nodes_text(const struct vdi_set_stat *stat)
{
	char path[64];
	unsigned int count = nodes_count(stat);

	if (!count)
		return;
	nodes_path(path, sizeof(path), stat, 0);
	printf("%-10s %s", "nodes", path);
	nodes_path(path, sizeof(path), stat, count - 1);
	if (count > 1)
		printf(" to %s", path);
	putchar('\n');
}

static void show_party_text(const char *what, const struct vdi_party *party)
{
	if (party->role == VDI_ROLE_NONE)
		printf("%-10s none\n", what);
	else
		printf("%-10s pid %d, uid %u, gid %u\n", what, party->pid, party->uid, party->gid);
}

void show_set_text(const struct vdi_set_stat *stat)
{
	uint64_t done = stat->bytes_written + stat->bytes_read;
	char text[512];

	printf("%-10s %s\n", "name", stat->name);
	if (stat->instance[0])
		printf("%-10s %s\n", "instance", stat->instance);
	printf("%-10s %s\n", "state", vdi_state_name(stat->state));
	printf("%-10s %u, opened by client %u, by server %u, completed %u, closed %u\n", "devices",
	       stat->device_count, stat->client_devices, stat->server_devices,
	       stat->completed_devices, stat->closed_devices);
	printf("%-10s %s%s\n", "kind", device_kind_name(stat->features),
	       stat->features & VDI_FEAT_REMOVABLE ? ", removable media" : "");
	show_nodes_text(stat);
	show_party_text("client", &stat->client);
	show_party_text("server", &stat->server);
	printf("%-10s %" PRIu64, "bytes", done);
	if (stat->hint_bytes)
		printf(" of about %" PRIu64, (uint64_t)stat->hint_bytes);
	printf("\n%-10s %" PRIu64 " sent, %" PRIu64 " completed, %" PRIu64 " failed, %" PRIu64
	       " outstanding\n", "commands", (uint64_t)stat->commands, (uint64_t)stat->completions,
	       (uint64_t)stat->errors, (uint64_t)stat->outstanding);
	printf("%-10s %" PRIu64 " bytes\n", "buffers", (uint64_t)stat->area_size);
	printf("%-10s client %.3f s, server %.3f s\n", "waited", stat->client_wait_ns / 1e9,
	       stat->server_wait_ns / 1e9);
	if (stat->reason.reason != VDI_REASON_NONE) {
		verdict_reason(&stat->reason, text, sizeof(text));
		printf("%-10s %s\n", "aborted", text);
	}
}
