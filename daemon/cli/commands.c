/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of commands. Usage, --help, shell completions and liuhen(1) are made from it.
 */
#include "cli/cli.h"

#define KINDS      "video|audio|photo|document|data"
#define PROCEDURES "general|summary|none"
#define GROUNDS                                                                                              \
    "objection|complaint|petition|evasion|refusal|obstruction|abuse|assault|mass-incident|emergency|other|"  \
    "litigation|audit"
#define NONE ((const struct option_row[]){{NULL, NULL, NULL}})

const struct option_row cli_global_options[] = {
    {"socket", "PATH", "the daemon's socket (default: $LIUHEN_SOCKET, else /run/liuhen/liuhen.sock)"},
    {"json", NULL, "answer in JSON"},
    {"help", NULL, "what a command does and takes"},
    {"version", NULL, "the version of this program"},
    {NULL, NULL, NULL},
};

static const struct option_row ls_options[] = {
    {"case", "CASE", "linked to this case (number or id)"},
    {"device", "DEVICE", "recorded by this device"},
    {"officer", "OFFICER", "recorded by this officer"},
    {"unit", "UNIT", "of this unit"},
    {"kind", KINDS, "of this kind"},
    {"class", "CLASS", "of this retention class"},
    {"take", "TAKE", "of this take (an id that `show` gives)"},
    {"from", "TIME", "recorded at or after: 2026-11-23, \"2026-11-23 14:30\" or RFC 3339"},
    {"to", "TIME", "recorded before; a date alone includes that day"},
    {"damaged", NULL, "damaged only"},
    {"unlinked", NULL, "without a case only"},
    {"held", NULL, "held only: by a hold of their own or of a case of theirs"},
    {"undecided", NULL, "without a decision only"},
    {"limit", "N", "at most so many (default 50; with --json all)"},
    {"all", NULL, "all of them"},
    {NULL, NULL, NULL},
};
#define ELIGIBLE_OPTIONS                                                                                     \
    {"class", "CLASS", "of this retention class"}, {"before", "TIME", "whose time was over before"},         \
    {                                                                                                        \
        "unit", "UNIT", "of this unit"                                                                       \
    }
static const struct option_row eligible_options[] = {ELIGIBLE_OPTIONS, {NULL, NULL, NULL}};
static const struct option_row propose_options[] = {
    {"eligible", NULL, "all that are eligible (at most 1,000)"},
    ELIGIBLE_OPTIONS,
    {"reason", "TEXT", "why these"},
    {NULL, NULL, NULL}};
