/*
 * Kind: what sort of thing an entry tells of, in the words of each scheme.
 *
 * One row for each action of an event (`trailwarden help actions`) and for each type of entry that
 * is no event: its title, severity, and its class in ECS and OCSF. This table is the only place
 * where an action or type becomes a class.
 */
#pragma once

#include "base/slice.h"

/* Families of OCSF classes; which class one is depends on the version (ocsf.c). */
enum ocsf_family {
    OCSF_BASE,
    OCSF_AUTHENTICATION,
    OCSF_ACCOUNT,
    OCSF_FINDING,
    OCSF_NETWORK,
    OCSF_HTTP,
    OCSF_TUNNEL,
    OCSF_LIFECYCLE,
};

struct record_kind {
    const char *name; /* of the action or the type */
    const char *title; /* for people */
    unsigned severity; /* 0..10, when nothing else says one */
    const char *outcome; /* when nothing else says one; NULL: unknown */
    const char *ecs_kind;
    const char *ecs_category[2], *ecs_type[2];
    enum ocsf_family family;
    unsigned activity; /* of the family */
};

/* Never NULL: an unknown one is of the last row. */
const struct record_kind *record_kind_of(struct slice type, struct slice action);
