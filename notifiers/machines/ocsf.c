/*
 * OCSF: one JSON object of the class that fits, in the words of the version that was asked for.
 *
 * A class may demand what a record has not (1.1.0 wants both ends of a connection): then a plainer
 * class tells it. What has no member stands in `unmapped`.
 */
#include "notifiers/machines/encoder-private.h"

const char *const ocsf_versions[] = { "1.1.0", "1.3.0", "1.8.0", NULL };

/* By index of the version. */
static const struct version {
    bool tunnel; /* has the class Tunnel Activity */
    bool both_ends; /* Network Activity wants source and destination */
    bool response; /* HTTP Activity wants request and response */
    bool is_alert, patch, autonomous_system;
    unsigned lifecycle_max; /* activities of Application Lifecycle */
} versions[] = {
    { .both_ends = true, .response = true, .lifecycle_max = 4 },
    { .tunnel = true, .response = true, .autonomous_system = true, .lifecycle_max = 8 },
    { .tunnel = true,
      .is_alert = true,
      .patch = true,
      .autonomous_system = true,
      .lifecycle_max = 8 },
};

enum {
    CATEGORY_FINDINGS = 2,
    CATEGORY_IAM = 3,
    CATEGORY_NETWORK = 4,
    CATEGORY_APPLICATION = 6,
    OTHER = 99,
};

static const struct {
    unsigned category, class_uid;
} classes[] = {
    [OCSF_BASE] = { 0, 0 },
    [OCSF_AUTHENTICATION] = { CATEGORY_IAM, 3002 },
    [OCSF_ACCOUNT] = { CATEGORY_IAM, 3001 },
    [OCSF_FINDING] = { CATEGORY_FINDINGS, 2004 },
    [OCSF_NETWORK] = { CATEGORY_NETWORK, 4001 },
    [OCSF_HTTP] = { CATEGORY_NETWORK, 4002 },
    [OCSF_TUNNEL] = { CATEGORY_NETWORK, 4014 },
    [OCSF_LIFECYCLE] = { CATEGORY_APPLICATION, 6002 },
};

struct work {
    const struct trail_record *r;
    const struct encode_limits *l;
    const struct version *version;
    struct json_put json;
    enum ocsf_family family;
    unsigned activity;
};

static struct slice slot(const struct work *w, unsigned which)
{
    return limited_slot(w->r, w->l, which);
}

/* ---- which class ---- */

static bool has_request(const struct work *w)
{
    bool asked = slot(w, FIELD_HTTP_REQUEST_METHOD).n || slot(w, FIELD_URL_ORIGINAL).n ||
                 slot(w, FIELD_URL_PATH).n;

    return asked &&
           (!w->version->response || is_number(slot(w, FIELD_HTTP_RESPONSE_STATUS_CODE), 999));
}

static unsigned method_activity(const struct work *w)
{
    static const char *const methods[] = { "CONNECT", "DELETE", "GET",   "HEAD", "OPTIONS",
                                           "POST",    "PUT",    "TRACE", "PATCH" };
    struct slice method = slot(w, FIELD_HTTP_REQUEST_METHOD);
    size_t n = ARRAY_SIZE(methods) - (w->version->patch ? 0 : 1);

    for (unsigned i = 0; i < n; i++)
        if (slice_is(method, methods[i]))
            return i + 1;
    return OTHER;
}

static void as_network(struct work *w, unsigned activity)
{
    bool one_end = w->version->both_ends && !record_address(w->r).n;

    w->family = one_end ? OCSF_BASE : OCSF_NETWORK;
    w->activity = one_end ? OTHER : activity;
}

static void choose_class(struct work *w)
{
    w->family = w->r->kind->family;
    w->activity = w->r->kind->activity;
    if (w->family == OCSF_HTTP && has_request(w) &&
        !(w->version->both_ends && !record_address(w->r).n))
        w->activity = method_activity(w);
    else if (w->family == OCSF_HTTP)
        as_network(w, 6);
    else if (w->family == OCSF_NETWORK)
        as_network(w, w->activity);
    else if (w->family == OCSF_TUNNEL && !w->version->tunnel)
        as_network(w, w->activity <= 2 ? w->activity : 6);
    else if (w->family == OCSF_LIFECYCLE && w->activity > w->version->lifecycle_max)
        w->activity = OTHER;
}

/* ---- objects ---- */

