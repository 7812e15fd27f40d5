/* RFC 3161 by OpenSSL's TS functions; the only file that includes them. */
#include "base/timestamp.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static void req_free(TS_REQ **p)
{
    TS_REQ_free(*p);
}
static void resp_free(TS_RESP **p)
{
    TS_RESP_free(*p);
}
static void verify_free(TS_VERIFY_CTX **p)
{
    TS_VERIFY_CTX_free(*p);
}
#define AUTO_REQ __attribute__((cleanup(req_free))) TS_REQ
#define AUTO_RESP __attribute__((cleanup(resp_free))) TS_RESP
#define AUTO_VERIFY __attribute__((cleanup(verify_free))) TS_VERIFY_CTX

/* ---- asking ---- */

static bool set_imprint(TS_REQ *q, const uint8_t digest[32])
{
    TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
    X509_ALGOR *algorithm = X509_ALGOR_new();
    unsigned char bytes[32];
    bool ok;

    memcpy(bytes, digest, sizeof bytes); /* the library's parameter is not const */
    ok = imprint && algorithm &&
         X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) &&
         TS_MSG_IMPRINT_set_algo(imprint, algorithm) &&
         TS_MSG_IMPRINT_set_msg(imprint, bytes, sizeof bytes) && TS_REQ_set_msg_imprint(q, imprint);
    X509_ALGOR_free(algorithm);
    TS_MSG_IMPRINT_free(imprint);
    return ok;
}

/* So that no older answer fits. */
static bool set_nonce(TS_REQ *q)
{
    unsigned char bytes[8];
    ASN1_INTEGER *nonce = ASN1_INTEGER_new();
    uint64_t v;
    bool ok;

    ok = nonce && RAND_bytes(bytes, sizeof bytes) == 1;
    memcpy(&v, bytes, sizeof v);
    ok = ok && ASN1_INTEGER_set_uint64(nonce, v | 1) && TS_REQ_set_nonce(q, nonce);
    ASN1_INTEGER_free(nonce);
    return ok;
}

int timestamp_request(const uint8_t digest[32], struct buf *out, struct err *err)
{
    AUTO_REQ *q = TS_REQ_new();
    unsigned char *der = NULL;
    int n;

    if (!q || !TS_REQ_set_version(q, 1) || !set_imprint(q, digest) || !set_nonce(q) ||
        !TS_REQ_set_cert_req(q, 1))
        return err_nomem(err);
    n = i2d_TS_REQ(q, &der);
    if (n <= 0)
        return err_nomem(err);
    buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    return buf_ok(out) ? 0 : err_nomem(err);
}

/* ---- judging ---- */

static const char *why(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason ? reason : "no reason given";
}

static int parse_reply(struct slice reply, TS_RESP **ret, struct err *err)
{
    const unsigned char *p = (const unsigned char *)reply.p;
    long status;

    ERR_clear_error();
    if (reply.n == 0 || reply.n > TIMESTAMP_MAX || !(*ret = d2i_TS_RESP(NULL, &p, (long)reply.n)) ||
        p != (const unsigned char *)reply.p + reply.n)
        return err_set(err, -EBADMSG, "the answer is no reply of RFC 3161");
    status = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(*ret)));
    if (status != TS_STATUS_GRANTED && status != TS_STATUS_GRANTED_WITH_MODS)
        return err_set(err, -EACCES, "the authority refused the stamp (status %ld)", status);
    if (!TS_RESP_get_tst_info(*ret))
        return err_set(err, -EBADMSG, "the reply holds no time stamp");
    return 0;
}

static int stamped_at(TS_RESP *reply, time_t *ret)
{
    const ASN1_GENERALIZEDTIME *t = TS_TST_INFO_get_time(TS_RESP_get_tst_info(reply));
    struct tm tm;

    if (!t || !ASN1_TIME_to_tm(t, &tm))
        return -EBADMSG;
    *ret = timegm(&tm);
    return *ret >= 0 ? 0 : -EBADMSG;
}

/* The context owns the store. */
static int trust(TS_VERIFY_CTX *c, const char *ca_file, struct err *err)
{
    X509_STORE *store = X509_STORE_new();

    if (!store)
        return err_nomem(err);
    if (!X509_STORE_load_file(store, ca_file)) {
        X509_STORE_free(store);
        return err_set(err, -EINVAL, "cannot read certificates from '%.100s': %.60s", ca_file,
                       why());
    }
    TS_VERIFY_CTX_set_store(c, store);
    return 0;
}

static int judge(TS_VERIFY_CTX *c, TS_RESP *reply, uint64_t *ret_time_us, struct err *err)
{
    time_t at;

    if (TS_RESP_verify_response(c, reply) != 1)
        return err_set(err, -EKEYREJECTED, "the time stamp does not hold: %.100s", why());
    if (stamped_at(reply, &at) < 0)
        return err_set(err, -EBADMSG, "the time stamp has no time");
    *ret_time_us = (uint64_t)at * USEC_PER_SEC;
    return 0;
}

int timestamp_check(struct slice request, struct slice reply, const char *ca_file,
                    uint64_t *ret_time_us, struct err *err)
{
    const unsigned char *p = (const unsigned char *)request.p;
    AUTO_REQ *q = d2i_TS_REQ(NULL, &p, (long)request.n);
    AUTO_VERIFY *c = q ? TS_REQ_to_TS_VERIFY_CTX(q, NULL) : NULL;
    AUTO_RESP *r = NULL;

    if (!c)
        return err_nomem(err);
    if (parse_reply(reply, &r, err) < 0)
        return err_code(err);
    TS_VERIFY_CTX_add_flags(c, TS_VFY_SIGNATURE);
    if (trust(c, ca_file, err) < 0)
        return err_code(err);
    return judge(c, r, ret_time_us, err);
}
