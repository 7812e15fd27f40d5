#include "logwatch/core-windows.h"

#include "base/log.h"
#include "base/num.h"

#define AGAIN_US (UINT64_C(3600) * USEC_PER_SEC)
#define FACT "windows"

bool core_windows_judge(struct core_windows *w, const struct correlator_stats *now,
                        const struct config *c, uint64_t now_us, struct buf *out)
{
    struct json_writer j = json_writer(out);
    const struct rule_info *rule;

    if (now->evicted <= w->evicted || (w->told_us && now_us < w->told_us + AGAIN_US))
        return false;
    rule = rules_info(c->engine->rules, now->evicted_rule);
    log_warning("rule '%.*s' has more groups than limits.groups (%llu): the least recent are"
                " forgotten (%llu since the start), so slow attacks may go unseen",
                SLICE_FMT(rule->title), (unsigned long long)c->groups_max,
                (unsigned long long)now->evicted);
    json_member_slice(&j, "rule", rule->id);
    json_member_slice(&j, "title", rule->title);
    json_member_u64(&j, "limit", c->groups_max);
    json_member_u64(&j, "evicted", now->evicted);
    w->evicted = now->evicted;
    w->told_us = now_us;
    return true;
}

int core_windows_save(struct store *s, const struct correlator_stats *now, struct err *err)
{
    AUTO_BUF b = BUF_INIT;

    buf_printf(&b, "%llu %llu %llu %llu %llu", (unsigned long long)now->groups,
               (unsigned long long)now->evicted, (unsigned long long)now->dropped,
               (unsigned long long)now->late, (unsigned long long)now->no_group);
    return buf_ok(&b) ? store_meta_set(s, FACT, buf_view(&b), err) : err_nomem(err);
}

bool core_windows_load(struct store *s, struct correlator_stats *ret)
{
    struct correlator_stats got = { 0 };
    uint64_t *const numbers[] = { &got.groups, &got.evicted, &got.dropped, &got.late,
                                  &got.no_group };
    AUTO_BUF b = BUF_INIT;
    struct slice rest, word;

    if (store_meta_get(s, FACT, &b) < 0)
        return false;
    rest = buf_view(&b);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (!slice_split(&rest, ' ', &word) || parse_u64(word, 0, UINT64_MAX, numbers[i]) < 0)
            return false;
    *ret = got;
    return true;
}
