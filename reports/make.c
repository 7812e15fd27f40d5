/* From a request to a document: which entries are read, what is proved of them. */
#include "reports/make.h"

#include <config.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/num.h"
#include "reports/making.h"

#define DAY_US (UINT64_C(86400) * USEC_PER_SEC)

static const struct report_kind kinds[] = {
    { .info = { "security", "Security report",
                "alerts, logins, sources, bans, changes of rights, blind spots", .period = "7d" },
      .build = kind_security },
    { .info = { "compliance", "Compliance report",
                "evidence for the controls of a standard, in four states; never a score",
                .period = "30d", .standard = true },
      .by_day = true,
      .build = kind_compliance },
    { .info = { "capacity", "Capacity report",
                "growth of the trail, and when the disk is full, with the uncertainty",
                .period = "90d" },
      .by_day = true,
      .build = kind_capacity },
    { .info = { "access-review", "Access review",
                "who logged in and who did not, accounts, privileges, who works with alerts",
                .period = "90d" },
      .build = kind_access },
    { .info = { "user", "What is held about a person",
                "every personal value of the trail in which somebody occurs, and erasures",
                .period = "3650d", .subject = true },
      .build = kind_user },
};

const struct report_kind_info *report_kind(size_t i)
{
    return i < ARRAY_SIZE(kinds) ? &kinds[i].info : NULL;
}

const char *report_form_name(enum report_form f)
{
    static const char *const names[FORMS] = {
        [FORM_TEXT] = "text", [FORM_HTML] = "html", [FORM_PDF] = "pdf",
        [FORM_JSON] = "json", [FORM_CSV] = "csv",   [FORM_OSCAL] = "oscal"
    };

    return f < FORMS ? names[f] : "";
}

/* ---- the request ---- */

int report_request(const struct report_ask *ask, struct buf *out, struct err *err)
{
    struct json_writer w = json_writer(out);

    json_object(&w);
    json_member_u64(&w, "version", 1);
    json_member_str(&w, "program", PACKAGE_VERSION);
    json_member_str(&w, "kind", ask->kind);
    json_member_time(&w, "from", ask->from_us);
    json_member_time(&w, "to", ask->to_us);
    json_member_str(&w, "zone", ask->zone);
    json_member_str(&w, "channel", ask->channel);
    json_member_str(&w, "standard", ask->standard);
    json_member_str(&w, "subject", ask->subject);
    json_member_u64(&w, "samples", ask->samples);
    json_member_u64(&w, "seed", ask->seed);
    json_member_slice(&w, "checkpoint", ask->checkpoint);
    if (ask->facts.n) {
        json_key(&w, "facts");
        json_put_raw(&w, ask->facts);
    }
    json_object_end(&w);
    return buf_ok(out) ? 0 : err_nomem(err);
}

static int read_request(struct making *m, struct slice text)
{
    struct slice kind, zone;

    m->request = text.n <= REPORT_REQUEST_MAX ? json_load(m->arena, text, m->err) : NULL;
    if (!m->request || json_u64(m->request, "version", 0) != 1)
        return err_set(m->err, -EBADMSG, "that is no request for a report");
    kind = json_text(m->request, "kind");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (slice_is(kind, kinds[i].info.name))
            m->kind = &kinds[i];
    if (!m->kind)
        return err_set(m->err, -EINVAL, "there is no report '%.*s'",
                       SLICE_FMT(slice_take(kind, 80)));
    if (time_parse_rfc3339(json_text(m->request, "from"), &m->survey.from_us) < 0 ||
        time_parse_rfc3339(json_text(m->request, "to"), &m->survey.to_us) < 0 ||
        m->survey.from_us >= m->survey.to_us)
        return err_set(m->err, -EINVAL, "the period ends before it begins");
    zone = json_text(m->request, "zone");
    m->facts = json_get(m->request, "facts");
    return zone.n ? zone_load(arena_str(m->arena, zone), &m->zone, m->err) : 0;
}

/* ---- the trail ---- */

