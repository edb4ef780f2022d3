#include "confine.h"

#include "confine_internal.h"
#include "options.h"
#include "util/buf.h"

#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE /* Linux 6.3 */
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/*
 * Not where a runtime in this very program needs what is denied: a sanitizer's starts a process to
 * look for leaks and writes its own log, a profiler's writes next to the objects.
 */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||           \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define HAS_RUNTIME 1
#else
#define HAS_RUNTIME 0
#endif
extern void __gcov_init(void *) __attribute__((weak));
extern int __llvm_profile_runtime __attribute__((weak));

static bool has_runtime(void)
{
	return HAS_RUNTIME || &__gcov_init || &__llvm_profile_runtime;
}

/* By the system calls: they are all that would be used of libcap. */
struct capabilities {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

static bool capabilities_read(struct capabilities *c)
{
	c->header = (struct __user_cap_header_struct){ .version = _LINUX_CAPABILITY_VERSION_3 };
	return syscall(SYS_capget, &c->header, c->data) == 0;
}

static bool has_capability(unsigned capability)
{
	struct capabilities c;

	return capabilities_read(&c) && c.data[capability / 32].effective >> capability % 32 & 1;
}

/*
 * What is left to root, and only if it has it. DAC_OVERRIDE: a hook's file or a log may have been put
 * into the state directory by somebody else. IPC_LOCK: memory stays locked. The others are for a
 * spool in which others own the files, FOWNER also for a pipe in a directory like /tmp.
 */
static uint64_t capabilities_kept(const struct options *o)
{
	uint64_t kept = UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_IPC_LOCK;

	if (o->spool)
		kept |= UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_FOWNER |
			UINT64_C(1) << CAP_LEASE;
	if (o->fifo)
		kept |= UINT64_C(1) << CAP_FOWNER;
	return kept;
}

/* A plain user has none, and loses none. */
static bool drop_capabilities(const struct options *o)
{
	struct capabilities c;
	uint64_t kept = capabilities_kept(o);

	if (!capabilities_read(&c))
		return false;
	for (unsigned i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
		if (!(kept >> i & 1))
			(void)prctl(PR_CAPBSET_DROP, i); /* a plain user may not, and need not */
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		c.data[i].permitted &= (uint32_t)(kept >> 32 * i);
		c.data[i].effective = c.data[i].permitted;
		c.data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &c.header, c.data) == 0;
}

unsigned confine(const struct options *o)
{
	unsigned done = 0;

	if (!o->confine || has_runtime())
		return 0;
	if (confine_memory(has_capability(CAP_IPC_LOCK)))
		done |= CONFINED_MEMORY;
	/* Without it neither of the filters is taken from a plain user. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return done;
	if (confine_files(o))
		done |= CONFINED_FILES;
	if (drop_capabilities(o))
		done |= CONFINED_CAPABILITIES;
	/* No memory becomes code; older kernels do not know it. */
	(void)prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
	if (confine_calls())
		done |= CONFINED_CALLS;
	return done;
}

void confine_show(unsigned confined, struct buf *out)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {
		{ CONFINED_MEMORY, "memory" },
		{ CONFINED_CAPABILITIES, "capabilities" },
		{ CONFINED_FILES, "files" },
		{ CONFINED_CALLS, "calls" },
	};
	const char *blank = "";

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!(confined & words[i].bit))
			continue;
		buf_addf(out, "%s%s", blank, words[i].word);
		blank = " ";
	}
	if (!*blank)
		buf_adds(out, "none");
}
