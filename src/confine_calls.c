/*
 * confine_calls: seccomp: which system calls fail from now on.
 *
 * A list of what is denied, not of what is allowed: the C library, its modules for names, libcurl and
 * OpenSSL make other calls with every version, and what they meet is an error, deep inside a library, on
 * a machine that nobody here has seen. What is denied is what nothing in this program does, and
 * what an attacker begins with. Landlock and the lack of capabilities bound the rest.
 *
 * clone3 has its flags in memory, where no filter can look: it is said not to be there, and the C
 * library then takes clone, which may make threads only.
 */
#include "confine_internal.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A machine that is not here has no filter. */
#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define MACHINE AUDIT_ARCH_I386
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MACHINE AUDIT_ARCH_AARCH64
#elif defined(__arm__) && defined(__ARM_EABI__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MACHINE AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MACHINE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define MACHINE AUDIT_ARCH_S390X
#endif

#ifndef MACHINE

bool confine_calls(void)
{
	return false;
}

#else

/* The low half of an argument, where flags are. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n) + 4)
#else
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#endif
#ifdef __s390x__
#define CLONE_FLAGS ARGUMENT(1)
#else
#define CLONE_FLAGS ARGUMENT(0)
#endif
#define X32_BIT 0x40000000 /* x86-64's other table of calls, under the same machine */

/* Those without an #ifdef are on every machine above. */
static const int denied[] = {
	/* other programs */
	SYS_execve,
	SYS_execveat,
	SYS_unshare,
	SYS_setns,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_kcmp,
	SYS_perf_event_open,
#ifdef SYS_fork
	SYS_fork,
	SYS_vfork,
#endif
#ifdef SYS_pidfd_getfd
	SYS_pidfd_getfd,
#endif
#ifdef SYS_process_madvise
	SYS_process_madvise,
#endif
	/* other users */
	SYS_setuid,
	SYS_setgid,
	SYS_setreuid,
	SYS_setregid,
	SYS_setresuid,
	SYS_setresgid,
	SYS_setfsuid,
	SYS_setfsgid,
	SYS_setgroups,
	SYS_capset,
	SYS_personality,
#ifdef SYS_setuid32 /* the ones that 32-bit programs really use */
	SYS_setuid32,
	SYS_setgid32,
	SYS_setreuid32,
	SYS_setregid32,
	SYS_setresuid32,
	SYS_setresgid32,
	SYS_setfsuid32,
	SYS_setfsgid32,
	SYS_setgroups32,
#endif
	/* file systems */
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_swapon,
	SYS_swapoff,
	SYS_quotactl,
	SYS_acct,
	SYS_fanotify_init,
	SYS_open_by_handle_at,
	SYS_name_to_handle_at,
#ifdef SYS_open_tree
	SYS_open_tree,
	SYS_move_mount,
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fspick,
#endif
#ifdef SYS_mount_setattr
	SYS_mount_setattr,
#endif
	/* the kernel */
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_reboot,
	SYS_bpf,
	SYS_userfaultfd,
	SYS_syslog,
	SYS_add_key,
	SYS_request_key,
	SYS_keyctl,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_adjtimex,
	SYS_clock_adjtime,
	SYS_vhangup,
#ifdef SYS_io_uring_setup
	SYS_io_uring_setup,
	SYS_io_uring_enter,
	SYS_io_uring_register,
#endif
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
	SYS_iopl,
	SYS_ioperm,
#endif
#ifdef SYS_modify_ldt
	SYS_modify_ldt,
#endif
#ifdef SYS_remap_file_pages
	SYS_remap_file_pages,
#endif
/* whoever calls */
#ifdef SYS_listen
	SYS_listen,
	SYS_accept4,
#endif
#ifdef SYS_accept
	SYS_accept,
#endif
};

static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

#define DENIED_COUNT (sizeof(denied) / sizeof(*denied))
#define PROGRAM_MAX  (2 * DENIED_COUNT + 40)

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short len;
};

static void add(struct program *p, uint16_t code, uint32_t value, uint8_t yes, uint8_t no)
{
	assert(p->len < PROGRAM_MAX);
	p->code[p->len++] = (struct sock_filter){ code, yes, no, value };
}

static void load(struct program *p, size_t offset)
{
	add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void give(struct program *p, uint32_t answer)
{
	add(p, BPF_RET | BPF_K, answer, 0, 0);
}

static void fail(struct program *p, int error)
{
	give(p, SECCOMP_RET_ERRNO | (uint32_t)error);
}

/* The next `count` instructions are for this value only. */
static void only(struct program *p, uint32_t value, uint8_t count)
{
	add(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, count);
}

static void add_machine(struct program *p)
{
	load(p, offsetof(struct seccomp_data, arch));
	add(p, BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
	fail(p, ENOSYS);
	load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	add(p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	fail(p, ENOSYS);
#endif
}

/* Each ends in an answer, so that the number need not be loaded again. */
static void add_arguments(struct program *p)
{
	const uint8_t count = sizeof(families) / sizeof(*families);

	only(p, SYS_clone, 4);
	load(p, CLONE_FLAGS);
	add(p, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0);
	fail(p, EPERM);
	give(p, SECCOMP_RET_ALLOW);

	only(p, SYS_ioctl, 4);
	load(p, ARGUMENT(1));
	add(p, BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 0, 1); /* types into the terminal */
	fail(p, EPERM);
	give(p, SECCOMP_RET_ALLOW);
#ifdef SYS_socket
	only(p, SYS_socket, (uint8_t)(count + 3));
	load(p, ARGUMENT(0));
	for (uint8_t i = 0; i < count; i++)
		add(p, BPF_JMP | BPF_JEQ | BPF_K, families[i], (uint8_t)(count - i), 0);
	fail(p, EAFNOSUPPORT);
	give(p, SECCOMP_RET_ALLOW);
#endif
}

bool confine_calls(void)
{
	struct program p = { .len = 0 };
	struct sock_fprog filter;

	add_machine(&p);
	for (size_t i = 0; i < DENIED_COUNT; i++) {
		only(&p, (uint32_t)denied[i], 1);
		fail(&p, EPERM);
	}
#ifdef SYS_clone3
	only(&p, SYS_clone3, 1);
	fail(&p, ENOSYS);
#endif
	add_arguments(&p);
	give(&p, SECCOMP_RET_ALLOW);
	filter = (struct sock_fprog){ .len = p.len, .filter = p.code };
	/* With threads that are there already, should a library have started one. */
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) ==
		0;
}

#endif
