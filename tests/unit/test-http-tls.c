/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS and client certificates: a real server with certificates made for the test, and a GnuTLS client that presents good, expired,
 * foreign and wrong ones, or none.
 */
#include "http-fixture.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#define DAY 86400

struct identity {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    char *key_pem, *pem;
    char fingerprint[DIGEST_HEX_SIZE];
};

struct made {
    const struct identity *signer; /* NULL: itself */
    bool authority;
    const char *purpose; /* NULL: none */
    time_t from, to;     /* from now, s */
};

static struct identity authority, foreign, server, good, expired, early, strange, wrong;

static void ok(int r)
{
    if (r < 0)
        fail_msg("GnuTLS: %s", gnutls_strerror(r));
}

static void identity_make(struct identity *i, const char *name, const struct made *how)
{
    const struct identity *signer = how->signer ? how->signer : i;
    static unsigned char serial;
    gnutls_datum_t out;
    struct digest fingerprint;

    ok(gnutls_x509_privkey_init(&i->key));
    ok(gnutls_x509_privkey_generate(i->key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
                                    0));
    ok(gnutls_x509_crt_init(&i->certificate));
    ok(gnutls_x509_crt_set_version(i->certificate, 3));
    serial++;
    ok(gnutls_x509_crt_set_serial(i->certificate, &serial, 1));
    ok(gnutls_x509_crt_set_dn_by_oid(i->certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                     (unsigned)strlen(name)));
    ok(gnutls_x509_crt_set_activation_time(i->certificate, time(NULL) + how->from));
    ok(gnutls_x509_crt_set_expiration_time(i->certificate, time(NULL) + how->to));
    ok(gnutls_x509_crt_set_key(i->certificate, i->key));
    ok(gnutls_x509_crt_set_basic_constraints(i->certificate, how->authority, -1));
    if (how->authority)
        ok(gnutls_x509_crt_set_key_usage(i->certificate, GNUTLS_KEY_KEY_CERT_SIGN));
    if (how->purpose)
        ok(gnutls_x509_crt_set_key_purpose_oid(i->certificate, how->purpose, 0));
    ok(gnutls_x509_crt_sign2(i->certificate, signer->certificate, signer->key, GNUTLS_DIG_SHA256, 0));
    ok(gnutls_x509_crt_export2(i->certificate, GNUTLS_X509_FMT_PEM, &out));
    i->pem = strndup((char *)out.data, out.size);
    gnutls_free(out.data);
    ok(gnutls_x509_privkey_export2(i->key, GNUTLS_X509_FMT_PEM, &out));
    i->key_pem = strndup((char *)out.data, out.size);
    gnutls_free(out.data);
    ok(gnutls_x509_crt_export2(i->certificate, GNUTLS_X509_FMT_DER, &out));
    digest_of(out.data, out.size, &fingerprint);
    digest_to_hex(&fingerprint, i->fingerprint);
    gnutls_free(out.data);
}

static void identity_done(struct identity *i)
{
    gnutls_x509_privkey_deinit(i->key);
    gnutls_x509_crt_deinit(i->certificate);
    free(i->pem);
    free(i->key_pem);
}

static const struct {
    struct identity *identity;
    const char *name;
    struct made how;
} identities[] = {
    {&authority, "site", {NULL, true, NULL, -DAY, 10 * DAY}},
    {&foreign, "elsewhere", {NULL, true, NULL, -DAY, 10 * DAY}},
    {&server, "server", {&authority, false, GNUTLS_KP_TLS_WWW_SERVER, -DAY, 10 * DAY}},
    {&good, "dock", {&authority, false, GNUTLS_KP_TLS_WWW_CLIENT, -DAY, 10 * DAY}},
    {&expired, "old", {&authority, false, GNUTLS_KP_TLS_WWW_CLIENT, -10 * DAY, -2 * DAY}},
    {&early, "early", {&authority, false, GNUTLS_KP_TLS_WWW_CLIENT, 2 * DAY, 10 * DAY}},
    {&strange, "dock", {&foreign, false, GNUTLS_KP_TLS_WWW_CLIENT, -DAY, 10 * DAY}},
    {&wrong, "not-a-client", {&authority, false, GNUTLS_KP_TLS_WWW_SERVER, -DAY, 10 * DAY}},
};

static int make_identities(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(identities); i++)
        identity_make(identities[i].identity, identities[i].name, &identities[i].how);
    return 0;
}

static int drop_identities(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(identities); i++)
        identity_done(identities[i].identity);
    return 0;
}

static struct http_options options_of(const struct identity *who, const char *client_ca)
{
    struct http_options options = fixture_options();

    options.certificate = who->pem;
    options.key = who->key_pem;
    options.client_ca = client_ca;
    return options;
}

