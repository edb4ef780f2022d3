/*
 * Every parser is the same three steps: scan what is known, stop at the first byte that is not, and
 * say in one sentence what to write instead. The column is that byte's.
 */
#include "util/text.h"

#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- numbers */

/* Reads digits from text[*pos] on. True if *out holds their value, false if it does not fit. */
static bool scan_digits(const char *text, size_t len, size_t *pos, uint64_t *out)
{
	uint64_t value = 0;
	bool fits = true;

	for (; *pos < len && is_digit(text[*pos]); (*pos)++)
		fits = fits && !__builtin_mul_overflow(value, 10, &value) &&
			!__builtin_add_overflow(value, (uint64_t)(text[*pos] - '0'), &value);
	*out = value;
	return fits;
}

int text_parse_uint(const char *text, size_t len, struct err *err, uint64_t *out)
{
	char quote[TEXT_QUOTE_SIZE];
	uint64_t value;
	size_t pos = 0;
	bool fits = scan_digits(text, len, &pos, &value);

	if (!pos || pos < len)
		return err_set(err, EINVAL, pos, "\"%s\" is no number: write digits only, as in 10",
			text_quote(text, len, quote));
	if (!fits)
		return err_set(err, ERANGE, 0, "\"%s\" is too large a number: at most %" PRIu64,
			text_quote(text, len, quote), UINT64_MAX);
	*out = value;
	return 0;
}

int text_parse_bool(const char *text, size_t len, struct err *err, bool *out)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{ "0", false },
		{ "1", true },
		{ "false", false },
		{ "true", true },
		{ "no", false },
		{ "yes", true },
		{ "off", false },
		{ "on", true },
	};
	char quote[TEXT_QUOTE_SIZE];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].word) == len && !strncasecmp(words[i].word, text, len)) {
			*out = words[i].value;
			return 0;
		}
	}
	return err_set(err, EINVAL, 0,
		"\"%s\" is neither yes nor no: write 0, 1, true, false, yes, no, on or off",
		text_quote(text, len, quote));
}

/* ---- durations and sizes */

struct unit {
	const char *name;
	uint64_t scale;
};

