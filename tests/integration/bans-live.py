"""Bans by the daemon in the real nftables of a network namespace of its own: a storm of attackers
while each process is killed in turn. In the end the book and the kernel hold the same addresses,
through a restart, a reload and a flush by somebody else."""
import json
import os
import re
import signal
import subprocess
import sys
import time

TW = os.environ["TW_BIN"]
SCRATCH = os.environ["SCRATCH"]
CONFIG = os.path.join(SCRATCH, "c.yaml")
LOG = os.path.join(SCRATCH, "xui.log")
ATTACKERS = 120
LINES = 7


def fail(text):
    sys.exit(f"FAIL: {text}\n" + open(os.path.join(SCRATCH, "run.log"), errors="replace").read()[-3000:])


def until(what, true, patience=60):
    end = time.monotonic() + patience
    while not true():
        if time.monotonic() > end:
            fail("never: " + what)
        time.sleep(0.05)


def tw(*words, code=0):
    done = subprocess.run([TW, *words, "--config", CONFIG], capture_output=True, text=True, check=False)
    if code is not None and done.returncode != code:
        fail(f"{words}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def kernel():
    """Addresses that the sets hold now."""
    done = subprocess.run(["nft", "list", "table", "inet", "trailwarden"], capture_output=True, text=True, check=False)
    return set(re.findall(r"(\d+\.\d+\.\d+\.\d+) (?:counter[^,}]*)?(?:timeout|expires)", done.stdout)) | set(
        re.findall(r"([0-9a-f]+:[0-9a-f:]*::) (?:counter[^,}]*)?(?:timeout|expires)", done.stdout))


def book():
    rows = [json.loads(line) for line in tw("bans", "list", "--json", "--limit", "100000").splitlines()]
    return rows, {row["network"].removesuffix("/64") for row in rows}


def agree():
    return kernel() == book()[1] and all(row["confirmed"] for row in book()[0])


def config(more=""):
    with open(CONFIG, "w") as f:
        f.write(f"state: {SCRATCH}/state\n"
                f"channels: {{xui: {{inputs: [{{type: file, path: {LOG}, from: begin}}]}}}}\n"
                f"bans: {{backend: nftables, max_age: 0s{more}}}\n")


def start():
    log = open(os.path.join(SCRATCH, "run.log"), "a")
    daemon = subprocess.Popen([TW, "run", "--config", CONFIG], stdout=log, stderr=log)
    until("the daemon", lambda: os.path.exists(os.path.join(SCRATCH, "state/control")))
    return daemon


def stop(daemon):
    daemon.terminate()
    if daemon.wait(60) != 0:
        fail("the daemon ended badly")


def child(daemon, name):
    done = subprocess.run(["pgrep", "-P", str(daemon.pid), "-x", name], capture_output=True, text=True, check=False)
    return int(done.stdout.split()[0]) if done.stdout.strip() else None


def address(i):
    return f"198.18.{i // 200}.{i % 200 + 1}" if i % 4 else f"2001:db8:{i + 1:x}::7"


def attack(i):
    with open(LOG, "a") as f:
        for k in range(LINES):
            f.write(f'2026/11/21 01:{10 + i // 60:02d}:{(i + k) % 60:02d} WARNING - failed login: '
                    f'username="root", IP="{address(i)}", reason="invalid credentials"\n')


def expected(n):
    return {address(i) if i % 4 else f"2001:db8:{i + 1:x}::" for i in range(n)}


def storm(daemon):
    names = ["tw-block", "tw-core", "tw-reader", "tw-block"]
    for i in range(ATTACKERS):
        attack(i)
        if i % 30 == 20:
            victim = child(daemon, names[i // 30])
            if victim:
                os.kill(victim, signal.SIGKILL)
        time.sleep(0.01)
    until("all attackers are banned", lambda: expected(ATTACKERS) <= kernel())
    until("book and kernel agree", agree)
    if book()[1] != expected(ATTACKERS):
        fail(f"others are in the book: {book()[1] ^ expected(ATTACKERS)}")
    rows = book()[0]
    if len(rows) != len(expected(ATTACKERS)) or any(row["times"] != 1 for row in rows):
        fail("somebody was banned twice")


def main():
    config()
    open(LOG, "w").close()
    daemon = start()
    until("the table", lambda: subprocess.run(["nft", "list", "table", "inet", "trailwarden"],
                                              capture_output=True, check=False).returncode == 0)
    storm(daemon)
    # Somebody else's flush, while the daemon works.
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    until("the flush is mended", lambda: expected(ATTACKERS) == kernel())
    # All die at once; the kernel holds on alone, and the next daemon changes nothing.
    for victim in [daemon.pid] + [c for c in map(lambda n: child(daemon, n), ["tw-core", "tw-block"]) if c]:
        os.kill(victim, signal.SIGKILL)
    daemon.wait()
    if kernel() != expected(ATTACKERS):
        fail("the kernel forgot when we died")
    # What a person removed by hand there, the book knows better.
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    daemon = start()
    until("a restart brings the bans back", lambda: expected(ATTACKERS) == kernel())
    until("agreement after the restart", agree)
    # Taken back: out of both. An address of nobody's book goes out of the kernel at the next sync.
    tw("bans", "remove", address(1))
    until("a removal", lambda: kernel() == expected(ATTACKERS) - {address(1)})
    tw("bans", "add", "203.0.113.99", "--for", "1h", "--reason", "by hand", "--yes")
    until("a ban by hand", lambda: "203.0.113.99" in kernel())
    # A reload that allows somebody frees him, and keeps the others.
    config(f", allow: ['{address(2)}', 198.18.0.3]")
    tw("reload")
    left = expected(ATTACKERS) - {address(1), address(2), "198.18.0.3"} | {"203.0.113.99"}
    until("the allow list", lambda: kernel() == left)
    until("agreement in the end", agree)
    stop(daemon)
    if kernel() != left:
        fail("an end in order changed the bans")
    if subprocess.run([TW, "trail", "verify", "--config", CONFIG], capture_output=True, check=False).returncode != 0:
        fail("the trail does not verify")
    print("PASS")


main()
