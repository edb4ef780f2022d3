#pragma once
/*
 * fs_kernel: what stands in for libfuse: a request, which is freed by its answer, and what was answered last.
 */
#include "fs_backend.h"

struct fuse_req {
	struct fuse_ctx ctx;
};

static struct {
	unsigned count;
	int error;
	struct fuse_entry_param entry;
	struct stat attr;
	struct fuse_file_info fi;
	char bytes[8192];
	size_t len;
} reply;

static struct fuse_ctx caller = { .pid = 1 };

static fuse_req_t request(void)
{
	fuse_req_t req = malloc(sizeof(*req));

	CHECK(req);
	req->ctx = caller;
	reply.count = 0;
	reply.error = EIO;
	reply.len = 0;
	return req;
}

static int answered(fuse_req_t req, int error)
{
	free(req);
	CHECK(error >= 0 && error < 4096);
	reply.count++;
	reply.error = error;
	return 0;
}

int fuse_reply_err(fuse_req_t req, int error)
{
	return answered(req, error);
}

int fuse_reply_entry(fuse_req_t req, const struct fuse_entry_param *e)
{
	CHECK(e->ino && e->attr.st_ino == e->ino);
	reply.entry = *e;
	return answered(req, 0);
}

int fuse_reply_attr(fuse_req_t req, const struct stat *attr, double timeout)
{
	(void)timeout;
	reply.attr = *attr;
	return answered(req, 0);
}

int fuse_reply_open(fuse_req_t req, const struct fuse_file_info *fi)
{
	reply.fi = *fi;
	return answered(req, 0);
}

int fuse_reply_create(
	fuse_req_t req, const struct fuse_entry_param *e, const struct fuse_file_info *fi)
{
	reply.entry = *e;
	return fuse_reply_open(req, fi);
}

int fuse_reply_write(fuse_req_t req, size_t count)
{
	(void)count;
	return answered(req, 0);
}

int fuse_reply_buf(fuse_req_t req, const char *data, size_t size)
{
	CHECK(!has(data, size, HUSH, strlen(HUSH)));
	CHECK(size <= sizeof(reply.bytes));
	if (size)
		memcpy(reply.bytes, data, size);
	reply.len = size;
	return answered(req, 0);
}

int fuse_reply_readlink(fuse_req_t req, const char *link)
{
	(void)link;
	return answered(req, 0);
}

int fuse_reply_poll(fuse_req_t req, unsigned ready)
{
	(void)ready;
	return answered(req, 0);
}

/* Of a listing only the names are kept, one a line. */
static size_t list_entry(char *at, size_t room, const char *name)
{
	size_t len = strlen(name) + 1;

	if (len <= room)
		(void)snprintf(at, room + 1, "%s\n", name);
	return len;
}

size_t fuse_add_direntry(fuse_req_t req, char *at, size_t room, const char *name,
	const struct stat *attr, off_t next)
{
	(void)req, (void)attr, (void)next;
	return list_entry(at, room ? room - 1 : 0, name);
}

size_t fuse_add_direntry_plus(fuse_req_t req, char *at, size_t room, const char *name,
	const struct fuse_entry_param *e, off_t next)
{
	(void)req, (void)e, (void)next;
	return list_entry(at, room ? room - 1 : 0, name);
}

const struct fuse_ctx *fuse_req_ctx(fuse_req_t req)
{
	return &req->ctx;
}

void *fuse_req_userdata(fuse_req_t req)
{
	(void)req;
	return fs;
}

int fuse_req_getgroups(fuse_req_t req, int size, gid_t groups[])
{
	(void)req, (void)size, (void)groups;
	return 0;
}

void fuse_req_interrupt_func(fuse_req_t req, fuse_interrupt_func_t func, void *data)
{
	(void)req, (void)func, (void)data;
}

int fuse_lowlevel_notify_inval_inode(struct fuse_session *se, fuse_ino_t ino, off_t off, off_t len)
{
	(void)se, (void)off, (void)len;
	CHECK(ino);
	return 0;
}

int fuse_lowlevel_notify_poll(struct fuse_pollhandle *ph)
{
	CHECK(ph);
	return 0;
}

void fuse_pollhandle_destroy(struct fuse_pollhandle *ph)
{
	free(ph);
}
