/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The command line's own frame: exit codes, what every command gets, and the table of commands from which usage, help, shell
 * completions and the manual page come.
 */
#ifndef LIUHEN_CLI_CLI_H
#define LIUHEN_CLI_CLI_H

#include "base/calendar.h"
#include "base/json.h"
#include "cli/client.h"

/* One table, for --help and the manual page too. */
#define EXIT_CODES(X)                                                                                        \
    X(OK, 0, "done; the answer is yes")                                                                      \
    X(NO, 1, "the answer is no: a verification failed, fsck found faults")                                   \
    X(USAGE, 2, "the command was not written as it must be")                                                 \
    X(MISSING, 3, "no such recording, case, hold, device or file")                                           \
    X(DENIED, 4, "you may not do that")                                                                      \
    X(UNREACHABLE, 5, "the daemon is not reachable")                                                         \
    X(REFUSED, 6, "the daemon refused it, or the input is bad")                                              \
    X(BUSY, 7, "busy; try again later")
enum exit_code {
#define EXIT_ROW(id, code, help) CLI_##id = code,
    EXIT_CODES(EXIT_ROW)
#undef EXIT_ROW
};

#define CLI_OPTIONS_MAX 20

struct option_row {
    const char *name;  /* without the dashes; NULL ends a table */
    const char *value; /* NULL: a switch; else what stands for the value, "a|b|c" when only these */
    const char *help;
};

struct cli;

struct command {
    const char *name; /* "case add" */
    const char *
        args; /* "REC CASE [TITLE]": upper-case words are REC, CASE, HOLD, DEVICE, FILE, CARD, RECEIPT, NUMBER; "..." repeats */
    int min_args, max_args; /* max_args -1: any number */
    const struct option_row *options;
    const char *help;    /* one line */
    const char *details; /* more lines for --help and the manual page; "" for none */
    int (*run)(struct cli *c, int argc, char **argv); /* Return: enum exit_code */
};

extern const struct command cli_commands[];
extern const size_t cli_n_commands;
extern const struct option_row cli_global_options[];

struct cli {
    const char *socket;
    bool json;
    const struct command *command;
    const char *values[CLI_OPTIONS_MAX]; /* of command->options in order; "" for a switch that was given */
    struct client *client;               /* made when first needed */
    struct zone *zone;                   /* the site's, from the daemon's answers */
};

/* The command of one word, or of two where it has two; either may be NULL. Return: NULL when there is none. */
const struct command *cli_find_command(const char *first, const char *second);

/* The value of one of the command's options; NULL when it was not given. */
const char *cli_option(const struct cli *c, const char *name);

/* Puts a word of the command line into a body; NULL: nothing. Return: CLI_OK, or the exit code after saying why. */
int cli_put(json_t *body, const char *key, const char *value);

/* An object of those of the command's options that were given. Return: as cli_put. */
int cli_body_of_options(const struct cli *c, json_t **ret);

/* Asks the daemon. Return: CLI_OK and *ret (new reference, an object), else the exit code after saying why. body may be NULL; it is
 * taken. The zone of the answer is kept in c->zone. */
int cli_ask(struct cli *c, const char *method, const char *target, json_t *body, json_t **ret);

/* The same for GET with an answer that is plain text; new string. */
int cli_ask_text(struct cli *c, const char *target, char **ret);

/* Says why there was no answer: r and err from the client. Return: the exit code for it. */
int cli_unreachable(int r, const struct error *err);

/* Says what the daemon's answer with this status says. Return: the exit code for it. */
int cli_refused(unsigned status, const char *text);

/* Says what is wrong on standard error: "liuhen: object: text". Returns code. */
int cli_fail(int code, const char *object, const char *format, ...) _printf_(3, 4);

/* Prints the answer as JSON, a line. Return: CLI_OK. */
int cli_print_json(const json_t *value);

/* Usage of all or of one command (NULL: all). */
void cli_usage(const struct command *command, FILE *out);