static int open_trail(struct making *m)
{
    struct slice note = json_text(m->request, "checkpoint");
    AUTO_BUF genesis = BUF_INIT;
    const struct json *doc;

    if (audit_view_open(m->source->folder, &m->view, m->err) < 0)
        return err_code(m->err);
    if (note.n && audit_view_back(m->view, note, m->err) < 0)
        return err_code(m->err);
    if (audit_view_size(m->view) == 0)
        return err_set(m->err, -ENOENT, "the trail has no signed entry yet");
    if (audit_view_genesis(m->view, &genesis, m->err) < 0)
        return err_code(m->err);
    doc = json_load(m->arena, buf_view(&genesis), m->err);
    m->survey.heartbeat_us = json_u64(doc, "heartbeat_s", 0) * USEC_PER_SEC;
    return doc ? 0 : err_code(m->err);
}

static int time_of(struct making *m, uint64_t index, uint64_t *ret_us)
{
    AUTO_BUF line = BUF_INIT;
    struct line_head h;
    int r = audit_view_line(m->view, index, &line, m->err);

    if (r < 0)
        return r;
    if (!line_head(buf_view(&line), &h) || h.index != index)
        return err_set(m->err, -EUCLEAN, "entry %llu has no form: see `trailwarden trail verify`",
                       (unsigned long long)index);
    *ret_us = h.us;
    return 0;
}

/* Times of entries never go back: the first one of a time is found by halving. */
static int first_since(struct making *m, uint64_t since_us, uint64_t *ret)
{
    uint64_t low = audit_view_first(m->view), high = audit_view_size(m->view), us;

    m->first_index = low;
    if (time_of(m, low, &m->first_us) < 0)
        return err_code(m->err);
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;

        if (time_of(m, mid, &us) < 0)
            return err_code(m->err);
        if (us < since_us)
            low = mid + 1;
        else
            high = mid;
    }
    *ret = low;
    return 0;
}

static void on_verified(void *ctx, uint64_t done, uint64_t total)
{
    const struct making *m = ctx;

    if (m->source->progress)
        m->source->progress(m->source->ctx, done, total);
}

/* What is told is told of lines that were signed, from the first that is read on. */
static int verify(struct making *m, struct err *err)
{
    struct audit_verify_options o = { .folder = m->source->folder,
                                      .since = { .size = m->start },
                                      .progress = on_verified,
                                      .ctx = m };
    struct audit_report r;
    int bad = audit_verify(&o, &r, err);

    for (size_t i = 0; bad == 0 && !r.good && i < r.nfindings; i++)
        if (!r.findings[i].warning)
            bad = err_set(err, -EUCLEAN, "the trail does not verify: %s: %s", r.findings[i].code,
                          r.findings[i].text);
    audit_report_fini(&r);
    return bad;
}

static int on_line(void *ctx, uint64_t index, struct slice line)
{
    struct making *m = ctx;

    if (index >= audit_view_size(m->view))
        return 1;
    if (index >= m->start)
        survey_take(&m->survey, index, line);
    return m->survey.failed;
}

static void *survey_all(void *arg)
{
    struct making *m = arg;

    m->surveyed = audit_each(m->source->folder, m->start, on_line, m, m->err);
    return NULL;
}

/*
 * Verifying costs two to three times what the survey does, and the two share nothing that
 * changes: the survey has a thread, so the whole takes no longer than `trail verify`.
 */
static int read_all(struct making *m)
{
    struct err err = ERR_NONE;
    pthread_t thread;
    bool apart = pthread_create(&thread, NULL, survey_all, m) == 0;
    int verified = verify(m, &err);

    if (!apart)
        (void)survey_all(m);
    else
        (void)pthread_join(thread, NULL);
    if (verified < 0) {
        *m->err = err;
        return verified;
    }
    return m->surveyed < 0 ? err_code(m->err) : survey_end(&m->survey, m->err);
}

