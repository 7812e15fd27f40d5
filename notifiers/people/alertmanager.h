/*
 * The words of Prometheus' Alertmanager for one message: labels that say what it is (the same from
 * the first to the resolved one), annotations that say more, times.
 */
#pragma once

#include "notifiers/message.h"

/* Payload version 4 of its webhooks, of this one alert. */
void alertmanager_payload(const struct message *m, const struct delivery *d, const char *receiver,
                          struct buf *out);