static const struct option_row why_options[] = {{"reason", "TEXT", "why"}, {NULL, NULL, NULL}};
static const struct option_row case_add_options[] = {
    {"title", "TEXT", "what it is about"},
    {"procedure", PROCEDURES, "一般程序, 简易程序, or none (default)"},
    {"opened", "TIME", "when the matter began (default now)"},
    {NULL, NULL, NULL},
};
static const struct option_row case_set_options[] = {
    {"number", "NUMBER", "the number corrected"},
    {"title", "TEXT", "what it is about"},
    {"procedure", PROCEDURES, "一般程序, 简易程序, or none"},
    {"opened", "TIME", "when the matter began"},
    {NULL, NULL, NULL},
};
static const struct option_row date_options[] = {
    {"date", "TIME", "when it was so (default now)"},
    {NULL, NULL, NULL},
};
static const struct option_row case_ls_options[] = {
    {"state", "open|ended|filed", "in this state"},
    {"procedure", PROCEDURES, "of this procedure"},
    {"limit", "N", "at most so many (default 50; with --json all)"},
    {"all", NULL, "all of them"},
    {NULL, NULL, NULL},
};
static const struct option_row link_options[] = {
    {"role", "evidence|context", "what it is to the case (default evidence)"},
    {"step", "STEP", "the procedural step it supports"},
    {NULL, NULL, NULL},
};
static const struct option_row hold_add_options[] = {
    {"case", "CASE", "hold all recordings of this case, also those linked later"},
    {"ground", GROUNDS, "why (Art. 18; litigation and audit besides)"},
    {"matter", "NUMBER", "number of the complaint, petition or lawsuit"},
    {"reason", "TEXT", "in words; needed for ground other"},
    {NULL, NULL, NULL},
};
static const struct option_row hold_lift_options[] = {
    {"reason", "TEXT", "why it is no longer needed"},
    {NULL, NULL, NULL},
};
static const struct option_row hold_ls_options[] = {
    {"case", "CASE", "of this case"},
    {"recording", "REC", "that keep this recording"},
    {"all", NULL, "lifted ones too"},
    {NULL, NULL, NULL},
};
static const struct option_row output_options[] = {
    {"output", "FILE", "write it there instead of to standard output; - is standard output"},
    {NULL, NULL, NULL},
};
static const struct option_row get_options[] = {
    {"output", "FILE", "write it there (default: its own name, in this folder); - is standard output"},
    {NULL, NULL, NULL},
};
static const struct option_row open_options[] = {
    {"wait", NULL, "come back when there is something to look at; exit 1 and why when there never will be"},
    {"name", "NAME", "the address of this file alone, such as proxy.mp4 or original"},
    {NULL, NULL, NULL},
};
static const struct option_row jobs_options[] = {
    {"state", "waiting|running|done|failed|cancelled", "in this state"},
    {"limit", "N", "at most so many (default 50; with --json all)"},
    {"all", NULL, "all of them"},
    {NULL, NULL, NULL},
};
static const struct option_row copy_options[] = {
    {"form", "preserve|release|redact",
     "what it is for: to preserve (FFV1, FLAC), to hand out, or with parts hidden"},
    {"reason", "TEXT", "why it leaves the house, and for whom; the ledger keeps it"},
    {"plan", "FILE", "JSON: what is hidden and muted, and where (for redact)"},
    {"mark", "LINES", "lines of a watermark, with | between"},
    {"to", "FILE", "write it there; never over another file"},
    {NULL, NULL, NULL},
};
static const struct option_row verify_options[] = {
    {"key", "KEY", "the site's public key: a file (ledger.pub) or its text; `liuhen key` prints it"},
    {NULL, NULL, NULL},
};
static const struct option_row watch_options[] = {
    {"until-idle", NULL, "end when nothing is waiting, being sealed or examined any more"},
    {NULL, NULL, NULL},
};
static const struct option_row connection_options[] = {
    {"url", "URL",
     "where the system reaches us: https://host:8443, several with commas (default: http.names)"},
    {"out", "FILE", "write it there (default DEVICE-connection.json); - is standard output"},
    {"container", "mkv|mp4", "the form of its clips (default mkv)"},
    {"public-key", "FILE", "the system encrypts clips for this RSA key (PEM); it cannot be turned off again"},
    {"public-key-id", "TEXT", "how that key is called (default: the name of its file)"},
    {NULL, NULL, NULL},
};
static const struct option_row dock_options[] = {
    {"server", "SERVER", "https://host:8443, or the path of the daemon's socket on this machine"},
    {"token-file", "FILE", "this station's token, in a file that only its owner may read"},
    {"certificate", "FILE",
     "this station's certificate instead: PEM, or the .p12 that `liuhen device enrol` made"},
    {"key", "FILE", "its private key, if that is not in the same file"},
    {"ca", "FILE", "who signs the server's certificate (default: the authorities that this machine trusts)"},
    {"key-file", "FILE", "the site's public key for receipts (default: pinned at the first use)"},
    {"state", "DIR", "what must be remembered: uploads under way, receipts (default: /var/lib/liuhen-dock)"},
    {"config", "FILE", "settings (default: /etc/liuhen/dock.yaml, where it is there)"},
    {"jobs", "N", "so many files at the same time (default 4)"},
    {"serial", "SERIAL", "the camera's serial number (default: from the card, udev, or the USB device)"},
    {"wipe", NULL, "remove from the card what is sealed, file by file, where the site allows it"},
    {"once", NULL, "do not wait for a server that is away or busy; go on at the next run"},
    {"show-config", NULL, "print all settings in force with their help, and do nothing"},
    {NULL, NULL, NULL},
};
static const struct option_row fsck_options[] = {
    {"archive", "DIR", "the archive's folder (needed)"},
    {"catalogue", "DSN", "its catalogue, if not DIR/catalogue.db: a file or postgresql://…"},
    {"quick", NULL, "without replaying the ledger and deciding again"},
    {"deep", NULL, "read every original again and compare its digest"},
    {NULL, NULL, NULL},
};
static const struct option_row rebuild_options[] = {
    {"archive", "DIR", "the archive's folder (needed)"},
    {"to", "DSN", "the catalogue to make: a file or postgresql://… (needed; it must not exist or be empty)"},
    {NULL, NULL, NULL},
};

