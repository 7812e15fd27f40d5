"""Rules to measure with: many literals, the public Sigma tree, and the questions that others answer, too."""
import os
import re
import tarfile
import uuid

from generate import SHARES, Dice

RULE = """\
title: {title}
id: {id}
status: test
logsource: {{product: {product}}}
detection:
    selection:
{what}
    condition: selection
level: {level}
"""
SYLLABLES = "ba co de fi gu ha jo ka le mi no pu qua ro si tu va we xy zo".split()


def rule(title, product, what, level="low"):
    return RULE.format(title=title, id=uuid.uuid5(uuid.NAMESPACE_URL, title + product), product=product,
                       what="".join("        %s\n" % w for w in what).rstrip("\n"), level=level)


def literals(n, seed=7):
    """n words of 9 to 20 signs, none of which the generator writes."""
    d = Dice(seed)
    words = set()
    while len(words) < n:
        words.add("".join(d.of(SYLLABLES) for _ in range(3 + d.below(4))) + d.of([".php", ".onion", "-bot", "/x.sh"]))
    return sorted(words)


IN_A_FILE = 1000  # a file of rules may be 1 MiB


def literal_rules(folder, n):
    """A folder for each channel: n rules, each asks for one literal in the message."""
    words, paths = literals(n), {}
    for channel in SHARES:
        paths[channel] = os.path.join(folder, channel)
        os.makedirs(paths[channel])
        for i in range(0, n, IN_A_FILE):
            with open(os.path.join(paths[channel], "%d.yml" % i), "w") as f:
                f.write("---\n".join(rule("literal " + w, channel, ["message|contains: '%s'" % w])
                                     for w in words[i:i + IN_A_FILE]))
    return paths


QUESTIONS = {
    "logins": ["event.action: login_failed"],
    "errors": ["http.response.status_code|gte: 500"],
}


def question(folder, name, channel, what=None):
    """One rule in a file of its own."""
    path = os.path.join(folder, "%s-%s.yml" % (name, channel))
    with open(path, "w") as f:
        f.write(rule("%s of %s" % (name, channel), channel, what or QUESTIONS[name]))
    return path


# ---- the public tree ----

NEGATIONS = {"zeek_rdp_public_listener.yml"}  # asks only what is not: holds for every line of another log
FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
LOGSOURCE = re.compile(r"^logsource:[ \t]*\n(?:[ \t]+.*\n|[ \t]*#.*\n)+", re.M)


def sigma_tree(archive, folder, product=None):
    """Unpacks the rules; with a product, all of them are for its log. How many files; the folder."""
    n = 0
    with tarfile.open(archive) as tar:
        for m in tar:
            parts = m.name.split("/")
            if not m.isfile() or len(parts) < 3 or parts[1] not in FOLDERS or not m.name.endswith(".yml"):
                continue
            text = tar.extractfile(m).read().decode("utf-8")
            if product and parts[-1] in NEGATIONS:
                continue
            if product:
                text = LOGSOURCE.sub("logsource:\n    product: %s\n" % product, text)
            path = os.path.join(folder, "%05d-%s" % (n, parts[-1]))
            os.makedirs(folder, exist_ok=True)
            with open(path, "w") as f:
                f.write(text)
            n += 1
    return n, folder