static int setup(void **state)
{
    struct http_options options = options_of(&server, authority.pem);

    *state = fixture_new(&options);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* ---- a client --------------------------------------------------------------------------------------------------------------- */

struct client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

/* Presents its certificate whatever authorities the server names. */
static int present(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
                   const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_retr2_st *st)
{
    const struct identity *who = gnutls_session_get_ptr(session);

    *st = (gnutls_retr2_st){.cert_type = GNUTLS_CRT_X509, .key_type = GNUTLS_PRIVKEY_X509};
    if (who) {
        st->ncerts = 1;
        st->cert.x509 = (gnutls_x509_crt_t *)&who->certificate;
        st->key.x509 = who->key;
    }
    return 0;
}

/* Return: what the handshake gave. */
static int client_new_from(const struct fixture *f, const char *from, const struct identity *who,
                           const char *priorities, struct client *c)
{
    int r;

    c->fd = fixture_dial_from(f, HTTP_TLS, from);
    ok(gnutls_certificate_allocate_credentials(&c->credentials));
    gnutls_certificate_set_retrieve_function(c->credentials, present);
    ok(gnutls_init(&c->session, GNUTLS_CLIENT));
    gnutls_session_set_ptr(c->session, (void *)who);
    ok(gnutls_priority_set_direct(c->session, priorities, NULL));
    ok(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials));
    gnutls_transport_set_int(c->session, c->fd);
    do
        r = gnutls_handshake(c->session);
    while (r < 0 && !gnutls_error_is_fatal(r));
    return r;
}

static int client_new(const struct fixture *f, const struct identity *who, const char *priorities,
                      struct client *c)
{
    return client_new_from(f, "127.0.0.1", who, priorities, c);
}

static void client_done(struct client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->credentials);
    close(c->fd);
}

static ssize_t client_recv(void *cls, void *buf, size_t size)
{
    struct client *c = cls;
    ssize_t n;

    do
        n = gnutls_record_recv(c->session, buf, size);
    while (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN);
    return n;
}

static void client_send(struct client *c, const void *data, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t n = gnutls_record_send(c->session, (const char *)data + sent, size - sent);

        assert_true(n > 0);
        sent += (size_t)n;
    }
}

static void who_am_i(const struct fixture *f, const struct identity *who, const char *priorities,
                     struct reply *r)
{
    static const char text[] = "GET /who HTTP/1.1\r\nHost: x\r\n\r\n";
    struct client c;

    ok(client_new(f, who, priorities, &c));
    client_send(&c, text, strlen(text));
    fixture_read(client_recv, &c, false, r);
    assert_int_equal(r->status, 200);
    client_done(&c);
}

static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"};

/* ---- tests -------------------------------------------------------------------------------------------------------------------- */

static void certificates_are_judged(void **state)
{
    static const struct {
        const struct identity *who;
        const char *fault; /* its beginning */
    } cases[] = {{NULL, ""},
                 {&good, ""},
                 {&expired, "expired 2"},
                 {&early, "not valid before 2"},
                 {&strange, "not signed by this site"},
                 {&wrong, "not made for clients"}};
    struct fixture *f = *state;

    for (size_t v = 0; v < ARRAY_SIZE(versions); v++)
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            char expected[200];
            struct reply r;

            snprintf(expected, sizeof expected, "2|127.0.0.1|-1|%s|%s",
                     cases[i].who ? cases[i].who->fingerprint : "", cases[i].fault);
            who_am_i(f, cases[i].who, versions[v], &r);
            if (strncmp(r.body, expected, strlen(expected)) != 0 ||
                (!*cases[i].fault && strcmp(r.body, expected) != 0))
                fail_msg("%s is not %s", r.body, expected);
            reply_done(&r);
        }
}

static void old_versions_are_refused(void **state)
{
    static const char *const old[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.1", "NORMAL:-VERS-ALL:+VERS-TLS1.0",
                                      "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA",
                                      "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC"};

    for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
        struct client c;

        if (client_new(*state, NULL, old[i], &c) >= 0)
            fail_msg("%s was taken", old[i]);
        client_done(&c);
    }
}

static void without_a_client_authority_none_is_asked_for(void **state)
{
    struct http_options options = options_of(&server, NULL);
    struct fixture *f = fixture_new(&options);
    struct reply r;

    who_am_i(f, &good, versions[1], &r);
    assert_string_equal(r.body, "2|127.0.0.1|-1||");
    reply_done(&r);
    fixture_free(f);
}

static void bodies_and_files(void **state)
{
    struct fixture *f = *state;
    static const char put[] =
        "PUT /sink HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3000000\r\n\r\n",
                      get[] = "GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=100-\r\n\r\n",
                      head[] = "HEAD /file HTTP/1.1\r\nHost: x\r\n\r\n";
    _cleanup_free_ char *data = malloc(3000000);
    struct client c;
    struct reply r;

    memset(data, 'd', 3000000);
    f->file_bytes = 700000;
    f->file = malloc(f->file_bytes);
    for (size_t i = 0; i < f->file_bytes; i++)
        f->file[i] = (char)(i / 3 + i / 251);
    ok(client_new(f, &good, versions[1], &c));
    client_send(&c, put, strlen(put));
    fixture_read(client_recv, &c, false, &r);
    assert_int_equal(r.status, 100);
    reply_done(&r);
    client_send(&c, data, 3000000);
    fixture_read(client_recv, &c, false, &r);
    assert_memory_equal(r.body, "3000000 bytes", 13);
    reply_done(&r);
    client_send(&c, get, strlen(get));
    fixture_read(client_recv, &c, false, &r);
    assert_int_equal(r.status, 206);
    assert_int_equal(r.body_size, f->file_bytes - 100);
    assert_memory_equal(r.body, f->file + 100, r.body_size);
    reply_done(&r);
    client_send(&c, head, strlen(head));
    fixture_read(client_recv, &c, true, &r);
    assert_string_equal(reply_header(&r, "Content-Length"), "700000");
    reply_done(&r);
    client_done(&c);
}