#define DEVICE_KINDS "camera|dock|phone|system|other"
static const struct option_row device_list_options[] = {
    {"all", NULL, "those out of use too"},
    {NULL, NULL, NULL},
};
static const struct option_row device_options[] = {
    {"name", "TEXT", "what people call it"},
    {"kind", DEVICE_KINDS, "what it is (default camera)"},
    {"unit", "UNIT", "whose unit it is"},
    {"timezone", "ZONE", "the time zone of its clock, such as Asia/Shanghai (default the site's)"},
    {"quota", "SIZE", "at most so much a day, such as \"20 GiB\""},
    {"rate", "N", "at most so many requests a minute"},
    {NULL, NULL, NULL},
};
static const struct option_row device_assign_options[] = {
    {"from", "TIME", "from then on (default now)"},
    {"until", "TIME", "up to then; a date alone includes that day (default: until the next assignment)"},
    {"nobody", NULL, "nobody has it from then on"},
    {"remove", NULL, "take the assignment back that begins --from: it was a mistake"},
    {NULL, NULL, NULL},
};
static const struct option_row device_token_options[] = {
    {"label", "TEXT", "what people call it"},
    {"expires", "TIME", "not good any more from then on; a date alone includes that day (default never)"},
    {NULL, NULL, NULL},
};
static const struct option_row device_enrol_options[] = {
    {"out", "DIR", "the folder to write to; it is made where it is missing"},
    {"days", "N", "good for so many days (default 825)"},
    {"fingerprint", "HEX", "note the certificate of another authority instead, by its SHA-256 fingerprint"},
    {"expires", "TIME", "with --fingerprint: when that one ends"},
    {"label", "TEXT", "what people call it"},
    {NULL, NULL, NULL},
};
static const struct option_row reason_options[] = {
    {"reason", "TEXT", "why"},
    {NULL, NULL, NULL},
};
static const struct option_row device_gaps_options[] = {
    {"since", "TIME", "only what was recorded at or after"},
    {NULL, NULL, NULL},
};

