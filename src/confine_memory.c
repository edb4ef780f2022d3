/*
 * confine_memory: what is in memory stays there, and what only the start needed does not.
 *
 * The start of some thirty libraries leaves their code and constants resident, most of which nothing
 * asks for again: as much as all the rest. They are clean copies of files, which the kernel takes back when
 * memory is short, but not once they are locked. So they go first, and come back from the
 * page cache as they are used.
 */
#include "confine_internal.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Its code was written to while it was loaded: that is nowhere else. */
static bool has_text_relocations(const struct dl_phdr_info *object)
{
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(object->dlpi_addr + segment->p_vaddr);

		for (; segment->p_type == PT_DYNAMIC && entry->d_tag != DT_NULL; entry++)
			if (entry->d_tag == DT_TEXTREL ||
				(entry->d_tag == DT_FLAGS && entry->d_un.d_val & DF_TEXTREL))
				return true;
	}
	return false;
}

/* What can be written to holds what was written, also where the linker has sealed it since (RELRO): it is a
 * part of a segment with PF_W. */
static int let_go(struct dl_phdr_info *object, size_t size, void *ctx)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)ctx;
	if (has_text_relocations(object))
		return 0;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t begin = object->dlpi_addr + segment->p_vaddr;
		uintptr_t end = (begin + segment->p_memsz) & -page; /* whole pages */

		begin = (begin + page - 1) & -page;
		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W) && begin < end)
			(void)madvise((void *)begin, end - begin, MADV_DONTNEED); /* or it stays */
	}
	return 0;
}

/*
 * All memory, now and later, as soon as it is used: libcurl's and OpenSSL's copies too, which a locked
 * arena of our own would not have. With a limit, memory beyond it could not be had at all, so this is
 * for root, and for a service with LimitMEMLOCK=infinity.
 */
bool confine_memory(bool may)
{
	struct rlimit now;
	bool unlimited = getrlimit(RLIMIT_MEMLOCK, &now) == 0 && now.rlim_cur == RLIM_INFINITY;

	(void)dl_iterate_phdr(let_go, NULL);
	return (unlimited || may) && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}
