"""Runs in a network namespace of its own; see bans-nft-others.sh."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("core", HERE + "/bans-nft-core.py")
core = importlib.util.module_from_spec(spec)
spec.loader.exec_module(core)
ADD, REMOVE, DONE, FAILED, NO = core.ADD, core.REMOVE, core.DONE, core.FAILED, core.NO
SCRATCH = os.environ["SCRATCH"]


class Missing(Exception):
    """What the test needs is not here."""


def run(*argv):
    return subprocess.run(argv, check=True, text=True, capture_output=True).stdout


def want(is_, should):
    if is_ != should:
        raise AssertionError(f"{is_!r}, not {should!r}")


def until(what, question, patience=10):
    end = time.monotonic() + patience
    while not question():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def start(text, lost=True):
    path = f"{SCRATCH}/bans.yaml"
    with open(path, "w") as f:
        f.write(text)
    b = core.Blocker(path, stderr=open(f"{SCRATCH}/stderr", "w"))
    if lost:
        want(b.lost(), "begun anew")
    return b


# ---- ipset ----

def members(name):
    return {l.split()[2]: l.split()[3:] for l in run("ipset", "save", name).splitlines()
            if l.startswith("add")}


def ipset_holds_bans_with_their_time():
    if not shutil.which("ipset") or subprocess.run(["ipset", "create", "tw_try", "hash:net"],
                                                   capture_output=True).returncode:
        raise Missing("no ipset here (the program, or the kernel's module)")
    b = start("backend: ipset\nevery: 1s\n")
    want(b.one(ADD, "203.0.113.9", 60), (DONE, "in ipset trailwarden4"))
    want(b.one(ADD, "203.0.113.0/24", 0)[0], DONE)
    want(b.one(ADD, "203.0.113.0/25", 3650 * 86400)[0], DONE)
    want(b.one(ADD, "2001:db8:1::/64", 60), (DONE, "in ipset trailwarden6"))
    want(b.one(ADD, "203.0.113.9", 60, 6, (22,)),
         (NO, "backend ipset bans no single protocols or ports"))
    assert 55 <= int(members("trailwarden4")["203.0.113.9"][1]) <= 60
    want(b.one(ADD, "203.0.113.9", 6000)[0], DONE)
    assert int(members("trailwarden4")["203.0.113.9"][1]) > 5000
    want(set(members("trailwarden6")), {"2001:db8:1::/64"})
    want(b.one(REMOVE, "203.0.113.9"), (DONE, "taken out of ipset trailwarden4"))
    want(b.one(REMOVE, "203.0.113.9")[0], DONE)
    got = b.ask([core.numbered(i, 0x64400000, 600) for i in range(1, 5001)])
    want({r[0] for r in got.values()}, {DONE})
    want(len(members("trailwarden4")), 5002)
    until("the hint", lambda: "iptables -I INPUT" in open(f"{SCRATCH}/stderr").read())
    run("ipset", "destroy", "trailwarden4")
    b.lost()
    b.kill()
    b = start("backend: ipset\n")
    summary, _ = b.sync([core.request(1, ADD, "2001:db8:1::/64", 60),
                         core.request(2, ADD, "203.0.113.9", 60)])
    want(summary.split(" written")[0][-1], "1" if "1 kept" in summary else "2")
    want(set(members("trailwarden4")), {"203.0.113.9"})
    b.end()
    run("ipset", "destroy")


# ---- fail2ban ----

JAIL = """[DEFAULT]
bantime = -1
findtime = 600
maxretry = 5
maxmatches = 1
ignoreip =
usedns = no
[tw]
enabled = true
backend = polling
logpath = {0}/empty.log
filter = none
action = noted
"""


def make_fail2ban(folder):
    for sub in ("filter.d", "action.d"):
        os.makedirs(f"{folder}/{sub}")
    files = {
        "fail2ban.conf": "[Definition]\nloglevel = INFO\nlogtarget = {0}/log\nsyslogsocket = auto\n"
                         "socket = {0}/socket\npidfile = {0}/pid\ndbfile = None\n"
                         "dbpurgeage = 1d\ndbmaxmatches = 1\n",
        "jail.conf": JAIL,
        "filter.d/none.conf": "[Definition]\nfailregex = ^never <HOST>$\n",
        "action.d/noted.conf": "[Definition]\nactionban = echo ban <ip> >> {0}/noted\n"
                               "actionunban = echo unban <ip> >> {0}/noted\n",
        "empty.log": "",
    }
    for name, text in files.items():
        with open(f"{folder}/{name}", "w") as f:
            f.write(text.replace("{0}", folder))


def fail2ban_gets_bans_in_one_call():
    if not shutil.which("fail2ban-server"):
        raise Missing("no fail2ban here")
    folder = SCRATCH + "/f2b"
    make_fail2ban(folder)
    server = subprocess.Popen(["fail2ban-server", "-f", "-c", folder, "-s", folder + "/socket", "-p",
                               folder + "/pid", "start"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    client = ["fail2ban-client", "-c", folder, "-s", folder + "/socket"]

    def banned():
        return set(run(*client, "get", "tw", "banip").split())
    try:
        until("the server", lambda: os.path.exists(folder + "/socket") and not subprocess.run(
            [*client, "status", "tw"], capture_output=True).returncode, 15)
        b = start(f"backend: fail2ban\njail: tw\nsocket: {folder}/socket\nevery: 1s\n")
        got = b.ask([core.request(i, ADD, f"203.0.113.{i}", 600) for i in range(1, 101)] +
                    [core.request(200, ADD, "2001:db8:1::/64", 600)])
        want({r for r in got.values()}, {(DONE, "banned in jail tw")})
        want(len(banned()), 101)
        want(b.one(REMOVE, "203.0.113.7"), (DONE, "let go by tw"))
        want(b.one(REMOVE, "203.0.113.7")[0], DONE)
        assert "203.0.113.7" not in banned() and "2001:db8:1::/64" in banned()
        summary, _ = b.sync([core.request(i, ADD, f"203.0.113.{i}", 600) for i in range(8, 101)] +
                            [core.request(200, ADD, "203.0.113.200", 600)])
        want(summary, "93 kept, 1 written, 7 removed, 0 could not be")
        until("the action", lambda: "ban 203.0.113.200\n" in open(folder + "/noted").read())
        run(*client, "set", "tw", "unbanip", "203.0.113.50")
        want(b.lost(), "bans were taken away by others")
        server.terminate()
        server.wait(20)
        want(b.one(ADD, "203.0.113.9", 600)[0], FAILED)
        b.end()
    finally:
        server.kill()


# ---- programs ----

HOOK = """#!/bin/sh
[ $# -eq 0 ] || printf '%s|' "$@" >> {0}/hooks
env | grep -c . | sed 's/^/variables /' >> {0}/count
echo "$TW_ACTION $TW_NETWORK $TW_PROTOCOL $TW_PORTS $TW_SECONDS" >> {0}/hooks
case "$TW_ACTION" in
check) test -e {0}/here ;;
start) touch {0}/here ;;
stop) rm -f {0}/here ;;
esac || exit 1
[ "$TW_ADDRESS" = 203.0.113.66 ] && sleep 100 &
[ "$TW_ADDRESS" = 203.0.113.66 ] && wait
[ "$TW_ADDRESS" = 203.0.113.75 ] && exit 75
[ "$TW_ADDRESS" = 203.0.113.3 ] && {{ echo "no such thing"; exit 3; }}
exit 0
"""


def programs_are_run_without_a_shell():
    hook = SCRATCH + "/hook"
    with open(hook, "w") as f:
        f.write(HOOK.format(SCRATCH))
    os.chmod(hook, 0o755)
    words = ["{action}", "{network}", "{address}", "{ports}", "{rule}", "x{rule}", ";id", "{times}"]
    b = start(f"backend: command\ncommand: {json.dumps([hook] + words)}\nunban: [{hook}]\n"
              f"start: [{hook}]\nstop: [{hook}]\ncheck: [{hook}]\ntimeout: 1s\nevery: 1s\n")
    hooks = lambda: open(SCRATCH + "/hooks").read().splitlines()
    want(hooks()[0].strip(), "start")
    want(b.one(ADD, "203.0.113.0/24", 60, 6, (22, 80), rule="-a;b")[0], DONE)
    want([h for h in hooks() if "203.0.113.0/24 tcp" in h],
         ["ban|203.0.113.0/24|203.0.113.0|22,80|_a_b|x{rule}|;id|1|ban 203.0.113.0/24 tcp 22,80 60"])
    want(b.one(REMOVE, "203.0.113.0/24"), (DONE, "exit 0"))
    begun = time.monotonic()
    want(b.one(ADD, "203.0.113.66", 60), (FAILED, "killed: it took too long"))
    assert time.monotonic() - begun < 8
    want(b.one(ADD, "203.0.113.75", 60), (FAILED, "exit 75"))
    want(b.one(ADD, "203.0.113.3", 60), (NO, "exit 3: no such thing"))
    os.unlink(SCRATCH + "/here")
    b.lost()
    want([h.split()[0] for h in hooks() if h.startswith("start")], ["start", "start"])
    b.process.terminate()
    want(b.process.wait(10), 0)
    want(hooks()[-1].strip(), "stop")
    want(os.path.exists(SCRATCH + "/here"), False)


def nothing_is_done_in_a_dry_run():
    b = start(f"backend: dry-run\nfile: {SCRATCH}/would\n")
    want(b.one(ADD, "203.0.113.9", 3600), (DONE, "would ban 203.0.113.9 for 3600s"))
    want(b.one(ADD, "2001:db8::/64", 0)[0], DONE)
    want(b.one(REMOVE, "203.0.113.9")[0], DONE)
    want(open(f"{SCRATCH}/would").read().splitlines(),
         ["would ban 203.0.113.9 for 3600s: test", "would ban 2001:db8::/64 for good: test",
          "would unban 203.0.113.9: test"])
    b.end()


def main():
    done = 0
    for test in (ipset_holds_bans_with_their_time, fail2ban_gets_bans_in_one_call,
                 programs_are_run_without_a_shell, nothing_is_done_in_a_dry_run):
        begun = time.monotonic()
        try:
            test()
        except Missing as e:
            print(f"skipped {test.__name__}: {e}", flush=True)
            continue
        except Exception:
            print(f"FAIL {test.__name__}", flush=True)
            raise
        done += 1
        print(f"ok {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    return 0 if done else 77


sys.exit(main())
