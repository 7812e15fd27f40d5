/*
 * Erasing: personal values go from their lines, and the trail says which of which entries, never
 * whose.
 *
 * The plan is a list of entries, each with a set of names. It is written down before
 * the first segment is touched, so it can be carried out again: a name that is gone already
 * stays gone. A line is only ever written with the leaf that it had.
 */
#include "audit/trail-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/json.h"
#include "base/num.h"

#define SETS_MAX 4096 /* different sets of names; a line has one to twelve names */
#define LINES_MAX (UINT64_C(1) << 24)
#define FLUSH (1 << 18)
#define MEMBERS_MAX (LEAF_MAX / 4) /* of one pii.erase entry */
#define TEXT_MAX 500 /* of `reason` and `by` */

struct erase_line {
    uint64_t index;
    uint32_t set;
};

struct name_set {
    struct slice text; /* JSON array */
    const struct json *names;
};

struct erase_plan {
    struct arena *arena;
    struct slice reason, by; /* JSON strings, with their quotes */
    struct name_set sets[SETS_MAX];
    size_t nsets;
    struct erase_line *lines; /* by index */
    size_t nlines, lines_cap;
};

static struct erase_plan *plan_new(void)
{
    struct erase_plan *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->arena = arena_new(16384, 64 << 20);
    if (!p->arena) {
        free(p);
        return NULL;
    }
    return p;
}

void audit_erase_plan_free(struct erase_plan *p)
{
    if (!p)
        return;
    arena_free(p->arena);
    free(p->lines);
    free(p);
}

/* The set's number; new when it is not known. */
static int add_set(struct erase_plan *p, struct slice text)
{
    struct name_set *s = &p->sets[p->nsets];

    for (size_t i = 0; i < p->nsets; i++)
        if (slice_eq(p->sets[i].text, text))
            return (int)i;
    if (p->nsets == SETS_MAX)
        return -E2BIG;
    s->text = arena_slice(p->arena, text);
    s->names = s->text.p ? json_load(p->arena, s->text, NULL) : NULL;
    if (!s->names || s->names->type != JSON_ARRAY)
        return s->text.p ? -EBADMSG : -ENOMEM;
    return (int)p->nsets++;
}

static int add_line(struct erase_plan *p, uint64_t index, int set)
{
    struct erase_line *lines;

    if (p->nlines == LINES_MAX)
        return -E2BIG;
    lines = trail_grown(p->lines, p->nlines, &p->lines_cap, sizeof *lines);
    if (!lines)
        return -ENOMEM;
    p->lines = lines;
    lines[p->nlines++] = (struct erase_line){ index, (uint32_t)set };
    return 0;
}

static bool set_has(const struct name_set *s, struct slice name)
{
    for (const struct json *n = s->names->child; n; n = n->next)
        if (slice_eq(n->text, name))
            return true;
    return false;
}

/* ---- lines ---- */

/* The object behind the TAB; NULL: the line has none, or it was erased. */
static const struct json *pii_of(struct arena *arena, struct slice line)
{
    static const struct slice begin = { "\t,\"pii\":", 8 };
    size_t tab = slice_find_byte(line, '\t');
    struct slice rest = tab == SIZE_MAX ? SLICE("") : slice_skip(line, tab);
    const struct json *doc;

    if (!slice_starts(rest, begin) || rest.n <= begin.n || rest.p[rest.n - 1] != '}')
        return NULL;
    rest = slice_of(rest.p + begin.n, rest.n - begin.n - 1);
    arena_reset(arena);
    doc = json_load(arena, rest, NULL);
    return doc && doc->type == JSON_OBJECT ? doc : NULL;
}

/* ["<salt>","<value>"] */
static struct slice value_of(const struct json *member)
{
    const struct json *salt = member->child;

    return member->type == JSON_ARRAY && salt && salt->next ? salt->next->text : SLICE("");
}

/* ---- what would go ---- */

struct finding {
    struct erase_plan *plan;
    struct audit_erasure *report;
    const struct audit_subject *subjects;
    size_t nsubjects;
    uint64_t to;
    struct arena *arena;
    struct buf names;
    int failed;
};

static bool wanted(const struct finding *f, const struct json *member)
{
    for (size_t i = 0; i < f->nsubjects; i++)
        if (audit_subject_in(&f->subjects[i], member->key, value_of(member)))
            return true;
    return false;
}

