/*
 * SHA-256 (FIPS 180-4) by OpenSSL, which uses the CPU's instructions.
 *
 * None of them takes memory, so none can fail: hashing a tree stays readable,
 * and a process that is short of memory never signs a wrong hash.
 */
#pragma once

#include "base/slice.h"

#define SHA256_SIZE 32

struct sha256 {
    uint64_t state[16]; /* SHA256_CTX */
};

void sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE]);

/* In parts; init begins anew. Always 0. */
int sha256_init(struct sha256 *h) MUST_CHECK;
void sha256_add(struct sha256 *h, const void *p, size_t n);
void sha256_end(struct sha256 *h, uint8_t out[SHA256_SIZE]);
void sha256_fini(struct sha256 *h);
