/*
 * edit_root: chmod, chown and chgrp of the mount's root and of what lies in it. Who may is the
 * kernel's to say.
 */
#include "fs/edit.h"

#include "model/attributes.h"
#include "util/err.h"

#include <errno.h>

#define FILE_BITS ((mode_t)0666)
#define DIR_BITS  ((mode_t)03777) /* setgid hands hooks/'s group on, sticky keeps hooks apart */

int edit_root_mode(const struct node *n, mode_t mode, struct err *err)
{
	mode_t bits = tree_is_dir(n) ? DIR_BITS : FILE_BITS;
	if (!(mode & ~bits))
		return 0;
	return err_set(err, EPERM, ERR_NO_COLUMN,
		tree_is_dir(n) ? "a directory here is never setuid: mode %04o has more than %04o"
			       : "this file is no program: mode %04o has more than %04o",
		mode, bits);
}

int edit_root_attributes(const struct tree *t, const struct node *n, mode_t mode, uint32_t uid,
	uint32_t gid, struct err *err)
{
	struct attributes changed = *t->attributes;
	struct attribute *a =
		attributes_get(&changed, n->kind == NODE_ROOT ? ATTRIBUTES_ROOT : tree_name(n));
	if (!a)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "there is no room for its attributes");
	if (mode != HOOK_MODE_UNSET) {
		int r = edit_root_mode(n, mode, err);
		if (r)
			return r;
		a->mode = mode;
	}
	if (uid != HOOK_OWNER_UNSET)
		a->uid = uid;
	if (gid != HOOK_OWNER_UNSET)
		a->gid = gid;
	return t->backend.attributes_keep(t->backend.ctx, &changed, err);
}
