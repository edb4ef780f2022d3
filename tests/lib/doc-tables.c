/*
 * doc-tables: prints a table of the manual from the rows that the program itself works with.
 *
 *   doc-tables TABLE
 *
 * doc-tables.sh puts the tables into their files and checks that they are still what is printed here.
 */
#include "fs/tree.h"
#include "model/format.h"
#include "model/hook.h"
#include "model/object.h"
#include "model/template.h"
#include "model/verdict.h"
#include "options.h"
#include "util/buf.h"
#include "util/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define TABLE_MAX ((size_t)1 << 20)

/* ---- words */

/* Text of the page, or an argument of a macro when it stands between double quotes. */
static void mdoc_add(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			buf_adds(out, "\\e");
		else if (*text == '"')
			buf_adds(out, "\\(dq");
		else if (*text == '\'')
			buf_adds(out, "\\(aq");
		else
			buf_addc(out, *text);
	}
}

/* A macro with one argument that may hold anything, and what follows it. */
static void mdoc_macro(struct buf *out, const char *macro, const char *text, const char *behind)
{
	buf_addf(out, ".%s \"", macro);
	mdoc_add(out, text);
	buf_addf(out, "\"%s\n", behind);
}

static void mdoc_line(struct buf *out, const char *text)
{
	mdoc_add(out, text);
	buf_addc(out, '\n');
}

/* ---- settings and options: rows of one kind */

static void number_add(const struct setting *s, uint64_t value, struct buf *out)
{
	if (s->type == SETTING_DURATION)
		text_add_duration(out, value);
	else if (s->type == SETTING_SIZE)
		text_add_size(out, value);
	else
		buf_addf(out, "%llu", (unsigned long long)value);
}

static void limits_add(const struct setting *s, struct buf *out)
{
	if (s->type == SETTING_TEXT && s->max)
		buf_addf(out, "At most %llu bytes.\n", (unsigned long long)s->max);
	if (s->type != SETTING_DURATION && s->type != SETTING_SIZE && s->type != SETTING_UINT)
		return;
	number_add(s, s->min, out);
	buf_adds(out, " to ");
	number_add(s, s->max, out);
	buf_adds(out, ".\n");
}

static void default_add(const struct setting *s, struct buf *out)
{
	if (s->required)
		buf_adds(out, "Needed.\n");
	else if (*s->def)
		mdoc_macro(out, "No Default : Ql", s->def, " .");
	else
		buf_adds(out, "Empty by default.\n");
}

/* What follows the name, for both. */
static void setting_mdoc(const struct setting *s, struct buf *out)
{
	mdoc_line(out, s->summary);
	limits_add(s, out);
	default_add(s, out);
}

static void settings_mdoc(struct buf *out)
{
	buf_adds(out, ".Bl -tag -width include_result\n");
	for (size_t i = 0; i < hook_settings_count; i++) {
		const struct setting *s = &hook_settings[i];

		buf_addf(out, ".It Pa %s\n", s->name);
		mdoc_macro(out, "Ql", s->grammar, "");
		buf_adds(out, ".Pp\n");
		setting_mdoc(s, out);
		mdoc_macro(out, "No Example : Ql", s->command ? s->command : s->example, " .");
	}
	buf_adds(out, ".El\n");
}

static void options_mdoc(struct buf *out)
{
	buf_adds(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < options_count; i++) {
		const struct setting *s = &options_table[i];

		buf_addf(out, ".It Cm %s Ns = Ns Ar \"%s\"\n", s->name, s->grammar);
		setting_mdoc(s, out);
	}
	buf_adds(out, ".El\n");
}

/* ---- files */

static void files_mdoc(const struct file_row *rows, size_t count, struct buf *out)
{
	buf_adds(out, ".Bl -tag -width events.fifo\n");
	for (size_t i = 0; i < count; i++) {
		buf_addf(out, ".It Pa %s%s Pq %04o\n", rows[i].name,
			rows[i].nature == FILE_DIR || rows[i].nature == FILE_SETTINGS ? "/" : "",
			rows[i].mode);
		mdoc_line(out, rows[i].summary);
		if (rows[i].example)
			mdoc_macro(out, "Dl", rows[i].example, "");
	}
	buf_adds(out, ".El\n");
}

static void root_mdoc(struct buf *out)
{
	files_mdoc(files_root, files_root_count, out);
}

static void hook_mdoc(struct buf *out)
{
	files_mdoc(files_hook, files_hook_count, out);
}

/* ---- formats, and the fields of templates */

static void formats_mdoc(struct buf *out)
{
	buf_adds(out, ".Bl -tag -width Ds\n");
	for (enum format f = 0; f < FORMAT_COUNT; f++) {
		buf_addf(out, ".It Cm %s\n", format_name(f));
		mdoc_line(out, format_summary(f));
	}
	buf_adds(out, ".El\n");
}

static void fields_mdoc(struct buf *out)
{
	buf_adds(out, ".Bl -tag -width error_message -compact\n");
	for (size_t i = 0; i < template_fields_count; i++) {
		buf_addf(out, ".It Cm %s\n", template_fields[i].name);
		mdoc_line(out, template_fields[i].summary);
		if (template_fields[i].json)
			buf_adds(out, "JSON, and once in a template.\n");
	}
	buf_adds(out, ".El\n");
}

