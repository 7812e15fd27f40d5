/*
 * SHA-256 (FIPS 180-4) by OpenSSL, which uses the CPU's instructions.
 *
 * sha256(), sha256_add() and sha256_end() cannot report a failure, so that
 * hashing a tree stays readable. OpenSSL fails in them only when memory for its
 * own context is out: the process ends then, before a wrong hash is signed.
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
