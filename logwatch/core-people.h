/*
 * Incidents and silences as they are with the open batch: what the store holds, and over it what
 * this batch changes. Nothing is kept in memory beyond the batch but the silences in force.
 *
 *     core_people_begin()    a new batch is open: forget what the former one touched
 *     core_people_alert()    an alert opens an incident or continues one
 *     core_people_find()     by its whole key
 *     core_people_silence()  what holds an alert back
 *
 * Pointers live as long as the batch.
 */
#pragma once

#include "notifiers/route.h"
#include "store/store.h"

struct core_people;

int core_people_new(struct store *store, uint64_t now_us, struct core_people **ret_people,
                    struct err *err);
void core_people_free(struct core_people *p);
DEFINE_AUTO(core_people)
void core_people_begin(struct core_people *p, struct batch *b);

/* *ret_incident is NULL when there is none. */
int core_people_find(struct core_people *p, struct slice key, struct incident **ret_incident,
                     struct err *err);
/* It is changed by the caller: the batch keeps it. */
int core_people_touch(struct core_people *p, struct incident *i);
/* id: the alert's, in hex; kept in the batch's arena by the caller. */
int core_people_alert(struct core_people *p, const struct alert *alert, struct slice id,
                      struct incident **ret_incident, struct err *err);
/* Over by themselves at now_us: fn for some of them, which must change them. */
int core_people_due(struct core_people *p, uint64_t now_us,
                    int (*fn)(void *ctx, struct incident *i), void *ctx, struct err *err);
uint64_t core_people_due_us(const struct core_people *p);

#define SILENCES_MAX 1000
/* The silence that holds the alert back now; NULL = none. */
const struct silence *core_people_silence(const struct core_people *p, const struct alert *alert,
                                          uint64_t now_us, struct arena *a);
/* A new one: its number is *ret_id. -EINVAL: `when` is no matcher; -ENOSPC: SILENCES_MAX. */
int core_people_silence_add(struct core_people *p, const struct silence *s, uint64_t *ret_id,
                            struct err *err);
/* -ENOENT: none in force has that number. */
int core_people_silence_end(struct core_people *p, uint64_t id, uint64_t now_us, struct err *err);
