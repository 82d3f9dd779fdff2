// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of sets: what a name may look like, (user namespace, instance, name)
 * -> set, and who may open or see a set by its name.
 *
 * The list holds no reference on a set.  Abort, or the primary client's close,
 * frees the name, so that it can be another's; the set itself can still be
 * looked at until it is freed, lest the reason of an abort go with the name.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "name.h"
#include "set.h"

static DEFINE_SPINLOCK(names_lock);
static LIST_HEAD(sets);		/* all of them, oldest first, so by id */
static unsigned int nr_names;

/*
 * One character of UTF-8: its length, or 0 if it is malformed, overlong, a
 * surrogate or too large, or a control character.
 */
static unsigned int vdi_name_char(const unsigned char *s)
{
	static const u32 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned int len, i;
	u32 c;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if ((s[0] & 0xe0) == 0xc0)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if ((s[0] & 0xf8) == 0xf0)
		len = 4;
	else
		return 0;
	c = s[0] & (0x7f >> len);
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)	/* the NUL ends it here */
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ||
	    c < 0xa0)
		return 0;
	return len;
}

static bool vdi_name_valid(const char *s, size_t size, bool slashes)
{
	size_t i = 0;

	if (strnlen(s, size) == size)
		return false;
	while (s[i]) {
		unsigned int len = vdi_name_char((const unsigned char *)s + i);

		if (!len || (!slashes && (s[i] == '/' || s[i] == '\\')))
			return false;
		i += len;
	}
	return true;
}

/**
 * vdi_name_check() - Is this a name for a set or a device?
 * @name: array of %VDI_NAME_SIZE bytes
 *
 * Return: 0 or -EINVAL.
 */
int vdi_name_check(const char *name)
{
	return name[0] && vdi_name_valid(name, VDI_NAME_SIZE, false) ? 0 :
								      -EINVAL;
}

/**
 * vdi_name_check_instance() - Is this an instance name? Empty is the default.
 * @instance: array of %VDI_NAME_SIZE bytes
 *
 * Return: 0 or -ENXIO.
 */
int vdi_name_check_instance(const char *instance)
{
	return vdi_name_valid(instance, VDI_NAME_SIZE, false) ? 0 : -ENXIO;
}

/**
 * vdi_name_check_text() - May this text be shown to people?
 * @text: array of %VDI_TEXT_SIZE bytes
 *
 * Return: 0 or -EINVAL.
 */
int vdi_name_check_text(const char *text)
{
	return vdi_name_valid(text, VDI_TEXT_SIZE, true) ? 0 : -EINVAL;
}

static bool vdi_name_is(const struct vdi_set *set, struct user_namespace *ns,
			const char *instance, const char *name)
{
	return set->user_ns == ns && !strcmp(set->instance, instance) &&
	       !strcmp(set->name, name);
}

/* The set that holds the name */
static struct vdi_set *vdi_name_find(struct user_namespace *ns,
				     const char *instance, const char *name)
{
	struct vdi_set *set;

	lockdep_assert_held(&names_lock);
	list_for_each_entry(set, &sets, name_node)
		if (set->named && vdi_name_is(set, ns, instance, name))
			return set;
	return NULL;
}

/**
 * vdi_name_reserve() - Take the name of a set; nobody finds it yet
 * @set: the set
 *
 * Return: 0 or -EEXIST.
 */
int vdi_name_reserve(struct vdi_set *set)
{
	static u64 last_id;
	int ret = 0;

	spin_lock(&names_lock);
	if (vdi_name_find(set->user_ns, set->instance, set->name)) {
		ret = -EEXIST;
	} else {
		set->id = ++last_id;
		set->named = true;
		list_add_tail(&set->name_node, &sets);
		nr_names++;
	}
	spin_unlock(&names_lock);
	return ret;
}

/**
 * vdi_name_publish() - Let lookups find a set; cannot fail
 * @set: the set, its name reserved; unless it was aborted since
 */
void vdi_name_publish(struct vdi_set *set)
{
	spin_lock(&names_lock);
	set->published = set->named;
	spin_unlock(&names_lock);
}

