"""Feed damaged files to every reader, for as long as one likes.

    python -m tests.fuzz_formats --minutes 10 [--seed 1]

A round writes good rows of one format into one container, damages them (values, bytes, or both), and
reads the file as `ponens parse` does. It fails if anything but a UsageError is raised, if a row of a
line format is not accounted for, or if a dialogue that was read is another one once written and read
again. What fails is kept in `fuzz-failures/`. A crash of the process is told by faulthandler.
"""

import argparse
import faulthandler
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from storage.dialogues import Dialogue
from storage.records import Rejected, UsageError
from storage.sources import readers, source
from storage.sources.formats import messages, sharegpt
from storage.sources.formats.base import At
from storage.sources.rows import lines
from storage.sources.source_warnings import Oddities
from tests.storage.sources.test_formats import HOLDS_MANY, ROWS, SPIDER
from tests.storage.sources.test_rows import CONTAINERS

ONE_A_ROW = set(ROWS) - set(HOLDS_MANY)
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    1.5,
    "",
    " ",
    "\0",
    "\ufffd",
    "x" * 5000,
    "中文",
    [],
    {},
    [[]],
    [None],
    {"": 1},
    "A",
    "A) ",
]
TOKENS = [
    b"",
    b"\0",
    b"\xff",
    b'"',
    b"\\",
    b"\n",
    b"\r\n",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"1e999",
]


def damaged(row: Any, chance: random.Random) -> Any:
    """The row with one value, somewhere in it, replaced, doubled or gone."""
    place = row = orjson.loads(orjson.dumps(row))
    while isinstance(place, dict | list) and place:
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if isinstance(place[key], dict | list) and place[key] and chance.random() < 0.7:
            place = place[key]
            continue
        if chance.random() < 0.2:
            del place[key]
        elif isinstance(place, list) and chance.random() < 0.3:
            place.append(place[key])
        else:
            place[key] = chance.choice(ODD)
        break
    return row


def bitten(content: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them changed, taken out, put in, doubled or cut off."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(content))
        until = min(len(content), at + chance.choice([0, 1, 1, 2, 8, 64]))
        match chance.randint(0, 4):
            case 0:
                content = content[:at] + bytes([chance.randint(0, 255)]) + content[at + 1 :]
            case 1:
                content = content[:at] + chance.choice(TOKENS) + content[until:]
            case 2:
                content = content[:at] + content[until:]
            case 3:
                content = content[:at] + content[at:until] * 2 + content[until:]
            case 4 if chance.random() < 0.3:
                content = content[:at]
    return content


def packed(rows: list[Any], container: str) -> bytes:
    """The rows in that container, or as JSON lines where it cannot hold them."""
    try:
        return CONTAINERS[container](rows)
    except Exception:  # columns of two types have no place in parquet, nested ones none in CSV
        return CONTAINERS["a.jsonl"](rows)


def begins_with_a_row(file: Path) -> bool:
    """Whether the first line is JSON by itself."""
    try:
        return orjson.loads(next((line for _, line in lines(file)), b"0")) is not None
    except orjson.JSONDecodeError:
        return False


def checked(file: Path, told: Counter[str], format: str) -> None:
    """Read the file as a user would. AssertionError if something is lost."""
    files = source.files([file])
    try:
        (used,) = readers.formats_of(files)
    except UsageError:
        used = readers.FORMATS[format]
    try:
        found = list(readers.read(files, [used]))
    except UsageError:  # keys that are numbers, and nothing says what they count from: asked for
        found = list(readers.read(files, [used], first=0))
    oddities = Oddities()
    for item in found:
        oddities.see(item)
        told["rejected" if isinstance(item, Rejected) else "accepted"] += 1
        if isinstance(item, Dialogue):
            for form in (messages, sharegpt):
                (again,) = form.records(orjson.loads(orjson.dumps(form.row(item))), At("x", 1))
                assert not isinstance(again, Rejected) and again.messages == item.messages, form.FORMAT.name
    oddities.warnings()
    if file.name in ("a.jsonl", "a.ndjson"):
        there = [number for number, _ in lines(file)]
        read = [item.line for item in found]
        if not begins_with_a_row(file):  # objects may take several lines: what is lost is told from line to line
            return
        assert sorted(set(read)) == there, "a line is not accounted for"
        if used.name in ONE_A_ROW:
            assert len(read) == len(there), "a line is accounted for twice"


def fuzz(seconds: float, seed: int) -> Counter[str]:
    """Rounds until the time is over; how many there were, and what came of their rows."""
    told: Counter[str] = Counter()
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "tables.json").write_bytes(orjson.dumps([SPIDER]))
        while time.monotonic() < until:
            chance = random.Random(f"{seed} {told['rounds']}")
            container, format = chance.choice(list(CONTAINERS)), chance.choice(list(ROWS))
            rows = [
                damaged(ROWS[format], chance) if chance.random() < 0.5 else ROWS[format]
                for _ in range(chance.randint(1, 6))
            ]
            content = packed(rows, container)
            if chance.random() < 0.7:
                content = bitten(content, chance)
            file = folder / container
            file.write_bytes(content)
            try:
                checked(file, told, format)
            except Exception:
                kept = Path("fuzz-failures")
                kept.mkdir(exist_ok=True)
                (kept / f"{seed}-{told['rounds']}-{format}-{container}").write_bytes(content)
                raise
            file.unlink()
            told["rounds"] += 1
            told[f"in {container}"] += 1
    return told


def main() -> None:
    faulthandler.enable()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for name, count in fuzz(given.minutes * 60, given.seed).items():
        print(f"{count:>12,} {name}")


if __name__ == "__main__":
    main()
