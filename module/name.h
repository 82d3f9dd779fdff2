/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_NAME_H
#define VDI_NAME_H

#include <linux/types.h>

struct user_namespace;
struct vdi_set;

int vdi_name_check(const char *name);
int vdi_name_check_instance(const char *instance);
int vdi_name_check_text(const char *text);
int vdi_name_reserve(struct vdi_set *set);
void vdi_name_publish(struct vdi_set *set);
void vdi_name_unpublish(struct vdi_set *set);
void vdi_name_remove(struct vdi_set *set);
struct vdi_set *vdi_name_get_last(struct user_namespace *ns,
				  const char *instance, const char *name);
struct vdi_set *vdi_name_get_unless_dead(struct user_namespace *ns,
					 const char *instance,
					 const char *name) __must_check;
struct vdi_set *vdi_name_next_unless_dead(struct user_namespace *ns,
					  u64 after) __must_check;
int vdi_name_may_open(const struct vdi_set *set);
bool vdi_name_may_see(struct vdi_set *set);
unsigned int vdi_name_count(void);

#endif /* VDI_NAME_H */
