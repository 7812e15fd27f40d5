/*
 * "directory:" of a receiver: messages go into a folder as files instead of
 * the network, for trying things out. The name is the key, so a repeat replaces itself.
 */
#pragma once

#include "notifiers/sink.h"

void folder_deliver(const char *folder, const char *suffix, const struct delivery *d,
                    struct slice content, struct delivery_result *ret);
