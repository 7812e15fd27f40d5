/*
 * ECS: one JSON object with the names of the Elastic Common Schema. Names that ECS has not stand
 * below `trailwarden`, what has no name of ours in `labels` (flat texts).
 *
 * One table says what goes where; it is in the order of writing, so that each object is opened
 * once. A value that its field's type cannot hold is left out: one bad port would make a receiver
 * refuse the whole document.
 */
#include "base/clock.h"
#include "base/ip.h"
#include "notifiers/machines/encoder-private.h"

/* Values that are made, beside the slots. */
enum own {
    OWN = RECORD_SLOTS,
    OWN_TIMESTAMP = OWN,
    OWN_CREATED,
    OWN_CATEGORY,
    OWN_TYPE,
    OWN_SEQUENCE,
    OWN_SEVERITY,
    OWN_RELATED_IP,
    OWN_RELATED_USER,
    OWN_TAGS,
    OWN_TECHNIQUES,
    OWN_LABELS,
    OWN_TRUNCATED,
    OWN_ECS, /* texts from here on */
    OWN_DATASET,
    OWN_NAMESPACE,
    OWN_STREAM,
    OWN_ID,
    OWN_KIND,
    OWN_OUTCOME,
    OWN_MODULE,
    OWN_MESSAGE,
    OWN_HOST,
    OWN_OBSERVER,
    OWN_VENDOR,
    OWN_PRODUCT,
    OWN_PRODUCT_TYPE,
    OWN_VERSION,
    OWN_RULE_NAME,
    OWN_FRAMEWORK,
    OWN_ENTRY,
    OWN_DESTINATION_IP,
    OWN_DESTINATION_DOMAIN,
    OWN_PROVIDER,
    OWN_END,
};

enum ecs_type {
    ECS_TEXT,
    ECS_LONG,
    ECS_DECIMAL,
    ECS_IP,
    ECS_DATE,
    ECS_JSON, /* made by us */
    ECS_LIST, /* texts joined by blanks, as an array */
};

