"""A service manager's side of sd_notify(3), and a reader and a core that hang."""
import os
import signal
import socket
import subprocess
import sys
import time

program, scratch = sys.argv[1:3]
log = os.path.join(scratch, "xui.log")
config = os.path.join(scratch, "c.yaml")
open(log, "w").close()
with open(config, "w") as f:
    f.write(f"""state: {scratch}/state
channels:
  xui: {{inputs: [{{type: file, path: {log}, from: begin}}]}}
processes: {{stall: 3s}}
""")
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(os.path.join(scratch, "notify"))
notify.settimeout(0.2)


def fail(text):
    print("FAIL:", text)
    daemon.kill()
    sys.exit(1)


def collect(seconds, until=None):
    """Messages of so many seconds, or up to one that holds a text."""
    messages = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            messages.append(notify.recv(4096).decode())
        except socket.timeout:
            continue
        if until and until in messages[-1]:
            return messages
    if until:
        fail(f"never told: {until}; told: {messages}")
    return messages


def child(name):
    out = subprocess.run(["pgrep", "-P", str(daemon.pid), "-x", "tw-" + name], capture_output=True, text=True)
    pids = out.stdout.split()
    return int(pids[0]) if pids else 0


def wait_other(name, pid, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = child(name)
        if now and now != pid:
            return now
        time.sleep(0.1)
    fail(f"no new {name}")


environment = dict(os.environ, NOTIFY_SOCKET=os.path.join(scratch, "notify"), WATCHDOG_USEC="2000000")
environment.pop("WATCHDOG_PID", None)
daemon = subprocess.Popen([program, "run", "--config", config], env=environment, stderr=open(os.path.join(scratch, "err"), "w"))
collect(20, "READY=1")
alive = collect(3)
if sum("WATCHDOG=1" in m for m in alive) < 3:
    fail(f"too few signs of life: {alive}")

# A reload is announced, and its end.
daemon.send_signal(signal.SIGHUP)
first = collect(20, "RELOADING=1")[-1]
if "MONOTONIC_USEC=" not in first:
    fail("no time of the reload")
collect(20, "READY=1")
collect(20, "WATCHDOG=1")

# A reader that hangs: no sign of life any more, then it is killed and all is well again.
reader = child("reader")
os.kill(reader, signal.SIGSTOP)
collect(0.7)  # one may be on its way
quiet = collect(1.5)
if any("WATCHDOG=1" in m for m in quiet):
    fail(f"alive with a reader that hangs: {quiet}")
wait_other("reader", reader)
collect(20, "WATCHDOG=1")

# The same with the core.
core = child("core")
os.kill(core, signal.SIGSTOP)
wait_other("core", core)
collect(20, "WATCHDOG=1")

daemon.terminate()
collect(20, "STOPPING=1")
if daemon.wait(30) != 0:
    fail("exit status")
shown = subprocess.run([program, "trail", "show", "--config", config], capture_output=True, text=True).stdout
for wanted in ("role=reader how=signal 9", "daemon.restart", "daemon.reload", "daemon.stop"):
    if wanted not in shown:
        fail(f"no entry: {wanted}\n{shown}")
print("ready, reloading, watchdog, hanging reader and core: as they should be")
