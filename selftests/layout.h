/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layout of the ABI, typed out, so that no change of the header passes
 * unseen.  The same for 32-bit and 64-bit programs: both include this.
 */
#ifndef VDI_TEST_LAYOUT_H
#define VDI_TEST_LAYOUT_H

#include <linux/vdi.h>
#include <stddef.h>

#define SIZE(type, bytes) \
	_Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define AT(type, field, bytes) \
	_Static_assert(offsetof(struct type, field) == (bytes), #type "." #field)

SIZE(vdi_config, 48);
AT(vdi_config, device_count, 0);
AT(vdi_config, features, 4);
AT(vdi_config, prefix_zone_size, 8);
AT(vdi_config, alignment, 12);
AT(vdi_config, soft_filemark_block_size, 16);
AT(vdi_config, eom_warning_size, 20);
AT(vdi_config, server_timeout_ms, 24);
AT(vdi_config, block_size, 28);
AT(vdi_config, max_io_depth, 32);
AT(vdi_config, max_transfer_size, 36);
AT(vdi_config, buffer_area_size, 40);
AT(vdi_config, __reserved, 44);

SIZE(vdi_party, 16);
AT(vdi_party, pid, 0);
AT(vdi_party, uid, 4);
AT(vdi_party, gid, 8);
AT(vdi_party, role, 12);

SIZE(vdi_reason, 160);
AT(vdi_reason, reason, 0);
AT(vdi_reason, code, 4);
AT(vdi_reason, who, 8);
AT(vdi_reason, time_ns, 24);
AT(vdi_reason, text, 32);

SIZE(vdi_set_stat, 888);
AT(vdi_set_stat, name, 0);
AT(vdi_set_stat, instance, 256);
AT(vdi_set_stat, id, 512);
AT(vdi_set_stat, state, 520);
AT(vdi_set_stat, device_count, 524);
AT(vdi_set_stat, features, 528);
AT(vdi_set_stat, mode, 532);
AT(vdi_set_stat, client, 536);
AT(vdi_set_stat, server, 552);
AT(vdi_set_stat, reason, 568);
AT(vdi_set_stat, limit, 728);
AT(vdi_set_stat, ring_depth, 732);
AT(vdi_set_stat, client_devices, 736);
AT(vdi_set_stat, server_devices, 740);
AT(vdi_set_stat, closed_devices, 744);
AT(vdi_set_stat, pieces, 748);
AT(vdi_set_stat, area_size, 752);
AT(vdi_set_stat, hint_bytes, 760);
AT(vdi_set_stat, created_ns, 768);
AT(vdi_set_stat, commands, 776);
AT(vdi_set_stat, completions, 784);
AT(vdi_set_stat, errors, 792);
AT(vdi_set_stat, bytes_written, 800);
AT(vdi_set_stat, bytes_read, 808);
AT(vdi_set_stat, outstanding, 816);
AT(vdi_set_stat, exchanges, 824);
AT(vdi_set_stat, wakeups, 832);
AT(vdi_set_stat, sleeps, 840);
AT(vdi_set_stat, client_wait_ns, 848);
AT(vdi_set_stat, server_wait_ns, 856);
AT(vdi_set_stat, first_node, 864);
AT(vdi_set_stat, completed_devices, 868);
AT(vdi_set_stat, spin_hits, 872);
AT(vdi_set_stat, spin_misses, 880);

SIZE(vdi_get_info, 96);
AT(vdi_get_info, size, 0);
AT(vdi_get_info, flags, 4);
AT(vdi_get_info, out_capabilities, 8);
AT(vdi_get_info, out_features, 16);
AT(vdi_get_info, out_max_area_bytes, 24);
AT(vdi_get_info, out_max_user_bytes, 32);
AT(vdi_get_info, out_max_devices, 40);
AT(vdi_get_info, out_max_ring_depth, 44);
AT(vdi_get_info, out_ring_depth, 48);
AT(vdi_get_info, out_max_sets, 52);
AT(vdi_get_info, out_max_handles, 56);
AT(vdi_get_info, out_max_spin_us, 60);
AT(vdi_get_info, out_version, 64);

SIZE(vdi_create, 600);
AT(vdi_create, size, 0);
AT(vdi_create, flags, 4);
AT(vdi_create, name, 8);
AT(vdi_create, instance, 264);
AT(vdi_create, config, 520);
AT(vdi_create, mode, 568);
AT(vdi_create, gid, 572);
AT(vdi_create, ring_depth, 576);
AT(vdi_create, stall_limit_ms, 580);
AT(vdi_create, node_block_size, 584);
AT(vdi_create, node_transfer_size, 588);
AT(vdi_create, node_depth, 592);
AT(vdi_create, __reserved, 596);

SIZE(vdi_open, 520);
AT(vdi_open, size, 0);
AT(vdi_open, flags, 4);
AT(vdi_open, name, 8);
AT(vdi_open, instance, 264);

SIZE(vdi_open_secondary, 520);
AT(vdi_open_secondary, size, 0);
AT(vdi_open_secondary, flags, 4);
AT(vdi_open_secondary, name, 8);
AT(vdi_open_secondary, instance, 264);

SIZE(vdi_piece, 16);
AT(vdi_piece, offset, 0);
AT(vdi_piece, size, 8);

SIZE(vdi_get_config, 88);
AT(vdi_get_config, size, 0);
AT(vdi_get_config, flags, 4);
AT(vdi_get_config, deadline_ns, 8);
AT(vdi_get_config, pieces, 16);
AT(vdi_get_config, nr_pieces, 24);
AT(vdi_get_config, out_pieces, 28);
AT(vdi_get_config, out_config, 32);
AT(vdi_get_config, out_ring_depth, 80);
AT(vdi_get_config, __reserved, 84);

SIZE(vdi_begin_config, 32);
AT(vdi_begin_config, size, 0);
AT(vdi_begin_config, flags, 4);
AT(vdi_begin_config, features, 8);
AT(vdi_begin_config, block_size, 12);
AT(vdi_begin_config, alignment, 16);
AT(vdi_begin_config, max_transfer_size, 20);
AT(vdi_begin_config, timeout_ms, 24);
AT(vdi_begin_config, __reserved, 28);

SIZE(vdi_end_config, 32);
AT(vdi_end_config, size, 0);
AT(vdi_end_config, flags, 4);
AT(vdi_end_config, area_size, 8);
AT(vdi_end_config, out_offset, 16);
AT(vdi_end_config, out_size, 24);

SIZE(vdi_grow_area, 32);
AT(vdi_grow_area, size, 0);
AT(vdi_grow_area, flags, 4);
AT(vdi_grow_area, area_size, 8);
AT(vdi_grow_area, out_offset, 16);
AT(vdi_grow_area, out_size, 24);

SIZE(vdi_open_device, 272);
AT(vdi_open_device, size, 0);
AT(vdi_open_device, flags, 4);
AT(vdi_open_device, name, 8);
AT(vdi_open_device, out_fd, 264);
AT(vdi_open_device, out_index, 268);

SIZE(vdi_status, 904);
AT(vdi_status, size, 0);
AT(vdi_status, flags, 4);
AT(vdi_status, out_role, 8);
AT(vdi_status, out_draining, 12);
AT(vdi_status, out_stat, 16);

SIZE(vdi_set_hint, 16);
AT(vdi_set_hint, size, 0);
AT(vdi_set_hint, flags, 4);
AT(vdi_set_hint, bytes, 8);

SIZE(vdi_command, 32);
AT(vdi_command, kind, 0);
AT(vdi_command, device, 1);
AT(vdi_command, code, 2);
AT(vdi_command, length, 4);
AT(vdi_command, id, 8);
AT(vdi_command, offset, 16);
AT(vdi_command, position, 24);

SIZE(vdi_completion, 24);
AT(vdi_completion, kind, 0);
AT(vdi_completion, device, 1);
AT(vdi_completion, __reserved, 2);
AT(vdi_completion, code, 4);
AT(vdi_completion, id, 8);
AT(vdi_completion, result, 16);

SIZE(vdi_exchange, 64);
AT(vdi_exchange, size, 0);
AT(vdi_exchange, flags, 4);
AT(vdi_exchange, in, 8);
AT(vdi_exchange, out, 16);
AT(vdi_exchange, nr_in, 24);
AT(vdi_exchange, nr_out, 28);
AT(vdi_exchange, min, 32);
AT(vdi_exchange, spin_us, 36);
AT(vdi_exchange, deadline_ns, 40);
AT(vdi_exchange, out_accepted, 48);
AT(vdi_exchange, out_delivered, 52);
AT(vdi_exchange, out_refused, 56);
AT(vdi_exchange, __reserved, 60);

SIZE(vdi_abort, 144);
AT(vdi_abort, size, 0);
AT(vdi_abort, flags, 4);
AT(vdi_abort, code, 8);
AT(vdi_abort, __reserved, 12);
AT(vdi_abort, text, 16);

SIZE(vdi_close, 8);
AT(vdi_close, size, 0);
AT(vdi_close, flags, 4);

SIZE(vdi_adopt, 8);
AT(vdi_adopt, size, 0);
AT(vdi_adopt, flags, 4);

SIZE(vdi_list, 40);
AT(vdi_list, size, 0);
AT(vdi_list, flags, 4);
AT(vdi_list, sets, 8);
AT(vdi_list, nr_sets, 16);
AT(vdi_list, entry_size, 20);
AT(vdi_list, after, 24);
AT(vdi_list, out_sets, 32);
AT(vdi_list, out_more, 36);

SIZE(vdi_stat_name, 1408);
AT(vdi_stat_name, size, 0);
AT(vdi_stat_name, flags, 4);
AT(vdi_stat_name, name, 8);
AT(vdi_stat_name, instance, 264);
AT(vdi_stat_name, out_stat, 520);

SIZE(vdi_abort_name, 656);
AT(vdi_abort_name, size, 0);
AT(vdi_abort_name, flags, 4);
AT(vdi_abort_name, name, 8);
AT(vdi_abort_name, instance, 264);
AT(vdi_abort_name, code, 520);
AT(vdi_abort_name, __reserved, 524);
AT(vdi_abort_name, text, 528);

SIZE(vdi_close_device, 8);
AT(vdi_close_device, size, 0);
AT(vdi_close_device, flags, 4);

SIZE(vdi_device_status, 328);
AT(vdi_device_status, size, 0);
AT(vdi_device_status, flags, 4);
AT(vdi_device_status, out_index, 8);
AT(vdi_device_status, out_state, 12);
AT(vdi_device_status, out_queued, 16);
AT(vdi_device_status, out_taken, 20);
AT(vdi_device_status, out_done, 24);
AT(vdi_device_status, out_refused, 28);
AT(vdi_device_status, out_commands, 32);
AT(vdi_device_status, out_completions, 40);
AT(vdi_device_status, out_errors, 48);
AT(vdi_device_status, out_bytes_written, 56);
AT(vdi_device_status, out_bytes_read, 64);
AT(vdi_device_status, out_name, 72);

#undef SIZE
#undef AT

#endif /* VDI_TEST_LAYOUT_H */
