"""Solved examples that stand before each question: read from a file, checked, written out."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prompts import choice
from prompts.lettered import options_of, parted
from storage.dialogues import Dialogue, Kind
from storage.records import Question, Rejected, UsageError, language_of, normal
from storage.sources import readers
from tasks.kinds.registry import KINDS

MOST = 64
_HEADS = {
    "en": ("Solved examples:", "Now this one:"),
    "zh": ("例题：", "现在请看这一题："),
}


@dataclass(frozen=True, slots=True)
class Shot:
    """One example: what is asked, the answer, its row in the file, and what identifies it (`said`)."""

    question: str
    answer: str
    row: int
    said: str


def headed(shots: Sequence[Shot], language: str) -> str:
    """The examples as they stand before a question; "" without any."""
    if not shots:
        return ""
    first, last = _HEADS[language]
    return "\n\n".join([first, *(f"{shot.question}\n\n{shot.answer}" for shot in shots), last, ""])


def read(file: Path, kind: Kind, lines: Mapping[str, str]) -> list[Shot]:
    """The examples of a file, solved questions in a known format or rows {question, answer}.

    UsageError for what cannot be read, or does not answer as the prompt asks: `lines` are the answer lines.
    """
    shots = [_checked(file, shot, kind, lines) for shot in _plain(file) or _known(file, kind, lines)]
    if not 1 <= len(shots) <= MOST:
        raise UsageError(f"[prompt] few_shot {file}", seen=f"{len(shots)} examples", expected=f"1 to {MOST}")
    for shot in shots:
        if place := next((p for p in ("{question}", "{options}", "{key}") if p in shot.question + shot.answer), None):
            raise UsageError(f"{file}, row {shot.row}", seen=f"{place} in it", expected="no place in an example")
    return shots


def said_of(question: Question) -> str:
    """What identifies a question, however its options are lettered."""
    return normal(f"{question.problem}\n{question.question}")


def said_in(dialogue: Dialogue) -> str:
    """What identifies a dialogue: the turn before its last answer."""
    return normal(dialogue.messages[-2].content)


def _plain(file: Path) -> list[Shot]:
    """Rows {question, answer}; none where the file holds anything else. UsageError if it cannot be read."""
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"[prompt] few_shot {file} cannot be read", seen=error, expected="a file in UTF-8") from None
    rows = _rows(file, text)
    if not all(isinstance(r, dict) and r.keys() == {"question", "answer"} for r in rows):
        return []
    if not all(isinstance(value, str) and value.strip() for row in rows for value in row.values()):
        raise UsageError(f"[prompt] few_shot {file}", expected="texts as question and answer, none of them empty")
    return [
        Shot(row["question"].strip(), row["answer"].strip(), n, normal(parted(row["question"])[0]))
        for n, row in enumerate(rows, start=1)
    ]


def _rows(file: Path, text: str) -> list[Any]:
    if file.suffix.lower() in (".csv", ".tsv"):
        return list(csv.DictReader(text.splitlines(), delimiter="\t" if file.suffix.lower() == ".tsv" else ","))
    try:
        whole = json.loads(text)
        return whole if isinstance(whole, list) else [whole]
    except json.JSONDecodeError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except json.JSONDecodeError:
        return [None]  # another format's, or broken: the readers say which


def _known(file: Path, kind: Kind, lines: Mapping[str, str]) -> list[Shot]:
    files = [(file.name, file)]
    shots = []
    for item in readers.read(files, readers.formats_of(files)):
        if isinstance(item, Rejected):
            raise UsageError(
                f"{file}, row {item.line}", seen=f"{item.field}: {item.reason}", expected="solved examples"
            )
        if isinstance(item, Question) and KINDS[kind].letters:
            if item.answer is None:
                raise UsageError(
                    f"{file}, row {item.line}", seen="a question without a key", expected="solved examples"
                )
            answer = item.answer.join(choice.parts(lines[item.language]))
            shots.append(Shot(choice.body(item), answer, item.line, said_of(item)))
        elif isinstance(item, Dialogue) and not KINDS[kind].letters:
            asked, answer = item.messages[-2].content, item.messages[-1].content
            shots.append(Shot(asked, answer, item.line, said_in(item)))
        else:
            raise UsageError(
                f"{file}, row {item.line} is no example for kind {kind!r}", expected="rows of the same kind"
            )
    return shots


def _checked(file: Path, shot: Shot, kind: Kind, lines: Mapping[str, str]) -> Shot:
    """The example, if its answer is one as the prompt asks for."""
    where = f"{file}, row {shot.row}"
    if not KINDS[kind].letters:
        if KINDS[kind].asking.read(shot.answer).text is None:
            raise UsageError(where, seen=f"no answer in {shot.answer[:80]!r}", expected=f"one of kind {kind!r}")
        return shot
    options = options_of(shot.question)
    if len(options) < 2:
        raise UsageError(where, seen="a question without lettered options", expected="A) …, B) … one a line")
    letter = choice.read(shot.answer, Question("", parted(shot.question)[0] or "?", options)).answer
    line = letter and letter.join(choice.parts(lines[language_of(shot.question)]))
    if not line or shot.answer.splitlines()[-1].strip() != line:
        raise UsageError(
            where,
            seen=f"an answer that ends with {shot.answer.splitlines()[-1][:80]!r}",
            expected=f"the answer line that the prompt asks for, such as {line or lines[language_of(shot.question)]!r}",
        )
    return shot
