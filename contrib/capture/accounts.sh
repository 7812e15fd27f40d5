#!/bin/sh
# useradd, usermod, passwd, groups, su: on a copy of /etc that is thrown away.
. "$(dirname "$0")/lib.sh"
need useradd passwd
need rsyslogd rsyslog
sandbox

syslog_to "$OUT/auth.log"
try() { "$@" >/dev/null 2>&1 || true; }
try groupadd ops
try useradd -m -s /bin/bash bob
try useradd -o -u 0 -g 0 -M toor
try useradd bob
echo 'bob:right' | chpasswd
printf 'new\nnew\n' | try passwd bob
try usermod -aG ops,adm bob
try gpasswd -a bob ops
try gpasswd -d bob ops
try usermod -s /bin/sh bob
try usermod -L bob
try usermod -U bob
try usermod -u 4711 bob
try usermod -d /home/elsewhere bob
try usermod -l bobby bob
try usermod -l bob bobby
try chage -M 30 bob
try chsh -s /bin/bash www-data
try usermod -p '!' bob
try groupmod -n ops2 ops
try groupdel ops2
useradd -m carol
echo 'carol:right' | chpasswd
printf 'wrong\n' | setpriv --reuid carol --regid carol --init-groups su -c true root >/dev/null 2>&1 || true
su -c true carol >/dev/null 2>&1 || true
try userdel -r carol
try userdel -r bob
settle
report "$OUT/auth.log" "$OUT/auth.log.iso"