static int on_find(void *ctx, uint64_t index, struct slice line)
{
    struct finding *f = ctx;
    const struct json *pii = index < f->to ? pii_of(f->arena, line) : NULL;
    struct json_writer w = json_writer(&f->names);
    uint64_t values = 0;
    int set = 0;

    if (index >= f->to)
        return 1;
    if (!pii && slice_find_byte(line, '\t') != SIZE_MAX)
        return f->failed = -EUCLEAN; /* whom it names cannot be known */
    buf_reset(&f->names);
    json_array(&w);
    for (const struct json *m = pii ? pii->child : NULL; m; m = m->next)
        if (wanted(f, m)) {
            json_put_slice(&w, m->key);
            values++;
        }
    json_array_end(&w);
    if (values == 0)
        return 0;
    set = buf_ok(&f->names) ? add_set(f->plan, buf_view(&f->names)) : -ENOMEM;
    f->failed = set < 0 ? set : add_line(f->plan, index, set);
    f->report->entries++;
    f->report->values += values;
    return f->failed;
}

static int find_all(struct audit *a, struct finding *f, struct err *err)
{
    uint64_t *first = NULL;
    size_t n = 0;
    int r = segments_list(a->dir, &first, &n, err);

    for (size_t i = 0; i < n && r == 0; i++) {
        struct segment_end end;
        uint64_t before = f->report->entries;

        r = segment_each(a->dir, first[i], on_find, f, &end, err);
        r = r > 0 ? 0 : r;
        if (f->failed == -EUCLEAN)
            r = trail_damaged(err, "the personal part of an entry cannot be read");
        else if (f->failed)
            r = err_set(err, f->failed, "too much to erase at once: %s", err_name(f->failed));
        f->report->segments += f->report->entries > before;
    }
    free(first);
    return r;
}

int audit_erase_plan(struct audit *a, const struct audit_subject *subjects, size_t n,
                     struct erase_plan **ret_plan, struct audit_erasure *ret, struct err *err)
{
    struct finding f = { .plan = plan_new(),
                         .report = ret,
                         .subjects = subjects,
                         .nsubjects = n,
                         .to = a->end.count,
                         .arena = arena_new(1 << 16, 64 << 20) };
    int r;

    *ret = (struct audit_erasure){ 0 };
    r = f.plan && f.arena ? find_all(a, &f, err) : err_nomem(err);
    buf_fini(&f.names);
    arena_free(f.arena);
    if (r < 0)
        audit_erase_plan_free(f.plan);
    else
        *ret_plan = f.plan;
    return r;
}

void audit_erase_plan_each(const struct erase_plan *p,
                           void (*fn)(void *ctx, uint64_t index, struct slice names), void *ctx)
{
    for (size_t i = 0; i < p->nlines; i++)
        fn(ctx, p->lines[i].index, p->sets[p->lines[i].set].text);
}

/* ---- written down ---- */

static void todo_text(const struct audit *a, const struct erase_plan *p, struct buf *out)
{
    uint32_t set = UINT32_MAX;

    keep_todo_head(out, KEEP_ERASE, a->end.count);
    buf_printf(out, "reason %.*s\nby %.*s\n", SLICE_FMT(p->reason), SLICE_FMT(p->by));
    for (size_t i = 0; i < p->nlines; i++) {
        if (p->lines[i].set != set)
            buf_printf(out, "names %.*s\n", SLICE_FMT(p->sets[p->lines[i].set].text));
        set = p->lines[i].set;
        buf_printf(out, "at %llu\n", (unsigned long long)p->lines[i].index);
    }
}

int keep_erase_line(struct audit *a, struct slice word, struct slice rest)
{
    struct erase_plan *p = a->keep.erase;
    uint64_t index;
    int set;

    if (!p)
        p = a->keep.erase = plan_new();
    if (!p)
        return -ENOMEM;
    if (slice_is(word, "reason") || slice_is(word, "by")) {
        struct slice *text = slice_is(word, "by") ? &p->by : &p->reason;

        *text = arena_slice(p->arena, rest);
        return text->p ? 0 : -ENOMEM;
    }
    if (slice_is(word, "names")) {
        set = add_set(p, rest);
        a->keep.min = set < 0 ? 0 : (uint64_t)set; /* of the lines that follow */
        return set < 0 ? set : 0;
    }
    if (!slice_is(word, "at") || p->nsets == 0 || parse_u64(rest, 0, UINT64_MAX, &index) < 0)
        return -EBADMSG;
    return add_line(p, index, (int)a->keep.min);
}

static struct slice quoted(struct arena *arena, const char *text)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    json_put_slice(&w, slice_take(slice_str(text), TEXT_MAX));
    return buf_ok(&b) ? arena_slice(arena, buf_view(&b)) : SLICE_NONE;
}