int cli_status(struct cli *c, int argc, char **argv);
int cli_ls(struct cli *c, int argc, char **argv);
int cli_show(struct cli *c, int argc, char **argv);
int cli_explain(struct cli *c, int argc, char **argv);
int cli_history(struct cli *c, int argc, char **argv);
int cli_case_add(struct cli *c, int argc, char **argv);
int cli_case_set(struct cli *c, int argc, char **argv);
int cli_case_end(struct cli *c, int argc, char **argv);
int cli_case_file(struct cli *c, int argc, char **argv);
int cli_case_reopen(struct cli *c, int argc, char **argv);
int cli_case_ls(struct cli *c, int argc, char **argv);
int cli_case_show(struct cli *c, int argc, char **argv);
int cli_link(struct cli *c, int argc, char **argv);
int cli_unlink(struct cli *c, int argc, char **argv);
int cli_hold_add(struct cli *c, int argc, char **argv);
int cli_hold_lift(struct cli *c, int argc, char **argv);
int cli_hold_ls(struct cli *c, int argc, char **argv);
int cli_dispose_eligible(struct cli *c, int argc, char **argv);
int cli_dispose_propose(struct cli *c, int argc, char **argv);
int cli_dispose_ls(struct cli *c, int argc, char **argv);
int cli_dispose_show(struct cli *c, int argc, char **argv);
int cli_dispose_notice(struct cli *c, int argc, char **argv);
int cli_dispose_approve(struct cli *c, int argc, char **argv);
int cli_dispose_withdraw(struct cli *c, int argc, char **argv);
int cli_dispose_cancel(struct cli *c, int argc, char **argv);
int cli_dispose_execute(struct cli *c, int argc, char **argv);
int cli_get(struct cli *c, int argc, char **argv);
int cli_receipt(struct cli *c, int argc, char **argv);
int cli_verify(struct cli *c, int argc, char **argv);
int cli_key(struct cli *c, int argc, char **argv);
int cli_quarantine_ls(struct cli *c, int argc, char **argv);
int cli_watch(struct cli *c, int argc, char **argv);
int cli_device_connection_file(struct cli *c, int argc, char **argv);
int cli_dock(struct cli *c, int argc, char **argv);
int cli_fsck(struct cli *c, int argc, char **argv);
int cli_rebuild(struct cli *c, int argc, char **argv);
int cli_device_list(struct cli *c, int argc, char **argv);
int cli_device_show(struct cli *c, int argc, char **argv);
int cli_device_add(struct cli *c, int argc, char **argv);
int cli_device_set(struct cli *c, int argc, char **argv);
int cli_device_assign(struct cli *c, int argc, char **argv);
int cli_device_token(struct cli *c, int argc, char **argv);
int cli_device_enrol(struct cli *c, int argc, char **argv);
int cli_device_revoke(struct cli *c, int argc, char **argv);
int cli_device_retire(struct cli *c, int argc, char **argv);
int cli_device_return(struct cli *c, int argc, char **argv);
int cli_device_gaps(struct cli *c, int argc, char **argv);
int cli_open(struct cli *c, int argc, char **argv);
int cli_jobs(struct cli *c, int argc, char **argv);
int cli_jobs_show(struct cli *c, int argc, char **argv);
int cli_jobs_cancel(struct cli *c, int argc, char **argv);
int cli_jobs_again(struct cli *c, int argc, char **argv);
int cli_copy(struct cli *c, int argc, char **argv);
int cli_complete(int argc, char **argv, struct cli *c); /* hidden: `liuhen complete-words WORD…` */
int cli_man(void);                                      /* hidden: `liuhen man-page`, troff */

/* read-bodyworn.c: what a body-worn system said of a recording that is shown. */
void print_bodyworn(const struct cli *c, const json_t *shown);

/* look.c: what decoding showed of it, and what there is to look at. */
void print_derived(struct cli *c, const json_t *shown);

#endif
