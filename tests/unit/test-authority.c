/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The small certificate authority: what it makes is what `openssl verify` accepts, requests are refused for the right reasons, and its
 * files are made once, kept from others, and made whole again after a crash between them.
 */
#include "ledger/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/x509.h"

static const char id[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

struct site {
    char *folder;
    struct authority *authority;
    struct error err;
};

static void check(const struct site *s, int got, int wanted, int line)
{
    if (got != wanted)
        fail_msg("line %d: returned %d, wanted %d: %s: %s", line, got, wanted, s->err.object, s->err.text);
}
#define OK(call)          check(s, (call), 0, __LINE__)
#define GIVES(code, call) check(s, (call), (code), __LINE__)

static int set_up(void **state)
{
    struct site *s = calloc(1, sizeof *s);
    char path[200];

    assert_non_null(s);
    *state = s;
    s->folder = strdup("/tmp/test-authority.XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(path, sizeof path, "%s/keys", s->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    OK(authority_open(s->folder, &s->authority, &s->err));
    return 0;
}

static int tear_down(void **state)
{
    struct site *s = *state;

    authority_free(s->authority);
    fd_remove_tree_at(AT_FDCWD, s->folder);
    free(s->folder);
    free(s);
    return 0;
}

static void open_again(struct site *s)
{
    s->authority = authority_free(s->authority);
    OK(authority_open(s->folder, &s->authority, &s->err));
}

static void write_text(const struct site *s, const char *name, const char *text, mode_t mode)
{
    char path[300];
    int fd;

    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
    close(fd);
}

static char *read_text(const struct site *s, const char *name)
{
    char path[300], *text;

    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    assert_int_equal(fd_read_file_at(AT_FDCWD, path, 65536, &text, NULL), 0);
    return text;
}

/* Whether a shell command in the folder succeeds. */
static bool succeeds(const struct site *s, const char *command)
{
    char line[1000];

    snprintf(line, sizeof line, "cd %s && { %s; } >log 2>&1", s->folder, command);
    return system(line) == 0;
}

static mode_t mode_of(const struct site *s, const char *name)
{
    char path[300];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void test_made_once(void **state)
{
    struct site *s = *state;
    _cleanup_free_ char *pem = strdup(authority_ca_pem(s->authority)), *key = read_text(s, "keys/ca.key"),
                        *again = NULL;
    struct x509_facts facts;

    assert_int_equal(mode_of(s, "keys/ca.key"), 0400);
    OK(x509_read(pem, &facts, &s->err));
    assert_true(facts.until_usec > clock_now_usec() + 19 * 365 * USEC_PER_DAY);
    open_again(s);
    assert_string_equal(authority_ca_pem(s->authority), pem);
    again = read_text(s, "keys/ca.key");
    assert_string_equal(again, key);
    assert_true(succeeds(s, "openssl x509 -in keys/ca.pem -noout -text | grep -q 'CA:TRUE, pathlen:0'"));
}

/* Eight that need it first at the same time end up with one. */
static void test_made_once_by_many(void **state)
{
    struct site *s = *state;
    pid_t children[8];

    assert_true(succeeds(s, "rm -f keys/ca.key keys/ca.pem"));
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            struct authority *a = NULL;
            char path[300];
            int fd, r = authority_open(s->folder, &a, NULL);

            snprintf(path, sizeof path, "%s/seen%zu", s->folder, i);
            fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
            if (r == 0)
                r = fd_write_full(fd, authority_ca_pem(a), strlen(authority_ca_pem(a)));
            authority_free(a);
            _exit(r == 0 ? 0 : 1);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        int status;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_true(succeeds(s, "for f in seen?; do cmp $f keys/ca.pem || exit 1; done"));
    open_again(s);
}

static void test_crash_between_files(void **state)
{
    struct site *s = *state;
    char request_key[DIGEST_HEX_SIZE];
    _cleanup_free_ char *key = read_text(s, "keys/ca.key"), *cert = NULL, *device = NULL, *request = NULL;
    char fingerprint[DIGEST_HEX_SIZE];
    int64_t until;

    OK(x509_key_new(&device, &s->err));
    OK(x509_key_read(device, request_key, &s->err));
    OK(x509_request_new(device, "x", &request, &s->err));
    OK(authority_sign_device(s->authority, request, "CAM-1", id, 30, &cert, fingerprint, &until, &s->err));
    assert_true(succeeds(s, "rm -f keys/ca.pem"));
    open_again(s);
    assert_true(x509_is_signed_by(cert, authority_ca_pem(s->authority))); /* what was signed stays good */
}

static void refused(struct site *s, int code, const char *words)
{
    struct authority *a = NULL;

    GIVES(code, authority_open(s->folder, &a, &s->err));
    assert_null(a);
    if (!strstr(s->err.text, words))
        fail_msg("wanted \"%s\" in \"%s\"", words, s->err.text);
}

static void test_bad_files(void **state)
{
    struct site *s = *state;
    _cleanup_free_ char *key = read_text(s, "keys/ca.key"), *pem = read_text(s, "keys/ca.pem"), *other = NULL;

    assert_true(succeeds(s, "chmod 0440 keys/ca.key"));
    refused(s, -EACCES, "others may read");
    OK(x509_key_new(&other, &s->err));
    write_text(s, "keys/ca.key", other, 0400);
    refused(s, -EPROTO, "does not belong");
    write_text(s, "keys/ca.key", "nonsense", 0400);
    refused(s, -EINVAL, "cannot be read");
    assert_true(succeeds(s, "rm -f keys/ca.key"));
    refused(s, -EPROTO, "is missing");
    write_text(s, "keys/ca.key", key, 0400);
    write_text(s, "keys/ca.pem", "nonsense", 0444);
    refused(s, -EINVAL, "cannot be read");
    write_text(s, "keys/ca.pem", pem, 0444);
    open_again(s);
    assert_true(succeeds(s, "mv keys/ca.key elsewhere; ln -s ../elsewhere keys/ca.key"));
    refused(s, -EACCES, "others may read");
}

/* A request made by the real openssl. */
static char *openssl_request(struct site *s, const char *algorithm)
{
    char command[400];

    snprintf(
        command, sizeof command,
        "openssl req -new -newkey %s -nodes -keyout dev.key -subj '/CN=root/O=someone else' -out dev.csr",
        algorithm);
    assert_true(succeeds(s, command));
    return read_text(s, "dev.csr");
}

static void test_devices(void **state)
{
    struct site *s = *state;
    _cleanup_free_ char *request = openssl_request(s, "rsa:2048"), *cert = NULL;
    char fingerprint[DIGEST_HEX_SIZE];
    struct x509_facts facts;
    int64_t until;

    OK(authority_sign_device(s->authority, request, "CAM-1, O=root", id, 30, &cert, fingerprint, &until,
                             &s->err));
    write_text(s, "dev.pem", cert, 0644);
    assert_true(succeeds(s, "openssl verify -x509_strict -purpose sslclient -CAfile keys/ca.pem dev.pem"));
    assert_false(succeeds(s, "openssl verify -purpose sslserver -CAfile keys/ca.pem dev.pem"));
    assert_true(succeeds(s, "openssl x509 -in dev.pem -noout -subject -nameopt utf8,sep_multiline | "
                            "grep -qx '    CN=CAM-1, O=root'")); /* the request's own name is not looked at */
    assert_true(succeeds(s, "openssl x509 -in dev.pem -noout -ext subjectAltName | grep -q "
                            "'URI:urn:liuhen:device:01ARZ3NDEKTSV4RRFFQ69G5FAV'"));
    OK(x509_read(cert, &facts, &s->err));
    assert_string_equal(facts.fingerprint, fingerprint);
    assert_true(
        succeeds(s, "openssl x509 -in dev.pem -noout -fingerprint -sha256 | tr -d : | tr A-F a-f >fp"));
    {
        _cleanup_free_ char *fp = read_text(s, "fp");
        assert_non_null(strstr(fp, fingerprint));
    }
    assert_true(until > clock_now_usec() + 29 * USEC_PER_DAY && until < clock_now_usec() + 31 * USEC_PER_DAY);
    assert_int_equal(until / USEC_PER_SEC, facts.until_usec / USEC_PER_SEC);
}

static void test_bad_requests(void **state)
{
    struct site *s = *state;
    _cleanup_free_ char *weak = openssl_request(s, "rsa:1024"), *small = NULL, *good = NULL, *cert = NULL,
                        *large = calloc(1, AUTHORITY_REQUEST_MAX + 2);
    char fingerprint[DIGEST_HEX_SIZE], *at;
    int64_t until;

#define SIGN(request, days)                                                                                  \
    authority_sign_device(s->authority, request, "CAM-1", id, days, &cert, fingerprint, &until, &s->err)
    GIVES(-EINVAL, SIGN(weak, 30));
    small = openssl_request(s, "ec -pkeyopt ec_paramgen_curve:secp224r1");
    GIVES(-EINVAL, SIGN(small, 30));
    good = openssl_request(s, "ec -pkeyopt ec_paramgen_curve:P-384");
    GIVES(-EINVAL, SIGN("", 30));
    GIVES(-EINVAL, SIGN(authority_ca_pem(s->authority), 30));
    memset(large, 'x', AUTHORITY_REQUEST_MAX + 1);
    GIVES(-EINVAL, SIGN(large, 30));
    GIVES(-EINVAL, SIGN(good, 0));
    GIVES(-EINVAL, SIGN(good, -1));
    GIVES(-EINVAL, SIGN(good, AUTHORITY_DEVICE_DAYS_MAX + 1));
    assert_null(cert);
    OK(SIGN(good, 30));
    cert = (free(cert), NULL);
    at = strchr(good, '\n') + 1; /* its name changed: not signed so */
    at = strchr(at, '\n') - 20;
    *at = *at == 'A' ? 'B' : 'A';
    GIVES(-EINVAL, SIGN(good, 30));
    assert_null(cert);
}

static void test_long_serial(void **state)
{
    struct site *s = *state;
    _cleanup_free_ char *key = NULL, *request = NULL, *cert = NULL;
    char fingerprint[DIGEST_HEX_SIZE], serial[101];
    int64_t until;

    memset(serial, 'x', 100);
    serial[100] = 0;
    OK(x509_key_new(&key, &s->err));
    OK(x509_request_new(key, serial, &request, &s->err));
    OK(authority_sign_device(s->authority, request, serial, id, 825, &cert, fingerprint, &until, &s->err));
    write_text(s, "dev.pem", cert, 0644);
    assert_true(succeeds(s, "openssl x509 -in dev.pem -noout -subject | grep -q 01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    cert = (free(cert), NULL);
    OK(authority_sign_device(s->authority, request, "执法记录仪", id, 825, &cert, fingerprint, &until,
                             &s->err));
    write_text(s, "dev.pem", cert, 0644);
    assert_true(succeeds(s, "openssl x509 -in dev.pem -noout -subject -nameopt utf8 | grep -q 执法记录仪"));
}

static void test_server(void **state)
{
    static const char *const names[] = {"evidence.example.org", "192.0.2.7", "2001:db8::7",
                                        "a,DNS:evil.example.org"};
    struct site *s = *state;
    _cleanup_free_ char *pem = NULL, *key = NULL, *again = NULL, *again_key = NULL, *more = NULL,
                        *more_key = NULL;

    OK(authority_server_certificate(s->authority, names, 3, &pem, &key, &s->err));
    assert_int_equal(mode_of(s, "keys/server.key"), 0400);
    assert_true(
        succeeds(s, "openssl verify -x509_strict -purpose sslserver -verify_hostname evidence.example.org "
                    "-CAfile keys/ca.pem keys/server.pem"));
    assert_true(succeeds(s, "openssl verify -verify_ip 192.0.2.7 -CAfile keys/ca.pem keys/server.pem"));
    assert_true(succeeds(s, "openssl verify -verify_ip 2001:db8::7 -CAfile keys/ca.pem keys/server.pem"));
    assert_true(succeeds(s, "openssl verify -verify_hostname localhost -CAfile keys/ca.pem keys/server.pem"));
    assert_false(
        succeeds(s, "openssl verify -verify_hostname other.org -CAfile keys/ca.pem keys/server.pem"));
    assert_false(succeeds(s, "openssl verify -purpose sslclient -CAfile keys/ca.pem keys/server.pem"));
    OK(authority_server_certificate(s->authority, names, 3, &again, &again_key, &s->err));
    assert_string_equal(again, pem);
    assert_string_equal(again_key, key);
    OK(authority_server_certificate(s->authority, names, 4, &more, &more_key, &s->err)); /* a name more */
    assert_string_not_equal(more, pem);
    assert_false(x509_is_for(more, "evil.example.org")); /* one name is one name */
}

/* A server's certificate for the same key and names as the one that is there, from so many days ago until in so many. */
static void replace_server(struct site *s, const char *key, int64_t days_ago, int64_t days_left)
{
    _cleanup_free_ char *ca_key = read_text(s, "keys/ca.key"), *request = NULL, *pem = NULL, *list = NULL;
    int64_t now = clock_now_usec();
    const char *names[200];
    struct x509_spec spec = {X509_USE_SERVER,
                             "localhost",
                             names,
                             0,
                             now - days_ago * USEC_PER_DAY,
                             now + days_left * USEC_PER_DAY};

    assert_true(succeeds(
        s, "openssl x509 -in keys/server.pem -noout -ext subjectAltName | tail -1 | tr , '\\n' | sed "
           "'s/^ *[A-Za-z ]*://' >names"));
    list = read_text(s, "names");
    for (char *p = strtok(list, "\n"); p && spec.n_names < ARRAY_SIZE(names); p = strtok(NULL, "\n"))
        names[spec.n_names++] = p;
    OK(x509_request_new(key, "localhost", &request, &s->err));
    OK(x509_sign(authority_ca_pem(s->authority), ca_key, request, &spec, &pem, &s->err));
    write_text(s, "keys/server.pem", pem, 0444);
}

/* A certificate that is half over is not used any longer, nor one that cannot be read. */
static void test_server_renewed(void **state)
{
    struct site *s = *state;
    _cleanup_free_ char *pem = NULL, *key = NULL, *same = NULL, *same_key = NULL, *fresh = NULL,
                        *fresh_key = NULL, *again = NULL, *again_key = NULL;
    struct x509_facts facts;

    OK(authority_server_certificate(s->authority, NULL, 0, &pem, &key, &s->err));
    replace_server(s, key, 40, 60);
    OK(authority_server_certificate(s->authority, NULL, 0, &same, &same_key, &s->err));
    assert_string_equal(same_key, key);
    OK(x509_read(same, &facts, &s->err));
    assert_true(facts.until_usec < clock_now_usec() + 61 * USEC_PER_DAY);
    replace_server(s, key, 60, 40);
    OK(authority_server_certificate(s->authority, NULL, 0, &fresh, &fresh_key, &s->err));
    assert_string_not_equal(fresh_key, key);
    OK(x509_read(fresh, &facts, &s->err));
    assert_true(facts.until_usec > clock_now_usec() + 800 * USEC_PER_DAY);
    write_text(s, "keys/server.pem", "cut off", 0444);
    OK(authority_server_certificate(s->authority, NULL, 0, &again, &again_key, &s->err));
    assert_string_not_equal(again, fresh);
}

static void test_bundle(void **state)
{
    struct site *s = *state;
    _cleanup_free_ char *key = NULL, *request = NULL, *cert = NULL;
    _cleanup_free_ uint8_t *data = NULL;
    char fingerprint[DIGEST_HEX_SIZE], path[300];
    int64_t until;
    size_t size;
    int fd;

    OK(x509_key_new(&key, &s->err));
    OK(x509_request_new(key, "CAM-1", &request, &s->err));
    OK(authority_sign_device(s->authority, request, "CAM-1", id, 825, &cert, fingerprint, &until, &s->err));
    OK(x509_bundle(key, cert, authority_ca_pem(s->authority), "CAM-1", "geheim", &data, &size, &s->err));
    snprintf(path, sizeof path, "%s/dev.p12", s->folder);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_int_equal(fd_write_full(fd, data, size), 0);
    close(fd);
    assert_true(succeeds(s, "openssl pkcs12 -in dev.p12 -passin pass:geheim -nodes -out all.pem && "
                            "grep -q PRIVATE all.pem && [ $(grep -c BEGIN.CERT all.pem) = 2 ]"));
    assert_false(succeeds(s, "openssl pkcs12 -in dev.p12 -passin pass:falsch -nodes -out all.pem"));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_made_once_by_many),
        CASE(test_made_once),
        CASE(test_crash_between_files),
        CASE(test_bad_files),
        CASE(test_devices),
        CASE(test_bad_requests),
        CASE(test_long_serial),
        CASE(test_server),
        CASE(test_server_renewed),
        CASE(test_bundle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