int audit_erase_begin(struct audit *a, struct erase_plan *p, const char *reason, const char *by,
                      struct err *err)
{
    AUTO_BUF todo = BUF_INIT;
    int r = 0;

    p->reason = quoted(p->arena, reason);
    p->by = quoted(p->arena, by);
    if (a->keep.kind != KEEP_NOTHING)
        r = err_set(err, -EBUSY, "something else is being done to the trail: try again");
    else if (!p->reason.p || !p->by.p)
        r = err_nomem(err);
    if (r == 0) {
        todo_text(a, p, &todo);
        r = keep_todo_write(a, &todo, err);
    }
    if (r < 0) {
        audit_erase_plan_free(p);
        return r;
    }
    a->keep.kind = KEEP_ERASE;
    a->keep.entry = a->end.count;
    a->keep.erase = p;
    fault_point(FAULT_KEEP_ERASE_BEGUN);
    return keep_erase_rewrite(a, err);
}

/* ---- rewriting ---- */

struct rewriting {
    const struct erase_plan *plan;
    size_t next; /* line of the plan */
    uint64_t to;
    int fd;
    struct gz *gz; /* NULL: plain */
    struct buf out;
    uint64_t bytes;
    struct arena *arena;
    int failed;
};

static int flush(struct rewriting *w)
{
    int r;

    if (!buf_ok(&w->out))
        return -ENOMEM;
    r = w->gz ? gz_add(w->gz, w->out.p, w->out.n) : fd_write_all(w->fd, w->out.p, w->out.n);
    buf_reset(&w->out);
    return r;
}

/* The line without these names, with the same leaf. */
static int put_erased(struct rewriting *w, struct slice line, const struct name_set *set)
{
    const struct json *pii = pii_of(w->arena, line);
    struct hash was = leaf_of_line(line), is;
    size_t at = w->out.n, kept = 0;
    struct json_writer j = json_writer(&w->out);

    if (!pii) {
        buf_slice(&w->out, line);
        return 0;
    }
    buf_slice(&w->out, slice_take(line, slice_find_byte(line, '\t')));
    for (const struct json *m = pii->child; m; m = m->next) {
        if (set_has(set, m->key) || !m->child)
            continue;
        if (kept++ == 0) {
            buf_str(&w->out, "\t,\"pii\":");
            json_object(&j);
        }
        json_key_slice(&j, m->key);
        json_array(&j);
        for (const struct json *v = m->child; v; v = v->next)
            json_put_slice(&j, v->text);
        json_array_end(&j);
    }
    if (kept)
        json_object_end(&j);
    buf_char(&w->out, '}');
    if (!buf_ok(&w->out))
        return -ENOMEM;
    is = leaf_of_line(slice_of(w->out.p + at, w->out.n - at));
    return memcmp(&was, &is, sizeof was) == 0 ? 0 : -EIO;
}

static int on_rewrite(void *ctx, uint64_t index, struct slice line)
{
    struct rewriting *w = ctx;
    const struct erase_plan *p = w->plan;
    size_t before = w->out.n;

    if (index >= w->to)
        return 1;
    while (w->next < p->nlines && p->lines[w->next].index < index)
        w->next++;
    if (w->next < p->nlines && p->lines[w->next].index == index)
        w->failed = put_erased(w, line, &p->sets[p->lines[w->next].set]);
    else
        buf_slice(&w->out, line);
    buf_char(&w->out, '\n');
    w->bytes += w->out.n - before;
    if (w->failed == 0 && w->out.n >= FLUSH)
        w->failed = flush(w);
    return w->failed;
}

static int write_copy(struct audit *a, uint64_t first, struct rewriting *w, struct err *err)
{
    struct segment_end end;
    int r = segment_each(a->dir, first, on_rewrite, w, &end, err);

    if (r < 0 && !w->failed)
        return r;
    r = w->failed ? w->failed : flush(w);
    if (r == 0 && w->gz)
        r = gz_end(w->gz);
    if (r == 0 && fsync(w->fd) < 0)
        r = -errno;
    return r < 0 ? err_set(err, r, "cannot rewrite the segment of entry %llu: %s",
                           (unsigned long long)first, err_name(r))
                 : 0;
}

/* The open segment is another file now, and shorter. */
static int open_again(struct audit *a, uint64_t bytes, struct err *err)
{
    int r = trail_open_segment(a, a->end.segment, err);

    if (r == 0)
        a->end.bytes = bytes;
    return r;
}

