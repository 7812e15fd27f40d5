/* A text as a QR code for a terminal: two rows of modules in a line of half blocks. */
#pragma once

#include "base/slice.h"

/* -ENOSYS: built without libqrencode; -EINVAL: it does not fit. */
int qr_text(struct buf *out, const char *text);