static void put_user_object(struct work *w, const char *key, struct slice name)
{
    struct json_put *j = &w->json;

    jput_open(j, key, '{');
    if (!name.n && !slot(w, FIELD_USER_ID).n)
        name = SLICE("-");
    jput_text(j, "name", name);
    jput_text(j, "uid", slot(w, FIELD_USER_ID));
    jput_text(j, "email_addr", slot(w, FIELD_USER_EMAIL));
    jput_close(j, '}');
}

static void put_location(struct work *w)
{
    struct json_put *j = &w->json;
    struct slice lat = slot(w, FIELD_SOURCE_GEO_LOCATION_LAT);
    struct slice lon = slot(w, FIELD_SOURCE_GEO_LOCATION_LON);
    struct slice country = slot(w, FIELD_SOURCE_GEO_COUNTRY_ISO_CODE);

    if (!country.n)
        return;
    jput_open(j, "location", '{');
    jput_text(j, "country", country);
    /* 1.1.0 demands the place with the country. */
    jput_text(j, "city",
              slot(w, FIELD_SOURCE_GEO_CITY_NAME).n ? slot(w, FIELD_SOURCE_GEO_CITY_NAME)
                                                    : SLICE("-"));
    if (is_decimal(lat) && is_decimal(lon)) {
        jput_open(j, "coordinates", '[');
        jput_raw(j, NULL, lon);
        jput_raw(j, NULL, lat);
        jput_close(j, ']');
    }
    jput_close(j, '}');
}

static void put_source(struct work *w)
{
    struct json_put *j = &w->json;
    struct slice address = record_address(w->r), as = slot(w, FIELD_SOURCE_AS_NUMBER);

    if (!address.n)
        return;
    jput_open(j, "src_endpoint", '{');
    jput_text(j, "ip", address);
    if (is_number(slot(w, FIELD_SOURCE_PORT), 65535))
        jput_raw(j, "port", slot(w, FIELD_SOURCE_PORT));
    put_location(w);
    if (w->version->autonomous_system && is_number(as, UINT32_MAX)) {
        jput_open(j, "autonomous_system", '{');
        jput_raw(j, "number", as);
        jput_text(j, "name", slot(w, FIELD_SOURCE_AS_ORGANIZATION_NAME));
        jput_close(j, '}');
    }
    jput_close(j, '}');
}

static struct slice host_of(const struct work *w)
{
    struct slice named = slot(w, FIELD_HOST_NAME);

    return named.n ? named : w->r->host.n ? w->r->host : SLICE("-");
}

/* The end that is ours: the host that wrote the line. */
static void put_destination(struct work *w)
{
    struct json_put *j = &w->json;

    jput_open(j, "dst_endpoint", '{');
    jput_text(j, "hostname", host_of(w));
    jput_text(j, "svc_name", slot(w, RECORD_CHANNEL));
    jput_close(j, '}');
}

static void put_product(struct work *w, const char *key)
{
    jput_open(&w->json, key, '{');
    jput_str(&w->json, "name", PRODUCT_NAME);
    jput_str(&w->json, "vendor_name", PRODUCT_VENDOR);
    jput_str(&w->json, "version", PACKAGE_VERSION);
    jput_close(&w->json, '}');
}

static void put_http(struct work *w)
{
    struct json_put *j = &w->json;
    struct slice whole = slot(w, FIELD_URL_ORIGINAL), path = slot(w, FIELD_URL_PATH);

    jput_open(j, "http_request", '{');
    jput_text(j, "http_method", slot(w, FIELD_HTTP_REQUEST_METHOD));
    if (whole.n || path.n) {
        jput_open(j, "url", '{');
        jput_text(j, "url_string", whole);
        jput_text(j, "path", path);
        jput_close(j, '}');
    }
    jput_text(j, "user_agent", slot(w, FIELD_USER_AGENT_ORIGINAL));
    jput_text(j, "referrer", slot(w, FIELD_HTTP_REQUEST_REFERRER));
    jput_close(j, '}');
    if (!is_number(slot(w, FIELD_HTTP_RESPONSE_STATUS_CODE), 999))
        return;
    jput_open(j, "http_response", '{');
    jput_raw(j, "code", slot(w, FIELD_HTTP_RESPONSE_STATUS_CODE));
    jput_close(j, '}');
}

/* ---- findings ---- */

static void put_technique(void *ctx, struct slice id)
{
    struct json_put *j = ctx;

    jput_open(j, NULL, '{');
    jput_open(j, "technique", '{');
    jput_text(j, "uid", id);
    jput_close(j, '}');
    jput_close(j, '}');
}

