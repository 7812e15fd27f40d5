#include "schemas/incident.h"

#include "base/hash.h"

const char *incident_state_name(enum incident_state s)
{
    static const char *const names[INCIDENT_STATES] = { "open", "acked", "closed", "resolved" };

    return (unsigned)s < INCIDENT_STATES ? names[s] : "open";
}

/* A length before each part: no two groups give the same bytes. */
static void add_part(struct buf *b, struct slice s)
{
    buf_printf(b, "%zu:", s.n);
    buf_slice(b, s);
}

bool incident_key(const struct alert *alert, struct buf *out)
{
    AUTO_BUF in = BUF_INIT;
    uint8_t digest[SHA256_SIZE];

    add_part(&in, alert->rule_id);
    for (size_t i = 0; i < alert->ngroup; i++) {
        add_part(&in, alert->group[i].name);
        add_part(&in, alert->group[i].value);
    }
    if (!buf_ok(&in))
        return false;
    sha256(in.p, in.n, digest);
    buf_hex(out, digest, 16);
    return buf_ok(out);
}

void incident_group(const struct alert *alert, struct buf *out)
{
    for (size_t i = 0; i < alert->ngroup; i++)
        buf_printf(out, "%s%.*s=%.*s", i ? " " : "", SLICE_FMT(alert->group[i].name),
                   SLICE_FMT(alert->group[i].value));
}