static int collect(struct making *m)
{
    struct survey *e = &m->survey;
    uint64_t span = e->to_us - e->from_us;

    e->before_us = e->from_us > span ? e->from_us - span : 0;
    e->channel = json_text(m->request, "channel");
    if (json_text(m->request, "subject").n &&
        audit_subject_parse(json_text(m->request, "subject"), false, &e->subject, m->err) < 0)
        return err_code(m->err);
    e->seed = json_u64(m->request, "seed", 0);
    e->samples_max = (size_t)json_u64(m->request, "samples", 0);
    if (e->samples_max > REPORT_SAMPLES_MAX)
        return err_set(m->err, -EINVAL, "at most %d samples", REPORT_SAMPLES_MAX);
    /* An entry is a little older than what it tells when the log's clock is ahead. */
    if (first_since(m, e->before_us > DAY_US ? e->before_us - DAY_US : 0, &m->start) < 0 ||
        survey_init(e, m->arena, m->zone, m->kind->by_day, m->err) < 0)
        return err_code(m->err);
    return read_all(m);
}

/* ---- the document ---- */

static struct slice keep_base(struct making *m, const char *name)
{
    return json_text(m->request, name);
}

/* Origin, size and root are the first three lines of the checkpoint. */
static void read_note(struct making *m)
{
    struct slice rest = m->report->checkpoint, origin = SLICE(""), size = SLICE("");

    if (slice_split(&rest, '\n', &origin) && slice_split(&rest, '\n', &size))
        (void)slice_split(&rest, '\n', &m->report->root);
    m->report->origin = origin;
    m->report->size = audit_view_size(m->view);
}

static void name_period(struct making *m)
{
    const struct survey *e = &m->survey;
    AUTO_BUF b = BUF_INIT;
    struct slice zone = keep_base(m, "zone");
    bool days = true;
    const uint64_t ends[] = { e->from_us, e->to_us };

    for (size_t i = 0; i < 2; i++)
        days = days && zone_local(m->zone, (int64_t)(ends[i] / USEC_PER_SEC)) % 86400 == 0;
    buf_when(&b, e->from_us, m->zone, days ? DOC_DAY : DOC_MINUTE);
    buf_str(&b, " to ");
    buf_when(&b, days ? e->to_us - USEC_PER_SEC : e->to_us, m->zone, days ? DOC_DAY : DOC_MINUTE);
    buf_printf(&b, " (%.*s)", SLICE_FMT(zone.n ? zone : SLICE("UTC")));
    if (m->first_us > e->from_us) {
        buf_str(&b, "; the trail begins ");
        buf_when(&b, m->first_us, m->zone, DOC_MINUTE);
    }
    m->report->period = doc_keep(&m->doc, buf_view(&b));
}

static void begin(struct making *m)
{
    const struct survey *e = &m->survey;
    struct report *r = m->report;
    AUTO_BUF request = BUF_INIT;
    struct json_writer w = json_writer(&request);

    json_put_tree(&w, m->request);
    r->kind = slice_str(m->kind->info.name);
    r->title = slice_str(m->kind->info.title);
    r->subject = keep_base(m, m->kind->info.standard ? "standard" : "subject");
    r->from_us = e->from_us;
    r->to_us = e->to_us;
    r->zone = keep_base(m, "zone");
    if (!r->zone.n)
        r->zone = SLICE("UTC");
    r->checkpoint = doc_keep(&m->doc, audit_view_note(m->view));
    read_note(m);
    name_period(m);
    r->config_digest = e->config_digest;
    r->version = keep_base(m, "program");
    r->made_us = e->last_us && e->last_us < e->to_us ? e->last_us : e->to_us;
    r->request = doc_keep(&m->doc, buf_view(&request));
    m->doc.failed = m->doc.failed || !buf_ok(&request);
}

/* ---- proofs ---- */