static const struct row {
    const char *path;
    unsigned from;
    enum ecs_type type;
} rows[] = {
    { "@timestamp", OWN_TIMESTAMP, ECS_JSON },
    { "message", OWN_MESSAGE, ECS_TEXT },
    { "tags", OWN_TAGS, ECS_JSON },
    { "labels", OWN_LABELS, ECS_JSON },
    { "data_stream.type", OWN_STREAM, ECS_TEXT },
    { "data_stream.dataset", OWN_DATASET, ECS_TEXT },
    { "data_stream.namespace", OWN_NAMESPACE, ECS_TEXT },
    { "destination.address", FIELD_DESTINATION_ADDRESS, ECS_TEXT },
    { "destination.domain", OWN_DESTINATION_DOMAIN, ECS_TEXT },
    { "destination.ip", OWN_DESTINATION_IP, ECS_IP },
    { "destination.port", FIELD_DESTINATION_PORT, ECS_LONG },
    { "ecs.version", OWN_ECS, ECS_TEXT },
    { "error.code", FIELD_ERROR_CODE, ECS_TEXT },
    { "error.message", FIELD_ERROR_MESSAGE, ECS_TEXT },
    { "error.stack_trace", FIELD_ERROR_STACK_TRACE, ECS_TEXT },
    { "error.type", FIELD_ERROR_TYPE, ECS_TEXT },
    { "event.action", FIELD_EVENT_ACTION, ECS_TEXT },
    { "event.category", OWN_CATEGORY, ECS_JSON },
    { "event.code", FIELD_EVENT_CODE, ECS_TEXT },
    { "event.created", OWN_CREATED, ECS_JSON },
    { "event.dataset", OWN_DATASET, ECS_TEXT },
    { "event.duration", FIELD_EVENT_DURATION, ECS_LONG },
    { "event.id", OWN_ID, ECS_TEXT },
    { "event.kind", OWN_KIND, ECS_TEXT },
    { "event.module", OWN_MODULE, ECS_TEXT },
    { "event.original", RECORD_RAW, ECS_TEXT },
    { "event.outcome", OWN_OUTCOME, ECS_TEXT },
    { "event.provider", OWN_PROVIDER, ECS_TEXT },
    { "event.reason", FIELD_EVENT_REASON, ECS_TEXT },
    { "event.sequence", OWN_SEQUENCE, ECS_JSON },
    { "event.severity", OWN_SEVERITY, ECS_JSON },
    { "event.type", OWN_TYPE, ECS_JSON },
    { "group.name", FIELD_GROUP_NAME, ECS_TEXT },
    { "host.name", OWN_HOST, ECS_TEXT },
    { "http.request.method", FIELD_HTTP_REQUEST_METHOD, ECS_TEXT },
    { "http.request.referrer", FIELD_HTTP_REQUEST_REFERRER, ECS_TEXT },
    { "http.response.body.bytes", FIELD_HTTP_RESPONSE_BODY_BYTES, ECS_LONG },
    { "http.response.status_code", FIELD_HTTP_RESPONSE_STATUS_CODE, ECS_LONG },
    { "log.file.path", FIELD_LOG_FILE_PATH, ECS_TEXT },
    { "log.level", FIELD_LOG_LEVEL, ECS_TEXT },
    { "log.logger", FIELD_LOG_LOGGER, ECS_TEXT },
    { "network.protocol", FIELD_NETWORK_PROTOCOL, ECS_TEXT },
    { "network.transport", FIELD_NETWORK_TRANSPORT, ECS_TEXT },
    { "observer.name", OWN_OBSERVER, ECS_TEXT },
    { "observer.product", OWN_PRODUCT, ECS_TEXT },
    { "observer.type", OWN_PRODUCT_TYPE, ECS_TEXT },
    { "observer.vendor", OWN_VENDOR, ECS_TEXT },
    { "observer.version", OWN_VERSION, ECS_TEXT },
    { "process.command_line", FIELD_PROCESS_COMMAND_LINE, ECS_TEXT },
    { "process.name", FIELD_PROCESS_NAME, ECS_TEXT },
    { "process.pid", FIELD_PROCESS_PID, ECS_LONG },
    { "related.ip", OWN_RELATED_IP, ECS_JSON },
    { "related.user", OWN_RELATED_USER, ECS_JSON },
    { "rule.id", RECORD_RULE, ECS_TEXT },
    { "rule.name", OWN_RULE_NAME, ECS_TEXT },
    { "rule.version", RECORD_RULE_SHA256, ECS_TEXT },
    { "server.address", FIELD_SERVER_ADDRESS, ECS_TEXT },
    { "service.name", FIELD_SERVICE_NAME, ECS_TEXT },
    { "service.version", FIELD_SERVICE_VERSION, ECS_TEXT },
    { "source.address", FIELD_SOURCE_ADDRESS, ECS_TEXT },
    { "source.as.number", FIELD_SOURCE_AS_NUMBER, ECS_LONG },
    { "source.as.organization.name", FIELD_SOURCE_AS_ORGANIZATION_NAME, ECS_TEXT },
    { "source.geo.city_name", FIELD_SOURCE_GEO_CITY_NAME, ECS_TEXT },
    { "source.geo.country_iso_code", FIELD_SOURCE_GEO_COUNTRY_ISO_CODE, ECS_TEXT },
    { "source.geo.country_name", FIELD_SOURCE_GEO_COUNTRY_NAME, ECS_TEXT },
    { "source.geo.location.lat", FIELD_SOURCE_GEO_LOCATION_LAT, ECS_DECIMAL },
    { "source.geo.location.lon", FIELD_SOURCE_GEO_LOCATION_LON, ECS_DECIMAL },
    { "source.ip", FIELD_SOURCE_IP, ECS_IP },
    { "source.nat.ip", FIELD_SOURCE_NAT_IP, ECS_IP },
    { "source.port", FIELD_SOURCE_PORT, ECS_LONG },
    { "threat.framework", OWN_FRAMEWORK, ECS_TEXT },
    { "threat.technique.id", OWN_TECHNIQUES, ECS_JSON },
    { "tls.client.server_name", FIELD_TLS_SERVER_NAME, ECS_TEXT },
    { "tls.client.subject", FIELD_TLS_CLIENT_SUBJECT, ECS_TEXT },
    { "tls.client.x509.serial_number", FIELD_TLS_CLIENT_SERIAL, ECS_TEXT },
    { "trailwarden.alert", RECORD_ALERT, ECS_TEXT },
    { "trailwarden.channel", RECORD_CHANNEL, ECS_TEXT },
    { "trailwarden.count", RECORD_COUNT, ECS_LONG },
    { "trailwarden.entry", OWN_ENTRY, ECS_TEXT },
    { "trailwarden.format", FIELD_TRAILWARDEN_FORMAT, ECS_TEXT },
    { "trailwarden.geo.distance_km", FIELD_GEO_DISTANCE_KM, ECS_DECIMAL },
    { "trailwarden.geo.prev_country", FIELD_GEO_PREV_COUNTRY, ECS_TEXT },
    { "trailwarden.geo.speed_kmh", FIELD_GEO_SPEED_KMH, ECS_DECIMAL },
    { "trailwarden.guard", FIELD_TRAILWARDEN_GUARD, ECS_TEXT },
    { "trailwarden.inbound", FIELD_TRAILWARDEN_INBOUND, ECS_TEXT },
    { "trailwarden.job", FIELD_TRAILWARDEN_JOB, ECS_TEXT },
    { "trailwarden.key", FIELD_TRAILWARDEN_KEY, ECS_TEXT },
    { "trailwarden.level", RECORD_LEVEL, ECS_TEXT },
    { "trailwarden.order", FIELD_TRAILWARDEN_ORDER, ECS_TEXT },
    { "trailwarden.outbound", FIELD_TRAILWARDEN_OUTBOUND, ECS_TEXT },
    { "trailwarden.receiver", RECORD_RECEIVER, ECS_TEXT },
    { "trailwarden.sender", FIELD_LOG_SOURCE_ADDRESS, ECS_TEXT },
    { "trailwarden.session", FIELD_TRAILWARDEN_SESSION, ECS_TEXT },
    { "trailwarden.source_key", RECORD_KEY, ECS_TEXT },
    { "trailwarden.state", RECORD_STATE, ECS_TEXT },
    { "trailwarden.status", RECORD_STATUS, ECS_TEXT },
    { "trailwarden.truncated", OWN_TRUNCATED, ECS_JSON },
    { "trailwarden.trust", RECORD_TRUST, ECS_TEXT },
    { "trailwarden.until", FIELD_TRAILWARDEN_UNTIL, ECS_DATE },
    { "url.original", FIELD_URL_ORIGINAL, ECS_TEXT },
    { "url.path", FIELD_URL_PATH, ECS_TEXT },
    { "user.effective.name", FIELD_USER_EFFECTIVE_NAME, ECS_TEXT },
    { "user.email", FIELD_USER_EMAIL, ECS_TEXT },
    { "user.id", FIELD_USER_ID, ECS_TEXT },
    { "user.name", FIELD_USER_NAME, ECS_TEXT },
    { "user.roles", FIELD_USER_ROLES, ECS_LIST },
    { "user.target.name", FIELD_USER_TARGET_NAME, ECS_TEXT },
    { "user_agent.original", FIELD_USER_AGENT_ORIGINAL, ECS_TEXT },
};

