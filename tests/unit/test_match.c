#include "model/match.h"

#include "util/err.h"

#include <dlfcn.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL_PHASES ((1u << PHASE_COUNT) - 1)

/* Stands in front of the C library's, to count how much the index leaves to be verified. */
static unsigned long verified;

static int real_fnmatch(const char *pattern, const char *text, int flags)
{
	static int (*real)(const char *, const char *, int);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fnmatch");
	return real(pattern, text, flags);
}

int fnmatch(const char *pattern, const char *text, int flags)
{
	verified++;
	return real_fnmatch(pattern, text, flags);
}

/* ---- what was found */

struct found {
	int64_t id[4096];
	unsigned phases[4096];
	size_t count;
};
static struct found found;

static void on_found(void *ctx, int64_t hook_id, unsigned phases)
{
	struct found *f = ctx;

	assert_true(f->count < 4096);
	f->id[f->count] = hook_id;
	f->phases[f->count++] = phases;
}

static void find(const struct match *m, unsigned type, const char *name, const char *version,
	unsigned phases)
{
	found.count = 0;
	match_find(m, &(struct target){ type, name, version }, phases, on_found, &found);
}

static void expect(size_t count, const int64_t *ids)
{
	assert_int_equal(found.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(found.id[i], ids[i]);
}
#define EXPECT(...) \
	expect(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (int64_t[]){ __VA_ARGS__ })

static void set(struct match *m, int64_t id, unsigned type, const char *name, const char *version,
	unsigned floating)
{
	struct target pattern = { type, name, version };
	struct event_set events = { .floating = floating };

	assert_int_equal(match_set(m, id, &pattern, &events), 0);
}

/* ---- tests */

static void matches_as_documented(void **state)
{
	struct match *m = match_new();

	(void)state;
	set(m, 1, 0, "fraud", NULL, ALL_PHASES);
	set(m, 2, 0, "fraud", "v1", ALL_PHASES);
	set(m, 3, 0, "fraud*", NULL, ALL_PHASES);
	set(m, 4, 0, "fraud", "v?", ALL_PHASES);
	set(m, 5, 0, "*", "*", ALL_PHASES);
	set(m, 6, 1, "fraud", NULL, ALL_PHASES);
	set(m, 7, 0, "*.eu", NULL, ALL_PHASES);
	set(m, 8, 0, "\\*", NULL, ALL_PHASES);
	set(m, 9, 0, "fr[aeiou]ud", "v1", ALL_PHASES);

	find(m, 0, "fraud", "v1", ALL_PHASES);
	EXPECT(1, 2, 3, 4, 5, 9);
	find(m, 0, "fraud", NULL, ALL_PHASES);
	EXPECT(1, 3, 5);
	find(m, 0, "fraud", "v12", ALL_PHASES);
	EXPECT(1, 3, 5);
	find(m, 0, "frau", "dv1", ALL_PHASES);
	EXPECT(5);
	find(m, 1, "fraud", "v1", ALL_PHASES);
	EXPECT(6);
	find(m, 0, ".a.eu", NULL, ALL_PHASES);
	EXPECT(5, 7);
	find(m, 0, "*", NULL, ALL_PHASES);
	EXPECT(5, 8);
	find(m, 2, "fraud", "v1", ALL_PHASES);
	assert_int_equal(found.count, 0);
	match_free(m);
	match_free(NULL);
}

static void gives_the_phases_that_fire(void **state)
{
	struct match *m = match_new();
	struct target pattern = { 1, "p", NULL };
	struct event_set named = { .named = (uint64_t)(1u << PHASE_FAILED) << PHASE_COUNT };

	(void)state;
	set(m, 1, 1, "p", NULL, 1u << PHASE_COMPLETED | 1u << PHASE_FINISHED);
	assert_int_equal(match_set(m, 2, &pattern, &named), 0);
	find(m, 1, "p", "v", 1u << PHASE_FAILED | 1u << PHASE_FINISHED);
	EXPECT(1, 2);
	assert_int_equal(found.phases[0], 1u << PHASE_FINISHED);
	assert_int_equal(found.phases[1], 1u << PHASE_FAILED);
	find(m, 1, "p", "v", 1u << PHASE_STARTED);
	assert_int_equal(found.count, 0);
	find(m, 1, "p", "v", 0);
	assert_int_equal(found.count, 0);
	pattern.type = 0; /* what is named concerns pipelines only */
	assert_int_equal(match_set(m, 2, &pattern, &named), 0);
	find(m, 0, "p", "v", ALL_PHASES);
	assert_int_equal(found.count, 0);
	match_free(m);
}

static void replaces_and_forgets(void **state)
{
	struct match *m = match_new();

	(void)state;
	match_unset(m, 1);
	set(m, 1, 0, "a*", NULL, 1u << PHASE_FAILED);
	set(m, 1, 0, "a*", NULL, 1u << PHASE_STARTED);
	find(m, 0, "ab", NULL, ALL_PHASES);
	EXPECT(1);
	assert_int_equal(found.phases[0], 1u << PHASE_STARTED);
	set(m, 1, 0, "a*c", NULL, ALL_PHASES); /* the same bucket */
	find(m, 0, "ab", NULL, ALL_PHASES);
	assert_int_equal(found.count, 0);
	find(m, 0, "abc", NULL, ALL_PHASES);
	EXPECT(1);
	set(m, 1, 0, "a*c", "v*", ALL_PHASES);
	find(m, 0, "abc", NULL, ALL_PHASES);
	assert_int_equal(found.count, 0);
	set(m, 1, 0, "abc", NULL, ALL_PHASES);
	find(m, 0, "abc", "x", ALL_PHASES);
	EXPECT(1);
	match_unset(m, 1);
	match_unset(m, 1);
	find(m, 0, "abc", "x", ALL_PHASES);
	assert_int_equal(found.count, 0);
	match_free(m);
}

static void takes_the_longest_names(void **state)
{
	char name[OBJECT_PART_MAX + 1], pattern[OBJECT_PART_MAX + 1];
	struct match *m = match_new();

	(void)state;
	memset(name, 'n', OBJECT_PART_MAX);
	name[OBJECT_PART_MAX] = '\0';
	memcpy(pattern, name, sizeof(pattern));
	pattern[OBJECT_PART_MAX - 1] = '?';
	set(m, 1, TYPES_MAX - 1, name, name, ALL_PHASES);
	set(m, 2, TYPES_MAX - 1, name, pattern, ALL_PHASES);
	set(m, 3, TYPES_MAX - 1, pattern, name, ALL_PHASES);
	find(m, TYPES_MAX - 1, name, name, ALL_PHASES);
	EXPECT(1, 2, 3);
	match_free(m);
}

/* ---- against an oracle that looks at every hook */

enum { HOOKS = 3000, EVENTS = 3000 };

struct hook_row {
	bool there;
	char name[8], version[8];
	bool has_version;
	unsigned type, phases;
};
static struct hook_row rows[HOOKS];

static unsigned below(unsigned *seed, unsigned n)
{
	return (unsigned)rand_r(seed) % n;
}

/* Few letters, so that much matches. */
static void random_text(unsigned *seed, const char *letters, char out[8])
{
	unsigned len = 1 + below(seed, 4);

	for (unsigned i = 0; i < len; i++)
		out[i] = letters[below(seed, (unsigned)strlen(letters))];
	out[len] = '\0';
}

static void random_hook(unsigned *seed, struct hook_row *row)
{
	const char *letters = below(seed, 2) ? "ab" : "ab*?[]\\";

	row->there = true;
	row->type = below(seed, 2);
	row->phases = 1 + below(seed, ALL_PHASES);
	row->has_version = below(seed, 2);
	random_text(seed, letters, row->name);
	random_text(seed, below(seed, 2) ? "ab" : letters, row->version);
}

static bool oracle(const struct hook_row *row, unsigned type, const char *name, const char *version,
	unsigned phases)
{
	return row->there && row->type == type && (row->phases & phases) &&
		!real_fnmatch(row->name, name, 0) &&
		(!row->has_version || !real_fnmatch(row->version, version ? version : "", 0));
}

static void change_some(struct match *m, unsigned *seed, unsigned count)
{
	while (count--) {
		unsigned i = below(seed, HOOKS);
		struct hook_row *row = &rows[i];

		if (row->there && !below(seed, 3)) {
			row->there = false;
			match_unset(m, i + 1);
			continue;
		}
		random_hook(seed, row);
		set(m, i + 1, row->type, row->name, row->has_version ? row->version : NULL,
			row->phases);
	}
}

static void agrees_with_brute_force(void **state)
{
	struct match *m = match_new();
	unsigned seed = 20260101;
	size_t hits = 0;

	(void)state;
	memset(rows, 0, sizeof(rows));
	change_some(m, &seed, 2 * HOOKS);
	for (int e = 0; e < EVENTS; e++) {
		unsigned type = below(&seed, 2), phases = below(&seed, ALL_PHASES + 1);
		char name[8], text[8];
		const char *version = below(&seed, 3) ? text : NULL;
		size_t at = 0;

		random_text(&seed, "ab*[", name);
		random_text(&seed, "ab", text);
		find(m, type, name, version, phases);
		hits += found.count;
		for (int i = 0; i < HOOKS; i++) {
			if (!oracle(&rows[i], type, name, version, phases))
				continue;
			if (at == found.count || found.id[at] != i + 1)
				fail_msg("event %d: hook %d (%s) is missing for %s", e, i + 1,
					rows[i].name, name);
			assert_int_equal(found.phases[at], rows[i].phases & phases);
			at++;
		}
		assert_int_equal(at, found.count);
		change_some(m, &seed, 3);
	}
	assert_true(hits > 10 * EVENTS); /* the test tests something */
	match_free(m);
}

/* ---- cost */

static void looks_at_hits_only(void **state)
{
	enum { MANY = 100000 };
	struct match *m = match_new();
	char version[32];

	(void)state;
	for (int i = 1; i <= MANY; i++) {
		bool wild = i % 2;

		snprintf(version, sizeof(version), wild ? "exp-%06d-*" : "exp-%06d", i);
		set(m, i, 0, TRAINING_DEPLOYMENT, version, ALL_PHASES);
	}
	verified = 0;
	find(m, 0, TRAINING_DEPLOYMENT, "exp-050000", ALL_PHASES);
	EXPECT(50000);
	assert_int_equal(verified, 0);
	find(m, 0, TRAINING_DEPLOYMENT, "exp-050001-b", ALL_PHASES);
	EXPECT(50001);
	assert_int_equal(verified, 2); /* its name and its version */
	find(m, 0, TRAINING_DEPLOYMENT, "none", ALL_PHASES);
	find(m, 0, "other", "exp-050001-b", ALL_PHASES);
	assert_int_equal(found.count, 0);
	assert_int_equal(verified, 2);
	match_free(m);
}

static void gives_a_thousand_in_order(void **state)
{
	struct match *m = match_new();

	(void)state;
	for (int i = 2000; i > 0; i--)
		set(m, i, 0, i % 2 ? "all" : i % 4 ? "a*" : "al?", NULL, ALL_PHASES);
	find(m, 0, "all", "v1", ALL_PHASES);
	assert_int_equal(found.count, 2000);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(found.id[i], i + 1);
	match_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_as_documented),
		cmocka_unit_test(gives_the_phases_that_fire),
		cmocka_unit_test(replaces_and_forgets),
		cmocka_unit_test(takes_the_longest_names),
		cmocka_unit_test(agrees_with_brute_force),
		cmocka_unit_test(looks_at_hits_only),
		cmocka_unit_test(gives_a_thousand_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
