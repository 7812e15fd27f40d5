/*
 * A compliance report as OSCAL assessment results (schema 1.2.2; what is used is older).
 *
 * Each control is an observation: what there is, the state as a property in our namespace, the
 * queries and sample proofs as its evidence. There is no finding: a finding says that an objective
 * of a control is satisfied or not, and no log alone tests one whole. No assessment plan exists, so
 * import-ap points to a resource that says so. UUIDs are of version 5 over trail, period and name:
 * made again they are the same. The request is a resource: `report verify` reads it there.
 */
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "base/clock.h"
#include "reports/report.h"

#define NAMESPACE "https://trailwarden.example/ns/oscal"
#define UUID_SIZE 37

struct oscal {
    const struct report *r;
    struct json_writer w;
    const struct report_block *controls;
};

/* ---- words ---- */

/* RFC 4122, version 5: SHA-1 over a namespace of our own and a name. */
static void uuid(const struct report *r, const char *kind, struct slice id, char out[UUID_SIZE])
{
    static const unsigned char space[16] = { 0x6f, 0x1d, 0x3a, 0x52, 0x9b, 0x70, 0x4c, 0x1e,
                                             0x8d, 0x25, 0x3e, 0x64, 0xa1, 0x0f, 0xc7, 0x93 };
    unsigned char h[SHA_DIGEST_LENGTH] = { 0 };
    AUTO_BUF name = BUF_INIT;

    buf_add(&name, space, sizeof space);
    buf_printf(&name, "%.*s\n%llu\n%llu\n%llu\n%.*s\n%s\n%.*s", SLICE_FMT(r->origin),
               (unsigned long long)r->size, (unsigned long long)r->from_us,
               (unsigned long long)r->to_us, SLICE_FMT(r->subject), kind, SLICE_FMT(id));
    if (buf_ok(&name))
        (void)SHA1((const unsigned char *)name.p, name.n, h);
    h[6] = (unsigned char)((h[6] & 0x0f) | 0x50);
    h[8] = (unsigned char)((h[8] & 0x3f) | 0x80);
    snprintf(out, UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13],
             h[14], h[15]);
}

static void put_uuid(struct oscal *o, const char *kind, struct slice id)
{
    char text[UUID_SIZE];

    uuid(o->r, kind, id, text);
    json_member_str(&o->w, "uuid", text);
}

/* A token has letters, digits and . - _ and begins with a letter: "Art. 5(1)(e)" is none. */
static void put_token(struct buf *b, struct slice standard, struct slice id)
{
    bool letter = id.n && (id.p[0] | 0x20) >= 'a' && (id.p[0] | 0x20) <= 'z';

    if (!letter) {
        buf_slice(b, standard);
        buf_char(b, '_');
    }
    for (size_t i = 0; i < id.n; i++) {
        unsigned char c = (unsigned char)id.p[i];
        bool good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                    c == '.' || c == '-' || c == '_';

        buf_char(b, good ? (char)c : '_');
    }
}

/* A string of OSCAL is not empty and has no blanks at its ends, and is one line. */
static void member_string(struct oscal *o, const char *key, struct slice text)
{
    AUTO_BUF b = BUF_INIT;

    text = slice_trim(text);
    for (size_t i = 0; i < text.n; i++)
        buf_char(&b, (unsigned char)text.p[i] < 0x20 ? ' ' : text.p[i]);
    json_member_slice(&o->w, key, b.n ? buf_view(&b) : SLICE("-"));
    o->w.out->failed = o->w.out->failed || !buf_ok(&b);
}

static void property(struct oscal *o, const char *name, struct slice value)
{
    json_object(&o->w);
    json_member_str(&o->w, "name", name);
    json_member_str(&o->w, "ns", NAMESPACE);
    member_string(o, "value", value);
    json_object_end(&o->w);
}

/* ---- parts ---- */

static void metadata(struct oscal *o)
{
    AUTO_BUF size = BUF_INIT;
    const struct report *r = o->r;

    buf_u64(&size, r->size);
    json_key(&o->w, "metadata");
    json_object(&o->w);
    member_string(o, "title", r->title);
    json_member_time(&o->w, "last-modified", r->made_us);
    member_string(o, "version", r->version);
    json_member_str(&o->w, "oscal-version", "1.1.3");
    json_key(&o->w, "props");
    json_array(&o->w);
    property(o, "trail-origin", r->origin);
    property(o, "trail-size", buf_view(&size));
    property(o, "trail-root", r->root);
    property(o, "configuration-sha256", r->config_digest);
    property(o, "standard", r->subject);
    property(o, "period", r->period);
    json_array_end(&o->w);
    json_object_end(&o->w);
}

static struct slice cell(const struct oscal *o, const struct report_row *row, const char *name)
{
    for (size_t i = 0; i < o->controls->ncolumns; i++)
        if (slice_is(o->controls->columns[i].name, name))
            return row->cells[i].text;
    return SLICE("");
}

static void reviewed(struct oscal *o)
{
    json_key(&o->w, "reviewed-controls");
    json_object(&o->w);
    json_key(&o->w, "control-selections");
    json_array(&o->w);
    json_object(&o->w);
    json_key(&o->w, "include-controls");
    json_array(&o->w);
    for (size_t i = 0; i < o->controls->nrows; i++) {
        AUTO_BUF id = BUF_INIT;

        put_token(&id, o->r->subject, cell(o, &o->controls->rows[i], "control"));
        json_object(&o->w);
        json_member_buf(&o->w, "control-id", &id);
        json_object_end(&o->w);
    }
    json_array_end(&o->w);
    json_object_end(&o->w);
    json_array_end(&o->w);
    json_object_end(&o->w);
}