/* ---- what is made ---- */

struct work {
    const struct encoder_settings *s;
    const struct trail_record *r;
    const struct encode_limits *l;
    struct slice own[OWN_END - OWN]; /* texts */
    struct json_put json;
    const char *open[4]; /* the path of the last row: its objects */
    size_t depth;
};

static bool is_ip(struct slice s)
{
    struct ip ip;

    return s.n && s.n < IP_TEXT_SIZE && ip_parse(s, &ip) == 0;
}

static void fill_own(struct work *w)
{
    const struct trail_record *r = w->r;
    struct slice destination = limited_slot(r, w->l, FIELD_DESTINATION_ADDRESS);
    bool ip = is_ip(destination);
    const struct slice texts[OWN_END - OWN_ECS] = {
        [OWN_ECS - OWN_ECS] = slice_str(w->s->ecs_version),
        [OWN_DATASET - OWN_ECS] = slice_str(w->s->dataset),
        [OWN_NAMESPACE - OWN_ECS] = slice_str(w->s->namespace_),
        [OWN_STREAM - OWN_ECS] = SLICE("logs"),
        [OWN_ID - OWN_ECS] = r->id,
        [OWN_KIND - OWN_ECS] = slice_str(r->kind->ecs_kind),
        [OWN_OUTCOME - OWN_ECS] = record_outcome(r),
        [OWN_MODULE - OWN_ECS] = SLICE(PRODUCT_NAME),
        [OWN_MESSAGE - OWN_ECS] = record_message(r),
        [OWN_HOST - OWN_ECS] =
            w->l->least || !r->slots[FIELD_HOST_NAME].n ? r->host : r->slots[FIELD_HOST_NAME],
        [OWN_OBSERVER - OWN_ECS] = r->host,
        [OWN_VENDOR - OWN_ECS] = SLICE(PRODUCT_VENDOR),
        [OWN_PRODUCT - OWN_ECS] = SLICE(PRODUCT_NAME),
        [OWN_PRODUCT_TYPE - OWN_ECS] = SLICE("ids"),
        [OWN_VERSION - OWN_ECS] = SLICE(PACKAGE_VERSION),
        [OWN_RULE_NAME - OWN_ECS] =
            limited_slot(r, w->l, record_is_alert(r) ? RECORD_TITLE : FIELD_RULE_NAME),
        [OWN_FRAMEWORK - OWN_ECS] =
            slice_find(limited_slot(r, w->l, RECORD_TAGS), SLICE("attack.")) == SIZE_MAX
                ? SLICE("")
                : SLICE("MITRE ATT&CK"),
        [OWN_ENTRY - OWN_ECS] = r->type,
        [OWN_DESTINATION_IP - OWN_ECS] = ip ? destination : SLICE(""),
        [OWN_DESTINATION_DOMAIN - OWN_ECS] = ip ? SLICE("") : destination,
        [OWN_PROVIDER - OWN_ECS] = r->slots[RECORD_CHANNEL],
    };

    memcpy(w->own + (OWN_ECS - OWN), texts, sizeof texts);
}

