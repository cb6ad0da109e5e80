"""The house's vocabulary: frozen records, content identity and the one base error.

Standard library only, so that every room may import it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import traceback
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(*, frozen: bool, slots: bool):
        """A dataclass that is frozen to the type checker alone: its objects are made in a quarter of the time."""
        return dataclass(slots=slots, unsafe_hash=frozen)


Split = Literal["train", "valid", "test"]
Role = Literal["system", "user", "assistant", "tool"]
GREEDY, FORCED = -1, -2  # indices of samples that are no votes
ERROR = "error: "  # how the extractor is called where the reader raised something: then come what and where
_LONGEST = 300  # characters of what was raised
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HAN = re.compile(r"[\u3400-\u9fff]")
_APART = re.compile(r"\d\s+(?=\d)")
_REMEMBERED = 1 << 15  # texts: a question's identity is asked for several times while it passes by
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_NUMBERED = re.compile(r"(?:选择题)?\d{1,3}[.、:)](?!\d)")
_AREA = re.compile(r"(?<![A-Za-z])[cdkmµμ]?m\Z")  # metres, whose square and cube are one word: ㎡, m², m2


class PonensError(Exception):
    """The work failed. Reads as: thing, value seen, value expected, next step."""

    exit_code = 1
    summary: Mapping[str, Any] | None = None  # of the run that it ended, where one was under way

    def __init__(self, thing: str, *, seen: object = None, expected: str = "", hint: str = "") -> None:
        self.thing, self.seen, self.expected, self.hint = thing, seen, expected, hint
        parts = [thing]
        if seen is not None:
            parts.append(f"  seen:     {seen}")
        if expected:
            parts.append(f"  expected: {expected}")
        if hint:
            parts.append(f"  next:     {hint}")
        super().__init__("\n".join(parts))


class UsageError(PonensError):
    """The command, the recipe or the input is wrong; nothing was done."""

    exit_code = 2


class Refused(PonensError):
    """All went well, and the answer is no: a gate stayed shut."""

    exit_code = 3


def failure(error: Exception) -> str:
    """What was raised and where, in one line.

    >>> try: float("n/a")
    ... except ValueError as error: failure(error).split(" (")[0]
    "ValueError: could not convert string to float: 'n/a'"
    """
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({PurePath(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    words = " ".join(str(error).split())[:_LONGEST]
    return f"{type(error).__name__}{f': {words}' if words else ''}{place}"


def digest(content: object) -> str:
    """SHA-256 (64 hex digits) of a JSON-able value in canonical form: sorted keys, no spaces."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def seed_of(*parts: object) -> int:
    """A 31-bit seed from content, so that results depend on neither order nor worker count."""
    return int(digest([str(p) for p in parts])[:8], 16) & 0x7FFFFFFF


def language_of(text: str) -> Literal["zh", "en"]:
    """Chinese if the text holds any Han character, else English."""
    return "zh" if _HAN.search(text) else "en"


@functools.cache
def _figures() -> re.Pattern[str]:
    """Runs of superscripts, runs of subscripts, and other signs that NFKC begins or ends with a digit."""
    groups: dict[str, list[str]] = {"raised": [], "lowered": [], "other": ["\u2044"]}
    for code in (*range(0xA0, 0x3400), *range(0x1F100, 0x1F10B)):
        sign = chr(code)
        tag, _, parts = unicodedata.decomposition(sign).partition(" ")
        plain = unicodedata.normalize("NFKC", sign)
        if tag in ("<super>", "<sub>") and " " not in parts and sign not in "ªº":
            groups["raised" if tag == "<super>" else "lowered"].append(sign)
        elif plain != sign and not sign.isdecimal() and (plain[0].isdecimal() or plain[-1].isdecimal()):
            groups["other"].append(sign)
    raised, lowered, other = ("[" + re.escape("".join(signs)) + "]" for signs in groups.values())
    return re.compile(f"(?P<raised>{raised}+)|(?P<lowered>{lowered}+)|{other}")


def _apart(hit: re.Match[str]) -> str:
    """What such signs mean in plain text, kept apart from the digits beside them."""
    text, plain = hit.string, unicodedata.normalize("NFKC", hit[0]).replace("\u2044", "/")
    before = text[hit.start() - 1] if hit.start() else ""
    after = unicodedata.normalize("NFKC", text[hit.end() : hit.end() + 1])
    space = " " if (plain[-1].isdecimal() or plain[-1] == ".") and after[:1].isdecimal() else ""
    if hit["raised"]:
        return ("" if _AREA.search(text, max(0, hit.start() - 3), hit.start()) else "^") + plain + space
    lead = "_" if hit["lowered"] else " "
    return (lead if before.isdecimal() and plain[0].isdecimal() else "") + plain + space


