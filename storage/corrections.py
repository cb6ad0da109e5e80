"""What people said of keys: `corrections.jsonl` beside a recipe, one line a word, the last word on a question counts.

    {"question": ID, "says": "B", "why": "…", "who": "…", "at": "2026-01-31T09:00:00+00:00", "recipe": "logic"}

`says` is the letter that is right, "ambiguous" (the question is left out), "fine" (the key is right, and in doubt no
more) or "undone". Lines are only ever added, by programs and people alike; the source is never touched. A line of
another recipe, whose file this is as well, counts where its question is known here.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from storage.records import LETTERS, Question, UsageError, digest
from storage.shared_locks import turn

NAME = "corrections.jsonl"
AMBIGUOUS, FINE, UNDONE = "ambiguous", "fine", "undone"
WORDS = (AMBIGUOUS, FINE, UNDONE)
_FIELDS = ("question", "says", "why", "who", "at", "recipe")
_WAIT_S = 10.0
_NAMED = 3  # questions that an error names


@dataclass(frozen=True, slots=True)
class Correction:
    """One word on one question; `line` is where it stands, 0 before it is written."""

    question: str
    says: str
    why: str = ""
    who: str = ""
    at: str = ""
    recipe: str = ""
    line: int = 0

    @property
    def key(self) -> str | None:
        """The letter that is right; None for any other word."""
        return None if self.says in WORDS else self.says


@dataclass(frozen=True, slots=True)
class Corrections:
    """The last word on each question that has one and was not undone, by its id.

    `own` are the ids that the recipe itself said something of: they must be known to its source.
    """

    file: Path
    words: Mapping[str, Correction]
    own: frozenset[str] = frozenset()

    @property
    def overlay(self) -> dict[str, str]:
        """What changes a source: a letter or "ambiguous" by question."""
        return {id: word.says for id, word in self.words.items() if word.says != FINE}

    @property
    def settled(self) -> frozenset[str]:
        """The questions whose key a person has looked at, and which stays or was set."""
        return frozenset(id for id, word in self.words.items() if word.says != AMBIGUOUS)

    @property
    def digest(self) -> str:
        """The identity of what changes a source, and of what this recipe must know; reasons and names are no part."""
        return digest([self.overlay, sorted(self.own & self.overlay.keys())])

    def anywhere(self) -> Corrections:
        """The same for another source, such as a gate's: no question must be known to it."""
        return Corrections(self.file, self.words)

    def applied(self, question: Question) -> str | None:
        """The letter that is right by a person's word, if any. UsageError if the question has no such option."""
        word = self.words.get(question.id)
        if word is None or word.key is None:
            return question.answer
        if word.key not in question.letters:
            raise UsageError(
                f"{self.file}:{word.line} names an option that the question does not have",
                seen=f"{word.key} for question {question.id} ({question.file}:{question.line})",
                expected=f"one of {', '.join(question.letters)}, {AMBIGUOUS} or {FINE}",
                hint=f"ponens suspects RECIPE --undo {question.id}",
            )
        return word.key

    def require(self, seen: Iterable[str]) -> None:
        """UsageError if the recipe corrects a question that is not among those `seen`."""
        unknown = sorted((self.own & self.overlay.keys()).difference(seen))
        if unknown:
            named = ", ".join(f"{id} (line {self.words[id].line})" for id in unknown[:_NAMED])
            raise UsageError(
                f"{self.file} corrects {len(unknown)} {'question' if len(unknown) == 1 else 'questions'} that the "
                "source does not have",
                seen=named + (", …" if len(unknown) > _NAMED else ""),
                expected="ids of its questions: they change with the words of a problem, a question or an option",
                hint=f"ponens suspects RECIPE --undo {unknown[0]}",
            )


def of_recipe(file: str | Path | None, recipe: str) -> Corrections | None:
    """What counts for the recipe of this name; None without a word. UsageError names a line that cannot be read."""
    words = {word.question: word for word in history(Path(file))} if file else {}
    words = {id: word for id, word in words.items() if word.says != UNDONE}
    own = frozenset(id for id, word in words.items() if word.recipe in ("", recipe))
    return Corrections(Path(file or ""), words, own) if words else None


def history(file: Path) -> list[Correction]:
    """Every word, the first said first; none where there is no such file. UsageError for what is no word."""
    try:
        lines = file.read_bytes().decode("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", seen=error, expected="JSON lines in UTF-8") from None
    return [_read(file, number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def say(file: Path, question: str, says: str, why: str, recipe: str) -> Correction:
    """Add a word, and hand it back as it was written. UsageError for a word that is none, or a file not to write to."""
    word = Correction(question, spelled(says), why.strip(), _user(), _now(), recipe)
    line = orjson.dumps({name: value for name, value in asdict(word).items() if name in _FIELDS}) + b"\n"
    try:
        with turn(file, shared=False, wait_s=_WAIT_S), file.open("r+b") as opened:
            if opened.seek(0, os.SEEK_END) and opened.seek(-1, os.SEEK_END) is not None and opened.read(1) != b"\n":
                line = b"\n" + line  # whoever wrote by hand left the last line open
            opened.write(line)
            opened.flush()
            os.fsync(opened.fileno())
    except (OSError, TimeoutError) as error:
        raise UsageError(f"{file} cannot be written", seen=error, expected="a file beside the recipe") from None
    return word


def spelled(says: str) -> str:
    """The word as it is kept. UsageError for one that is none."""
    text = says.strip()
    word = text.casefold() if len(text) > 1 else text.upper()
    if word in WORDS or (len(word) == 1 and word in LETTERS):
        return word
    raise UsageError(
        "this says nothing of a key", seen=repr(says), expected=f"an option's letter such as B, {AMBIGUOUS} or {FINE}"
    )


def _read(file: Path, number: int, line: str) -> Correction:
    expected = '{"question": ID, "says": "B", …}, as `ponens suspects RECIPE --say` writes it'
    hint = "mend or delete this line"
    try:
        row: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{file}:{number} is no JSON", seen=error, expected=expected, hint=hint) from None
    if not isinstance(row, dict) or not isinstance(row.get("question"), str) or not isinstance(row.get("says"), str):
        raise UsageError(f"{file}:{number} is no correction", seen=line[:120], expected=expected, hint=hint)
    if extra := sorted(row.keys() - set(_FIELDS)):
        raise UsageError(f"{file}:{number} has what no correction has", seen=", ".join(extra), expected=expected)
    try:
        says = spelled(row["says"])
    except UsageError as error:
        raise UsageError(f"{file}:{number}: {error.thing}", seen=error.seen, expected=error.expected) from None
    told = {name: str(row[name]) for name in ("why", "who", "at", "recipe") if row.get(name) is not None}
    return Correction(row["question"].strip(), says, **told, line=number)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return f"user {os.getuid()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
