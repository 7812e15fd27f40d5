/* Who is kept out, for how long, by what, and who never. */
#include "logwatch/config-private.h"

#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "base/num.h"
#include "parsers/parser.h"

#define ALLOW_MAX 10000
#define NAMES_MAX 64
#define FILE_MAX_BYTES (1 << 20)
#define ESCALATE_MAX 16

struct bans_top {
    const char *backend;
    uint64_t max_age_us, forgive_us, resolve_us, check_us, bits6, max, rate;
    bool forgeable, dry_run;
    struct option_strs escalate, allow, files, countries, operators;
};

#define BANS_OPTION(key, kind, member)                                                             \
    .name = key, .type = kind, .offset = AT(struct bans_top, member)
const struct option config_bans_options[] = {
    { BANS_OPTION("backend", OPTION_STR, backend), .required = true,
      .help = "What keeps them out: nftables, ipset, fail2ban, command, dry-run; or none." },
    { BANS_OPTION("max_age", OPTION_DURATION, max_age_us), .fallback = "5m",
      .help = "Older events ban nobody; 0s: any age." },
    { BANS_OPTION("forgeable", OPTION_BOOL, forgeable), .fallback = "false",
      .help = "Ban on lines that a stranger can write into the log as well." },
    { BANS_OPTION("dry_run", OPTION_BOOL, dry_run), .fallback = "false",
      .help = "Keep the book, and ban nobody." },
    { BANS_OPTION("allow", OPTION_STRS, allow),
      .help = "Never banned: addresses, networks, host names." },
    { BANS_OPTION("allow_files", OPTION_STRS, files),
      .help = "Files of addresses and networks that are never banned, one a line." },
    { BANS_OPTION("allow_countries", OPTION_STRS, countries),
      .help = "Countries that are never banned (DE), by the database of `geo`." },
    { BANS_OPTION("allow_asn", OPTION_STRS, operators),
      .help = "Autonomous systems that are never banned (64496), by the database of `geo`." },
    { BANS_OPTION("resolve", OPTION_DURATION, resolve_us), .fallback = "5m", .min = "10s",
      .max = "1d", .help = "Host names of `allow` are asked for so often." },
    { BANS_OPTION("escalate", OPTION_STRS, escalate),
      .help = "How long the first ban of a network takes, the second, ... (1h, 1d, 30d); never "
              "shorter than the rule says." },
    { BANS_OPTION("forgive", OPTION_DURATION, forgive_us), .fallback = "30d",
      .help = "After so long without a ban the next one counts as the first." },
    { BANS_OPTION("ipv6_prefix", OPTION_U64, bits6), .fallback = "64", .min = "48", .max = "128",
      .help = "In IPv6 the network of this length is banned." },
    { BANS_OPTION("max", OPTION_U64, max), .fallback = "200000", .min = "1", .max = "2000000",
      .help = "Bans at once." },
    { BANS_OPTION("rate", OPTION_U64, rate), .fallback = "20000", .min = "1", .max = "10000000",
      .help = "New bans a minute." },
    { BANS_OPTION("check_every", OPTION_DURATION, check_us), .fallback = "1m", .min = "1s",
      .max = "1d", .help = "Look so often whether the firewall still holds what was done." },
    { 0 },
};

/* ---- the allow list ---- */

struct allowing {
    struct build *b;
    struct config_bans *bans;
    struct option_strs *networks; /* the same for the blocker */
    size_t cap;
};

static bool add_network(struct allowing *l, struct slice text, struct src_pos at, struct err *err)
{
    struct cidr c;

    if (cidr_parse(text, &c, err) < 0)
        return false;
    if (l->bans->nallow == l->cap) {
        err_set(err, -E2BIG, "more than %zu allowed networks", l->cap);
        return false;
    }
    l->bans->allow[l->bans->nallow] = c;
    l->networks->items[l->bans->nallow] = arena_str(l->b->a, text);
    l->networks->at[l->bans->nallow] = at;
    if (!l->networks->items[l->bans->nallow])
        l->b->failed = -ENOMEM;
    l->networks->n = ++l->bans->nallow;
    return true;
}