static void put_finding_info(struct work *w)
{
    struct json_put *j = &w->json;
    const struct trail_record *r = w->r;
    struct slice title = r->slots[RECORD_TITLE];
    struct slice id = r->slots[RECORD_ALERT].n ? r->slots[RECORD_ALERT] : r->id;

    jput_open(j, "finding_info", '{');
    jput_long(j, "uid", id, 255);
    jput_long(j, "title", title.n ? title : slice_str(r->kind->title), w->l->message);
    jput_u64(j, "created_time", r->time_us / 1000);
    if (slot(w, RECORD_RULE).n) {
        jput_open(j, "analytic", '{');
        jput_u64(j, "type_id", 1); /* a rule */
        jput_text(j, "uid", slot(w, RECORD_RULE));
        jput_text(j, "name", slot(w, RECORD_TITLE));
        jput_close(j, '}');
    }
    if (slot(w, RECORD_TAGS).n) {
        jput_open(j, "attacks", '[');
        each_technique(r, put_technique, j);
        jput_close(j, ']');
    }
    jput_close(j, '}');
}

static unsigned confidence(struct slice trust)
{
    return slice_is(trust, "record") ? 3 : slice_is(trust, "line") ? 2 : 1;
}

static void put_evidences(struct work *w)
{
    struct json_put *j = &w->json;

    jput_open(j, "evidences", '[');
    jput_open(j, NULL, '{');
    put_source(w);
    if (slot(w, FIELD_USER_NAME).n) {
        jput_open(j, "actor", '{');
        put_user_object(w, "user", slot(w, FIELD_USER_NAME));
        jput_close(j, '}');
    }
    jput_open(j, "data", '{');
    jput_text(j, "channel", slot(w, RECORD_CHANNEL));
    jput_text(j, "key", slot(w, RECORD_KEY));
    jput_close(j, '}');
    jput_close(j, '}');
    jput_close(j, ']');
}

static bool is_ban(const struct trail_record *r)
{
    return !record_is_alert(r);
}

static void put_finding(struct work *w)
{
    struct json_put *j = &w->json;

    put_finding_info(w);
    put_evidences(w);
    if (is_ban(w->r)) {
        bool blocks = w->activity == 1;

        jput_u64(j, "action_id", blocks ? 2 : 1);
        jput_u64(j, "disposition_id", blocks ? 2 : 1);
        return;
    }
    if (w->version->is_alert)
        jput_bool(j, "is_alert", true);
    if (slot(w, RECORD_TRUST).n)
        jput_u64(j, "confidence_id", confidence(slot(w, RECORD_TRUST)));
}

/* ---- the whole ---- */

static void put_service(struct work *w)
{
    struct json_put *j = &w->json;
    struct slice name = slot(w, FIELD_SERVICE_NAME);

    jput_open(j, "service", '{');
    jput_text(j, "name",
              name.n                      ? name
              : slot(w, RECORD_CHANNEL).n ? slot(w, RECORD_CHANNEL)
                                          : SLICE("-"));
    jput_close(j, '}');
}

static void put_class(struct work *w)
{
    struct slice target = slot(w, FIELD_USER_TARGET_NAME);

    switch (w->family) {
    case OCSF_AUTHENTICATION:
        put_user_object(w, "user", slot(w, FIELD_USER_NAME));
        put_service(w);
        put_source(w);
        put_destination(w);
        break;
    case OCSF_ACCOUNT:
        put_user_object(w, "user", target.n ? target : slot(w, FIELD_USER_NAME));
        put_source(w);
        break;
    case OCSF_FINDING:
        put_finding(w);
        break;
    case OCSF_HTTP:
        put_http(w);
        put_source(w);
        put_destination(w);
        break;
    case OCSF_TUNNEL:
        put_user_object(w, "user", slot(w, FIELD_USER_NAME));
        jput_open(&w->json, "session", '{');
        jput_long(&w->json, "uid",
                  slot(w, FIELD_TRAILWARDEN_SESSION).n ? slot(w, FIELD_TRAILWARDEN_SESSION)
                                                       : w->r->id,
                  w->l->value);
        jput_bool(&w->json, "is_vpn", true);
        jput_close(&w->json, '}');
        put_source(w);
        put_destination(w);
        break;
    case OCSF_NETWORK:
        put_source(w);
        put_destination(w);
        break;
    case OCSF_LIFECYCLE:
        put_product(w, "app");
        break;
    case OCSF_BASE:
        break;
    }
}

