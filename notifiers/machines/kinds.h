/* All kinds of machines. Each is one .c. */
#pragma once

#include "notifiers/machines/machine.h"

extern const struct machine_ops machine_syslog, machine_elasticsearch, machine_splunk, machine_loki,
    machine_otlp, machine_http, machine_kafka, machine_file;
