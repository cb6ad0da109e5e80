"""The ledger of requests to teachers: one row a reply, on disk before it counts.

    with Ledger(home) as ledger:
        ledger.find(key)      # what is known of a request: an answer, a cut reply, a refusal, or None
        ledger.record(entry)  # on disk when this returns

A request is its content: model, messages, sampling settings and sample index. Not in its key, on
purpose: the teacher and its address (the same model is the same answer wherever it is served), and
`max_tokens`, because a reply that ended by itself would have been the same under any higher limit.
A reply that was cut remembers the limit it was cut at, so only a higher one asks for it again.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from storage.home import Home
from storage.journal import Journal, Place, located, row_at
from storage.records import digest

Outcome = Literal["answered", "cut", "refused", "empty", "failed"]
_SETTLES: tuple[Outcome, ...] = ("answered", "cut", "refused")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a reply was billed for; `reasoning` is part of `out`, `cached` part of `sent`."""

    sent: int = 0
    out: int = 0
    reasoning: int = 0
    cached: int = 0

    def dict(self) -> dict[str, int]:
        return {"in": self.sent, "out": self.out, "reasoning": self.reasoning, "cached": self.cached}

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.sent + other.sent,
            self.out + other.out,
            self.reasoning + other.reasoning,
            self.cached + other.cached,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. Only `answered` is an answer: a complete reply with text in it.

    `cut` ended at the length limit, `refused` was declined by a content filter, `empty` had no text,
    `failed` got no usable reply in any of its attempts. `cost` is None where the price is unknown.
    """

    key: str
    outcome: Outcome
    teacher: str
    model: str
    messages: str
    sample: int
    sampling: Mapping[str, Any]
    max_tokens: int | None
    time: str
    text: str = ""
    reasoning: str = ""
    finish: str = ""
    tokens: Tokens = field(default_factory=Tokens)
    price: Mapping[str, float] | None = None
    cost: float | None = None
    seconds: float = 0.0
    attempts: int = 1
    error: str = ""
    detail: str = ""


_COLUMNS = tuple(f.name for f in fields(Entry))


def request_key(model: str, messages: str, sampling: Mapping[str, Any], sample: int) -> str:
    """64 hex digits: the identity of one request. `messages` is the digest of the rendered messages."""
    asked = {name: value for name, value in sampling.items() if value is not None}
    return digest({"model": model, "messages": messages, "sampling": asked, "sample": sample})


class Ledger:
    """What is known of every request ever made from a home; safe to use from many threads.

    Memory holds a small index; texts are read from disk when asked for. Without `durable`, for
    replies that cost nothing to have again, a row survives a kill but not a power cut.
    """

    def __init__(self, home: Home, *, durable: bool = True) -> None:
        self._folder = home.ledger
        self._journal = Journal(self._folder, durable=durable)
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[int, int, int]] = {}  # key -> segment, start, outcome
        self._segments: list[Path] = []
        self._numbers: dict[Path, int] = {}
        self._read: list[int] = []  # how far each segment has been taken in
        self._folder_seen = 0
        self._claims: int | None = None
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._journal.close()
        with self._lock:
            if self._claims is not None:
                os.close(self._claims)
                self._claims = None

    def find(self, key: str) -> Entry | None:
        """The answer to a request, else the last cut or refused reply to it, else None."""
        if (known := self._known.get(_short(key))) is None:
            return None
        row = row_at(Place(self._segments[known[0]], known[1]))
        tokens = row.pop("tokens")
        return Entry(**row, tokens=Tokens(tokens["in"], tokens["out"], tokens["reasoning"], tokens["cached"]))

    def settled(self, key: str, max_tokens: int | None, *, again: bool = False) -> bool:
        """True if asking is over: answered, refused, or cut at a limit no lower than `max_tokens`.

        With `again`, only an answer ends it.
        """
        if (known := self._known.get(_short(key))) is None:
            return False
        outcome = _SETTLES[known[2]]
        if outcome == "answered" or again:
            return outcome == "answered"
        if outcome == "refused":
            return True
        limit = row_at(Place(self._segments[known[0]], known[1]))["max_tokens"]
        return limit is None or (max_tokens is not None and max_tokens <= limit)

    def record(self, entry: Entry) -> None:
        """Write an entry; it is on disk when this returns. OSError if the disk is full."""
        row = {name: getattr(entry, name) for name in _COLUMNS}
        row["tokens"] = entry.tokens.dict()
        place = self._journal.append(row)
        with self._lock:
            self._learn(entry.key, entry.outcome, self._number(place.segment), place.start)

    def refresh(self) -> None:
        """Take in what other processes have recorded since the last look."""
        with self._lock:
            try:
                changed = self._folder.stat().st_mtime_ns
            except FileNotFoundError:
                return
            if changed != self._folder_seen:
                for segment in sorted(self._folder.glob("*.jsonl")):
                    self._number(segment)
                self._folder_seen = changed
            for number, segment in enumerate(self._segments):
                if segment == self._journal.segment or segment.stat().st_size <= self._read[number]:
                    continue
                for start, following, row in located(segment, self._read[number]):
                    self._read[number] = following
                    if "key" in row and "outcome" in row:
                        self._learn(row["key"], row["outcome"], number, start)

    def claim(self, key: str) -> bool:
        """Say that this process is about to ask; False while another process is asking the same.

        The kernel releases a dead process's claims. Threads of one process do not exclude each other.
        """
        with self._lock:
            if self._claims is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._claims = os.open(self._folder / "claims.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(key))
                return True
            except OSError:
                return False

    def release(self, key: str) -> None:
        with self._lock:
            if self._claims is not None:
                fcntl.lockf(self._claims, fcntl.LOCK_UN, 1, _byte(key))

    def _number(self, segment: Path) -> int:
        if segment not in self._numbers:
            self._numbers[segment] = len(self._segments)
            self._segments.append(segment)
            self._read.append(0)
        return self._numbers[segment]

    def _learn(self, key: str, outcome: Outcome, segment: int, start: int) -> None:
        if outcome not in _SETTLES:
            return
        short = _short(key)
        before = self._known.get(short)
        if before is None or _SETTLES[before[2]] != "answered":  # the first answer stays: it is what was paid for
            self._known[short] = (segment, start, _SETTLES.index(outcome))


def _short(key: str) -> bytes:
    return bytes.fromhex(key[:32])


def _byte(key: str) -> int:
    return int(key[:15], 16)
