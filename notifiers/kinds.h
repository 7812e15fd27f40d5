/* All kinds of receivers. Each is one .c of a folder below. */
#pragma once

#include "notifiers/sink.h"

extern const struct sink_ops sink_email, sink_telegram, sink_slack, sink_discord, sink_teams,
    sink_ntfy, sink_sms, sink_pagerduty, sink_opsgenie, sink_alertmanager, sink_webhook,
    sink_teller, sink_syslog, sink_file; /* people/ */
extern const struct sink_ops anchor_witness, anchor_timestamp, anchor_post,
    anchor_folder; /* anchors/ */
