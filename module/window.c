// SPDX-License-Identifier: GPL-2.0-only
/*
 * The windows of window.h: their list, their file in debugfs, and the sleep.
 * Only in a module that is built with VDI_WINDOWS=1.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/random.h>
#include <linux/seq_file.h>

static LLIST_HEAD(windows);

/* For the windows that nobody has passed yet */
static u32 default_us, default_one_in = 1;

/**
 * vdi_window_pass() - A lock has been released
 * @window: where
 *
 * Sleeps if the window is open and no other lock is held.  A wait may call this
 * between setting its state and schedule(): it then looks at its condition once
 * more, since the sleep leaves the task running.
 *
 * Context: any.
 */
void vdi_window_pass(struct vdi_window *window)
{
	u32 us, one_in;

	if (preempt_count() || irqs_disabled() || rcu_preempt_depth())
		return;
	if (!atomic_xchg(&window->known, 1)) {
		WRITE_ONCE(window->us, READ_ONCE(default_us));
		WRITE_ONCE(window->one_in, READ_ONCE(default_one_in));
		llist_add(&window->node, &windows);
	}
	atomic_inc(&window->hits);
	us = READ_ONCE(window->us);
	one_in = READ_ONCE(window->one_in);
	if (us && get_random_u32() % one_in == 0) {
		atomic_inc(&window->inside);
		usleep_range(us / 2, us);
		atomic_dec(&window->inside);
	}
}

static void window_name(const struct vdi_window *window, char *name, size_t size)
{
	snprintf(name, size, "%s:%d", kbasename(window->file), window->line);
}

static int windows_show(struct seq_file *m, void *unused)
{
	struct vdi_window *window;
	char name[64];

	llist_for_each_entry(window, READ_ONCE(windows.first), node) {
		window_name(window, name, sizeof(name));
		seq_printf(m, "%s %d %u %u %d\n", name, atomic_read(&window->hits),
			   READ_ONCE(window->us), READ_ONCE(window->one_in),
			   atomic_read(&window->inside));
	}
	return 0;
}

static int windows_open(struct inode *inode, struct file *file)
{
	return single_open(file, windows_show, NULL);
}

/* "NAME US ONE_IN", NAME as it is read or "*" for all: the others close. */
static ssize_t windows_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char line[96], want[64], name[64];
	struct vdi_window *window;
	unsigned int us, one_in;
	bool all, hit;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = '\0';
	if (sscanf(line, "%63s %u %u", want, &us, &one_in) != 3 || us > 50000 || !one_in)
		return -EINVAL;
	all = !strcmp(want, "*");
	WRITE_ONCE(default_us, all ? us : 0);
	WRITE_ONCE(default_one_in, one_in);
	llist_for_each_entry(window, READ_ONCE(windows.first), node) {
		window_name(window, name, sizeof(name));
		hit = all || !strcmp(want, name);
		WRITE_ONCE(window->one_in, one_in);
		WRITE_ONCE(window->us, hit ? us : 0);
	}
	return len;
}

static const struct file_operations windows_fops = {
	.owner		= THIS_MODULE,
	.open		= windows_open,
	.read		= seq_read,
	.write		= windows_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

/**
 * vdi_window_init() - Make the file of the windows
 * @dir: the module's directory in debugfs
 */
void vdi_window_init(struct dentry *dir)
{
	debugfs_create_file("windows", 0600, dir, NULL, &windows_fops);
}
