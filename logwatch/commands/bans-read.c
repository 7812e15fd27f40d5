/* Lists of networks that others wrote: plain, CSV, JSON. */
#include "logwatch/commands/bans-format.h"

#include <errno.h>
#include <string.h>

#define CELLS_MAX 64
#define DOCUMENT_MAX (64u << 20)

static const struct {
    const char *name;
    bool reading;
} forms[BAN_FORMS] = {
    [BAN_PLAIN] = { "plain", true },  [BAN_CSV] = { "csv", true },
    [BAN_JSON] = { "json", true },    [BAN_NFT] = { "nft", false },
    [BAN_IPSET] = { "ipset", false },
};

int ban_form_parse(struct slice name, bool reading, enum ban_form *ret)
{
    for (unsigned i = 0; i < BAN_FORMS; i++)
        if (slice_is(name, forms[i].name) && (forms[i].reading || !reading)) {
            *ret = (enum ban_form)i;
            return 0;
        }
    return -EINVAL;
}

enum ban_form ban_form_of(const char *path)
{
    static const struct {
        const char *ending;
        enum ban_form form;
    } endings[] = { { ".csv", BAN_CSV },     { ".json", BAN_JSON }, { ".jsonl", BAN_JSON },
                    { ".ndjson", BAN_JSON }, { ".nft", BAN_NFT },   { ".ipset", BAN_IPSET } };

    for (size_t i = 0; path && i < ARRAY_SIZE(endings); i++)
        if (slice_ends(slice_str(path), slice_str(endings[i].ending)))
            return endings[i].form;
    return BAN_PLAIN;
}

bool ban_target_special(const struct ban_target *t)
{
    /* One of each kind: a network that holds it holds special addresses. */
    static const char *const kinds[] = { "0.0.0.0",   "127.0.0.1",       "169.254.0.1",
                                         "224.0.0.1", "255.255.255.255", "::",
                                         "::1",       "fe80::1",         "ff02::1" };
    struct ip ip;

    if (ip_is_special(&t->net.net))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (ip_parse(slice_str(kinds[i]), &ip) == 0 && cidr_has(&t->net, &ip))
            return true;
    return false;
}

/* ---- one network ---- */

struct reading {
    const struct ban_list_reader *r;
    unsigned line;
};

static void fault(const struct reading *x, size_t at, const char *text)
{
    x->r->fault(x->r->ctx, x->line, (unsigned)at + 1, text);
}

/* Why it is none: a network with host bits gets its hint. */
static void no_network(const struct reading *x, size_t at, struct slice text)
{
    size_t blank = 0;
    struct err err = ERR_NONE;
    struct cidr c;

    while (blank < text.n && text.p[blank] != ' ' && text.p[blank] != '\t')
        blank++;
    if (cidr_parse(slice_take(text, blank), &c, &err) == 0)
        fault(x, at + blank, "something follows the network that is no protocol with ports");
    else
        fault(x, at, err.text[0] ? err.text : "no address or network");
}

static int take(const struct reading *x, size_t at, struct slice text)
{
    struct ban_target t;

    if (text.n > BAN_TEXT_SIZE) {
        fault(x, at, "too long for a network");
        return 0;
    }
    if (ban_target_parse(text, &t) < 0) {
        no_network(x, at, text);
        return 0;
    }
    if (ban_target_special(&t)) {
        fault(x, at, "it holds addresses that are never banned");
        return 0;
    }
    return x->r->network(x->r->ctx, &t);
}

/* ---- plain ---- */

/* 192.0.2.0/24 ; SBL1234 */
static struct slice without_comment(struct slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] == '#' || line.p[i] == ';')
            return slice_of(line.p, i);
    return line;
}

static int plain_line(const struct reading *x, struct slice line)
{
    struct slice text = slice_trim(without_comment(line));

    if (text.n == 0)
        return 0;
    return take(x, (size_t)(text.p - line.p), text);
}

/* Calls fn for each line; the longest are faults. */
static int each_line(struct reading *x, struct slice text,
                     int (*fn)(const struct reading *x, struct slice line))
{
    struct slice line;
    int r = 0;

    while (r == 0 && slice_split(&text, '\n', &line)) {
        x->line++;
        if (line.n > BAN_LINE_MAX)
            fault(x, BAN_LINE_MAX, "the line is too long");
        else
            r = fn(x, line);
    }
    return r;
}

