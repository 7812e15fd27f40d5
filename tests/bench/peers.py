"""Other programs, each with a task that it can really do, and the same task for ours.

A task is a file and a question with one number for an answer; a program that gives another
number is shown with it. Programs that are not there are named with their Debian package.
rsyslog and syslog-ng follow files and never end: theirs has one more line, and when that
has come out at the other side they are told to end."""
import os
import re
import shutil

import rulesets
from generate import Dice, Fleet, seed_of
from measure import Command

CONDITIONS = 30  # what rsyslog and syslog-ng ask of each event, the last one of which is the question
WORDS = 1000     # what grep looks for
PRESENT = 200    # so many of them are in the file
XUI_FAILED = r'failed login: username="[^"]*", IP="%s", reason="[^"]*"$'
END = '{"message":"bench-end"}\n'


def count_lines(path):
    if not os.path.exists(path):
        return 0
    with open(path, "rb") as f:
        return f.read().count(b"\n")


class Task:
    """One file, what is asked, and our rules for it."""

    def __init__(self, name, title, path, channel, rules, folder):
        self.name, self.title, self.path, self.channel, self.folder = name, title, path, channel, folder
        self.rules = rules
        self.bytes, self.lines = os.path.getsize(path), count_lines(path)


class Peer:
    """package: who has it. command(task, scratch) and found(command) come from the contender."""

    def __init__(self, name, program, package, task, command, found):
        self.name, self.program, self.package, self.task = name, program, package, task
        self.make, self.found = command, found

    def where(self):
        """The program; TW_SYSLOG_NG and the like name one that is not in PATH."""
        given = os.environ.get("TW_" + self.program.upper().replace("-", "_"))
        return given or shutil.which(self.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def head(path, size, out):
    """The first lines of a file, of `size` bytes at most."""
    left = size
    with open(path, "rb") as f, open(out, "wb") as o:
        for line in f:
            left -= len(line)
            if left < 0:
                break
            o.write(line)
    return out


# ---- what each of them is told ----

def emptied(*paths):
    def before():
        for p in paths:
            if os.path.isdir(p):
                shutil.rmtree(p)
                os.mkdir(p)
            elif os.path.exists(p):
                os.unlink(p)
    return before


def with_end(task, scratch):
    """A copy of the file with one more line, after which all the others have been seen."""
    path = os.path.join(scratch, "followed.log")
    shutil.copyfile(task.path, path)
    with open(path, "a") as f:
        f.write(END)
    return path


RSYSLOG = """\
global(workDirectory="{work}")
module(load="imfile")
module(load="{parser}")
template(name="line" type="string" string="%rawmsg%\\n")
input(type="imfile" File="{log}" Tag="bench" ruleset="bench")
ruleset(name="bench" queue.type="Direct") {{
    action(type="{parser}" {options})
{conditions}
    if $rawmsg contains "bench-end" then {{ action(type="omfile" file="{end}" template="line") }}
}}
"""
XUI_NORMALIZE = """\
version=2
rule=:%day:word% %time:word% WARNING - failed login: username="%user:char-to:"%", IP="%ip:char-to:"%", \
reason="%reason:char-to:"%"
"""


def rsyslog_with(program, task, scratch, parser, options, field, value):
    """Reads each line by a parser and compares one field with CONDITIONS values."""
    names = {n: os.path.join(scratch, n) for n in ("work", "hits", "end", "conf", "pid")}
    os.mkdir(names["work"])
    conditions = "\n".join(
        '    if $!%s == "%s" then { action(type="omfile" file="%s" template="line") }' % (field, w, names["hits"])
        for w in rulesets.literals(CONDITIONS - 1) + [value])
    with open(names["conf"], "w") as f:
        f.write(RSYSLOG.format(log=with_end(task, scratch), conditions=conditions, parser=parser, options=options,
                               **names))
    return Command([program, "-n", "-f", names["conf"], "-i", names["pid"]], until=names["end"],
                   before=emptied(names["work"], names["hits"], names["end"]))


def rsyslog_json(program, task, scratch):
    return rsyslog_with(program, task, scratch, "mmjsonparse", 'cookie=""', "message", "login_failed")


def rsyslog_normalize(program, task, scratch):
    base = os.path.join(scratch, "rulebase")
    with open(base, "w") as f:
        f.write(XUI_NORMALIZE)
    return rsyslog_with(program, task, scratch, "mmnormalize", 'useRawMsg="on" rulebase="%s"' % base, "reason",
                        "invalid credentials")


SYSLOG_NG = """\
@version: 3.38
options {{ stats-freq(0); log-fifo-size(100000); }};
source s {{ file("{log}" flags(no-parse) follow-freq(0.1) read-old-records(yes) log-fetch-limit(1000)); }};
parser p {{ json-parser(prefix(".j.")); }};
destination hits {{ file("{hits}" template("${{MESSAGE}}\\n")); }};
destination end {{ file("{end}" template("${{MESSAGE}}\\n")); }};
{filters}
filter end {{ "${{.j.message}}" eq "bench-end" }};
log {{ source(s); parser(p);
{paths}
    log {{ filter(end); destination(end); }};
}};
"""


def syslog_ng(program, task, scratch):
    names = {n: os.path.join(scratch, n) for n in ("hits", "end", "conf", "pid", "persist", "ctl")}
    words = rulesets.literals(CONDITIONS - 1) + ["login_failed"]
    with open(names["conf"], "w") as f:
        f.write(SYSLOG_NG.format(
            log=with_end(task, scratch), hits=names["hits"], end=names["end"],
            filters="\n".join('filter f%d { "${.j.message}" eq "%s" };' % f for f in enumerate(words)),
            paths="\n".join("    log { filter(f%d); destination(hits); };" % i for i in range(len(words)))))
    return Command([program, "-F", "--no-caps", "-f", names["conf"], "-R", names["persist"], "-p", names["pid"],
                    "-c", names["ctl"]], until=names["end"],
                   before=emptied(names["hits"], names["end"], names["persist"]))


def sec(program, task, scratch):
    conf, hits = os.path.join(scratch, "conf"), os.path.join(scratch, "hits")
    with open(conf, "w") as f:
        f.write("type=Single\nptype=RegExp\npattern=%s\ndesc=$1\naction=write %s %%s\n" % (
            XUI_FAILED % r"([\d.]+)", hits))
    return Command([program, "--conf=" + conf, "--input=" + task.path, "--fromstart", "--notail"],
                   before=emptied(hits))


def fail2ban(program, task, scratch):
    return Command([program, task.path, XUI_FAILED % "<HOST>"], keep_out=True)


def jq(what):
    return lambda program, task, scratch: Command([program, "-c", what, task.path], keep_out=True)


def grep(*options):
    return lambda program, task, scratch: Command(
        [program, "-c"] + [o.format(folder=task.folder) for o in options] + [task.path], keep_out=True,
        good=(0, 1))  # 1: none


# ---- how their answer is read ----

def lines_out(command, scratch):
    return command.out.count("\n")


def number_out(command, scratch):
    return int(command.out)


def hits(command, scratch):
    return count_lines(os.path.join(scratch, "hits"))


def matched_out(command, scratch):
    m = re.search(r"(\d+) matched", command.out)
    return int(m.group(1)) if m else None


def words_of(fleet, folder):
    """What grep looks for: words that are not there, and strangers that are. Our rule asks the same."""
    words = rulesets.literals(WORDS - PRESENT, seed=11) + ["%s - - [" % ip for ip in fleet[:PRESENT]]
    path = os.path.join(folder, "words")
    with open(path, "w") as f:
        f.write("\n".join(words) + "\n")
    return words


def tasks(folder, data, size, seed):
    """The questions. size: so many bytes of each file at most."""
    path = {c: head(os.path.join(data, c + ".log"), size, os.path.join(folder, c + ".log"))
            for c in ("api", "xui", "nginx")}
    keywords = os.path.join(folder, "keywords.yml")
    with open(keywords, "w") as f:
        f.write(rulesets.rule("One of %d words" % WORDS, "nginx", ["- '%s'" % w for w in words_of(
            sorted(set(Fleet(Dice(seed_of("nginx", seed))).strangers)), folder)]))
    return {
        "xui": Task("xui", "failed logins of a 3X-UI log", path["xui"], "xui",
                    rulesets.question(folder, "logins", "xui"), folder),
        "api": Task("api", "failed logins of a JSON log", path["api"], "api",
                    rulesets.question(folder, "logins", "api"), folder),
        "errors": Task("errors", "status of 500 and above in a JSON log", path["api"], "api",
                       rulesets.question(folder, "errors", "api"), folder),
        "words": Task("words", "lines of an nginx log with one of %d words" % WORDS, path["nginx"], "nginx",
                      keywords, folder),
    }


PEERS = [
    Peer("fail2ban-regex, 1 expression", "fail2ban-regex", "fail2ban", "xui", fail2ban, matched_out),
    Peer("sec, 1 rule", "sec", "sec", "xui", sec, hits),
    Peer("rsyslog, mmnormalize, %d conditions" % CONDITIONS, "rsyslogd", "rsyslog", "xui", rsyslog_normalize, hits),
    Peer("grep -E", "grep", "grep", "xui", grep("-E", XUI_FAILED % "[0-9.]+"), number_out),
    Peer("jq, 1 select", "jq", "jq", "api", jq('select(.message=="login_failed")'), lines_out),
    Peer("rsyslog, mmjsonparse, %d conditions" % CONDITIONS, "rsyslogd", "rsyslog", "api", rsyslog_json, hits),
    Peer("syslog-ng, json-parser, %d filters" % CONDITIONS, "syslog-ng", "syslog-ng-core", "api", syslog_ng, hits),
    Peer("grep -F", "grep", "grep", "api", grep("-F", '"message":"login_failed"'), number_out),
    Peer("jq, 1 select", "jq", "jq", "errors", jq("select(.status_code>=500)"), lines_out),
    Peer("grep -F -i -f", "grep", "grep", "words", grep("-F", "-i", "-f", "{folder}/words"), number_out),
    Peer("grep -F -f, case counts", "grep", "grep", "words", grep("-F", "-f", "{folder}/words"), number_out),
]