static bool looks_like_name(struct slice s)
{
    bool letter = false;

    if (s.n == 0 || s.n > 253 || s.p[0] == '.' || s.p[0] == '-' ||
        slice_find_byte(s, '.') == SIZE_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            letter = true;
        else if (!((c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
            return false;
    }
    return letter;
}

static void add_listed(struct allowing *l, const struct option_strs *list)
{
    struct option_strs *names = &l->bans->allow_names;

    names->items = config_need(l->b, list->n + 1, sizeof *names->items);
    names->at = config_need(l->b, list->n + 1, sizeof *names->at);
    for (size_t i = 0; names->items && names->at && i < list->n; i++) {
        struct err err = ERR_NONE;
        struct slice text = slice_str(list->items[i]);

        if (looks_like_name(text) && names->n < NAMES_MAX) {
            names->items[names->n] = list->items[i];
            names->at[names->n++] = list->at[i];
        } else if (!add_network(l, text, list->at[i], &err)) {
            diag_add_err(l->b->d, list->at[i], &err);
        }
    }
}

/* One a line; `#` and `;` begin a comment. */
static void add_file(struct allowing *l, const char *path, struct src_pos named)
{
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;
    struct slice rest, line;
    struct src_pos at = { diag_path(l->b->d, path), 0, 1 };

    if (file_read(-1, path, FILE_MAX_BYTES, &text, &err) < 0) {
        diag_add_err(l->b->d, named, &err);
        return;
    }
    rest = buf_view(&text);
    while (slice_split(&rest, '\n', &line)) {
        size_t end = 0;

        at.line++;
        while (end < line.n && line.p[end] != '#' && line.p[end] != ';')
            end++;
        line = slice_trim(slice_take(line, end));
        if (line.n && !add_network(l, line, at, &err)) {
            diag_add_err(l->b->d, at, &err);
            err = (struct err)ERR_NONE;
        }
    }
}

static void build_operators(struct build *b, const struct option_strs *list)
{
    struct config_bans *bans = &b->c->bans;

    bans->allow_as = config_need(b, list->n + 1, sizeof *bans->allow_as);
    for (size_t i = 0; bans->allow_as && i < list->n; i++) {
        struct slice text = slice_str(list->items[i]);
        uint64_t n;

        if (slice_starts(text, SLICE("AS")))
            text = slice_skip(text, 2);
        if (parse_u64(text, 1, UINT32_MAX, &n) < 0)
            diag_error(b->d, list->at[i], "an autonomous system is a number: 64496");
        else
            bans->allow_as[bans->nallow_as++] = (uint32_t)n;
    }
}

/* Places are looked up only where somebody asks for them. */
static void build_places(struct build *b, const struct bans_top *top)
{
    struct config_bans *bans = &b->c->bans;
    const struct option_strs *first = top->countries.n ? &top->countries : &top->operators;
    struct err err = ERR_NONE;

    bans->allow_countries = top->countries;
    for (size_t i = 0; i < top->countries.n; i++)
        if (strlen(top->countries.items[i]) != 2)
            diag_error(b->d, top->countries.at[i], "a country is two letters of ISO 3166: DE");
    build_operators(b, &top->operators);
    if (first->n == 0)
        return;
    if (b->c->geo.n == 0)
        diag_error(b->d, first->at[0], "who is in that country? give `geo:` a database");
    else if (geo_open(b->c->geo.items, b->c->geo.n, &bans->geo, &err) < 0)
        diag_add_err(b->d, first->at[0], &err);
}

static void build_allow(struct build *b, const struct bans_top *top, struct option_strs *networks)
{
    size_t cap = top->files.n || top->allow.n > ALLOW_MAX ? ALLOW_MAX : top->allow.n;
    struct allowing l = { .b = b, .bans = &b->c->bans, .networks = networks, .cap = cap };

    b->c->bans.allow = config_need(b, cap + 1, sizeof *b->c->bans.allow);
    networks->items = config_need(b, cap + 1, sizeof *networks->items);
    networks->at = config_need(b, cap + 1, sizeof *networks->at);
    if (!b->c->bans.allow || !networks->items || !networks->at)
        return;
    add_listed(&l, &top->allow);
    for (size_t i = 0; i < top->files.n; i++)
        add_file(&l, top->files.items[i], top->files.at[i]);
    build_places(b, top);
}

/* ---- the rest ---- */

static void build_escalation(struct build *b, const struct option_strs *list)
{
    struct config_bans *bans = &b->c->bans;

    bans->escalate_us = config_need(b, list->n + 1, sizeof *bans->escalate_us);
    for (size_t i = 0; bans->escalate_us && i < list->n; i++) {
        uint64_t us = 0;

        if (i == ESCALATE_MAX || parse_duration(slice_str(list->items[i]), &us) < 0 || us == 0 ||
            us > BAN_MAX_S * USEC_PER_SEC) {
            diag_error(b->d, list->at[i], "escalate is a list of up to %d durations: [1h, 1d, 30d]",
                       ESCALATE_MAX);
            return;
        }
        bans->escalate_us[bans->nescalate++] = us;
    }
}

static const struct blocker_ops *find_kind(struct build *b, const struct yaml *backend)
{
    const char *names[16] = { 0 };
    size_t n = 0;

    for (size_t i = 0; blocker_kinds[i] && n < ARRAY_SIZE(names) - 2; i++) {
        if (slice_is(backend->text, blocker_kinds[i]->name))
            return blocker_kinds[i];
        names[n++] = blocker_kinds[i]->name;
    }
    names[n] = "none";
    config_unknown(b, backend, "ban backend", backend->text, names);
    return NULL;
}

static void build_blocker(struct build *b, const struct yaml *node, const struct blocker_ops *ops,
                          const struct bans_top *top)
{
    const char *const *common = config_names_of(b, config_bans_options);
    struct blocker *blocker = config_need(b, 1, sizeof *blocker);
    struct err err = ERR_NONE;
    size_t before = diag_errors(b->d);

    if (!common || !blocker)
        return;
    blocker->ops = ops;
    blocker->settings = (struct blocker_settings){ .max = top->max,
                                                   .rate = top->rate,
                                                   .bits4_min = 16,
                                                   .bits6_min = 32,
                                                   .check_us = top->check_us };
    blocker->state = config_need(b, 1, ops->state_size);
    if (!blocker->state)
        return;
    b->c->bans.blocker = blocker;
    build_allow(b, top, &blocker->settings.allow);
    (void)option_load(ops->options, node, config_place(node), common, blocker->state, b->a, b->d);
    if (diag_errors(b->d) == before && ops->open && ops->open(blocker, &err) < 0)
        diag_add_err(b->d, config_place(node), &err);
}

void config_build_bans(struct build *b, const struct yaml *node)
{
    struct config_bans *bans = &b->c->bans;
    struct bans_top top = { 0 };
    const struct yaml *backend;
    const struct blocker_ops *ops;
    const char *const *own;

    if (!node)
        return;
    backend = yaml_get(node, "backend");
    if (!backend || backend->kind != YAML_SCALAR) {
        diag_error(b->d, config_place(node),
                   "bans need a backend: nftables, ipset, fail2ban, command, dry-run or none");
        return;
    }
    if (slice_is(backend->text, "none"))
        return;
    ops = find_kind(b, backend);
    own = ops ? config_names_of(b, ops->options) : NULL;
    if (!own ||
        option_load(config_bans_options, node, config_place(node), own, &top, b->a, b->d) < 0)
        return;
    bans->max_age_us = top.max_age_us;
    bans->forgeable = top.forgeable;
    bans->dry_run = top.dry_run;
    bans->forgive_us = top.forgive_us;
    bans->resolve_us = top.resolve_us;
    bans->bits6 = (uint8_t)top.bits6;
    build_escalation(b, &top.escalate);
    build_blocker(b, node, ops, &top);
}

void config_bans_close(struct config *c)
{
    struct blocker *blocker = c->bans.blocker;

    if (blocker && blocker->state && blocker->ops->close)
        blocker->ops->close(blocker);
    if (blocker)
        blocker->state = NULL;
    geo_free(c->bans.geo);
    c->bans.geo = NULL;
}

/* ---- what follows from it ---- */

static const char *allowed_place(const struct config_bans *bans, const struct ip *ip, char text[80])
{
    struct geo_place place = geo_find(bans->geo, ip);

    for (size_t i = 0; i < bans->allow_countries.n; i++)
        if (place.country[0] && strcasecmp(place.country, bans->allow_countries.items[i]) == 0) {
            snprintf(text, 80, "allowed: it is in %s", place.country);
            return text;
        }
    for (size_t i = 0; i < bans->nallow_as; i++)
        if (place.as_number == bans->allow_as[i]) {
            snprintf(text, 80, "allowed: it is of AS%u", place.as_number);
            return text;
        }
    return NULL;
}

static const char *allowed(const struct config_bans *bans, const struct cidr *net, char text[80])
{
    char network[IP_TEXT_SIZE + 4];

    for (size_t i = 0; i < bans->nallow; i++)
        if (cidr_overlap(&bans->allow[i], net)) {
            cidr_text(&bans->allow[i], network);
            snprintf(text, 80, "allowed by %s", network);
            return text;
        }
    return bans->geo ? allowed_place(bans, &net->net, text) : NULL;
}

const char *config_ban_forbidden(const struct config *c, const struct cidr *net, char text[80])
{
    const struct blocker *blocker = c->bans.blocker;

    if (!blocker)
        return "there is no ban backend";
    if (ip_is_special(&net->net))
        return "a special address is never banned";
    if (net->bits <
        (net->net.family == 4 ? blocker->settings.bits4_min : blocker->settings.bits6_min))
        return "that network is too large";
    if (!blocker->ops->networks && net->bits != (net->net.family == 4 ? 32 : 128))
        return "the backend bans single addresses only";
    return allowed(&c->bans, net, text);
}

int config_ban_target(const struct config *c, const struct alert *alert, struct ban_target *ret)
{
    struct ip ip;

    if (ip_parse(alert->ban.address, &ip) < 0)
        return -EINVAL;
    *ret = (struct ban_target){
        .net = ban_network(&ip, c->bans.blocker->ops->networks ? c->bans.bits6 : 128),
    };
    if (!c->bans.blocker->ops->ports)
        return 0; /* all of them, then */
    ret->protocol = alert->ban.protocol;
    memcpy(ret->ports, alert->ban.ports, sizeof ret->ports);
    return 0;
}

const char *config_ban_refusal(const struct config *c, const struct alert *alert, uint64_t now_us)
{
    const struct config_bans *bans = &c->bans;

    if (!bans->blocker)
        return "no backend";
    if (alert->ban.address.n == 0)
        return "no address";
    if (alert->trust == TRUST_FORGEABLE && !bans->forgeable)
        return "forgeable";
    if (bans->max_age_us && (alert->backfill || alert->time_us + bans->max_age_us < now_us))
        return "too old";
    return NULL;
}