/* ---- request statuses */

static void statuses_mdoc(struct buf *out)
{
	static const struct types types = { .count = 1, .name = { "TYPE" } };

	buf_adds(out, ".Bl -column cancelled_pending -compact\n");
	for (enum request_status s = STATUS_NONE + 1; s < STATUS_COUNT; s++) {
		unsigned phases = request_status_phases(s);
		const char *between = "";

		buf_addf(out, ".It Cm %s Ta ", request_status_name(s));
		for (enum phase p = 0; p < PHASE_COUNT; p++) {
			if (!(phases & 1u << p))
				continue;
			buf_adds(out, between);
			event_name_show(&types, 0, p, out);
			between = " , ";
		}
		buf_adds(out, phases ? "\n" : "no event\n");
	}
	buf_adds(out, ".El\n");
}

/* ---- verdicts */

static const char *const actions[] = {
	[VERDICT_DELIVERED] = "delivered",
	[VERDICT_RETRY] = "sent again by the schedule",
	[VERDICT_RETRY_SHORT] = "sent again by the schedule, for an hour at most",
	[VERDICT_GONE] = "the hook is switched off (enabled is gone), and what waits stays pending",
	[VERDICT_AGAIN] = "sent again as if it had not been",
};

static struct verdict status_verdict(int status)
{
	const struct outcome o = { .kind = OUTCOME_RESPONSE, .http_status = status };

	return verdict_of(&o);
}

/* Statuses of one row of the verdicts share its reason. */
static bool same_row(struct verdict a, struct verdict b)
{
	return a.action == b.action && !strcmp(a.reason, b.reason);
}

#define STATUS_FIRST 200
#define STATUS_END   600

static bool is_new(int status)
{
	for (int s = STATUS_FIRST; s < status; s++)
		if (same_row(status_verdict(s), status_verdict(status)))
			return false;
	return true;
}

/* "400\(en407, 409": all statuses with the verdict of the first. */
static void ranges_add(int first, struct buf *out)
{
	const struct verdict v = status_verdict(first);
	const char *between = "";

	for (int s = first, end; s < STATUS_END; s = end) {
		for (end = s + 1; end < STATUS_END; end++)
			if (!same_row(status_verdict(end), status_verdict(s)))
				break;
		if (!same_row(status_verdict(s), v))
			continue;
		buf_addf(out, "%s%d", between, s);
		if (end - 1 > s)
			buf_addf(out, "\\(en%d", end - 1);
		between = ", ";
	}
}

static void verdict_add(const struct verdict *v, struct buf *out)
{
	if (v->action == VERDICT_DELIVERED)
		buf_adds(out, "Delivered.\n");
	else
		buf_addf(out, "%c%s: %s.\n", toupper((unsigned char)v->reason[0]), v->reason + 1,
			actions[v->action]);
}

static void verdicts_mdoc(struct buf *out)
{
	buf_adds(out, ".Bl -tag -width connect_timeout\n");
	for (int s = STATUS_FIRST; s < STATUS_END; s++) {
		struct verdict v = status_verdict(s);

		if (!is_new(s))
			continue;
		buf_adds(out, ".It ");
		ranges_add(s, out);
		buf_addc(out, '\n');
		verdict_add(&v, out);
	}
	for (enum outcome_kind k = OUTCOME_RESPONSE + 1; k < OUTCOME_KIND_COUNT; k++) {
		const struct outcome o = { .kind = k };
		struct verdict v = verdict_of(&o);

		buf_addf(out, ".It %s\n", outcome_name(k));
		verdict_add(&v, out);
	}
	buf_adds(out, ".El\n");
}

static void schedule_mdoc(struct buf *out)
{
	buf_adds(out, ".Dl");
	for (unsigned i = 0; i < schedule_standard.count; i++) {
		buf_addc(out, ' ');
		text_add_duration(out, schedule_standard.delay_ms[i]);
	}
	buf_addc(out, '\n');
}

/* ---- which */

typedef void print_fn(struct buf *out);

static const struct table {
	const char *name;
	print_fn *print;
} tables[] = {
	{ "options", options_mdoc },
	{ "root", root_mdoc },
	{ "hook", hook_mdoc },
	{ "settings", settings_mdoc },
	{ "formats", formats_mdoc },
	{ "fields", fields_mdoc },
	{ "statuses", statuses_mdoc },
	{ "verdicts", verdicts_mdoc },
	{ "schedule", schedule_mdoc },
};

static print_fn *find(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (!strcmp(tables[i].name, name))
			return tables[i].print;
	return NULL;
}

int main(int argc, char **argv)
{
	struct buf out = BUF(TABLE_MAX);
	print_fn *print = argc == 2 ? find(argv[1]) : NULL;

	if (!print) {
		fputs("usage: doc-tables TABLE\n", stderr);
		return 2;
	}
	print(&out);
	int failed = buf_error(&out) || fputs(buf_str(&out), stdout) < 0 || fflush(stdout);
	buf_release(&out);
	return failed ? 1 : 0;
}