/* ---- CSV ---- */

struct cell {
    char text[BAN_TEXT_SIZE + 64]; /* what is longer is no network */
    size_t n, at; /* its column in the file */
};

struct csv {
    struct reading x;
    struct slice rest;
    struct cell *cells;
    size_t n;
    size_t network, protocol, ports; /* their columns; SIZE_MAX: there is none */
    const char *line; /* where it begins */
};

static void cell_add(struct cell *c, char byte)
{
    if (c->n < sizeof c->text)
        c->text[c->n++] = byte;
}

/* The inside of a quoted cell; `rest` is behind its first quote. */
static void csv_quoted(struct csv *v, struct cell *c)
{
    while (v->rest.n) {
        char byte = *v->rest.p;

        v->rest = slice_skip(v->rest, 1);
        if (byte == '"') {
            if (v->rest.n == 0 || *v->rest.p != '"')
                return;
            v->rest = slice_skip(v->rest, 1);
        }
        if (byte == '\n') {
            v->x.line++;
            v->line = v->rest.p;
        }
        cell_add(c, byte);
    }
    fault(&v->x, c->at, "a quote has no end: the lines behind it are lost");
}

/* One cell up to the comma or line end behind it; false: it was the last one of its row. */
static bool csv_cell(struct csv *v, struct cell *c)
{
    *c = (struct cell){ .at = (size_t)(v->rest.p - v->line) };
    if (v->rest.n && *v->rest.p == '"') {
        v->rest = slice_skip(v->rest, 1);
        csv_quoted(v, c);
    }
    while (v->rest.n) {
        char byte = *v->rest.p;

        v->rest = slice_skip(v->rest, 1);
        if (byte == ',' || byte == '\n')
            return byte == ',';
        cell_add(c, byte);
    }
    return false;
}

/* False: there is no more. */
static bool csv_row(struct csv *v)
{
    bool more = true;

    if (v->rest.n == 0)
        return false;
    v->x.line++;
    v->line = v->rest.p;
    v->n = 0;
    while (more) {
        struct cell spare;

        more = csv_cell(v, v->n < CELLS_MAX ? &v->cells[v->n] : &spare);
        v->n += v->n < CELLS_MAX;
    }
    return true;
}

static struct slice cell_text(const struct csv *v, size_t i)
{
    struct slice s = i < v->n ? slice_trim(slice_of(v->cells[i].text, v->cells[i].n)) : SLICE("");

    if (s.n > 1 && s.p[0] == '\'') /* of buf_csv() */
        s = slice_skip(s, 1);
    return s;
}

/* Which column is what. False: the row is no heading. */
static bool csv_heading(struct csv *v)
{
    static const char *const names[] = { "network", "ip",        "address", "cidr",
                                         "subnet",  "source.ip", "src_ip",  "ip_address" };
    size_t network = SIZE_MAX;

    for (size_t i = 0; i < v->n; i++) {
        for (size_t k = 0; k < ARRAY_SIZE(names) && network == SIZE_MAX; k++)
            if (slice_eq_nocase(cell_text(v, i), slice_str(names[k])))
                network = i;
        if (slice_eq_nocase(cell_text(v, i), SLICE("protocol")))
            v->protocol = i;
        if (slice_eq_nocase(cell_text(v, i), SLICE("ports")))
            v->ports = i;
    }
    if (network == SIZE_MAX) {
        v->protocol = v->ports = SIZE_MAX;
        return false;
    }
    v->network = network;
    return true;
}

static int csv_take(struct csv *v)
{
    struct slice network = cell_text(v, v->network), protocol = cell_text(v, v->protocol),
                 ports = cell_text(v, v->ports);
    AUTO_BUF text = BUF_INIT;

    if (network.n == 0 && v->n <= 1)
        return 0; /* an empty line */
    if (network.n && network.p[0] == '#')
        return 0;
    buf_slice(&text, network);
    if (protocol.n || ports.n)
        buf_printf(&text, " %.*s", SLICE_FMT(protocol.n ? protocol : SLICE("tcp")));
    if (ports.n)
        buf_printf(&text, " %.*s", SLICE_FMT(ports));
    if (!buf_ok(&text))
        return -ENOMEM;
    return take(&v->x, v->network < v->n ? v->cells[v->network].at : 0, buf_view(&text));
}

