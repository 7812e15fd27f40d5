#!/usr/bin/env python3
"""Kicks an account out of Hysteria 2 when an alert names it. The client comes back unless its login is refused, too:
do that in your authentication backend (auth: http or command), of which this is the place to tell it.

Hysteria:     trafficStats: {listen: 127.0.0.1:9999, secret: ...}
trailwarden:  notifiers: {kick: {type: command, command: [/usr/local/lib/trailwarden/hysteria-kick.py,
                                 "http://127.0.0.1:9999", /etc/trailwarden/hysteria.secret]}}
              routes:    - {when: {rule: [shared-account]}, notify: [kick], continue: true}
"""
import sys

import tw_action as tw

if len(sys.argv) not in (3, 4):
    tw.end(tw.FAILED, "usage: hysteria-kick.py URL SECRET-FILE [NEVER-FILE]")
names = tw.users(*sys.argv[3:4])
tw.http(sys.argv[1].rstrip("/") + "/kick", names, {"Authorization": tw.secret(sys.argv[2])})
tw.end(tw.DONE, f"kicked: {' '.join(names)}")
