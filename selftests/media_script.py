#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes scripts for media_engine by chance: one for a backup, one for a restore
# that asks in another order and for other sizes.  Owns a model of tapes and
# disks of its own, from the specification, not from the command's code.
#
# usage: media_script.py tape|disk SEED MEDIA_SIZE WARNING BACKUP RESTORE
import random
import sys

BLOCK = 4096
LARGEST = 1 << 20
ENTRY = 16              # what a filemark or a short block takes besides its data
FILEMARK, NO_DATA, BEGINNING, EOF = 1101, 1104, 1102, 38
END_OF_MEDIA, OVERFLOW, BAD_LENGTH, NO_MEDIA = 1100, 1129, 1106, 1112
MARK = None


class Script:
    """Lines of a script; an answer other than success is followed by ClearError."""

    def __init__(self):
        self.lines = []

    def say(self, command, code=0, result=None, pieces=()):
        words = [command, "=", code]
        if result is not None:
            words.append(result)
        self.lines.append(" ".join(str(w) for w in words + list(pieces)))
        if code:
            self.lines.append("clear")


def merge(extents):
    """[(seed, offset, length)] as pieces, those that continue each other as one"""
    out = []
    for seed, offset, length in extents:
        if out and out[-1][0] == seed and (not seed or out[-1][1] + out[-1][2] == offset):
            out[-1][2] += length
        else:
            out.append([seed, offset, length])
    return ["0:%d" % n if not s else "%d+%d:%d" % (s, o, n) for s, o, n in out]


class Tape:
    def __init__(self, size, warning):
        # nothing is refused without a warning
        self.size, self.warning = size, max(warning, BLOCK + ENTRY)
        self.things = []        # MARK or (seed, offset, length)
        self.pos = 0
        self.known = {0}        # addresses that were given out
        self.written = 0

    def used(self):
        return sum(ENTRY if t is MARK else t[2] + (ENTRY if t[2] != BLOCK else 0)
                   for t in self.things)

    def write(self, s, seed, length):
        del self.things[self.pos:]
        self.known = {a for a in self.known if a <= self.pos}
        left = max(self.size - self.used(), 0) if self.size else 1 << 60
        takes = length + (ENTRY if length % BLOCK else 0)
        n = length if takes <= left else min(left, length) // BLOCK * BLOCK
        for at in range(0, n, BLOCK):
            self.things.append((seed, at, min(BLOCK, n - at)))
        self.pos = len(self.things)
        near = self.size and self.used() > self.size - self.warning
        code = OVERFLOW if not n else END_OF_MEDIA if n < length or near else 0
        s.say("write %d %d" % (length, seed), code, n)

    def mark(self, s):
        del self.things[self.pos:]
        self.known = {a for a in self.known if a <= self.pos}
        code = 0
        if self.size and self.used() + ENTRY > self.size:
            code = OVERFLOW
        else:
            self.things.append(MARK)
            self.pos = len(self.things)
            if self.size and self.used() > self.size - self.warning:
                code = END_OF_MEDIA
        s.say("mark", code)

    def read(self, s, length):
        got, code = [], 0
        left = length
        while left:
            if self.pos == len(self.things):
                code = NO_DATA
                break
            thing = self.things[self.pos]
            if thing is MARK:
                self.pos += 1
                code = FILEMARK
                break
            if thing[2] > left:
                code = 0 if got else BAD_LENGTH
                break
            got.append(thing)
            left -= thing[2]
            self.pos += 1
            if thing[2] < BLOCK:
                break           # behind a short block the next Read begins
        s.say("read %d" % length, code, length - left, merge(got))

    def skip_blocks(self, s, count):
        code = 0
        for _ in range(abs(count)):
            edge = len(self.things) if count > 0 else 0
            if self.pos == edge:
                code = NO_DATA if count > 0 else BEGINNING
                break
            thing = self.things[self.pos if count > 0 else self.pos - 1]
            self.pos += 1 if count > 0 else -1
            if thing is MARK:
                code = FILEMARK
                break
        s.say("skipblocks %d" % count, code)

    def skip_marks(self, s, count):
        code, todo = 0, abs(count)
        while todo:
            edge = len(self.things) if count > 0 else 0
            if self.pos == edge:
                code = NO_DATA if count > 0 else BEGINNING
                break
            thing = self.things[self.pos if count > 0 else self.pos - 1]
            self.pos += 1 if count > 0 else -1
            todo -= thing is MARK
        s.say("skipmarks %d" % count, code)

    def rewind(self, s):
        self.pos = 0
        s.say("rewind")

    def get(self, s):
        self.known.add(self.pos)
        s.say("getpos", 0, self.pos)

    def set(self, s, rng):
        self.pos = rng.choice(sorted(self.known))
        s.say("setpos %d" % self.pos, 0, self.pos)

    def step(self, s, rng, seed, writes):
        dice = rng.random()
        if writes and dice < 0.30:
            length = rng.randint(1, 30) * BLOCK
            self.write(s, seed, length if rng.random() < 0.8 else rng.randint(1, length))
        elif writes and dice < 0.42:
            self.mark(s)
        elif dice < 0.68:
            length = rng.randint(1, 40) * BLOCK
            self.read(s, length if rng.random() < 0.9 else rng.randint(1, length))
        elif dice < 0.76:
            self.skip_blocks(s, rng.randint(-40, 40))
        elif dice < 0.84:
            self.skip_marks(s, rng.randint(-4, 4))
        elif dice < 0.88:
            self.rewind(s)
        elif dice < 0.94:
            self.get(s)
        else:
            self.set(s, rng)
        # most of a backup is written at the end of the tape
        if writes and rng.random() < 0.8 and self.pos < len(self.things):
            self.skip_marks(s, 10000)

    def read_all(self, s, rng):
        self.rewind(s)
        while self.pos < len(self.things):
            self.read(s, rng.choice([1, 2, 3, 16, 64, 256]) * BLOCK)


