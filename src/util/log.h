#pragma once
/*
 * log: the one writer to stderr or syslog, for people who run the daemon.
 *
 * Only engine and main log; everything below returns errors. Lines carry journal priorities
 * (<3> …) when stderr is the journal, a plain "webhookfs: " otherwise.
 */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

void log_init(enum log_level most);
/* From now on to syslog: in the background there is no stderr. */
void log_to_syslog(void);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
