/*
 * A secret: loaded from a file or a systemd credential, printed as ***, wiped
 * when freed (sodium_memzero), locked into memory where the limit allows.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct secret;

/* One trailing newline is dropped; empty ones and those with a NUL byte are refused. So are files
 * that others may read (mode & 0077), unless root owns them below /run/credentials: there the group
 * bits are the mask of an ACL. */
int secret_from_file(const char *path, struct secret **ret_secret, struct err *err);
/* $CREDENTIALS_DIRECTORY/NAME; the name has no slash. */
int secret_from_credential(const char *name, struct secret **ret_secret, struct err *err);
int secret_from_slice(struct slice s, struct secret **ret_secret, struct err *err);
/* One that was named but cannot be read: its view is empty. NULL when memory is out. */
struct secret *secret_unreadable(void);
void secret_free(struct secret *s);
DEFINE_AUTO(secret)
struct slice secret_view(const struct secret *s); /* NUL-terminated too */
/* Replaces each occurrence of the secret in a text by ***. Not of one shorter than 4 bytes: it
 * would be found everywhere, and give itself away by that. */
void secret_scrub(const struct secret *s, char *text);
