#include "schemas/alert.h"

#include <errno.h>

#include "base/hash.h"

static const char *const level_names[LEVELS] = { "informational", "low", "medium", "high",
                                                 "critical" };

const char *level_name(enum level l)
{
    return level_names[l];
}

int level_parse(struct slice s, enum level *ret)
{
    for (int i = 0; i < LEVELS; i++)
        if (slice_is(s, level_names[i])) {
            *ret = (enum level)i;
            return 0;
        }
    return -EINVAL;
}

/* Length before bytes: no two different alerts give the same input to the hash. */
static void hash_part(struct sha256 *h, const void *p, size_t n)
{
    uint64_t size = n;
    uint8_t le[8];

    for (unsigned i = 0; i < 8; i++)
        le[i] = (uint8_t)(size >> (8 * i));
    sha256_add(h, le, sizeof le);
    sha256_add(h, p, n);
}

static void hash_u64(struct sha256 *h, uint64_t v)
{
    uint8_t le[8];

    for (unsigned i = 0; i < 8; i++)
        le[i] = (uint8_t)(v >> (8 * i));
    sha256_add(h, le, sizeof le);
}

void alert_identify(struct alert *alert)
{
    struct sha256 h = { 0 };
    uint8_t digest[SHA256_SIZE];

    if (sha256_init(&h) < 0)
        return; /* memory: the id stays zero and the commit will fail anyway */
    hash_part(&h, alert->rule_id.p, alert->rule_id.n);
    hash_part(&h, alert->rule_digest, sizeof alert->rule_digest);
    for (size_t i = 0; i < alert->ngroup; i++) {
        hash_part(&h, alert->group[i].name.p, alert->group[i].name.n);
        hash_part(&h, alert->group[i].value.p, alert->group[i].value.n);
    }
    hash_u64(&h, alert->time_us);
    hash_part(&h, alert->key.stream, sizeof alert->key.stream);
    hash_u64(&h, alert->key.position);
    hash_part(&h, alert->event_hash, sizeof alert->event_hash);
    sha256_end(&h, digest);
    sha256_fini(&h);
    memcpy(alert->id, digest, sizeof alert->id);
}

static bool keep(struct arena *a, struct slice *s)
{
    if (!s->p)
        return true;
    *s = arena_slice(a, *s);
    return s->p != NULL;
}

static bool keep_list(struct arena *a, struct slice **list, size_t n)
{
    struct slice *copy = arena_array(a, n ? n : 1, sizeof *copy);

    if (!copy)
        return false;
    for (size_t i = 0; i < n; i++) {
        copy[i] = (*list)[i];
        if (!keep(a, &copy[i]))
            return false;
    }
    *list = copy;
    return true;
}

static bool keep_group(struct arena *a, struct alert *c)
{
    struct alert_group *copy = arena_array(a, c->ngroup ? c->ngroup : 1, sizeof *copy);

    if (!copy)
        return false;
    for (size_t i = 0; i < c->ngroup; i++) {
        copy[i] = c->group[i];
        if (!keep(a, &copy[i].name) || !keep(a, &copy[i].value))
            return false;
    }
    c->group = copy;
    return true;
}

struct alert *alert_copy(struct arena *a, const struct alert *alert)
{
    struct alert *c = arena_alloc(a, sizeof *c);

    if (!c)
        return NULL;
    *c = *alert;
    if (!keep(a, &c->rule_id) || !keep(a, &c->rule_title) || !keep(a, &c->rule_author) ||
        !keep(a, &c->rule_file) || !keep(a, &c->rule_description) || !keep(a, &c->channel) ||
        !keep(a, &c->ban.field) || !keep(a, &c->ban.address) || !keep_list(a, &c->tags, c->ntags) ||
        !keep_list(a, &c->evidence, c->nevidence) || !keep_list(a, &c->notify, c->nnotify) ||
        !keep_group(a, c))
        return NULL;
    return c;
}

static void hex_member(struct json_writer *w, const char *key, const uint8_t *p, size_t n)
{
    AUTO_BUF hex = BUF_INIT;

    buf_hex(&hex, p, n);
    json_member_buf(w, key, &hex);
}

static void rule_json(const struct alert *alert, struct json_writer *w)
{
    json_key(w, "rule");
    json_object(w);
    json_member_slice(w, "id", alert->rule_id);
    json_member_slice(w, "title", alert->rule_title);
    json_member_slice(w, "author", alert->rule_author);
    json_member_slice(w, "file", alert->rule_file);
    json_member_slice(w, "description", alert->rule_description);
    hex_member(w, "digest", alert->rule_digest, sizeof alert->rule_digest);
    json_object_end(w);
}

static void group_json(const struct alert *alert, struct json_writer *w)
{
    json_key(w, "group");
    json_array(w);
    for (size_t i = 0; i < alert->ngroup; i++) {
        json_object(w);
        json_member_slice(w, "name", alert->group[i].name);
        json_member_slice(w, "value", alert->group[i].value);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_ban(const struct alert *alert, struct json_writer *w)
{
    if (!alert->ban.wanted || alert->ban.address.n == 0)
        return;
    json_key(w, "ban");
    json_object(w);
    json_member_slice(w, "address", alert->ban.address);
    json_member_u64(w, "for_s", alert->ban.for_us / USEC_PER_SEC);
    ban_ports_json(alert->ban.protocol, alert->ban.ports, w);
    if (alert->ban.dry_run)
        json_member_bool(w, "dry_run", true);
    json_object_end(w);
}

static void evidence_json(const struct alert *alert, struct json_writer *w)
{
    json_key(w, "events");
    json_array(w);
    for (size_t i = 0; i < alert->nevidence; i++)
        json_put_raw(w, alert->evidence[i]);
    json_array_end(w);
}

void alert_json(const struct alert *alert, struct json_writer *w)
{
    AUTO_BUF key = BUF_INIT;

    buf_source_key(&key, &alert->key);
    json_object(w);
    json_member_u64(w, "version", 1);
    hex_member(w, "id", alert->id, sizeof alert->id);
    rule_json(alert, w);
    json_member_str(w, "level", level_name(alert->level));
    json_key(w, "tags");
    json_array(w);
    for (size_t i = 0; i < alert->ntags; i++)
        json_put_slice(w, alert->tags[i]);
    json_array_end(w);
    json_member_slice(w, "channel", alert->channel);
    json_member_time(w, "time", alert->time_us);
    json_member_time(w, "first", alert->first_us);
    json_member_u64(w, "window_s", alert->window_us / USEC_PER_SEC);
    json_member_u64(w, "count", alert->count);
    json_member_u64(w, "threshold", alert->threshold);
    json_member_bool(w, "lower_bound", alert->lower_bound);
    group_json(alert, w);
    json_member_str(w, "trust", trust_name(alert->trust));
    json_member_bool(w, "backfill", alert->backfill);
    put_ban(alert, w);
    json_member_buf(w, "key", &key);
    evidence_json(alert, w);
    json_object_end(w);
}
