/*
 * Encoder: a record in the words of a receiver. Pure: the same record and settings give the same
 * bytes, nothing is asked, kept or sent.
 *
 * One record is one record for the receiver, whatever is in it: no value can end a line, a field
 * or a string (text.h). A record over the limit is written smaller, never cut: first without its
 * raw text, then with a shorter message, then with shorter values; it says so by its member
 * `truncated`.
 *
 * Each format is one .c with one table of what goes where; encoders.c is the list of them.
 */
#pragma once

#include "base/option.h"
#include "notifiers/machines/record.h"
#include "notifiers/machines/text.h"

enum syslog_header {
    HEADER_NONE,
    HEADER_RFC5424,
    HEADER_RFC3164,
};

struct encoder;

/* What a configuration says; encoder_ready() checks it. The texts are borrowed. */
struct encoder_settings {
    int format; /* index in encoder_names */
    int header; /* enum syslog_header; what a transport needs in front */
    uint64_t max_bytes; /* of one record, with its header */
    int facility;
    uint64_t enterprise; /* number in the SD-ID; 32473 is that of examples (RFC 5612) */
    bool bom;
    int ocsf_version; /* index in ocsf_versions */
    const char *ecs_version, *dataset, *namespace_; /* of ECS and its data stream */
    const char *delimiter; /* of LEEF: one sign */
    bool raw; /* the raw text goes along */
    const struct encoder *encoder; /* by encoder_ready(), as what follows */
    struct text_style leef;
};

#define ENCODE_BYTES_MIN 2048
#define ENCODE_SYSLOG_BYTES 8000

/* How small it must be. */
struct encode_limits {
    bool raw;
    bool truncated; /* say so */
    bool least; /* what has no slot is left out */
    size_t message, value; /* bytes of a clean text */
};

struct encoder {
    const char *name;
    const char *summary;
    const char *content_type; /* of one record by HTTP */
    bool json; /* one JSON object */
    void (*encode)(const struct encoder_settings *s, const struct trail_record *r,
                   const struct encode_limits *l, struct buf *out);
};

extern const struct encoder encoder_rfc5424, encoder_cef, encoder_leef, encoder_ecs, encoder_ocsf,
    encoder_gelf, encoder_json;

/* In the order of the setting; ends with NULL. */
extern const struct encoder *const encoders[];
extern const char *const encoder_names[], *const ocsf_versions[], *const facility_names[],
                                                                      *const header_names[];

/* The options all machines share: at offset `at` of a state there is a struct encoder_settings. */
#define ENCODER_OPTIONS(state, member, format_fallback, size_fallback)                             \
    { .name = "format",                                                                            \
      .type = OPTION_ENUM,                                                                         \
      .offset = AT(state, member.format),                                                          \
      .fallback = format_fallback,                                                                 \
      .choices = encoder_names,                                                                    \
      .help = "What the other side reads." },                                                      \
        { .name = "max_size",                                                                      \
          .type = OPTION_SIZE,                                                                     \
          .offset = AT(state, member.max_bytes),                                                   \
          .fallback = size_fallback,                                                               \
          .min = "2KiB",                                                                           \
          .max = "1MiB",                                                                           \
          .help = "A larger record is written smaller: without its raw text, with less text." },   \
        { .name = "raw",                                                                           \
          .type = OPTION_BOOL,                                                                     \
          .offset = AT(state, member.raw),                                                         \
          .fallback = "true",                                                                      \
          .help = "Send the line of the log along." },                                             \
        { .name = "ocsf_version",                                                                  \
          .type = OPTION_ENUM,                                                                     \
          .offset = AT(state, member.ocsf_version),                                                \
          .fallback = "1.8.0",                                                                     \
          .choices = ocsf_versions,                                                                \
          .help = "Which OCSF the other side knows." },                                            \
        { .name = "ecs_version",                                                                   \
          .type = OPTION_STR,                                                                      \
          .offset = AT(state, member.ecs_version),                                                 \
          .fallback = "9.0.0",                                                                     \
          .help = "What is said in ecs.version." },                                                \
        { .name = "dataset",                                                                       \
          .type = OPTION_STR,                                                                      \
          .offset = AT(state, member.dataset),                                                     \
          .fallback = "trailwarden",                                                               \
          .help = "Dataset of the data stream." },                                                 \
        { .name = "namespace",                                                                     \
          .type = OPTION_STR,                                                                      \
          .offset = AT(state, member.namespace_),                                                  \
          .fallback = "default",                                                                   \
          .help = "Namespace of the data stream." },                                               \
        { .name = "delimiter",                                                                     \
          .type = OPTION_STR,                                                                      \
          .offset = AT(state, member.delimiter),                                                   \
          .fallback = "^",                                                                         \
          .help = "Sign between the attributes of LEEF." },                                        \
    {                                                                                              \
        .name = "enterprise", .type = OPTION_U64, .offset = AT(state, member.enterprise),          \
        .fallback = "32473", .min = "1", .max = "4294967295",                                      \
        .help = "Private enterprise number in the SD-ID of RFC 5424."                              \
    }

/* What tables cannot check; fills the rest. */
int encoder_ready(struct encoder_settings *s, struct err *err);

/*
 * Appends the record. -EMSGSIZE: it cannot be made that small (it can, from ENCODE_BYTES_MIN on);
 * -ENOMEM. On failure `out` is as it was.
 */
int encoder_encode(const struct encoder_settings *s, const struct trail_record *r, struct buf *out);