static void put_metadata(struct work *w, const char *version)
{
    struct json_put *j = &w->json;

    jput_open(j, "metadata", '{');
    jput_str(j, "version", version);
    put_product(w, "product");
    jput_long(j, "uid", w->r->id, 255);
    jput_long(j, "log_name", w->r->origin, 255);
    jput_u64(j, "sequence", w->r->index);
    jput_time(j, "original_time", w->r->event_us);
    jput_long(j, "event_code", w->r->type, 128);
    if (w->family == OCSF_FINDING && is_ban(w->r)) {
        jput_open(j, "profiles", '[');
        jput_str(j, NULL, "security_control");
        jput_close(j, ']');
    }
    jput_close(j, '}');
}

/* type_id: 2 an address, 4 a user's name. */
static void put_observable(struct work *w, const char *name, unsigned type, struct slice value)
{
    if (!value.n)
        return;
    jput_open(&w->json, NULL, '{');
    jput_str(&w->json, "name", name);
    jput_u64(&w->json, "type_id", type);
    jput_text(&w->json, "value", value);
    jput_close(&w->json, '}');
}

static void put_observables(struct work *w)
{
    if (!record_address(w->r).n && !slot(w, FIELD_USER_NAME).n)
        return;
    jput_open(&w->json, "observables", '[');
    put_observable(w, "src_endpoint.ip", 2, record_address(w->r));
    put_observable(w, "user.name", 4, slot(w, FIELD_USER_NAME));
    jput_close(&w->json, ']');
}

static void put_unmapped(struct work *w)
{
    static const struct {
        const char *name;
        unsigned slot;
    } rest[] = {
        { "level", RECORD_LEVEL },        { "channel", RECORD_CHANNEL },
        { "action", FIELD_EVENT_ACTION }, { "tags", RECORD_TAGS },
        { "receiver", RECORD_RECEIVER },  { "state", RECORD_STATE },
        { "status", RECORD_STATUS },      { "key", RECORD_KEY },
        { "trust", RECORD_TRUST },        { "log_level", FIELD_LOG_LEVEL },
        { "alert", RECORD_ALERT },
    };
    struct json_put *j = &w->json;

    jput_open(j, "unmapped", '{');
    jput_long(j, "entry", w->r->type, 128);
    for (size_t i = 0; i < ARRAY_SIZE(rest); i++)
        jput_text(j, rest[i].name, slot(w, rest[i].slot));
    if (w->l->truncated)
        jput_bool(j, "truncated", true);
    if (w->r->nextra && !w->l->least) { /* names of strangers: in an object of their own */
        jput_open(j, "fields", '{');
        for (size_t i = 0; i < w->r->nextra; i++)
            jput_named(j, w->r->extra[i].name, w->r->extra[i].value);
        jput_close(j, '}');
    }
    jput_close(j, '}');
}

static void put_status(struct work *w)
{
    struct slice outcome = record_outcome(w->r);

    if (slice_is(outcome, "success"))
        jput_u64(&w->json, "status_id", 1);
    else if (slice_is(outcome, "failure"))
        jput_u64(&w->json, "status_id", 2);
    jput_text(&w->json, "status_detail", slot(w, FIELD_EVENT_REASON));
}

static unsigned severity_id(unsigned severity)
{
    static const uint8_t of[] = { 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 6 };

    return of[severity < ARRAY_SIZE(of) ? severity : ARRAY_SIZE(of) - 1];
}

static void encode(const struct encoder_settings *s, const struct trail_record *r,
                   const struct encode_limits *l, struct buf *out)
{
    struct work w = { .r = r,
                      .l = l,
                      .version = &versions[s->ocsf_version],
                      .json = { .out = out, .max = l->value } };
    struct json_put *j = &w.json;
    unsigned class_uid;

    choose_class(&w);
    class_uid = classes[w.family].class_uid;
    jput_open(j, NULL, '{');
    jput_u64(j, "activity_id", w.activity);
    jput_u64(j, "category_uid", classes[w.family].category);
    jput_u64(j, "class_uid", class_uid);
    jput_u64(j, "type_uid", class_uid * 100 + w.activity);
    jput_u64(j, "severity_id", severity_id(r->severity));
    jput_u64(j, "time", r->event_us / 1000);
    jput_long(j, "message", record_message(r), l->message);
    put_status(&w);
    put_metadata(&w, ocsf_versions[s->ocsf_version]);
    put_class(&w);
    put_observables(&w);
    put_unmapped(&w);
    jput_long(j, "raw_data", limited_raw(r, l), 65536);
    jput_close(j, '}');
}

const struct encoder encoder_ocsf = {
    .name = "ocsf",
    .summary = "JSON of the Open Cybersecurity Schema Framework",
    .content_type = "application/json",
    .json = true,
    .encode = encode,
};