static void observation(struct oscal *o, const struct report_row *row)
{
    struct slice id = cell(o, row, "control"), cannot = cell(o, row, "cannot");
    AUTO_BUF title = BUF_INIT;

    buf_printf(&title, "%.*s: %.*s", SLICE_FMT(id), SLICE_FMT(cell(o, row, "about")));
    json_object(&o->w);
    put_uuid(o, "observation", id);
    member_string(o, "title", buf_view(&title));
    member_string(o, "description", cell(o, row, "found"));
    json_key(&o->w, "props");
    json_array(&o->w);
    property(o, "control", id);
    property(o, "state", cell(o, row, "state"));
    property(o, "queries", cell(o, row, "queries"));
    json_array_end(&o->w);
    json_key(&o->w, "methods");
    json_array(&o->w);
    json_put_str(&o->w, "TEST-AUTOMATED");
    json_array_end(&o->w);
    json_member_time(&o->w, "collected", o->r->made_us);
    if (cannot.n > 1) {
        AUTO_BUF b = BUF_INIT;

        buf_printf(&b, "Cannot show: %.*s", SLICE_FMT(cannot));
        member_string(o, "remarks", buf_view(&b));
    }
    json_object_end(&o->w);
    o->w.out->failed = o->w.out->failed || !buf_ok(&title);
}

static void result(struct oscal *o)
{
    const struct report *r = o->r;

    json_key(&o->w, "results");
    json_array(&o->w);
    json_object(&o->w);
    put_uuid(o, "result", SLICE(""));
    member_string(o, "title", r->title);
    json_member_str(&o->w, "description",
                    "Evidence out of an audit trail for each control, in one of four states: "
                    "evidence, attention, not-configured, not-observable. No state says that a "
                    "control is satisfied.");
    json_member_time(&o->w, "start", r->from_us);
    json_member_time(&o->w, "end", r->to_us);
    reviewed(o);
    json_key(&o->w, "observations");
    json_array(&o->w);
    for (size_t i = 0; i < o->controls->nrows; i++)
        observation(o, &o->controls->rows[i]);
    json_array_end(&o->w);
    json_object_end(&o->w);
    json_array_end(&o->w);
}

/* ---- what it rests on ---- */

static void resource(struct oscal *o, struct slice name, const char *title, struct slice text,
                     const char *media, const char *file)
{
    AUTO_BUF coded = BUF_INIT;

    json_object(&o->w);
    put_uuid(o, "resource", name);
    json_member_str(&o->w, "title", title);
    if (text.n) {
        buf_base64(&coded, text.p, text.n, true);
        json_key(&o->w, "base64");
        json_object(&o->w);
        json_member_str(&o->w, "filename", file);
        json_member_str(&o->w, "media-type", media);
        json_member_buf(&o->w, "value", &coded);
        json_object_end(&o->w);
    }
    json_object_end(&o->w);
}

static void back_matter(struct oscal *o)
{
    const struct report *r = o->r;

    json_key(&o->w, "back-matter");
    json_object(&o->w);
    json_key(&o->w, "resources");
    json_array(&o->w);
    resource(o, SLICE("plan"),
             "There is no assessment plan: the report was made of the trail alone", SLICE(""), "",
             "");
    resource(o, SLICE("request"), "The request that makes this report again", r->request,
             "application/json", "request.json");
    resource(o, SLICE("checkpoint"), "The signed checkpoint of the trail", r->checkpoint,
             "text/plain", "checkpoint");
    for (size_t i = 0; i < r->nproofs; i++) {
        char name[40], title[64], file[64];

        snprintf(name, sizeof name, "proof %llu", (unsigned long long)r->proofs[i].index);
        snprintf(title, sizeof title, "Proof of entry %llu",
                 (unsigned long long)r->proofs[i].index);
        snprintf(file, sizeof file, "entry-%llu.tlog-proof",
                 (unsigned long long)r->proofs[i].index);
        resource(o, slice_str(name), title, r->proofs[i].proof, "text/plain", file);
    }
    json_array_end(&o->w);
    json_object_end(&o->w);
}

static const struct report_block *find_controls(const struct report *r)
{
    for (size_t s = 0; s < r->nsections; s++)
        for (size_t i = 0; i < r->sections[s].nblocks; i++)
            if (r->sections[s].blocks[i].kind == BLOCK_TABLE &&
                slice_is(r->sections[s].blocks[i].name, "controls"))
                return &r->sections[s].blocks[i];
    return NULL;
}

int report_oscal(const struct report *r, struct buf *out, struct err *err)
{
    struct oscal o = { .r = r, .w = json_writer(out), .controls = find_controls(r) };
    char plan[UUID_SIZE + 1] = "#";

    if (!o.controls || !o.controls->nrows)
        return err_set(err, -ENOTSUP, "OSCAL is a form of `report compliance` alone");
    uuid(r, "resource", SLICE("plan"), plan + 1);
    json_object(&o.w);
    json_key(&o.w, "assessment-results");
    json_object(&o.w);
    put_uuid(&o, "document", SLICE(""));
    metadata(&o);
    json_key(&o.w, "import-ap");
    json_object(&o.w);
    json_member_str(&o.w, "href", plan);
    json_object_end(&o.w);
    result(&o);
    back_matter(&o);
    json_object_end(&o.w);
    json_object_end(&o.w);
    buf_char(out, '\n');
    return buf_ok(out) ? 0 : err_nomem(err);
}
