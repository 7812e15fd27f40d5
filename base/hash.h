/*
 * SHA-256 (FIPS 180-4) by OpenSSL, which uses the CPU's instructions.
 *
 * The one-shot form has nothing that can fail but memory for a digest's
 * context; then the process ends, for a hash that is wrong in silence would be
 * worse than a restart.
 */
#pragma once

#include "base/slice.h"

#define SHA256_SIZE 32

struct sha256 {
    void *ctx; /* EVP_MD_CTX, kept for reuse */
};

void sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE]);

/* In parts; init again reuses the context. */
int sha256_init(struct sha256 *h) MUST_CHECK;
void sha256_add(struct sha256 *h, const void *p, size_t n);
void sha256_end(struct sha256 *h, uint8_t out[SHA256_SIZE]);
void sha256_fini(struct sha256 *h);
