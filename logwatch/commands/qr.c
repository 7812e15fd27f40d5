#include "logwatch/commands/qr.h"

#include <config.h>
#include <errno.h>

#ifdef HAVE_QRENCODE
#include <qrencode.h>

#define QUIET 2 /* modules around it; readers want some */

static bool dark(const QRcode *q, int x, int y)
{
    return x >= 0 && y >= 0 && x < q->width && y < q->width && (q->data[y * q->width + x] & 1);
}

/* Light modules are drawn: terminals are dark more often than not, and readers take both. */
int qr_text(struct buf *out, const char *text)
{
    static const char *const blocks[] = { "\xe2\x96\x88", "\xe2\x96\x80", "\xe2\x96\x84", " " };
    QRcode *q = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);

    if (!q)
        return -EINVAL;
    for (int y = -QUIET; y < q->width + QUIET; y += 2) {
        for (int x = -QUIET; x < q->width + QUIET; x++)
            buf_str(out, blocks[2 * dark(q, x, y) + dark(q, x, y + 1)]);
        buf_char(out, '\n');
    }
    QRcode_free(q);
    return buf_ok(out) ? 0 : -ENOMEM;
}
#else
int qr_text(struct buf *out UNUSED, const char *text UNUSED)
{
    return -ENOSYS;
}
#endif
