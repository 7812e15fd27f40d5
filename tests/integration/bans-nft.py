"""Runs in a network namespace of its own; see bans-nft.sh. Each test is one function."""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("core", HERE + "/bans-nft-core.py")
core = importlib.util.module_from_spec(spec)
spec.loader.exec_module(core)
ADD, REMOVE, ALLOW = core.ADD, core.REMOVE, core.ALLOW
DONE, FAILED, NO = core.DONE, core.FAILED, core.NO
SCRATCH = os.environ["SCRATCH"]
DRIVER = os.environ["TW_BUILD"] + "/tests/integration/bans-nft-driver"
US4, US6 = "10.77.1.1", "fd77:1::1"
THEM4, THEM6 = "10.77.2.2", "fd77:2::2"


def run(command, **kw):
    return subprocess.run(command, shell=True, check=True, text=True, capture_output=True, **kw).stdout


def until(what, question, patience=10):
    end = time.monotonic() + patience
    while not question():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


# ---- a wire, a server here, a client there ----

def listen(family, address, port):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(64)

    def serve():
        while True:
            s.accept()[0].close()
    threading.Thread(target=serve, daemon=True).start()


def make_wire():
    client = subprocess.Popen(["unshare", "-n", "sleep", "300"])
    until("the client's namespace",
          lambda: os.readlink(f"/proc/{client.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
    there = f"nsenter -t {client.pid} -n "
    for command in ("ip link set lo up", "ip link add us type veth peer name them",
                    f"ip link set them netns {client.pid}",
                    "ip link set us up", there + "ip link set them up",
                    f"ip addr add {US4}/24 dev us", f"ip addr add {US6}/64 dev us nodad",
                    there + f"ip addr add {THEM4}/24 dev them",
                    there + "ip addr add 10.77.2.3/24 dev them",
                    there + f"ip addr add {THEM6}/64 dev them nodad",
                    "ip route add 10.77.2.0/24 dev us", "ip route add fd77:2::/64 dev us",
                    there + f"ip route add 10.77.1.0/24 dev them src {THEM4}",
                    there + "ip route add fd77:1::/64 dev them"):
        run(command)
    for port in (8080, 8081):
        listen(socket.AF_INET, US4, port)
        listen(socket.AF_INET6, US6, port)
    return client


# One helper in the client's namespace: "ADDRESS PORT SOURCE" in, what became of it out.
HELPER = """
import socket, sys
for line in sys.stdin:
    address, port, source = line.split()
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.settimeout(0.4)
    try:
        s.bind((source, 0))
        s.connect((address, int(port)))
        print("open", flush=True)
    except OSError as e:
        print(type(e).__name__, flush=True)
    s.close()
"""


class Client:
    def __init__(self, pid):
        self.pid = pid
        self.process = subprocess.Popen(["nsenter", "-t", str(pid), "-n", sys.executable, "-c", HELPER],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def connect(self, address=US4, port=8080, source=THEM4):
        self.process.stdin.write(f"{address} {port} {source}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def connect6(self, port=8080):
        return self.connect(US6, port, THEM6)


def start(**options):
    path = f"{SCRATCH}/bans.yaml"
    with open(path, "w") as f:
        f.write("backend: nftables\n" + "".join(f"{k}: {v}\n" for k, v in options.items()))
    b = core.Blocker(path)
    assert b.lost() == "begun anew"
    return b


def fresh():
    run("nft flush ruleset")


def want(is_, should):
    if is_ != should:
        raise AssertionError(f"{is_!r}, not {should!r}")


def elements(name):
    listed = json.loads(run(f"nft -j list set inet trailwarden {name}"))["nftables"]
    return [e["elem"] if "elem" in e else e for s in listed if "set" in s for e in s["set"].get("elem", [])]


# ---- what holds ----

def a_banned_client_cannot_connect_and_is_counted(c):
    b = start()
    want(c.connect(), "open")
    want(b.one(ADD, THEM4, 600), (DONE, "dropped by nftables"))
    want(c.connect(), "TimeoutError")
    want(c.connect(source="10.77.2.3"), "open")
    assert elements("b4_32")[0]["counter"]["packets"] > 0
    held = run(f"{DRIVER} {SCRATCH}/bans.yaml held")
    assert re.match(r"10\.77\.2\.2 left (59\d|600) packets [1-9]", held), held
    want(b.one(REMOVE, THEM4), (DONE, "taken out of nftables"))
    want(c.connect(), "open")
    want(b.one(REMOVE, THEM4)[0], DONE)  # not there: fine
    want(b.end(), 0)


def a_ban_ends_by_the_kernel_alone(c):
    b = start()
    want(b.one(ADD, THEM4, 2)[0], DONE)
    b.kill()
    want(c.connect(), "TimeoutError")
    until("the end of the ban", lambda: c.connect() == "open", 6)


def bans_outlive_us_and_are_not_written_again(c):
    b = start()
    want(b.one(ADD, THEM4, 600)[0], DONE)
    b.kill()
    want(c.connect(), "TimeoutError")
    b = start()
    want(c.connect(), "TimeoutError")
    want(b.sync([core.request(1, ADD, THEM4, 600)])[0],
         "1 kept, 0 written, 0 removed, 0 could not be")
    want(b.sync([])[0], "0 kept, 0 written, 1 removed, 0 could not be")
    want(c.connect(), "open")
    b.end()


def a_foreign_flush_is_repaired(c):
    b = start()
    want(b.one(ADD, THEM4, 600)[0], DONE)
    run("nft flush ruleset")
    want(b.lost(), "the firewall was changed by others and made anew")
    b.sync([core.request(1, ADD, THEM4, 600)])
    want(c.connect(), "TimeoutError")
    run("nft flush chain inet trailwarden bans")  # the bans stay, only the rules are gone
    b.lost()
    want(b.sync([core.request(1, ADD, THEM4, 600)])[0],
         "1 kept, 0 written, 0 removed, 0 could not be")
    want(c.connect(), "TimeoutError")
    b.end()


def a_ban_right_behind_a_flush_is_done(c):
    b = start()
    want(b.one(ADD, "203.0.113.1", 600)[0], DONE)
    os.kill(b.process.pid, signal.SIGSTOP)  # it does not see the flush before the request
    run("nft flush ruleset")
    b.send([core.request(5, ADD, THEM4, 600)])
    os.kill(b.process.pid, signal.SIGCONT)
    b.lost()
    b.sync([core.request(1, ADD, THEM4, 600)])
    want(c.connect(), "TimeoutError")
    b.end()


def what_others_take_away_is_missed(c):
    b = start(every="1s")
    want(b.one(ADD, THEM4, 600)[0], DONE)
    run(f"nft delete element inet trailwarden b4_32 '{{ {THEM4} }}'")
    want(b.lost(), "bans were taken away by others")
    b.end()


def what_others_do_elsewhere_is_none_of_our_business(c):
    run("nft add table inet foreign; nft add chain inet foreign x")
    before = run("nft list table inet foreign")
    b = start()
    for i in range(5):
        run(f"nft add rule inet foreign x ip saddr 192.0.2.{i} accept")
        want(b.one(ADD, f"203.0.113.{i}", 600)[0], DONE)
    time.sleep(0.2)
    want([o for o in b.others if o[1] == core.LOST], [])
    b.sync([])
    want(len(run("nft list table inet foreign").splitlines()), len(before.splitlines()) + 5)
    b.end()


def ports_that_are_not_banned_stay_open(c):
    b = start()
    want(b.one(ADD, THEM4, 600, 6, (22, 8081))[0], DONE)
    want((c.connect(port=8080), c.connect(port=8081)), ("open", "TimeoutError"))
    # one of the same network with other ports: each ends alone
    want(b.one(ADD, THEM4, 600, 6, (8081,))[0], DONE)
    want(b.one(REMOVE, THEM4, 0, 6, (8081,))[0], DONE)
    want(c.connect(port=8081), "TimeoutError")
    want(b.sync([core.request(1, ADD, THEM4, 600, 6, (22, 8081))])[0],
         "1 kept, 0 written, 0 removed, 0 could not be")
    want(b.one(REMOVE, THEM4, 0, 6, (22, 8081))[0], DONE)
    want(c.connect(port=8081), "open")
    want(b.one(ADD, THEM4, 600, 17)[0], DONE)  # all of UDP
    want(c.connect(), "open")
    b.end()


def networks_are_banned_also_inside_one_another(c):
    b = start()
    want(b.one(ADD, "fd77:2::/64", 600)[0], DONE)
    want(c.connect6(), "TimeoutError")
    want(b.one(ADD, "10.77.2.0/24", 600)[0], DONE)
    want(b.one(ADD, "10.77.2.0/25", 600)[0], DONE)
    want(b.one(ADD, THEM4, 600)[0], DONE)
    want(b.one(REMOVE, "10.77.2.0/24")[0], DONE)
    want(c.connect(), "TimeoutError")
    want(b.one(REMOVE, THEM4)[0], DONE)
    want(c.connect(), "TimeoutError")
    want(b.one(REMOVE, "10.77.2.0/25")[0], DONE)
    want((c.connect(), c.connect6()), ("open", "TimeoutError"))
    b.end()


def reject_is_told_at_once(c):
    b = start(action="reject", log="true")
    # A ban of their network drops neighbour solicitations, too: it takes a while to be found again.
    until("each knows the other's place on the wire", lambda: c.connect6() == "open")
    want(b.one(ADD, THEM4, 600), (DONE, "rejected by nftables"))
    want(b.one(ADD, "fd77:2::/64", 600)[0], DONE)
    want((c.connect(), c.connect6()), ("ConnectionRefusedError", "ConnectionRefusedError"))
    b.end()
    b = start(action="drop", chains="[forward]")  # the same table in another shape
    want(c.connect(), "open")
    b.end()


def what_is_allowed_or_our_own_is_never_banned(c):
    b = start(allow="[10.77.2.0/28]")
    want(b.one(ADD, THEM4, 600), (NO, "allowed: 10.77.2.0/28"))
    want(b.one(ADD, "10.77.2.0/24", 600), (NO, "allowed: 10.77.2.0/28"))
    want(b.one(ADD, US4, 600), (NO, "never banned: an address of this machine"))
    want(b.one(ADD, "fd77:1::/64", 600), (NO, "never banned: an address of this machine"))
    run("ip route add default via 10.77.2.99 dev us")
    until("the new gateway is known",
          lambda: b.one(ADD, "10.77.2.99", 600) == (NO, "never banned: default gateway"))
    run("ip route del default")
    want(c.connect(), "open")
    b.end()


HOLDER = ("import socket, sys; s = socket.create_connection(('%s', 8082)); print(1, flush=True); "
          "sys.stdin.read()" % US4)


def open_connections_are_closed_when_asked_for(c):
    for tool in ("/usr/sbin/conntrack", "/usr/bin/ss"):
        if not os.access(tool, os.X_OK):
            print(f"  not tried: no {tool}")
            return
    run("nft add table inet foreign; nft add chain inet foreign x '{ type filter hook input priority 0; }';"
        "nft add rule inet foreign x ct state invalid counter")  # the kernel tracks connections

    def tracked():
        return run(f"conntrack -L -s {THEM4} 2>/dev/null || true").count("dport=8082")
    with socket.create_server((US4, 8082)) as server:
        holder = subprocess.Popen(["nsenter", "-t", str(c.pid), "-n", sys.executable, "-c", HOLDER],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        connection = server.accept()[0]
        holder.stdout.readline()
        connection.settimeout(3)
        want(tracked(), 1)
        b = start(close="[conntrack, ss]")
        want(b.one(ADD, THEM4, 600, 6, (22,))[0], DONE)  # closes nothing
        want(tracked(), 1)
        want(b.one(ADD, THEM4, 600)[0], DONE)
        want(tracked(), 0)
        try:
            want(connection.recv(1), None)
        except ConnectionAbortedError:
            pass
        except TimeoutError:
            print("  this kernel closes no sockets for others (CONFIG_INET_DIAG_DESTROY)")
        b.end()
        holder.kill()
        holder.wait()


def a_renewal_changes_the_time(c):
    b = start()

    def left():
        return elements("b4_32")[0].get("expires")
    want(b.one(ADD, THEM4, 60)[0], DONE)
    want(b.one(ADD, THEM4, 3650 * 86400)[0], DONE)
    assert left() > 3649 * 86400, left()
    want(b.one(ADD, THEM4, 30)[0], DONE)
    assert 25 <= left() <= 30, left()
    want(b.one(ADD, THEM4, 0)[0], DONE)
    want(left(), None)
    b.end()


def what_finds_no_room_fails_alone(c):
    b = start()
    first = b.ask([core.request(p, ADD, THEM4, 600, 6, (p,)) for p in range(1, 257)])
    want({r[0] for r in first.values()}, {DONE})
    mixed = b.ask([core.request(1, ADD, "203.0.113.1", 600, 6, (9,)),
                   core.request(2, ADD, "203.0.113.1", 600, 6, (8080,)),
                   core.request(3, ADD, "203.0.113.2", 600, 6, (10,))])
    want(mixed, {1: (DONE, "dropped by nftables"), 3: (DONE, "dropped by nftables"),
                 2: (FAILED, "more than 256 kinds of bans (lengths, ports) at once")})
    want(c.connect(), "open")
    b.one(REMOVE, THEM4, 0, 6, (7,))
    want(b.one(ADD, THEM4, 600, 6, (8080,))[0], FAILED)  # makes room
    want(b.one(ADD, THEM4, 600, 6, (8080,))[0], DONE)
    want(c.connect(), "TimeoutError")
    b.end()


def a_set_in_our_way_is_replaced(c):
    b = start()
    os.kill(b.process.pid, signal.SIGSTOP)  # it sees all of this at once
    run("nft 'add set inet trailwarden b4_30 { type ether_addr; }'")
    b.send([core.request(1, ADD, "203.0.113.1", 600), core.request(9, ADD, "203.0.113.0/30", 600)])
    os.kill(b.process.pid, signal.SIGCONT)
    b.lost()
    want(b.one(ADD, "203.0.113.0/30", 600)[0], DONE)
    b.end()


def a_table_of_another_making_is_replaced(c):
    run("nft add table inet trailwarden")
    run("nft 'add set inet trailwarden b4_32 { type ipv4_addr; flags interval; }'")
    run("nft 'add chain inet trailwarden input { type filter hook input priority 5; }'")
    b = start()
    want(b.one(ADD, THEM4, 600)[0], DONE)
    want(c.connect(), "TimeoutError")
    b.end()


def many_are_held_and_listed(c):
    def cpu():
        f = open(f"/proc/{b.process.pid}/stat").read().split()
        return (int(f[13]) + int(f[14])) / os.sysconf("SC_CLK_TCK")
    b = start()
    all_ = [core.numbered(i, 0x64400000, 0) for i in range(1, 100001)]
    summary, got = b.sync(all_)
    want(summary, "0 kept, 100000 written, 0 removed, 0 could not be")
    first = cpu()
    listed = run(f"{DRIVER} {SCRATCH}/bans.yaml held").splitlines()
    want((len(listed), len({l.split()[0] for l in listed})), (100000, 100000))
    summary, got = b.sync(all_)
    want(summary, "100000 kept, 0 written, 0 removed, 0 could not be")
    before = cpu()
    got = b.ask([core.numbered(i, 0xcb007100, 60) for i in range(1, 5001)])
    want({r[0] for r in got.values()}, {DONE})
    rss = re.search(r"VmRSS:\s*(\d+)", open(f"/proc/{b.process.pid}/status").read())[1]
    print(f"  100000 written: {first:.2f} s of CPU, all kept: {before - first:.2f} s, "
          f"5000 in one batch: {cpu() - before:.2f} s, memory {int(rss) // 1024} MiB")
    want(b.sync([])[0], "0 kept, 0 written, 105000 removed, 0 could not be")
    b.end()


def main():
    client = make_wire()
    try:
        c = Client(client.pid)
        for test in (a_banned_client_cannot_connect_and_is_counted, a_ban_ends_by_the_kernel_alone,
                     bans_outlive_us_and_are_not_written_again, a_foreign_flush_is_repaired,
                     a_ban_right_behind_a_flush_is_done, what_others_take_away_is_missed,
                     what_others_do_elsewhere_is_none_of_our_business,
                     ports_that_are_not_banned_stay_open, networks_are_banned_also_inside_one_another,
                     reject_is_told_at_once, what_is_allowed_or_our_own_is_never_banned,
                     open_connections_are_closed_when_asked_for, a_renewal_changes_the_time,
                     what_finds_no_room_fails_alone,
                     a_set_in_our_way_is_replaced,
                     a_table_of_another_making_is_replaced, many_are_held_and_listed):
            fresh()
            begun = time.monotonic()
            try:
                test(c)
            except Exception:
                print(f"FAIL {test.__name__}", flush=True)
                run("nft list ruleset | head -100 >&2")
                raise
            print(f"ok {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    finally:
        client.kill()


main()
