#include "top/screen.h"

#include <curses.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ESCAPE_MS 50 /* after Esc: a key of several bytes brings them within that */

static bool coloured;

static const struct {
	attr_t with_colours, without;
	short colour; /* 0: the terminal's own */
} styles[] = {
	[VIEW_PLAIN] = { A_NORMAL, A_NORMAL, 0 },
	[VIEW_TITLE] = { A_BOLD, A_BOLD, 0 },
	[VIEW_HEAD] = { A_UNDERLINE, A_UNDERLINE, 0 },
	[VIEW_GOOD] = { A_NORMAL, A_NORMAL, COLOR_GREEN },
	[VIEW_WARN] = { A_NORMAL, A_NORMAL, COLOR_YELLOW },
	[VIEW_BAD] = { A_BOLD, A_BOLD, COLOR_RED },
	[VIEW_FAINT] = { A_DIM, A_NORMAL, 0 },
};

static const struct {
	int curses, key;
} keys[] = {
	{ KEY_UP, VIEW_UP },
	{ KEY_DOWN, VIEW_DOWN },
	{ KEY_PPAGE, VIEW_PAGE_UP },
	{ KEY_NPAGE, VIEW_PAGE_DOWN },
	{ KEY_HOME, VIEW_HOME },
	{ KEY_END, VIEW_END },
	{ KEY_ENTER, VIEW_ENTER },
	{ '\r', VIEW_ENTER },
	{ '\n', VIEW_ENTER },
	{ 27, VIEW_ESCAPE },
	{ KEY_BACKSPACE, VIEW_BACKSPACE },
	{ 127, VIEW_BACKSPACE },
	{ 8, VIEW_BACKSPACE },
};

/* https://no-color.org */
static void start_colours(void)
{
	const char *no = getenv("NO_COLOR");

	coloured =
		!(no && *no) && has_colors() && start_color() == OK && use_default_colors() == OK;
	for (short c = 1; coloured && c < 8; c++)
		(void)init_pair(c, c, -1);
}

bool screen_open(void)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !newterm(NULL, stdout, stdin))
		return false;
	set_escdelay(ESCAPE_MS);
	(void)cbreak();
	(void)noecho();
	(void)nodelay(stdscr, TRUE);
	(void)keypad(stdscr, TRUE);
	(void)curs_set(0); /* not all can hide it */
	start_colours();
	return true;
}

void screen_close(void)
{
	(void)endwin();
}

void screen_resize(unsigned *rows, unsigned *cols)
{
	struct winsize size;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
		(void)resizeterm(size.ws_row, size.ws_col);
	*rows = (unsigned)LINES;
	*cols = (unsigned)COLS;
	(void)clearok(stdscr, TRUE);
}

void screen_suspend(void)
{
	sigset_t stop;

	(void)def_prog_mode();
	(void)endwin();
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTSTP);
	/* The default action, which spares those whom nobody could wake. */
	(void)signal(SIGTSTP, SIG_DFL);
	(void)raise(SIGTSTP);
	(void)pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
	(void)pthread_sigmask(SIG_BLOCK, &stop, NULL);
	(void)reset_prog_mode();
	(void)clearok(stdscr, TRUE);
}

int screen_key(void)
{
	int c = getch();

	if (c == ERR)
		return -1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].curses == c)
			return keys[i].key;
	return c;
}

void screen_begin(void)
{
	(void)erase();
}

void screen_line(void *ctx, unsigned row, enum view_style style, bool selected, const char *text)
{
	attr_t attributes = coloured ? styles[style].with_colours : styles[style].without;

	(void)ctx;
	if (selected)
		attributes |= A_REVERSE;
	(void)attr_set(attributes, coloured ? styles[style].colour : 0, NULL);
	/* The last cell of the screen is written, and then said to be an error. */
	(void)mvaddstr((int)row, 0, text);
	for (int x = getcurx(stdscr); selected && (unsigned)getcury(stdscr) == row && x < COLS; x++)
		(void)mvaddch((int)row, x, ' ');
	(void)attr_set(A_NORMAL, 0, NULL);
}

void screen_end(void)
{
	(void)refresh();
}
