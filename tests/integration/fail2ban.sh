#!/bin/sh
# The filters of the fail2ban that is installed, unmodified: on made-up logs our reader finds the
# failures that fail2ban-regex finds, with the same address and time.
. "$(dirname "$0")/lib.sh"
command -v fail2ban-regex > /dev/null || skip "no fail2ban-regex"
command -v python3 > /dev/null || skip "no python3"
[ -f /etc/fail2ban/filter.d/sshd.conf ] || skip "no filters in /etc/fail2ban"
case $(fail2ban-regex -V 2> /dev/null) in 1.0.*) ;; *) skip "fail2ban is not 1.0" ;; esac
TZ=UTC PYTHONDONTWRITEBYTECODE=1 python3 "$TW_SOURCE/tests/integration/fail2ban.py" \
    "$TW_BUILD/tests/interop/fail2ban-driver" "$SCRATCH" || exit 1
