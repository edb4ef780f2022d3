#pragma once
/*
 * object: what a request belongs to, and the names of what happens to it.
 *
 * "TYPE/NAME/VERSION", "TYPE_request_PHASE", and the request statuses, spelt in one place. Pure.
 *
 * An experiment is UbiOps's training run form: `experiment/NAME` is the version NAME of the
 * deployment `training-base-deployment`, and its events are the deployment's. object_target folds
 * the two spellings into one; all matching and all payloads work on targets.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define TYPES_MAX           15
#define TYPE_NAME_MAX       31  /* bytes */
#define OBJECT_PART_MAX     128 /* bytes of a NAME or a VERSION */
#define TYPES_DEFAULT       "deployment:pipeline:experiment"
#define TRAINING_DEPLOYMENT "training-base-deployment"

/* The mount's object types, in the order of the option `types=`. */
struct types {
	unsigned count;
	char name[TYPES_MAX][TYPE_NAME_MAX + 1];
};

enum phase { PHASE_STARTED, PHASE_COMPLETED, PHASE_FAILED, PHASE_FINISHED, PHASE_COUNT };

enum request_status {
	STATUS_NONE, /* not given */
	STATUS_PENDING,
	STATUS_PROCESSING,
	STATUS_COMPLETED,
	STATUS_FAILED,
	STATUS_CANCELLED,
	STATUS_CANCELLED_PENDING,
	STATUS_COUNT
};

/* As written: `type` indexes struct types (the type experiment included). Strings are owned. */
struct object {
	unsigned type;
	char *name;    /* NULL: no object */
	char *version; /* NULL: not given */
};

/* The same with experiments folded in; borrows from the object. */
struct target {
	unsigned type;
	const char *name;
	const char *version; /* NULL: not given */
};

/*
 * The events a hook listens to: named ones with their type, one bit each (type * PHASE_COUNT +
 * phase), and short forms ("failed"), one bit a phase, which go with whatever type the object has.
 */
struct event_set {
	uint64_t named;
	unsigned floating;
};

/* "deployment:pipeline:experiment"; -EINVAL for a bad, double or missing name (`experiment` needs
 * `deployment`), -E2BIG for more than TYPES_MAX. */
int types_parse(struct types *t, const char *text, size_t len, struct err *err);
/* The index, or -1. */
int types_find(const struct types *t, const char *name, size_t len);

/* With `pattern`, NAME and VERSION may be shell patterns (* ? [...]), else these are literal. */
int object_parse(struct object *o, const struct types *t, bool pattern, const char *text,
	size_t len, struct err *err);
/* The three parts given apart, as JSON events and configs do; version may be NULL. */
int object_make(struct object *o, const struct types *t, bool pattern, const char *type,
	const char *name, const char *version, struct err *err);
void object_release(struct object *o);
int object_copy(struct object *to, const struct object *from); /* 0, -ENOMEM */
void object_show(const struct object *o, const struct types *t, struct buf *out);
bool object_is_pattern(const struct object *o); /* has a wildcard in NAME or VERSION */
struct target object_target(const struct object *o, const struct types *t);

/* "deployment_request_failed"; short forms "request_failed", "failed" give *type = -1.
 * -EINVAL with a sentence that lists what there is. */
int event_name_parse(const struct types *t, const char *text, size_t len, struct err *err,
	int *type, enum phase *phase);
/* "deployment_request_failed"; `type` is a target's, never the experiment's. */
void event_name_show(const struct types *t, unsigned type, enum phase phase, struct buf *out);
bool event_set_empty(const struct event_set *s);
/* The phases of `s` that concern objects of `type` (a target's). */
unsigned event_set_phases(const struct event_set *s, unsigned type);

/* -EINVAL with the list of the six. */
int request_status_parse(const char *text, size_t len, struct err *err, enum request_status *out);
const char *request_status_name(enum request_status s);
/* Bit mask of the phases that a request's new status fires: completed → completed + finished … */
unsigned request_status_phases(enum request_status s);
/* What a single named event says of the status: started → processing; finished → completed. */
enum request_status phase_status(enum phase p);
