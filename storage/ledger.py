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
import functools
import getpass
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

from storage.home import Home
from storage.index import FILE, SETTLES, Index, Known, short
from storage.journal import Journal, located, row_at
from storage.records import PonensError, digest

Outcome = Literal["answered", "cut", "refused", "empty", "failed"]
_FRESH = 1000  # rows of this process that memory holds before they go to the index


@functools.cache
def _who(process: int) -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}, process {process}"


def me() -> str:
    """Who asks: user, machine and process, as `Entry.asked_by` has it."""
    return _who(os.getpid())


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
    `failed` got no usable reply in any of its attempts. `attempts` are the calls since the last row of the same
    request by the same process, so that the sum over all rows is what was sent. `estimated` is True where the
    server did not say what it billed: `tokens` are then guessed from the texts, and `cost` is None, as it is where
    the price is unknown. `asked_by` is the user, machine and process that asked.
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
    estimated: bool = False
    price: Mapping[str, float] | None = None
    cost: float | None = None
    seconds: float = 0.0
    attempts: int = 1
    error: str = ""
    detail: str = ""
    asked_by: str = field(default_factory=me)


_COLUMNS = tuple(f.name for f in fields(Entry))


def request_key(model: str, messages: str, sampling: Mapping[str, Any], sample: int) -> str:
    """64 hex digits: the identity of one request. `messages` is the digest of the rendered messages."""
    asked = {name: value for name, value in sampling.items() if value is not None}
    return digest({"model": model, "messages": messages, "sampling": asked, "sample": sample})


class Ledger:
    """What is known of every request ever made from a home; safe to use from many threads.

    Memory does not grow with it: places are looked up in an index on disk, texts where they stand.
    Without `durable`, for replies that cost nothing to have again, a row survives a kill but not a
    power cut.
    """

    def __init__(self, home: Home, *, durable: bool = True) -> None:
        self._folder = home.ledger
        self._journal = Journal(self._folder, durable=durable)
        self._index = Index(self._folder)
        self._lock = threading.Lock()
        self._fresh: dict[bytes, Known] = {}  # of this process, not in the index yet
        self._claims: int | None = None
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._journal.close()
        with self._lock:
            self._index.close()
            if self._claims is not None:
                os.close(self._claims)
                self._claims = None

    def find(self, key: str) -> Entry | None:
        """The answer to a request, else the last cut or refused reply to it, else None."""
        if (known := self._known(key)) is None:
            return None
        entry = _entry(row_at(known.place))
        if entry.key != key:
            raise PonensError(
                "the ledger and its index disagree",
                seen=f"{known.place.segment}, byte {known.place.start}",
                expected=f"request {key[:16]}",
                hint=f"delete {self._folder / FILE}: it is made anew from the ledger, nothing is lost",
            )
        return entry

    def settled(self, key: str, max_tokens: int | None, *, again: bool = False) -> bool:
        """True if asking is over: answered, refused, or cut at a limit no lower than `max_tokens`.

        With `again`, only an answer ends it.
        """
        if (known := self._known(key)) is None:
            return False
        if known.outcome == "answered" or again:
            return known.outcome == "answered"
        if known.outcome == "refused" or known.max_tokens is None:
            return True
        return max_tokens is not None and max_tokens <= known.max_tokens

    def record(self, entry: Entry) -> None:
        """Write an entry; it is on disk when this returns. OSError if the disk is full."""
        row = {name: getattr(entry, name) for name in _COLUMNS}
        row["tokens"] = entry.tokens.dict()
        place = self._journal.append(row)
        if entry.outcome not in SETTLES:
            return
        before = self._known(entry.key)
        with self._lock:
            if before is None or before.outcome != "answered":  # the first answer stays: it is what was paid for
                self._fresh[short(entry.key)] = Known(place, entry.outcome, entry.max_tokens)
            if len(self._fresh) >= _FRESH:
                self._index.refresh()
                self._fresh.clear()

    def recent(self, model: str, most: int = 500) -> Iterator[Entry]:
        """Up to `most` of the latest replies of a model, whatever became of them, latest run first."""
        for segment in sorted(self._folder.glob("*.jsonl"), reverse=True):
            for _, _, row in located(segment):
                if row.get("model") == model and row.get("outcome") not in (None, "failed"):
                    yield _entry(row)
                    if (most := most - 1) == 0:
                        return

    def written(self, by: str, since: int) -> Iterator[Entry]:
        """Every row by this process (`Entry.asked_by`) in segments begun since then, in nanoseconds of its clock."""
        for segment in sorted(self._folder.glob("*.jsonl")):
            if int(segment.name.partition("-")[0]) >= since:
                yield from (_entry(row) for _, _, row in located(segment) if row.get("asked_by") == by)

    def refresh(self) -> None:
        """Take in what other processes have recorded since the last look."""
        with self._lock:
            self._index.refresh(but=self._journal.segment.name if self._fresh else "")

    def _known(self, key: str) -> Known | None:
        with self._lock:
            return self._fresh.get(short(key)) or self._index.find(short(key))

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


def _entry(row: dict[str, Any]) -> Entry:
    tokens = row.pop("tokens")
    return Entry(**row, tokens=Tokens(tokens["in"], tokens["out"], tokens["reasoning"], tokens["cached"]))


def _byte(key: str) -> int:
    return int(key[:15], 16)
