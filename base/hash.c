/* OpenSSL calls the functions without EVP deprecated; they are the ones that cannot fail. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/hash.h"

#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256), "room for the state of SHA-256");

static SHA256_CTX *state(struct sha256 *h)
{
    return (SHA256_CTX *)(void *)h->state;
}

void sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE])
{
    struct sha256 h;

    SHA256_Init(state(&h));
    sha256_add(&h, p, n);
    sha256_end(&h, out);
}

int sha256_init(struct sha256 *h)
{
    SHA256_Init(state(h));
    return 0;
}

void sha256_add(struct sha256 *h, const void *p, size_t n)
{
    if (n)
        SHA256_Update(state(h), p, n);
}

void sha256_end(struct sha256 *h, uint8_t out[SHA256_SIZE])
{
    SHA256_Final(out, state(h));
}

void sha256_fini(struct sha256 *h)
{
    *h = (struct sha256){ { 0 } };
}
