/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Usage, help and the manual page, all from the table of commands.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"

static const struct {
    int code;
    const char *help;
} exit_codes[] = {
#define EXIT_ROW(id, code, help) {code, help},
    EXIT_CODES(EXIT_ROW)
#undef EXIT_ROW
};

static void print_options(const struct option_row *row, FILE *out)
{
    for (; row->name; row++) {
        bool listed = row->value && strchr(row->value, '|');
        int n = fprintf(out, "  --%s%s%s", row->name, row->value ? " " : "",
                        !row->value ? ""
                        : listed    ? "ONE"
                                    : row->value);

        fprintf(out, "%*s%s\n", n < 22 ? 22 - n : 1, "", row->help);
        if (listed)
            fprintf(out, "%22sone of %s\n", "", row->value);
    }
}

static void usage_of(const struct command *command, FILE *out)
{
    fprintf(out, "liuhen %s%s%s%s\n\n%s.\n", command->name, *command->args ? " " : "", command->args,
            command->options->name ? " [OPTION...]" : "", command->help);
    if (*command->details)
        fprintf(out, "%s\n", command->details);
    if (command->options->name) {
        fprintf(out, "\n");
        print_options(command->options, out);
    }
    fprintf(out, "\nOptions of every command:\n");
    print_options(cli_global_options, out);
}

void cli_usage(const struct command *command, FILE *out)
{
    if (command) {
        usage_of(command, out);
        return;
    }
    fprintf(out, "liuhen [OPTION...] COMMAND …: enforcement recordings as evidence\n\nCommands:\n");
    for (size_t i = 0; i < cli_n_commands; i++) {
        int n = fprintf(out, "  %s %s", cli_commands[i].name, cli_commands[i].args);
        fprintf(out, "%*s%s\n", n < 34 ? 34 - n : 1, "", cli_commands[i].help);
    }
    fprintf(out, "\nREC is a recording's id or its beginning; CASE is a case's number or id; DEVICE is a "
                 "device's serial or id.\n"
                 "`liuhen help COMMAND` says more.\n\nOptions:\n");
    print_options(cli_global_options, out);
    fprintf(out, "\nExit codes:\n");
    for (size_t i = 0; i < ARRAY_SIZE(exit_codes); i++)
        fprintf(out, "  %d  %s\n", exit_codes[i].code, exit_codes[i].help);
}

/* Text for troff: a backslash, a dash, and a dot or quote at the beginning of a line mean something there. */
static void troff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\' || *text == '-')
            putchar('\\');
        putchar(*text);
        if (*text == '\\')
            putchar('e');
        if (*text == '\n' && (text[1] == '.' || text[1] == '\''))
            fputs("\\&", stdout);
    }
}

static void man_options(const struct option_row *row)
{
    for (; row->name; row++) {
        fputs(".TP\n\\fB\\-\\-", stdout);
        troff(row->name);
        fputs("\\fR", stdout);
        if (row->value) {
            printf(" \\fI");
            troff(strchr(row->value, '|') ? "ONE" : row->value);
            printf("\\fR");
        }
        putchar('\n');
        troff(row->help);
        if (row->value && strchr(row->value, '|')) {
            fputs(".\nOne of ", stdout);
            for (const char *p = row->value; *p; p++) {
                char one[2] = {*p, '\0'};
                *p == '|' ? (void)fputs(", ", stdout) : troff(one);
            }
        }
        fputs(".\n", stdout);
    }
}

static void man_command(const struct command *c)
{
    fputs(".SS liuhen ", stdout);
    troff(c->name);
    putchar(' ');
    troff(c->args);
    putchar('\n');
    troff(c->help);
    fputs(".\n", stdout);
    if (*c->details) {
        troff(c->details);
        putchar('\n');
    }
    man_options(c->options);
}

int cli_man(void)
{
    puts(".\\\" SPDX-License-Identifier: GPL-3.0-or-later\n"
         ".\\\" Made by `liuhen man-page` from the table of commands; a test compares the two.\n"
         ".TH LIUHEN 1 \"\" \"Liuhen " LIUHEN_VERSION "\" \"User commands\"\n"
         ".SH NAME\nliuhen \\- enforcement recordings as evidence: list, explain, link, hold, verify\n"
         ".SH SYNOPSIS\n.B liuhen\n[\\fIOPTION\\fR...] \\fICOMMAND\\fR [\\fIARGUMENT\\fR...]\n"
         ".SH DESCRIPTION\n"
         "Speaks to\n.BR liuhend (8)\nover its unix socket; who you are is known by your user.\n"
         ".BR verify ,\n.B fsck\nand\n.B rebuild\nneed no daemon.\n.PP\n"
         "\\fIREC\\fR is a recording's id or its beginning; \\fICASE\\fR is a case's number as it is "
         "written, or its id;\n\\fIDEVICE\\fR is a device's serial or id. "
         "Times are\nshown in the site's zone and read as such: 2026\\-11\\-23, \"2026\\-11\\-23 14:30\", or "
         "RFC 3339 with an offset.\n"
         "Names are shown percent\\-encoded where they hold bytes that are not printable UTF\\-8.");
    puts(".SH OPTIONS");
    man_options(cli_global_options);
    puts(".SH COMMANDS");
    for (size_t i = 0; i < cli_n_commands; i++)
        man_command(&cli_commands[i]);
    puts(".SH EXIT STATUS");
    for (size_t i = 0; i < ARRAY_SIZE(exit_codes); i++) {
        printf(".TP\n%d\n", exit_codes[i].code);
        troff(exit_codes[i].help);
        fputs(".\n", stdout);
    }
    puts(".SH ENVIRONMENT\n.TP\n.B LIUHEN_SOCKET\nThe daemon's socket when\n.B \\-\\-socket\nis not given.\n"
         ".TP\n.B NO_COLOR\nNo colours, when set to anything.\n"
         ".SH FILES\n.I /run/liuhen/liuhen.sock\n"
         ".SH EXAMPLES\n.nf\n"
         "liuhen ls \\-\\-unlinked \\-\\-from 2026\\-11\\-01\n"
         "liuhen case add '本溪卫医罚〔2026〕12号' \\-\\-procedure general\n"
         "liuhen link 01KARC4M 01KARC5Q '本溪卫医罚〔2026〕12号' \\-\\-step service\n"
         "liuhen explain 01KARC4M\n"
         "liuhen receipt 01KARC4M \\-o clip.tlog\\-proof\n"
         "liuhen verify clip.tlog\\-proof clip.mp4 \\-\\-key ledger.pub\n.fi\n"
         ".SH SEE ALSO\n.BR liuhend (8),\n.BR retention.yaml (5)");
    return CLI_OK;
}
