/*
 * The attribute table of a hook: one row a control file. A row of a plain type is all there is to a
 * setting: its file, help, default, limits, place in config.json and generic tests come from it.
 *
 * A row whose mode lets its owner alone read is protected always (row_protects): its value is shown to
 * nobody. New rows go to the end, for their place is in their files' inode numbers.
 */
#include "model/hook_internal.h"

const struct setting hook_settings[] = {
	{
		.name = FILE_URL,
		.type = SETTING_TEXT,
		.offset = offsetof(struct hook, url),
		.max = HOOK_URL_MAX,
		.def = "",
		.grammar = "http[s]://HOST[:PORT][/PATH][?QUERY]",
		.example = "https://example.com/hooks/fraud",
		.summary = "The address that requests are posted to, in ASCII and without user, "
			   "password or fragment; chmod 600 hides all but the host.",
		.mode = 0644,
		.required = true,
		.parse = url_judge,
	},
	{
		.name = "event",
		.type = SETTING_CUSTOM,
		.def = "",
		.grammar = "[[TYPE_]request_]started | completed | failed | finished, ...",
		.example = "deployment_request_failed",
		.summary = "What is to happen to a request of the object for the hook to fire; "
			   "several names stand one a line.",
		.mode = 0644,
		.required = true,
		.lines = true,
		.parse = event_store,
		.show = event_show,
		.reset = event_reset,
	},
	{
		.name = "object",
		.type = SETTING_CUSTOM,
		.def = "",
		.grammar = "TYPE/NAME[/VERSION]",
		.example = "deployment/fraud-*/v1",
		.summary =
			"Whose requests the hook is about; NAME and VERSION may be shell patterns, "
			"and without VERSION all versions match.",
		.mode = 0644,
		.required = true,
		.parse = object_store,
		.show = object_show_path,
		.reset = object_reset,
	},
	{
		.name = "enabled",
		.type = SETTING_CUSTOM,
		.def = "1",
		.grammar = "0 | 1 | paused",
		.example = "paused",
		.summary = "With 0 the hook takes no events, while paused it keeps what it takes "
			   "until it is enabled again.",
		.mode = 0644,
		.parse = enabled_store,
		.show = enabled_show,
		.reset = enabled_reset,
	},
	{
		.name = "description",
		.type = SETTING_TEXT,
		.offset = offsetof(struct hook, description),
		.max = 4 * HOOK_DESCRIPTION_MAX,
		.def = "",
		.grammar = "TEXT",
		.example = "Tells the fraud team about failed requests",
		.summary = "A line about the hook for people, at most 400 characters long.",
		.mode = 0644,
		.parse = description_judge,
	},
	{
		.name = "labels",
		.type = SETTING_CUSTOM,
		.max = HOOK_LABELS_MAX * (HOOK_LABEL_MAX + 1),
		.def = "",
		.grammar = "KEY:VALUE, ...",
		.example = "team:fraud",
		.summary = "Labels for people and programs that sort hooks, one a line, "
			   "each key once.",
		.mode = 0644,
		.lines = true,
		.parse = labels_store,
		.show = labels_show,
		.reset = labels_reset,
	},
	{
		.name = "include_result",
		.type = SETTING_BOOL,
		.offset = offsetof(struct hook, include_result),
		.def = "0",
		.grammar = "0 | 1",
		.example = "1",
		.summary = "With 1 the payload carries the request's result if that is at most "
			   "16,384 bytes of JSON.",
		.mode = 0644,
	},
	{
		.name = "timeout",
		.type = SETTING_DURATION,
		.offset = offsetof(struct hook, timeout_ms),
		.min = 1000,
		.max = 30000,
		.def = "10s",
		.grammar = "DURATION",
		.example = "15s",
		.summary = "The longest time that one attempt may take as a whole.",
		.mode = 0644,
	},
	{
		.name = "retry",
		.type = SETTING_CUSTOM,
		.min = 1000,
		.max = 24 * 60 * 60 * 1000,
		.def = "1",
		.grammar = "0 | 1 | DURATION ...",
		.example = "5s 5m 30m 2h",
		.summary =
			"With 1 the standard schedule, with 0 one attempt, or else the waits before "
			"each further attempt, up to 64 of 1s to 1d.",
		.mode = 0644,
		.lines = true,
		.parse = retry_store,
		.show = retry_show,
		.reset = retry_reset,
	},
	{
		.name = "max_age",
		.type = SETTING_DURATION,
		.offset = offsetof(struct hook, max_age_ms),
		.min = 60 * 1000,
		.max = UINT64_C(30) * 24 * 60 * 60 * 1000,
		.def = "",
		.grammar = "DURATION",
		.example = "2d",
		.summary =
			"How long a delivery is tried, where the schedule would go on for longer.",
		.mode = 0644,
	},
	{
		.name = "max_inflight",
		.type = SETTING_UINT,
		.offset = offsetof(struct hook, max_inflight),
		.max = 1000,
		.def = "0",
		.grammar = "NUMBER",
		.example = "4",
		.summary = "How many requests of the hook may be under way at once; "
			   "0 sets no limit of its own.",
		.mode = 0644,
	},
	{
		.name = "rate",
		.type = SETTING_CUSTOM,
		.min = 1,
		.max = 1000000,
		.def = "",
		.grammar = "N/s | N/m | N/h",
		.example = "10/s",
		.summary = "How many requests of the hook may start in a second, minute or hour, "
			   "1 to 1,000,000.",
		.mode = 0644,
		.parse = rate_store,
		.show = rate_show,
		.reset = rate_reset,
	},
	{
		.name = "ordered",
		.type = SETTING_BOOL,
		.offset = offsetof(struct hook, ordered),
		.def = "0",
		.grammar = "0 | 1",
		.example = "1",
		.summary =
			"With 1 deliveries are made one by one in the order of their events, and each "
			"waits until the one before is delivered or has failed.",
		.mode = 0644,
	},
	{
		.name = FILE_SECRET,
		.type = SETTING_TEXT,
		.offset = offsetof(struct hook, secret),
		.max = SIGN_SECRET_MAX,
		.def = "",
		.grammar = "generate | whsec_BASE64 | whsk_BASE64, ...",
		/* the specification's own: known to everybody, so that nobody takes it for a secret */
		.example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		.summary = "What requests are signed with, never shown again; several, one a line, "
			   "give a signature each, and the word generate makes a new one.",
		.mode = 0600,
		.lines = true,
		.parse = secret_judge,
	},
	{
		.name = FILE_SIGNATURE,
		.type = SETTING_CUSTOM,
		.def = "standard",
		.grammar = "standard | github | stripe",
		.example = "github",
		.summary = "The way of signing: that of Standard Webhooks, of GitHub or of Stripe.",
		.mode = 0644,
		.parse = signature_store,
		.show = signature_show,
		.reset = signature_reset,
	},
};
const size_t hook_settings_count = sizeof(hook_settings) / sizeof(hook_settings[0]);
