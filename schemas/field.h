/*
 * Field names as small numbers.
 *
 * The dictionary (schemas/fields.yaml) gives the first FIELD_DICTIONARY
 * numbers as constants: FIELD_SOURCE_IP is "source.ip". Formats and rules
 * intern further names while they load; then the set is frozen and read-only,
 * shared by all threads. A name in a log line that nobody interned has no
 * number (FIELD_OTHER) and keeps its text beside it.
 */
#pragma once

#include "base/slice.h"
#include "schemas/fields.h" /* made from fields.yaml: enum field_id, FIELD_LIST */

enum field_kind {
    FIELD_KIND_keyword,
    FIELD_KIND_text,
    FIELD_KIND_ip,
    FIELD_KIND_long,
    FIELD_KIND_float,
    FIELD_KIND_boolean,
    FIELD_KIND_date,
};

#define FIELD_OTHER UINT32_MAX

struct field_names;

struct field_names *field_names_new(void); /* holds the dictionary */
void field_names_free(struct field_names *f);
DEFINE_AUTO(field_names)

/* Load time only. FIELD_OTHER when memory is out or 65,536 names exist. */
uint32_t field_intern(struct field_names *f, struct slice name);
uint32_t field_find(const struct field_names *f, struct slice name); /* FIELD_OTHER when unknown */
struct slice field_name(const struct field_names *f, uint32_t id);
uint32_t field_count(const struct field_names *f);
bool field_is_pii(uint32_t id); /* false beyond the dictionary */
enum field_kind field_kind(uint32_t id); /* keyword beyond the dictionary */
const char *field_help(uint32_t id); /* NULL beyond the dictionary */