class Disk:
    UNIT = 512
    FAR = (5 << 30) // UNIT

    def __init__(self, size, warning):
        self.size, self.warning = size, max(warning, BLOCK)
        self.units = {}
        self.length = 0         # in units
        self.pos = 0
        self.written = None

    def place(self, rng):
        near = rng.randint(0, 400)
        return near if self.size or rng.random() < 0.8 else near + self.FAR

    def write(self, s, seed, at, count):
        left = self.size // self.UNIT - at if self.size else 1 << 60
        n = count if count <= left else max(left, 0) * self.UNIT // BLOCK * BLOCK // self.UNIT
        for i in range(n):
            self.units[at + i] = (seed, i * self.UNIT)
        near = self.size and (at + n) * self.UNIT > self.size - self.warning
        code = OVERFLOW if not n else END_OF_MEDIA if n < count or near else 0
        if n:
            self.pos = self.written = at + n
            self.length = max(self.length, self.pos)
        s.say("write %d %d @%d" % (count * self.UNIT, seed, at * self.UNIT), code, n * self.UNIT)

    def read(self, s, at, count):
        n = max(min(count, self.length - at), 0)
        got = [self.units.get(at + i, (0, 0)) + (self.UNIT,) for i in range(n)]
        self.pos = at + n
        s.say("read %d @%d" % (count * self.UNIT, at * self.UNIT), EOF if n < count else 0,
              n * self.UNIT, merge(got))

    def flush(self, s):
        if self.written is not None:
            self.length = self.written
            self.units = {k: v for k, v in self.units.items() if k < self.length}
        s.say("flush")

    def step(self, s, rng, seed, writes):
        dice = rng.random()
        if writes and dice < 0.45:
            self.write(s, seed, self.place(rng), rng.randint(1, 200))
        elif dice < 0.80:
            self.read(s, self.place(rng), rng.randint(1, 300))
        elif writes and dice < 0.84:
            self.flush(s)
        elif dice < 0.92:
            origin = rng.choice([0, 1, 2])
            start = [0, self.pos, self.length][origin]
            self.pos = max(0, start + rng.randint(-50, 50))
            s.say("setpos %d %d" % ((self.pos - start) * self.UNIT, origin), 0,
                  self.pos * self.UNIT)
        else:
            s.say("getpos", 0, self.pos * self.UNIT)

    def read_all(self, s, rng):
        spots = {k // 512 * 512 for k in self.units} | {max(self.length - 256, 0)}
        for at in rng.sample(sorted(spots), len(spots)):
            self.read(s, at, 512)
        s.say("setpos 0 2", 0, self.length * self.UNIT)


def main():
    kind, number, size, warning = sys.argv[1], *map(int, sys.argv[2:5])
    rng = random.Random(number)
    make = {"tape": Tape, "disk": Disk}[kind]
    backup, restore = Script(), Script()
    media = [make(size, warning)]
    seed = 0
    for _ in range(rng.randint(1, 4) if size else 1):
        if seed:
            backup.say("load 1")
            media.append(make(size, warning))
        for _ in range(120):
            seed += 1
            media[-1].step(backup, rng, seed, True)
        media[-1].read_all(backup, rng)
    # what a disk's length is, Flush says; at the end nothing is to be cut off
    seed += 1
    if kind == "disk":
        media[-1].write(backup, seed, media[-1].length if not size else 0, 8)
    else:
        media[-1].skip_marks(backup, 10000)
        media[-1].write(backup, seed, BLOCK)
    if kind == "disk":
        media[-1].flush(backup)
    else:
        backup.say("flush")
    backup.say("complete")
    for i, medium in enumerate(media):
        medium.size = 0
        medium.pos = 0
        if i:
            restore.say("load 1")
        for _ in range(60):
            medium.step(restore, rng, 0, False)
        medium.read_all(restore, rng)
    if size:
        restore.say("load 1", NO_MEDIA)
    for path, script in zip(sys.argv[5:7], (backup, restore)):
        with open(path, "w", encoding="ascii") as f:
            f.write("\n".join(script.lines) + "\n")


main()
