/* All kinds of blockers. Each is one backend-NAME.c here. */
#pragma once

#include "notifiers/blockers/blocker.h"

extern const struct blocker_ops blocker_nftables, blocker_ipset, blocker_fail2ban, blocker_command,
    blocker_dry_run;
