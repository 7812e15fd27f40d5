/*
 * Kafka. A record counts when its delivery report says so. Its key is the source's address or the
 * user, so all of one stays in one partition and in order; its id stands in a header.
 */
#include <config.h>

#ifdef HAVE_KAFKA

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>

#include "base/secret.h"
#include "base/utf8.h"
#include "notifiers/machines/kinds.h"

enum key {
    KEY_ADDRESS,
    KEY_USER,
    KEY_CHANNEL,
    KEY_ID,
};
static const char *const keys[] = { "address", "user", "channel", "id", NULL };

struct kafka {
    struct encoder_settings encoding;
    const char *brokers, *topic;
    struct option_strs settings;
    struct secret *password;
    int key;
    uint64_t timeout_us;
    rd_kafka_t *producer;
};

static const struct option kafka_options[] = {
    ENCODER_OPTIONS(struct kafka, encoding, "ecs", "256KiB"),
    { .name = "brokers",
      .type = OPTION_STR,
      .offset = AT(struct kafka, brokers),
      .help = "bootstrap.servers: HOST:PORT,HOST:PORT." },
    { .name = "topic",
      .type = OPTION_STR,
      .offset = AT(struct kafka, topic),
      .fallback = "trailwarden",
      .help = "Where the records go." },
    { .name = "key",
      .type = OPTION_ENUM,
      .offset = AT(struct kafka, key),
      .fallback = "address",
      .choices = keys,
      .help = "What chooses the partition." },
    { .name = "password",
      .type = OPTION_SECRET,
      .offset = AT(struct kafka, password),
      .help = "sasl.password." },
    { .name = "settings",
      .type = OPTION_STRS,
      .offset = AT(struct kafka, settings),
      .help = "Further settings of librdkafka as they are: NAME=VALUE." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct kafka, timeout_us),
      .fallback = "30s",
      .min = "1s",
      .max = "5m",
      .help = "For one batch." },
    { 0 },
};

/* The opaque of a message is its result. */
static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *ctx)
{
    struct machine_result *result = message->_private;

    (void)producer;
    (void)ctx;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        result->state = DELIVERY_SENT;
    else if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
             message->err == RD_KAFKA_RESP_ERR_INVALID_MSG ||
             message->err == RD_KAFKA_RESP_ERR_INVALID_RECORD)
        result_dead(result, "kafka: %s", rd_kafka_err2str(message->err));
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char text[160];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return 0;
    return err_set(err, -EINVAL, "%s", text);
}

static int set_all(const struct kafka *o, rd_kafka_conf_t *conf, struct err *err)
{
    static const char *const fixed[][2] = { { "client.id", "trailwarden" },
                                            { "enable.idempotence", "true" },
                                            { "acks", "all" },
                                            { "compression.codec", "lz4" },
                                            { "linger.ms", "5" },
                                            { "log_level", "2" } };

    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        if (set(conf, fixed[i][0], fixed[i][1], err) < 0)
            return err_code(err);
    if (o->brokers && set(conf, "bootstrap.servers", o->brokers, err) < 0)
        return err_code(err);
    for (size_t i = 0; i < o->settings.n; i++) {
        struct slice rest = slice_str(o->settings.items[i]), name;
        AUTO_FREE char *n = NULL;

        slice_split(&rest, '=', &name);
        n = slice_dup(name);
        if (!n || !rest.p)
            return err_set(err, -EINVAL, "'%s' is no NAME=VALUE", o->settings.items[i]);
        if (set(conf, n, rest.p, err) < 0)
            return err_code(err);
    }
    return o->password ? set(conf, "sasl.password", secret_view(o->password).p, err) : 0;
}

static int kafka_open(struct machine *m, struct err *err)
{
    struct kafka *o = m->state;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int r = set_all(o, conf, err);

    rd_kafka_conf_destroy(conf); /* threads begin at the first record: not before a fork */
    return r < 0 ? r : encoder_ready(&o->encoding, err);
}