static int replace_segment(struct audit *a, uint64_t first, const char *name, struct rewriting *w,
                           struct err *err)
{
    AUTO_BUF temp = BUF_INIT;
    int r = 0;

    buf_printf(&temp, "%s.tmp", name);
    if (!buf_ok(&temp))
        return err_nomem(err);
    unlinkat(a->dir, temp.p, 0);
    w->fd = openat(a->dir, temp.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (w->fd < 0)
        return err_set(err, -errno, "cannot make '%s': %s", temp.p, err_name(errno));
    if (slice_ends(slice_str(name), SLICE(".gz")) && gz_new(w->fd, &w->gz) < 0)
        r = err_nomem(err);
    if (r == 0)
        r = write_copy(a, first, w, err);
    fault_point(FAULT_KEEP_ERASE_WRITTEN);
    if (r == 0 && renameat(a->dir, temp.p, a->dir, name) < 0)
        r = err_set(err, -errno, "cannot rename '%s': %s", temp.p, err_name(errno));
    if (r < 0)
        unlinkat(a->dir, temp.p, 0);
    else
        r = keep_sync_log(a, err);
    fault_point(FAULT_KEEP_ERASE_RENAMED);
    if (r == 0 && first == a->end.segment)
        r = open_again(a, w->bytes, err);
    return r;
}

static int rewrite_one(struct audit *a, uint64_t first, size_t next, struct err *err)
{
    struct rewriting w = { .plan = a->keep.erase,
                           .next = next,
                           .to = a->end.count,
                           .fd = -1,
                           .arena = arena_new(1 << 16, 64 << 20) };
    AUTO_BUF name = BUF_INIT;
    uint64_t bytes;
    int r;

    if (!w.arena)
        return err_nomem(err);
    if (!keep_segment_file(a, first, &name, &bytes))
        r = err_set(err, -ENOENT, "the segment of entry %llu is gone", (unsigned long long)first);
    else
        r = replace_segment(a, first, name.p, &w, err);
    if (w.fd >= 0)
        close(w.fd);
    gz_free(w.gz);
    buf_fini(&w.out);
    arena_free(w.arena);
    return r;
}

int keep_erase_rewrite(struct audit *a, struct err *err)
{
    const struct erase_plan *p = a->keep.erase;
    uint64_t *first = NULL;
    size_t n = 0, next = 0;
    int r = p ? segments_list(a->dir, &first, &n, err) : 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        uint64_t end = i + 1 < n ? first[i + 1] : a->end.count;
        size_t begin = next;

        while (next < p->nlines && p->lines[next].index < end)
            next++;
        if (next > begin)
            r = rewrite_one(a, first[i], begin, err);
    }
    free(first);
    fault_point(FAULT_KEEP_ERASE_REWRITTEN);
    return r;
}

/* ---- the entries ---- */

static int add_entry(struct batch *b, const struct erase_plan *p, uint32_t set, struct slice list,
                     struct err *err)
{
    struct entry *e = batch_entry(b, "pii.erase");
    AUTO_BUF m = BUF_INIT;

    buf_printf(&m, "\"entries\":[%.*s],\"names\":%.*s,\"reason\":%.*s,\"by\":%.*s", SLICE_FMT(list),
               SLICE_FMT(p->sets[set].text), SLICE_FMT(p->reason), SLICE_FMT(p->by));
    if (!e || !buf_ok(&m))
        return err_nomem(err);
    e->members = arena_slice(b->arena, buf_view(&m));
    return e->members.p ? 0 : err_nomem(err);
}

/* As many entries as the numbers need. */
static int add_entries(struct batch *b, const struct erase_plan *p, uint32_t set, struct err *err)
{
    AUTO_BUF list = BUF_INIT;
    int r = 0;

    for (size_t i = 0; i < p->nlines && r == 0; i++) {
        if (p->lines[i].set != set)
            continue;
        if (list.n > MEMBERS_MAX) {
            r = add_entry(b, p, set, buf_view(&list), err);
            buf_reset(&list);
        }
        buf_printf(&list, list.n ? ",%llu" : "%llu", (unsigned long long)p->lines[i].index);
    }
    if (r == 0 && list.n)
        r = add_entry(b, p, set, buf_view(&list), err);
    return r == 0 && !buf_ok(&list) ? err_nomem(err) : r;
}

int keep_erase_owed(struct audit *a, struct batch *b, struct err *err)
{
    const struct erase_plan *p = a->keep.erase;
    int r = 0;

    for (uint32_t set = 0; p && set < p->nsets && r == 0; set++)
        r = add_entries(b, p, set, err);
    return r;
}