/* The answer goes past the library through its TLS session. */
static void refused_while_sending(void **state)
{
    struct fixture *f = *state;
    static const char *const puts[] = {
        "PUT /refuse HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4000000\r\n\r\n",
        "PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n",
        "PUT /until/100000 HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n"};
    _cleanup_free_ char *data = calloc(1, 4000000);

    for (size_t i = 0; i < ARRAY_SIZE(puts); i++)
        for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
            struct client c;
            struct reply r;

            ok(client_new(f, NULL, versions[v], &c));
            client_send(&c, puts[i], strlen(puts[i]));
            if (i > 0)
                client_send(&c, data, 4000000);
            fixture_read(client_recv, &c, false, &r);
            assert_int_equal(r.status, i == 2 ? 413 : 403);
            reply_done(&r);
            assert_int_equal(client_recv(&c, data, 1), 0); /* ended in order, not cut */
            client_done(&c);
        }
    fixture_await(f, &f->closed_cut, 6);
}

/* Each address has its share. */
static void too_many_from_one_address(void **state)
{
    static const char put[] = "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
                      get[] = "GET /sink HTTP/1.1\r\nHost: x\r\n\r\n";
    struct http_options options = options_of(&server, authority.pem);
    struct client busy[2], more, other;
    struct fixture *f;
    struct reply r;

    options.connections_per_address = 2;
    f = fixture_new(&options);
    for (unsigned i = 0; i < 2; i++) {
        ok(client_new(f, NULL, versions[1], &busy[i]));
        client_send(&busy[i], put, strlen(put));
        fixture_await(f, &f->begun, i + 1);
    }
    ok(client_new(f, NULL, versions[1], &more));
    client_send(&more, get, strlen(get));
    fixture_read(client_recv, &more, false, &r);
    assert_int_equal(r.status, 503);
    reply_done(&r);
    ok(client_new_from(f, "127.0.0.2", NULL, versions[1], &other));
    client_send(&other, get, strlen(get));
    fixture_read(client_recv, &other, false, &r);
    assert_int_equal(r.status, 200);
    reply_done(&r);
    client_done(&busy[0]);
    client_done(&busy[1]);
    client_done(&more);
    client_done(&other);
    fixture_free(f);
}

static void no_handshake(void **state)
{
    struct fixture *f = *state;
    int silent = fixture_dial(f, HTTP_TLS), plain = fixture_dial(f, HTTP_TLS),
        half = fixture_dial(f, HTTP_TLS);
    struct reply r;

    fixture_put(plain, "GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(fixture_ended(plain));
    fixture_put(half, "\x16\x03\x01\x02");
    close(half);
    who_am_i(f, NULL, versions[1], &r);
    reply_done(&r);
    close(silent);
    close(plain);
}

static void what_cannot_be_used_is_said(void **state)
{
    const struct {
        const char *certificate, *key, *ca, *says;
    } cases[] = {
        {NULL, server.key_pem, authority.pem, "http.certificate"},
        {server.pem, NULL, authority.pem, "http.key"},
        {"nonsense", server.key_pem, authority.pem, "http.certificate"},
        {server.pem, "nonsense", authority.pem, "http.certificate"},
        {server.pem, good.key_pem, authority.pem, "http.certificate"},
        {server.pem, server.key_pem, "nonsense", "http.client_ca"},
        {server.pem, server.key_pem, "", "http.client_ca"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_options options = fixture_options();
        struct http_service service = {NULL};
        struct error err = ERROR_INIT;
        struct http_listener listener = {http_listen_tcp("127.0.0.1:0", false, &err), HTTP_TLS};
        struct http_server *s = NULL;

        options.certificate = cases[i].certificate;
        options.key = cases[i].key;
        options.client_ca = cases[i].ca;
        assert_int_equal(http_server_new(&listener, 1, &options, &service, &s, &err), -EINVAL);
        assert_null(s);
        assert_string_equal(err.object, cases[i].says);
        assert_int_equal(fcntl(listener.fd, F_GETFD), -1); /* it was the server's */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(certificates_are_judged, setup, teardown),
        cmocka_unit_test_setup_teardown(old_versions_are_refused, setup, teardown),
        cmocka_unit_test(without_a_client_authority_none_is_asked_for),
        cmocka_unit_test_setup_teardown(bodies_and_files, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_while_sending, setup, teardown),
        cmocka_unit_test(too_many_from_one_address),
        cmocka_unit_test_setup_teardown(no_handshake, setup, teardown),
        cmocka_unit_test(what_cannot_be_used_is_said),
    };

    return cmocka_run_group_tests(tests, make_identities, drop_identities);
}
