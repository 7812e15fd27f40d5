"""Lines with numbers: what a storm writes.

Every line carries `storm=SNNNNNNNN`, its stream and its number there, so that it
can be counted. Event times go on by themselves from some hours ago, never past
now: whatever the machine's speed, the windows of the rules see the same story.
One line in four is a failed login of one of a few addresses."""
import random
import time
import zlib

MAX_LINE = 65536  # as configured: longer ones are cut here and told
NUL_RUN = 16      # so many at the beginning of a line are a hole, not text
HEAD = 8192       # bytes of a file by which it is judged
HOURS_AGO = 8


class Written:
    """One line as it must come out: its text, and what must be told of it."""

    def __init__(self, stream, number, raw):
        self.stream, self.number = stream, number
        self.bytes = len(raw)
        text = raw[:MAX_LINE] if len(raw) > MAX_LINE else raw[:-1] if raw[-1:] == b"\r" else raw
        self.crc = zlib.crc32(text.decode("utf-8", "replace").encode())

    def row(self):
        return [self.stream, self.number, self.crc, self.bytes]


def plain(dice):
    return b"." * dice.randrange(120)


def nuls(dice):
    if dice.random() < 0.8:
        return plain(dice)
    return b"a" + b"\0" * dice.randrange(1, 60) + b"b"


def bad_utf8(dice):
    if dice.random() < 0.5:
        return "grüße € 😀".encode()[:dice.randrange(8, 18)]
    wild = bytes(dice.choice(b"\x00\x07\x1b\x7f\x80\xbf\xc0\xc3\xe2\xed\xa0\xf0\xf4\xff az\t\"\\")
                 for _ in range(dice.randrange(60)))
    return wild + dice.choice([b"", b"\r"])


def long_lines(dice):
    if dice.random() < 0.98:
        return plain(dice)
    return b"x" * dice.choice([MAX_LINE - 100, MAX_LINE, dice.randrange(MAX_LINE, 1 << 20), 1 << 20])


def mixed(dice):
    return dice.choice([plain, nuls, bad_utf8, long_lines])(dice)


# name: (filler, share of writes that are split, holes between lines)
CONTENTS = {
    "plain": (plain, 0, False),
    "split": (plain, 0.4, False),
    "nuls": (nuls, 0.1, True),
    "utf8": (bad_utf8, 0.1, False),
    "long": (long_lines, 0.1, False),
    "mixed": (mixed, 0.3, True),
}


class Lines:
    def __init__(self, content, seed):
        self.filler, self.split, self.holes = CONTENTS[content]
        self.dice = random.Random("%s lines" % seed)
        self.clock = time.time() - HOURS_AGO * 3600
        self.numbers = {}
        self.second, self.stamp = -1, b""

    def time_text(self):
        self.clock = min(self.clock + self.dice.random(), time.time() - 1)
        if int(self.clock) != self.second:
            self.second = int(self.clock)
            self.stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(self.second)).encode()
        return self.stamp

    def make(self, stream="A", login=True, head=False):
        """A line, and what must come of it. Nothing wild in the head of a file: by that it is judged
        whether it is a log at all."""
        number = self.numbers[stream] = self.numbers.get(stream, -1) + 1
        mark = b"storm=%s%08d" % (stream.encode(), number)
        if login and self.dice.random() < 0.25:
            raw = b'%s WARNING - failed login: username="%s", IP="203.0.113.%d", reason="invalid credentials"' % (
                self.time_text(), mark, self.dice.randrange(1, 31))
        else:
            filler = plain if head else self.filler
            raw = b"%s INFO - %s %s" % (self.time_text(), mark, filler(self.dice))
        return raw + b"\n", Written(stream, number, raw)

    def hole(self):
        """Length of a run of NUL bytes before the next line; mostly 0."""
        if not self.holes or self.dice.random() < 0.97:
            return 0
        return self.dice.choice([NUL_RUN, 100, 5000, 70000, 300000])