/* Each the largest first: showing takes the first that divides. */
static const struct unit duration_units[] = {
	{ "d", 86400000 },
	{ "h", 3600000 },
	{ "m", 60000 },
	{ "s", 1000 },
	{ "ms", 1 },
};
static const struct unit size_units[] = {
	{ "T", 1ULL << 40 },
	{ "G", 1ULL << 30 },
	{ "M", 1ULL << 20 },
	{ "K", 1ULL << 10 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct unit *unit_find(
	const struct unit *units, size_t count, const char *name, size_t len, bool any_case)
{
	for (size_t i = 0; i < count; i++) {
		int differ = any_case ? strncasecmp(units[i].name, name, len)
				      : strncmp(units[i].name, name, len);

		if (strlen(units[i].name) == len && !differ)
			return &units[i];
	}
	return NULL;
}

static const struct unit *unit_for(const struct unit *units, size_t count, uint64_t value)
{
	for (size_t i = 0; value && i < count; i++)
		if (value % units[i].scale == 0)
			return &units[i];
	return NULL;
}

/* Of 0.5 the 5 and the 10 it is to be divided by, without trailing zeros. */
struct fraction {
	uint64_t digits, divisor;
};

/* The ninth digit of a day is worth less than a millisecond; nine of them times a day still fit. */
#define FRACTION_DIGITS_MAX 9

static bool scan_fraction(const char *text, size_t len, size_t *pos, struct fraction *out)
{
	size_t start = *pos, end;
	uint64_t digits = 0, divisor = 1;

	while (*pos < len && is_digit(text[*pos]))
		(*pos)++;
	for (end = *pos; end > start && text[end - 1] == '0'; end--)
		;
	if (end - start > FRACTION_DIGITS_MAX)
		return false;
	for (size_t i = start; i < end; i++) {
		digits = digits * 10 + (uint64_t)(text[i] - '0');
		divisor *= 10;
	}
	*out = (struct fraction){ digits, divisor };
	return true;
}

int text_parse_duration(const char *text, size_t len, struct err *err, uint64_t *out_ms)
{
	static const struct unit seconds = { "", 1000 };
	const struct unit *unit = &seconds;
	struct fraction part = { 0, 1 };
	char quote[TEXT_QUOTE_SIZE];
	bool fine = true, fits;
	uint64_t value, part_ms;
	size_t pos = 0;

	fits = scan_digits(text, len, &pos, &value);
	if (!pos)
		goto syntax;
	if (pos + 1 < len && text[pos] == '.' && is_digit(text[pos + 1])) {
		pos++;
		fine = scan_fraction(text, len, &pos, &part);
	}
	if (pos < len)
		unit = unit_find(
			duration_units, COUNT(duration_units), text + pos, len - pos, false);
	if (!unit)
		goto syntax;
	if (!fine || part.digits * unit->scale % part.divisor)
		return err_set(err, EINVAL, 0,
			"\"%s\" is no whole number of milliseconds: write 1ms or a multiple of it",
			text_quote(text, len, quote));
	part_ms = part.digits * unit->scale / part.divisor;
	if (!fits || __builtin_mul_overflow(value, unit->scale, &value) ||
		value > TEXT_DURATION_MAX - part_ms)
		return err_set(err, ERANGE, 0, "\"%s\" is too long a time: at most %ud",
			text_quote(text, len, quote),
			(unsigned)(TEXT_DURATION_MAX / duration_units[0].scale));
	*out_ms = value + part_ms;
	return 0;
syntax:
	return err_set(err, EINVAL, pos,
		"\"%s\" is no duration: write 100ms, 10s, 5m, 2h, 7d or a bare number of seconds",
		text_quote(text, len, quote));
}

int text_parse_size(const char *text, size_t len, struct err *err, uint64_t *out)
{
	static const struct unit bytes = { "", 1 };
	const struct unit *unit = &bytes;
	char quote[TEXT_QUOTE_SIZE];
	uint64_t value;
	size_t pos = 0;
	bool fits = scan_digits(text, len, &pos, &value);

	if (pos && pos < len)
		unit = unit_find(size_units, COUNT(size_units), text + pos, len - pos, true);
	if (!pos || !unit)
		return err_set(err, EINVAL, pos,
			"\"%s\" is no size: write a number of bytes, or 16K, 1M, 2G",
			text_quote(text, len, quote));
	if (!fits || __builtin_mul_overflow(value, unit->scale, &value))
		return err_set(err, ERANGE, 0, "\"%s\" is too large a size: at most %" PRIu64 "T",
			text_quote(text, len, quote), UINT64_MAX >> 40);
	*out = value;
	return 0;
}

void text_add_duration(struct buf *b, uint64_t ms)
{
	const struct unit *unit = unit_for(duration_units, COUNT(duration_units), ms);

	if (unit)
		buf_addf(b, "%" PRIu64 "%s", ms / unit->scale, unit->name);
	else
		buf_adds(b, "0s");
}

void text_add_size(struct buf *b, uint64_t bytes)
{
	const struct unit *unit = unit_for(size_units, COUNT(size_units), bytes);

	if (unit)
		buf_addf(b, "%" PRIu64 "%s", bytes / unit->scale, unit->name);
	else
		buf_addf(b, "%" PRIu64, bytes);
}

/* ---- time */

#define DAY_S      (24 * 60 * 60)
#define ERA_DAYS   146097 /* 400 years, after which the calendar begins anew */
#define EPOCH_DAYS 719468 /* 1970-01-01, counted from 0000-03-01 */

/*
 * The date of a day since the epoch. Years are taken to begin in March, so that February, whose length
 * differs, is their end: month and day then follow from the number of the day. gmtime takes seven times as
 * long, for any zone could have leap seconds.
 */
static void date_of(int64_t day, int64_t *year, unsigned *month, unsigned *mday)
{
	int64_t shifted = day + EPOCH_DAYS;
	int64_t era = (shifted >= 0 ? shifted : shifted - (ERA_DAYS - 1)) / ERA_DAYS;
	unsigned d = (unsigned)(shifted - era * ERA_DAYS); /* 0 to 146096 */
	unsigned y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	unsigned in_year = d - (365 * y + y / 4 - y / 100); /* 0: 1 March */
	unsigned m = (5 * in_year + 2) / 153; /* 0: March; five months have 153 days */

	*mday = in_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = era * 400 + y + (*month <= 2);
}

/* Two digits and what stands behind them. */
static char *put_two(char *to, unsigned n, char behind)
{
	*to++ = (char)('0' + n / 10);
	*to++ = (char)('0' + n % 10);
	*to++ = behind;
	return to;
}

void text_add_time(struct buf *b, int64_t ms)
{
	int64_t part = ms % 1000, seconds = ms / 1000, day, year;
	unsigned month, mday, second;
	char text[sizeof("-11-23T10:24:00.")], *to = text;

	if (part < 0) {
		part += 1000;
		seconds--;
	}
	day = seconds / DAY_S - (seconds % DAY_S < 0);
	second = (unsigned)(seconds - day * DAY_S);
	date_of(day, &year, &month, &mday);
	if (year < 0)
		buf_addc(b, '-');
	buf_addu(b, (uint64_t)(year < 0 ? -year : year), year < 0 ? 3 : 4);
	*to++ = '-';
	to = put_two(to, month, '-');
	to = put_two(to, mday, 'T');
	to = put_two(to, second / 3600, ':');
	to = put_two(to, second / 60 % 60, ':');
	to = put_two(to, second % 60, '.');
	buf_add(b, text, (size_t)(to - text));
	buf_addu(b, (uint64_t)part, 3);
	buf_addc(b, 'Z');
}

/* A text and how far it was understood; `ok` goes false at the first byte that is not expected. */
struct scan {
	const char *text;
	size_t len, pos;
	bool ok;
};

/* The next `digits` digits as a number from min to max. */
static int scan_number(struct scan *s, size_t digits, int min, int max)
{
	size_t start = s->pos;
	uint64_t value;

	if (!s->ok)
		return 0;
	(void)scan_digits(s->text, s->len < start + digits ? s->len : start + digits, &s->pos,
		&value); /* four digits fit */
	s->ok = s->pos == start + digits && value >= (uint64_t)min && value <= (uint64_t)max;
	if (s->pos == start + digits && !s->ok)
		s->pos = start; /* the number as a whole is wrong */
	return (int)value;
}

/* The next character, if it is one of `set`; else 0. */
static char scan_char(struct scan *s, const char *set)
{
	s->ok = s->ok && s->pos < s->len && s->text[s->pos] && strchr(set, s->text[s->pos]);
	return s->ok ? s->text[s->pos++] : 0;
}

static void scan_date(struct scan *s, struct tm *tm)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month, leap;

	year = scan_number(s, 4, 0, 9999);
	(void)scan_char(s, "-"); /* s->ok tells, here and below */
	month = scan_number(s, 2, 1, 12);
	(void)scan_char(s, "-");
	if (!s->ok)
		return;
	leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = scan_number(s, 2, 1, days[month - 1] + leap);
}

static void scan_clock(struct scan *s, struct tm *tm, int *out_ms)
{
	int scale = 100;

	tm->tm_hour = scan_number(s, 2, 0, 23);
	(void)scan_char(s, ":");
	tm->tm_min = scan_number(s, 2, 0, 59);
	(void)scan_char(s, ":");
	tm->tm_sec = scan_number(s, 2, 0, 60); /* 60: a leap second */

	*out_ms = 0;
	if (!s->ok || s->pos == s->len || s->text[s->pos] != '.')
		return;
	s->pos++;
	*out_ms = scan_number(s, 1, 0, 9) * scale;
	while (s->ok && s->pos < s->len && is_digit(s->text[s->pos])) {
		scale /= 10; /* 0 behind the third digit */
		*out_ms += (s->text[s->pos++] - '0') * scale;
	}
}

/* Seconds east of UTC. */
static int scan_zone(struct scan *s)
{
	char sign = scan_char(s, "Zz+-");
	int hours, minutes;

	if (sign != '+' && sign != '-')
		return 0;
	hours = scan_number(s, 2, 0, 23);
	(void)scan_char(s, ":");
	minutes = scan_number(s, 2, 0, 59);
	return (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
}

int text_parse_time(const char *text, size_t len, struct err *err, int64_t *out_ms)
{
	struct scan s = { .text = text, .len = len, .ok = true };
	struct tm tm = { 0 };
	char quote[TEXT_QUOTE_SIZE];
	int ms, east;

	scan_date(&s, &tm);
	(void)scan_char(&s, "Tt ");
	scan_clock(&s, &tm, &ms);
	east = scan_zone(&s);
	if (!s.ok || s.pos < len)
		return err_set(err, EINVAL, s.pos,
			"\"%s\" is no time: write it as in 2026-11-23T10:24:00Z",
			text_quote(text, len, quote));
	*out_ms = ((int64_t)timegm(&tm) - east) * 1000 + ms;
	return 0;
}

/* ---- words */

bool text_is_token(const char *text, size_t len)
{
	static const char set[] = "!#$%&'*+-.^_`|~0123456789"
				  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (size_t i = 0; i < len; i++)
		if (!text[i] || !strchr(set, text[i]))
			return false;
	return len > 0;
}

int text_next_word(const char *text, size_t len, size_t *pos, struct buf *out, struct err *err)
{
	size_t i = *pos, before = out->len, opened = 0;
	char quote = 0;

	while (i < len && is_blank(text[i]))
		i++;
	if (i == len) {
		*pos = len;
		return 0;
	}
	for (; i < len && (quote || !is_blank(text[i])); i++) {
		char c = text[i];

		if (quote && c == quote) {
			quote = 0;
		} else if (!quote && (c == '\'' || c == '"')) {
			quote = c;
			opened = i;
		} else if (c == '\\' && quote != '\'') {
			if (i + 1 < len) {
				buf_addc(out, text[++i]);
			} else {
				quote = c; /* quotes nothing: the same mistake as an open quote */
				opened = i;
			}
		} else {
			buf_addc(out, c);
		}
	}
	if (quote) {
		buf_cut(out, before);
		return err_set(err, EINVAL, opened,
			"nothing closes this %c: write a second one, or \\%c for the character",
			quote, quote);
	}
	*pos = i;
	return 1;
}

size_t text_trim(const char **start, size_t len)
{
	while (len && is_blank(**start)) {
		(*start)++;
		len--;
	}
	while (len && is_blank((*start)[len - 1]))
		len--;
	return len;
}