def folded(text: str) -> str:
    """NFKC, in which a digit is only what was one: "2³" becomes "2^3" and not "23", "2½" becomes "2 1/2".

    Subscripts, circled numbers and their like are kept apart from digits beside them, for they are no part of the
    number. Areas and volumes keep their plain form: "5 m²" and "5 ㎡" are "5 m2".
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", _figures().sub(_apart, text))


def normal(text: str) -> str:
    """Text without what says nothing: Unicode form (`folded`), case, white space except between two digits, its number.

    Its number is what an exam prints before it: "12.", "3、" or "选择题 1：".
    """
    text = "".join(_APART.sub(lambda hit: f"{hit[0][0]}\x00", folded(text).casefold()).split())
    return text[hit.end() :] if (hit := _NUMBERED.match(text)) else text


normal_problem = functools.lru_cache(maxsize=_REMEMBERED)(normal)


@functools.lru_cache(maxsize=_REMEMBERED)
def group_of(problem: str) -> str:
    """16 hex digits: the identity of a problem, the same however it is cased and spaced."""
    return digest(normal_problem(problem))[:16]


@functools.lru_cache(maxsize=_REMEMBERED)
def _id_of(problem: str, question: str, options: tuple[str, ...]) -> str:
    return digest([problem, question, list(options)])[:16]


@record(frozen=True, slots=True)
class Message:
    """One chat message; `train` is whether an assistant's words are to be learnt."""

    role: Role
    content: str
    train: bool = True

    def dict(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


@record(frozen=True, slots=True)
class Question:
    """One multiple-choice question; the letter of an option is its position. `problem` is "" where there is none.

    `source_id`, `file` and `line` are for people; identity is `id`, made of content alone.
    `answer` is None where the source has no key. `notes` are what its reader found odd, by the
    kinds of `storage.sources.source_warnings`.
    """

    problem: str
    question: str
    options: tuple[str, ...]
    answer: str | None = None
    source_id: str = ""
    file: str = ""
    line: int = 0
    split: Split = "train"
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not 2 <= len(self.options) <= len(LETTERS):
            raise ValueError(f"{len(self.options)} options; expected 2 to {len(LETTERS)}")
        if self.answer is not None and self.answer not in LETTERS[: len(self.options)]:
            raise ValueError(f"answer {self.answer!r}; expected one of {self.letters}")

    @property
    def letters(self) -> str:
        """The letters of the options, such as "ABCD"."""
        return LETTERS[: len(self.options)]

    @property
    def group(self) -> str:
        """16 hex digits: the identity of the problem, else of the question. Questions of one are never split apart."""
        return group_of(self.problem if self.problem.strip() else self.question)

    @property
    def id(self) -> str:
        """16 hex digits: the identity of problem, question and options in their order."""
        return _id_of(self.problem, self.question, self.options)

    @property
    def language(self) -> Literal["zh", "en"]:
        return language_of(self.problem + self.question + "".join(self.options))


@record(frozen=True, slots=True)
class Rejected:
    """A source row that is no record: where, which field, why. `line` counts from 1."""

    file: str
    line: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a parser made of a reply: the letter or None, which extractor fired, and where.

    `at` is from where to where the extractor fired, in characters of the reply; None if nothing did.
    """

    answer: str | None
    extractor: str
    at: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One reply of one subject ("base" or an adapter's name) to one question.

    `index` is GREEDY, FORCED for the forced letter, else 0..n-1.
    `finish` is "stop", "length", "overflow" (the prompt did not fit the context) or "refused" (by a server).
    `logprob` is the mean log-probability of its tokens in nats, None where it is unknown.
    """

    question: str
    subject: str
    index: int
    text: str
    finish: str
    tokens: int
    answer: str | None = None
    extractor: str = ""
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Ballot:
    """All votes on one question; None is an abstention (the reply could not be read)."""

    question: str
    group: str
    gold: str | None
    votes: tuple[str | None, ...]
    winner: str | None
    tally: Mapping[str, int] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        return self.winner is not None and self.winner == self.gold


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a step leaves behind: identity, place and counts, never frames or models.

    `key` names the work (settings, inputs, code); `digest` names what came of it. `artifact` is
    relative to the home; `ingredients` are the parts of the key, so that a plan can say what changed.
    """

    step: str
    key: str
    digest: str
    artifact: str
    facts: Mapping[str, Any]
    ingredients: Mapping[str, Any]
    seconds: float
    made_at: str

    def dict(self) -> dict[str, Any]:
        return asdict(self)