static struct slice text_of(const struct work *w, unsigned from)
{
    return from < OWN ? limited_slot(w->r, w->l, from) : w->own[from - OWN];
}

static bool is_date(struct slice s)
{
    uint64_t us;

    return s.n && time_parse_rfc3339(s, &us) == 0 && s.n <= 40 && s.p[10] == 'T';
}

/* Is there something to write, and does its type hold it? */
static bool has_value(const struct work *w, const struct row *row)
{
    struct slice s = text_of(w, row->from);

    switch (row->type) {
    case ECS_LONG:
        return is_number(s, JSON_INTEGER_MAX);
    case ECS_DECIMAL:
        return is_decimal(s);
    case ECS_IP:
        return is_ip(s);
    case ECS_DATE:
        return is_date(s);
    case ECS_TEXT:
    case ECS_LIST:
    case ECS_JSON:
        break;
    }
    return s.n > 0;
}

/* ---- arrays and objects of our own ---- */

static void put_strings(struct json_put *j, const char *key, const char *const *list, size_t n)
{
    jput_open(j, key, '[');
    for (size_t i = 0; i < n && list[i]; i++)
        jput_str(j, NULL, list[i]);
    jput_close(j, ']');
}

/* Slots as one array, each value once. */
static void put_values(struct work *w, const char *key, const unsigned *slots, size_t n, bool ip)
{
    struct json_put *j = &w->json;

    jput_open(j, key, '[');
    for (size_t i = 0; i < n; i++) {
        struct slice s = limited_slot(w->r, w->l, slots[i]);
        bool told = ip && !is_ip(s);

        for (size_t k = 0; k < i && !told; k++)
            told = slice_eq(s, limited_slot(w->r, w->l, slots[k]));
        if (!told)
            jput_text(j, NULL, s);
    }
    jput_close(j, ']');
}

static void put_list(struct json_put *j, const char *key, struct slice words)
{
    struct slice word;

    jput_open(j, key, '[');
    while (slice_split(&words, ' ', &word))
        jput_text(j, NULL, word);
    jput_close(j, ']');
}

static void put_technique(void *ctx, struct slice id)
{
    jput_text(ctx, NULL, id);
}

static void put_labels(struct work *w, const char *key)
{
    jput_open(&w->json, key, '{');
    for (size_t i = 0; i < w->r->nextra; i++)
        jput_named(&w->json, w->r->extra[i].name, w->r->extra[i].value);
    jput_close(&w->json, '}');
}

static const unsigned addresses[] = { FIELD_SOURCE_IP, FIELD_SOURCE_NAT_IP,
                                      FIELD_DESTINATION_ADDRESS };
static const unsigned users[] = { FIELD_USER_NAME, FIELD_USER_TARGET_NAME,
                                  FIELD_USER_EFFECTIVE_NAME };

