#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

/* Out of memory inside OpenSSL, never outside data: see the header. */
static void must(bool done)
{
    if (!done)
        abort();
}

void sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE])
{
    must(SHA256(p, n, out) != NULL);
}

int sha256_init(struct sha256 *h)
{
    if (!h->ctx)
        h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    return 0;
}

void sha256_add(struct sha256 *h, const void *p, size_t n)
{
    must(n == 0 || EVP_DigestUpdate(h->ctx, p, n) == 1);
}

void sha256_end(struct sha256 *h, uint8_t out[SHA256_SIZE])
{
    must(EVP_DigestFinal_ex(h->ctx, out, NULL) == 1);
}

void sha256_fini(struct sha256 *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}
