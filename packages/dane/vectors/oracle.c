/*
 * The second opinion: OpenSSL's own DANE code on the same chain, records and names.
 *
 * Reads vectors from standard input, one field a line, and answers each with one line:
 *
 *     time SECONDS | base NAME | other NAME | cert HEX | tlsa U S M HEX | end
 *     -> usable(0/1) authenticated(0/1) error text
 *
 * It does what libssl does for an SMTP client: no name checks for DANE-EE (RFC 7672 section 3.2.1), no partial
 * wildcards (section 3.2.3), purpose "TLS server", security level 1.
 *
 * cc -o oracle oracle.c -lssl -lcrypto
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { MAX_ITEMS = 2000 };

struct bytes { unsigned char *data; size_t length; };
struct tlsa { int usage, selector, mtype; struct bytes data; };

static struct bytes certs[MAX_ITEMS];
static struct tlsa records[MAX_ITEMS];
static char *others[MAX_ITEMS];
static int cert_count, record_count, other_count;
static char base[300];
static long at;

static struct bytes unhex(const char *text)
{
    struct bytes out = { malloc(strlen(text) / 2 + 1), 0 };
    unsigned value;

    while (sscanf(text, "%2x", &value) == 1 && text[0] && text[1]) {
        out.data[out.length++] = (unsigned char) value;
        text += 2;
    }
    return out;
}

static X509 *parse(struct bytes der)
{
    const unsigned char *p = der.data;
    X509 *cert = d2i_X509(NULL, &p, (long) der.length);

    if (cert != NULL && p != der.data + der.length) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static void verify(SSL *ssl)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    X509 *leaf;
    int i;

    for (i = 0; i < cert_count; i++) {
        X509 *cert = parse(certs[i]);

        if (cert == NULL) {
            printf("1 0 certificate %d can't be parsed\n", i);
            return;
        }
        sk_X509_push(chain, cert);
    }
    if (cert_count == 0) {
        printf("1 0 no certificate\n");
        return;
    }
    leaf = sk_X509_value(chain, 0);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set_time(param, at);
    X509_VERIFY_PARAM_set_auth_level(param, 1);
    X509_STORE_CTX_init(ctx, store, leaf, chain);
    X509_STORE_CTX_set0_dane(ctx, SSL_get0_dane(ssl));
    X509_STORE_CTX_set_default(ctx, "ssl_server");
    X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(ctx), param);
    i = X509_verify_cert(ctx);
    printf("1 %d %s\n", i == 1, X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
}

static void judge(SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);
    int i, usable = 0;

    SSL_dane_enable(ssl, base);
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    for (i = 0; i < other_count; i++)
        SSL_add1_host(ssl, others[i]);
    for (i = 0; i < record_count; i++) {
        struct tlsa *r = &records[i];

        /* RFC 7672 section 3.1.3: an SMTP client takes the PKIX usages as unusable. */
        if (r->usage < 2 || r->usage > 255 || r->selector > 255 || r->mtype > 255)
            continue;
        if (SSL_dane_tlsa_add(ssl, (uint8_t) r->usage, (uint8_t) r->selector, (uint8_t) r->mtype,
                              r->data.data, r->data.length) > 0)
            usable++;
    }
    if (usable > 0)
        verify(ssl);
    else
        printf("0 0 no usable record\n");
    fflush(stdout);
    ERR_clear_error();
}

int main(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    char *line = NULL;
    size_t size = 0;
    ssize_t length;

    SSL_CTX_dane_enable(context);
    while ((length = getline(&line, &size, stdin)) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (strncmp(line, "time ", 5) == 0)
            at = atol(line + 5);
        else if (strncmp(line, "base ", 5) == 0)
            snprintf(base, sizeof base, "%s", line + 5);
        else if (strncmp(line, "other ", 6) == 0 && other_count < MAX_ITEMS)
            others[other_count++] = strdup(line + 6);
        else if (strncmp(line, "cert ", 5) == 0 && cert_count < MAX_ITEMS)
            certs[cert_count++] = unhex(line + 5);
        else if (strncmp(line, "tlsa ", 5) == 0 && record_count < MAX_ITEMS) {
            struct tlsa *r = &records[record_count++];
            int used = 0;

            sscanf(line + 5, "%d %d %d %n", &r->usage, &r->selector, &r->mtype, &used);
            r->data = unhex(line + 5 + used);
        } else if (strcmp(line, "end") == 0) {
            judge(context);
            cert_count = record_count = other_count = 0;
        }
    }
    return 0;
}