static int by_index(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The first sample of each row, table after table, until there are enough. */
static size_t row_samples(const struct report *r, uint64_t *out, size_t max)
{
    size_t n = 0;

    for (size_t s = 0; s < r->nsections; s++)
        for (size_t b = 0; b < r->sections[s].nblocks; b++) {
            const struct report_block *block = &r->sections[s].blocks[b];

            for (size_t i = 0; i < block->nrows && i < 2 && n < max; i++)
                if (block->rows[i].nsamples)
                    out[n++] = block->rows[i].samples[0];
        }
    return n;
}

static int prove_one(struct making *m, uint64_t index, const char *vkey, struct report_proof *ret)
{
    AUTO_BUF proof = BUF_INIT;
    AUTO_BUF leaf = BUF_INIT;
    AUTO_BUF hex = BUF_INIT;
    struct audit_proved proved;
    uint8_t hash[SHA256_SIZE];
    struct sha256 h;
    int r = audit_view_prove(m->view, index, &proof, m->err);

    if (r == 0)
        r = audit_check_proof(buf_view(&proof), vkey, &leaf, &proved, m->err);
    if (r < 0 || sha256_init(&h) != 0)
        return err_while(m->err, "entry %llu", (unsigned long long)index);
    sha256_add(&h, "", 1);
    sha256_add(&h, leaf.p, leaf.n);
    sha256_end(&h, hash);
    buf_hex(&hex, hash, sizeof hash);
    *ret = (struct report_proof){ index, doc_keep(&m->doc, buf_view(&hex)),
                                  doc_keep(&m->doc, buf_view(&proof)) };
    return buf_ok(&hex) ? 0 : err_nomem(m->err);
}

static int prove(struct making *m)
{
    size_t max = m->survey.samples_max, n;
    struct report_proof signature;
    uint64_t *list = arena_array(m->arena, 2 * max + 1, sizeof *list);
    AUTO_BUF genesis = BUF_INIT;
    const struct json *doc;
    struct report *r = m->report;

    if (!list || audit_view_genesis(m->view, &genesis, m->err) < 0)
        return list ? err_code(m->err) : err_nomem(m->err);
    doc = json_load(m->arena, buf_view(&genesis), m->err);
    n = row_samples(r, list, max);
    for (size_t i = 0; i < m->survey.nsample; i++)
        list[n++] = m->survey.sample[i];
    qsort(list, n, sizeof *list, by_index);
    r->proofs = arena_array(m->arena, n + 1, sizeof *r->proofs);
    if (!doc || !r->proofs)
        return err_nomem(m->err);
    for (size_t i = 0; i < n; i++) {
        if (i && list[i] == list[i - 1])
            continue;
        if (prove_one(m, list[i], arena_str(m->arena, json_text(doc, "vkey")),
                      &r->proofs[r->nproofs]) < 0)
            return err_code(m->err);
        r->nproofs++;
    }
    if (r->nproofs)
        return 0;
    /* No sample was wanted: one proof all the same, for the checkpoint's signature. */
    return prove_one(m, r->size - 1, arena_str(m->arena, json_text(doc, "vkey")), &signature);
}

/* ---- all of it ---- */

static int make(struct making *m, struct slice request)
{
    int r = read_request(m, request);

    if (r == 0)
        r = open_trail(m);
    if (r == 0)
        r = collect(m);
    if (r < 0)
        return r;
    m->report = arena_alloc(m->arena, sizeof *m->report);
    if (!m->report)
        return err_nomem(m->err);
    doc_init(&m->doc, m->report, m->arena, m->zone);
    begin(m);
    m->doc.alone = m->first_us > m->survey.before_us;
    r = m->kind->build(m);
    if (r == 0)
        r = prove(m);
    return r < 0 ? r : doc_end(&m->doc, m->err);
}

int report_make(const struct report_source *source, struct slice request, struct arena *a,
                struct report **ret, struct err *err)
{
    struct err own = ERR_NONE;
    struct making m = { .source = source, .arena = a, .err = err ? err : &own };
    int r = make(&m, request);

    buf_fini(&m.doc.text);
    survey_fini(&m.survey);
    audit_view_free(m.view);
    zone_free(m.zone);
    if (r == 0)
        *ret = m.report;
    return r;
}
