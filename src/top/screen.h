#pragma once
/*
 * screen: the terminal. The one place that knows ncurses, which has one terminal a process, so nothing is passed
 * around.
 *
 * Between screen_open and screen_close the terminal is ours. Signals are the caller's: he blocks SIGWINCH and
 * SIGTSTP before, and calls screen_resize and screen_suspend when they come.
 */
#include "top/view.h"

#include <stdbool.h>

/* False: there is no terminal, or none that can be drawn on. */
bool screen_open(void);
void screen_close(void);
/* The size as it is now. */
void screen_resize(unsigned *rows, unsigned *cols);
/* Gives the terminal back, stops as Ctrl-Z does, and has it again when the process goes on. */
void screen_suspend(void);
/* The next character or enum view_key; -1: no key was pressed. */
int screen_key(void);
void screen_begin(void);
/* A view_line_fn. */
void screen_line(void *ctx, unsigned row, enum view_style style, bool selected, const char *text);
void screen_end(void);