static void put_json(struct work *w, const char *key, unsigned what)
{
    struct json_put *j = &w->json;
    const struct trail_record *r = w->r;

    switch (what) {
    case OWN_TIMESTAMP:
        jput_time(j, key, r->event_us);
        break;
    case OWN_CREATED:
        jput_time(j, key, r->time_us);
        break;
    case OWN_CATEGORY:
        put_strings(j, key, r->kind->ecs_category, ARRAY_SIZE(r->kind->ecs_category));
        break;
    case OWN_TYPE:
        put_strings(j, key, r->kind->ecs_type, ARRAY_SIZE(r->kind->ecs_type));
        break;
    case OWN_SEQUENCE:
        jput_u64(j, key, r->index);
        break;
    case OWN_SEVERITY:
        jput_u64(j, key, r->severity);
        break;
    case OWN_RELATED_IP:
        put_values(w, key, addresses, ARRAY_SIZE(addresses), true);
        break;
    case OWN_RELATED_USER:
        put_values(w, key, users, ARRAY_SIZE(users), false);
        break;
    case OWN_TAGS:
        put_list(j, key, limited_slot(r, w->l, RECORD_TAGS));
        break;
    case OWN_TECHNIQUES:
        jput_open(j, key, '[');
        each_technique(r, put_technique, j);
        jput_close(j, ']');
        break;
    case OWN_LABELS:
        put_labels(w, key);
        break;
    default: /* OWN_TRUNCATED */
        jput_bool(j, key, true);
        break;
    }
}

static bool any_of(const struct work *w, const unsigned *slots, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (limited_slot(w->r, w->l, slots[i]).n)
            return true;
    return false;
}

static bool has_json(const struct work *w, unsigned what)
{
    switch (what) {
    case OWN_RELATED_IP:
        return any_of(w, addresses, ARRAY_SIZE(addresses));
    case OWN_RELATED_USER:
        return any_of(w, users, ARRAY_SIZE(users));
    case OWN_TAGS:
        return limited_slot(w->r, w->l, RECORD_TAGS).n > 0;
    case OWN_TECHNIQUES:
        return w->own[OWN_FRAMEWORK - OWN].n > 0;
    case OWN_LABELS:
        return w->r->nextra > 0 && !w->l->least;
    case OWN_TRUNCATED:
        return w->l->truncated;
    case OWN_CATEGORY:
    case OWN_TYPE:
        return w->r->kind->ecs_category[0] != NULL;
    default:
        return true;
    }
}

/* ---- writing ---- */

/* Closes and opens objects on the way from the last path to this one; its last name. */
static const char *enter(struct work *w, const char *path)
{
    const char *p = path, *point;
    size_t same = 0;
    char name[32];

    while ((point = strchr(p, '.')) && same < w->depth) {
        size_t n = (size_t)(point - p);

        if (strncmp(w->open[same], p, n) != 0 || w->open[same][n] != '.')
            break;
        same++;
        p = point + 1;
    }
    for (; w->depth > same; w->depth--)
        jput_close(&w->json, '}');
    for (; (point = strchr(p, '.')); p = point + 1) {
        size_t n = (size_t)(point - p);

        memcpy(name, p, n);
        name[n] = '\0';
        jput_open(&w->json, name, '{');
        w->open[w->depth++] = p;
    }
    return p;
}

static void put_row(struct work *w, const struct row *row)
{
    bool json = row->from >= OWN && row->type == ECS_JSON;
    const char *key;

    if (json ? !has_json(w, row->from) : !has_value(w, row))
        return;
    key = enter(w, row->path);
    if (json)
        put_json(w, key, row->from);
    else if (row->type == ECS_LIST)
        put_list(&w->json, key, text_of(w, row->from));
    else if (row->type == ECS_LONG || row->type == ECS_DECIMAL)
        jput_raw(&w->json, key, text_of(w, row->from));
    else
        jput_long(&w->json, key, text_of(w, row->from),
                  row->from == OWN_MESSAGE  ? w->l->message
                  : row->from == RECORD_RAW ? 65536
                  : row->from == OWN_ID     ? 255
                                            : w->json.max);
}

static void encode(const struct encoder_settings *s, const struct trail_record *r,
                   const struct encode_limits *l, struct buf *out)
{
    struct work w = { .s = s, .r = r, .l = l, .json = { .out = out, .max = l->value } };

    fill_own(&w);
    jput_open(&w.json, NULL, '{');
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        put_row(&w, &rows[i]);
    (void)enter(&w, "");
    jput_close(&w.json, '}');
}

const struct encoder encoder_ecs = {
    .name = "ecs",
    .summary = "JSON with the names of the Elastic Common Schema",
    .content_type = "application/json",
    .json = true,
    .encode = encode,
};