const struct command cli_commands[] = {
    {"status", "", 0, 0, NONE, "what the daemon is doing and what needs attention", "", cli_status},
    {"ls", "", 0, 0, ls_options, "list recordings, the newest first",
     "Flags: D damaged, ? not recognised, N not examined yet, L linked, H held, U undecided.\n"
     "Times are those of the site's zone. On a narrow terminal columns are left out; a pipe gets all.",
     cli_ls},
    {"show", "REC", 1, 1, NONE, "everything that is known about a recording",
     "REC is a recording's id or its beginning.", cli_show},
    {"explain", "REC", 1, 1, NONE,
     "why a recording is kept, by which rule, until when, and what would change it", "", cli_explain},
    {"history", "REC", 1, 1, NONE, "every act about a recording, case, hold or device, from the ledger", "",
     cli_history},
    {"case add", "NUMBER", 1, 1, case_add_options, "open a case file",
     "NUMBER as it is written, e.g. 本溪卫医罚〔2026〕12号; kinds of brackets, widths and spaces do not "
     "matter later.",
     cli_case_add},
    {"case set", "CASE", 1, 1, case_set_options, "correct a case's number, title, procedure or date", "",
     cli_case_set},
    {"case end", "CASE", 1, 1, date_options, "the enforcement act has ended", "", cli_case_end},
    {"case file", "CASE", 1, 1, date_options, "the case has been filed (立卷归档): its keeping begins to run",
     "", cli_case_file},
    {"case reopen", "CASE", 1, 1, NONE, "an ended case goes on", "", cli_case_reopen},
    {"case ls", "", 0, 0, case_ls_options, "list cases, the latest first", "", cli_case_ls},
    {"case show", "CASE", 1, 1, NONE, "a case with its holds and recordings", "", cli_case_show},
    {"link", "REC... CASE", 2, -1, link_options, "tie recordings to a case", "", cli_link},
    {"unlink", "REC... CASE", 2, -1, NONE, "take recordings from a case", "", cli_unlink},
    {"hold add", "[REC]", 0, 1, hold_add_options, "forbid disposal of a recording, or of a case's recordings",
     "Give either REC or --case, and always --ground.", cli_hold_add},
    {"hold lift", "HOLD", 1, 1, hold_lift_options, "lift a hold; others stay", "", cli_hold_lift},
    {"hold ls", "", 0, 0, hold_ls_options, "list holds that stand", "", cli_hold_ls},
    {"dispose eligible", "", 0, 0, eligible_options, "list what may be disposed of",
     "Its time is over by the policy in force and no hold stands. Nothing is erased by that.",
     cli_dispose_eligible},
    {"dispose propose", "[REC...]", 0, -1, propose_options, "propose a batch for disposal",
     "Name recordings, or give --eligible; always --reason.", cli_dispose_propose},
    {"dispose ls", "", 0, 0, NONE, "list batches of disposal", "", cli_dispose_ls},
    {"dispose show", "BATCH", 1, 1, NONE, "a batch, its list and approvals", "", cli_dispose_show},
    {"dispose notice", "BATCH", 1, 1, NONE, "freeze its list and begin the notice", "", cli_dispose_notice},
    {"dispose approve", "BATCH LIST", 2, 2, NONE, "approve its list",
     "LIST is the digest that `dispose show` gives. Two different people, in the roles that the policy "
     "names.",
     cli_dispose_approve},
    {"dispose withdraw", "BATCH", 1, 1, why_options, "take your approval back", "", cli_dispose_withdraw},
    {"dispose cancel", "BATCH", 1, 1, why_options, "give a batch up; all of it stays", "",
     cli_dispose_cancel},
    {"dispose execute", "BATCH", 1, 1, NONE, "erase what is on its list and still may go",
     "After the notice and both approvals. Each recording is checked again; what is erased cannot be brought "
     "back.",
     cli_dispose_execute},
    {"device list", "", 0, 0, device_list_options,
     "list devices: who has them, when they were heard of, alarms",
     "Alarms: silent (not heard of for devices.silent), clock (off by more than devices.clock).",
     cli_device_list},
    {"device show", "DEVICE", 1, 1, NONE, "a device with its assignments and keys",
     "DEVICE is a device's serial, or its id or the beginning of that.", cli_device_show},
    {"device add", "SERIAL", 1, 1, device_options, "register a device",
     "SERIAL as it stands on the device: recordings name it, and it is never changed.", cli_device_add},
    {"device set", "DEVICE", 1, 1, device_options, "change what is said of a device",
     "An empty value takes away what was there.", cli_device_set},
    {"device assign", "DEVICE [OFFICER]", 1, 2, device_assign_options,
     "say who has a device, from when until when",
     "What it recorded in that time is that officer's, unless a sidecar or a certain rule says otherwise.\n"
     "An assignment without an end ends with the next one; times that overlap are refused.",
     cli_device_assign},
    {"device token", "DEVICE", 1, 1, device_token_options, "make a token for a device and show it, this once",
     "The device sends it as a bearer token, or as the password with its serial as the user.",
     cli_device_token},
    {"device enrol", "DEVICE", 1, 1, device_enrol_options, "make a client certificate for a device",
     "Writes DEVICE.key, DEVICE.pem, ca.pem, DEVICE.p12 (its password is shown this once) and DEVICE.txt,\n"
     "which says how to import them. The private key is made here and is nowhere else.",
     cli_device_enrol},
    {"device revoke", "DEVICE KEYID", 2, 2, reason_options, "revoke a token or certificate",
     "KEYID is the key's id or its beginning; `liuhen device show` lists them.", cli_device_revoke},
    {"device retire", "DEVICE", 1, 1, reason_options, "take a device out of use: nothing it sends is taken",
     "", cli_device_retire},
    {"device return", "DEVICE", 1, 1, NONE, "take a device back into use", "", cli_device_return},
    {"device gaps", "DEVICE", 1, 1, device_gaps_options,
     "numbers that are missing in what a device delivered",
     "Cameras number their files. Where the number falls, the camera began to count anew: nothing is missing "
     "there.",
     cli_device_gaps},
    {"get", "REC", 1, 1, get_options, "fetch the original of a recording",
     "What comes is compared with what was sealed; never over another file. The ledger keeps who looked at "
     "what.",
     cli_get},
    {"open", "REC", 1, 1, open_options, "an address at which a browser on this machine shows the recording",
     "Whoever has the address sees the recording, in your name, until it ends (http.open_time) or the daemon "
     "does.\n"
     "Looking is recorded in the ledger.",
     cli_open},
    {"jobs show", "JOB", 1, 1, NONE, "all that is known of a job", "", cli_jobs_show},
    {"jobs cancel", "JOB", 1, 1, NONE, "give up a job that waits or runs", "", cli_jobs_cancel},
    {"jobs again", "REC", 1, 1, NONE, "make anew what there is of a recording to look at", "",
     cli_jobs_again},
    {"jobs", "", 0, 0, jobs_options, "work on recordings: what waits, runs, is done or failed",
     "What a narrow terminal has no room for, and why one failed, says `liuhen jobs show JOB`.", cli_jobs},
    {"copy", "REC", 1, 1, copy_options, "make a copy that leaves the house, and fetch it",
     "Waits until it is made and compares it with the digest that the ledger has of it. The original stays "
     "as it is.",
     cli_copy},
    {"receipt", "REC", 1, 1, output_options, "the signed receipt of a recording's seal, to keep elsewhere",
     "", cli_receipt},
    {"verify", "RECEIPT [FILE...]", 1, -1, verify_options,
     "check a receipt, and files against it, without the daemon",
     "Proves with the public key alone that the act in the receipt is in the site's ledger. Each FILE is "
     "digested and\n"
     "compared with the digest that was sealed. Exit 1 when anything does not verify.",
     cli_verify},
    {"key", "", 0, 0, output_options, "the ledger's public key, for verify", "", cli_key},
    {"quarantine ls", "", 0, 0, NONE, "what could not be taken in, and why", "", cli_quarantine_ls},
    {"watch", "", 0, 0, watch_options, "follow what arrives, live", "", cli_watch},
    {"device connection-file", "DEVICE", 1, 1, connection_options,
     "make the file that a body-worn system is told about this site by",
     "DEVICE is registered with kind system. The file holds a new key: load it into the system, then remove "
     "it.\n"
     "An older key stays good until it is revoked.",
     cli_device_connection_file},
    {"dock", "[CARD...]", 0, -1, dock_options,
     "send all new files of cameras' cards to the site, and keep the receipts",
     "CARD is a folder where a card is mounted, or a block device: that is mounted for this run alone, "
     "read-only.\n"
     "Each new file is sent by tus, resumably, and its receipt verified offline; what the site has already "
     "is not\n"
     "sent. What was interrupted, also by unplugging, goes on at the next run where it stopped. With --wipe "
     "a file\n"
     "is removed only after it was read again and is proved by its receipt. Exit 0 when everything on the "
     "cards is\n"
     "sealed, 1 when some file failed, 3 when a card is gone, 4 when the site does not let this station in, "
     "5 or 7\n"
     "when it could not be reached or was busy.",
     cli_dock},
    {"fsck", "", 0, 0, fsck_options, "prove that an archive holds together, and name what does not",
     "Works on the folder itself, with or without a running daemon, and changes nothing. Exit 1 when there "
     "are faults.",
     cli_fsck},
    {"rebuild", "", 0, 0, rebuild_options, "make the catalogue anew from the ledger",
     "The daemon must not run on the archive meanwhile.", cli_rebuild},
};

const size_t cli_n_commands = ARRAY_SIZE(cli_commands);