static int csv_read(struct slice text, const struct ban_list_reader *r)
{
    struct csv v = { .x = { .r = r }, .rest = text, .protocol = SIZE_MAX, .ports = SIZE_MAX };
    int e = 0;

    v.cells = calloc(CELLS_MAX, sizeof *v.cells);
    if (!v.cells)
        return -ENOMEM;
    for (bool first = true; e == 0 && csv_row(&v); first = false)
        if (!first || !csv_heading(&v))
            e = csv_take(&v);
    free(v.cells);
    return e;
}

/* ---- JSON: a document a line, or one array, or {"bans":[...]} ---- */

static struct slice network_of(const struct json *j)
{
    static const char *const names[] = { "network", "ip", "address", "cidr", "source.ip" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (json_text(j, names[i]).n)
            return json_text(j, names[i]);
    return SLICE("");
}

static void buf_ports(struct buf *b, const struct json *ports)
{
    const char *before = " ";

    for (const struct json *p = ports ? ports->child : NULL; p; p = p->next, before = ",")
        buf_printf(b, "%s%.*s", before, SLICE_FMT(p->text));
}

/* `at`: which one of an array. */
static int json_take(const struct reading *x, size_t at, const struct json *j)
{
    AUTO_BUF text = BUF_INIT;

    if (j->type == JSON_STRING)
        return take(x, at, j->text);
    if (j->type != JSON_OBJECT || network_of(j).n == 0) {
        fault(x, at, "no text, and no object with a member 'network', 'ip' or 'address'");
        return 0;
    }
    buf_slice(&text, network_of(j));
    if (json_text(j, "protocol").n)
        buf_printf(&text, " %.*s", SLICE_FMT(json_text(j, "protocol")));
    buf_ports(&text, json_get(j, "ports"));
    return buf_ok(&text) ? take(x, at, buf_view(&text)) : -ENOMEM;
}

static int json_array_take(const struct reading *x, const struct json *array)
{
    size_t at = 0;
    int r = 0;

    for (const struct json *j = array->child; j && r == 0; j = j->next)
        r = json_take(x, at++, j);
    return r;
}

static int json_one(const struct reading *x, struct slice text)
{
    AUTO(arena) a = arena_new(4096, DOCUMENT_MAX * 8ull);
    struct err err = ERR_NONE;
    const struct json *j, *bans;

    if (!a)
        return -ENOMEM;
    text = slice_trim(text);
    if (text.n == 0)
        return 0;
    j = json_load(a, text, &err);
    if (!j) {
        fault(x, 0, err.text);
        return 0;
    }
    bans = j->type == JSON_ARRAY ? j : json_get(j, "bans");
    return bans && bans->type == JSON_ARRAY ? json_array_take(x, bans) : json_take(x, 0, j);
}

/* Whether the first document ends with its line. */
static bool by_lines(struct slice text)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    struct slice line = slice_trim(slice_take(text, slice_find_byte(text, '\n')));

    return a && line.n && json_load(a, line, NULL) != NULL;
}

static int json_read(struct slice text, const struct ban_list_reader *r)
{
    struct reading x = { .r = r };
    struct slice all = slice_trim(text);

    if (all.n && all.p[0] == '{' && !by_lines(all))
        return json_one(&x, all);
    if (all.n && all.p[0] == '[') {
        x.line = 1;
        return json_one(&x, all);
    }
    return each_line(&x, text, json_one);
}

int ban_list_read(enum ban_form form, struct slice text, const struct ban_list_reader *r)
{
    struct reading x = { .r = r };

    if (slice_starts(text, SLICE("\xef\xbb\xbf"))) /* a byte order mark */
        text = slice_skip(text, 3);
    if (form == BAN_CSV)
        return csv_read(text, r);
    if (form == BAN_JSON)
        return json_read(text, r);
    return each_line(&x, text, plain_line);
}