/**
 * vdi_name_unpublish() - The name is free for others from now on; idempotent
 * @set: the set
 *
 * Context: any; takes the names lock, a leaf.
 */
void vdi_name_unpublish(struct vdi_set *set)
{
	spin_lock(&names_lock);
	nr_names -= set->named;
	set->named = false;
	spin_unlock(&names_lock);
}

/**
 * vdi_name_remove() - Nobody finds the set any more in whatever way
 * @set: the set, about to be freed
 */
void vdi_name_remove(struct vdi_set *set)
{
	vdi_name_unpublish(set);
	spin_lock(&names_lock);
	list_del_init(&set->name_node);
	spin_unlock(&names_lock);
}

/**
 * vdi_name_get_unless_dead() - Look up the set that holds a name
 * @ns: user namespace
 * @instance: instance name
 * @name: name
 *
 * Return: the set with a reference, or NULL.
 */
struct vdi_set *vdi_name_get_unless_dead(struct user_namespace *ns,
					 const char *instance, const char *name)
{
	struct vdi_set *set;

	spin_lock(&names_lock);
	set = vdi_name_find(ns, instance, name);
	if (set && (!set->published || !kref_get_unless_zero(&set->kref)))
		set = NULL;
	spin_unlock(&names_lock);
	return set;
}

/**
 * vdi_name_get_last() - Look up the set that holds a name, or held it last
 * @ns: user namespace
 * @instance: instance name
 * @name: name
 *
 * Return: the set with a reference, or NULL.
 */
struct vdi_set *vdi_name_get_last(struct user_namespace *ns,
				  const char *instance, const char *name)
{
	struct vdi_set *set;

	spin_lock(&names_lock);
	/* Who holds it came after all who held it */
	list_for_each_entry_reverse(set, &sets, name_node)
		if (set->published && vdi_name_is(set, ns, instance, name) &&
		    kref_get_unless_zero(&set->kref))
			goto found;
	set = NULL;
found:
	spin_unlock(&names_lock);
	return set;
}

/**
 * vdi_name_next_unless_dead() - The next set in the order of ids
 * @ns: user namespace
 * @after: id of the last one
 *
 * Return: the set with a reference, or NULL.
 */
struct vdi_set *vdi_name_next_unless_dead(struct user_namespace *ns, u64 after)
{
	struct vdi_set *set;

	spin_lock(&names_lock);
	list_for_each_entry(set, &sets, name_node)
		if (set->id > after && set->user_ns == ns && set->published &&
		    kref_get_unless_zero(&set->kref))
			goto found;
	set = NULL;
found:
	spin_unlock(&names_lock);
	return set;
}

/**
 * vdi_name_may_open() - May the caller open this set as server?
 * @set: the set
 *
 * Return: 0 or -EACCES.
 */
int vdi_name_may_open(const struct vdi_set *set)
{
	u32 mode = set->mode;

	if (uid_eq(current_fsuid(), set->uid))
		mode >>= 6;
	else if (in_group_p(set->gid))
		mode >>= 3;
	if ((mode & 06) == 06 || ns_capable(set->user_ns, CAP_DAC_OVERRIDE))
		return 0;
	return -EACCES;
}

/**
 * vdi_name_may_see() - May the caller see and abort this set by its name?
 * @set: the set
 *
 * Return: true if its user is a party, or with CAP_SYS_ADMIN.
 */
bool vdi_name_may_see(struct vdi_set *set)
{
	bool mine = uid_eq(current_fsuid(), set->uid);

	if (!mine) {
		spin_lock(&set->lock);
		mine = set->party[VDI_SERVER].pid &&
		       uid_eq(current_fsuid(), set->party[VDI_SERVER].uid);
		spin_unlock(&set->lock);
	}
	return mine || ns_capable(set->user_ns, CAP_SYS_ADMIN);
}

/**
 * vdi_name_count() - How many names are taken
 *
 * Return: the number.
 */
unsigned int vdi_name_count(void)
{
	return READ_ONCE(nr_names);
}