static int start(struct kafka *o, struct err *err)
{
    rd_kafka_conf_t *conf;
    char text[160];

    if (o->producer)
        return 0;
    conf = rd_kafka_conf_new();
    if (set_all(o, conf, err) < 0) {
        rd_kafka_conf_destroy(conf);
        return err_code(err);
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    o->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (o->producer)
        return 0;
    rd_kafka_conf_destroy(conf);
    return err_set(err, -EIO, "%s", text);
}

static struct slice key_of(const struct kafka *o, const struct trail_record *r)
{
    const struct slice of[] = { [KEY_ADDRESS] = r->slots[FIELD_SOURCE_IP],
                                [KEY_USER] = r->slots[FIELD_USER_NAME],
                                [KEY_CHANNEL] = r->slots[RECORD_CHANNEL],
                                [KEY_ID] = r->id };

    return of[o->key].n ? of[o->key] : r->id;
}

static rd_kafka_resp_err_t produce(struct kafka *o, const struct trail_record *r,
                                   struct slice value, struct machine_result *result)
{
    struct slice key = key_of(o, r), id = utf8_cut(r->id, 400);
    const char *schema = o->encoding.encoder->name;

    return rd_kafka_producev(o->producer, RD_KAFKA_V_TOPIC(o->topic),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_KEY((void *)(uintptr_t)key.p, key.n),
                             RD_KAFKA_V_VALUE((void *)(uintptr_t)value.p, value.n),
                             RD_KAFKA_V_TIMESTAMP((int64_t)(r->event_us / 1000)),
                             RD_KAFKA_V_HEADER("event-id", id.p, (ssize_t)id.n),
                             RD_KAFKA_V_HEADER("schema", schema, (ssize_t)strlen(schema)),
                             RD_KAFKA_V_OPAQUE(result), RD_KAFKA_V_END);
}

static int put_one(struct kafka *o, const struct trail_record *r, struct buf *out,
                   struct machine_result *result)
{
    rd_kafka_resp_err_t e;
    int n;

    buf_reset(out);
    n = encoder_encode(&o->encoding, r, out);
    if (n == -EMSGSIZE)
        result_dead(result, "larger than max_size");
    if (n < 0)
        return n == -EMSGSIZE ? 0 : n;
    e = produce(o, r, buf_view(out), result);
    if (e == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        result_dead(result, "kafka: %s", rd_kafka_err2str(e));
    else if (e == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return -EAGAIN; /* the trail is the queue */
    else if (e)
        return -EIO;
    return 0;
}

static bool all_told(const struct machine_result *results, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (results[i].state == DELIVERY_RETRY)
            return false;
    return true;
}

/* What is still under way when the time is over is thrown away, so no report comes too late. */
static void wait_for_reports(struct kafka *o, const struct machine_result *results, size_t n,
                             struct machine_said *said)
{
    rd_kafka_resp_err_t e = rd_kafka_flush(o->producer, (int)(o->timeout_us / 1000));

    if (e) {
        rd_kafka_purge(o->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(o->producer, 1000);
        rd_kafka_destroy(o->producer);
        o->producer = NULL;
    }
    if (all_told(results, n))
        snprintf(said->status, sizeof said->status, "stored");
    else
        snprintf(said->status, sizeof said->status, "%s",
                 e ? rd_kafka_err2str(e) : "not all were taken");
}

static void kafka_deliver(struct machine *m, const struct trail_record *records, size_t n,
                          struct machine_result *results, struct machine_said *said)
{
    struct kafka *o = m->state;
    struct err err = ERR_NONE;
    AUTO_BUF out = BUF_INIT;

    if (start(o, &err) < 0) {
        snprintf(said->status, sizeof said->status, "%.150s", err.text);
        return;
    }
    for (size_t i = 0; i < n && put_one(o, &records[i], &out, &results[i]) == 0; i++)
        ;
    wait_for_reports(o, results, n, said);
}

static void kafka_close(struct machine *m)
{
    struct kafka *o = m->state;

    if (!o)
        return;
    if (o->producer)
        rd_kafka_destroy(o->producer);
    secret_free(o->password);
}

const struct machine_ops machine_kafka = {
    .name = "kafka",
    .summary = "records into a topic of Kafka",
    .options = kafka_options,
    .state_size = sizeof(struct kafka),
    .loads_libraries = true,
    .open = kafka_open,
    .deliver = kafka_deliver,
    .close = kafka_close,
};

#endif
