/* An alarm about ourselves, as the alert that receivers know. */
#pragma once

#include "logwatch/core.h"

/* In the arena; NULL when memory is out. */
struct alert *core_alarm_alert(struct arena *a, const struct core_alarm *alarm, uint64_t now_us);
