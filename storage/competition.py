"""Reader of competition JSONL: one problem a line, several questions to a problem.

    {"id": "p_000", "problem": "…", "questions": [{"question": "…", "options": ["…", "…"], "answer": "B"}]}

Options carry no letters, the letter is the position. `answer` may be absent or null (test files);
`id` is kept for people, may be absent and may be a number; further fields are passed over.

What is rejected, and how much of it: a bad question goes alone, its siblings stay. A fault of the
problem (missing, blank, damaged text) takes its questions along, one rejected row each, so that
accepted and rejected questions together are all there were. A line whose questions cannot be counted
(broken JSON, not an object, no list of questions) is one rejected row. Of several faults the first is told.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr, ValidationError

from storage import source
from storage.records import LETTERS, Question, Rejected

NAME = "competition"
_LOOK = 20  # lines that `sniff` looks at before it gives up
_DAMAGED = re.compile("[\x00\ufffd]")
_Model = TypeVar("_Model", bound=BaseModel)
PREFIX = re.compile(r"^\s*选择题\s*(?P<number>\d+)\s*[:：]")


class _Fault(Exception):
    """Why a line or one of its questions is no good."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason


class _Problem(BaseModel):
    model_config = ConfigDict(strict=True)
    problem: StrictStr
    questions: list[Any]
    id: StrictStr | StrictInt | None = ""


class _Item(BaseModel):
    model_config = ConfigDict(strict=True)
    question: StrictStr
    options: list[StrictStr]
    answer: StrictStr | None = None


def sniff(path: Path) -> bool:
    """True if one of the first lines is an object with a problem and a list of questions."""
    for _, line in itertools.islice(source.lines(path), _LOOK):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(row, dict) and "problem" in row and isinstance(row.get("questions"), list):
            return True
    return False


def read(paths: Path | Sequence[Path]) -> Iterator[Question | Rejected]:
    """Every question of the files, folders or both at `paths`, in order, and every reject in its place.

    Memory does not grow with the files; no content makes it raise. UsageError if a path is missing.
    """
    for name, path in source.files([paths] if isinstance(paths, Path) else paths):
        for number, line in source.lines(path):
            yield from _line(name, number, line)


def number(question: Question) -> int | None:
    """The number that a question's text begins with, if it does; it is no index."""
    hit = PREFIX.match(question.question)
    return int(hit["number"]) if hit else None


def _line(file: str, number: int, line: bytes) -> Iterator[Question | Rejected]:
    try:
        row = _object(line)
    except _Fault as fault:
        yield Rejected(file, number, fault.field, fault.reason)
        return
    try:
        problem = _checked(_Problem, row)
        _whole(str(problem.id), "id")
        _whole(problem.problem, "problem")
        _said(problem.problem, "problem")
        if not problem.questions:
            raise _Fault("questions", "no questions")
    except _Fault as fault:
        items = row.get("questions")
        lost = len(items) if isinstance(items, list) and items else 1
        for index in range(lost):
            of = f" (question {index + 1} of {lost})" if lost > 1 else ""
            yield Rejected(file, number, fault.field, fault.reason + of)
        return
    for index, item in enumerate(problem.questions):
        where = f"questions[{index}]"
        try:
            yield _question(problem, item, file, number)
        except _Fault as fault:
            yield Rejected(file, number, f"{where}.{fault.field}" if fault.field else where, fault.reason)


def _object(line: bytes) -> dict[str, Any]:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise _Fault("line", f"not UTF-8 at byte {error.start + 1}") from None
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _Fault("line", f"broken JSON: {error}") from None
    if not isinstance(row, dict):
        raise _Fault("line", f"not an object but {_kind(row)}")
    return row


def _question(problem: _Problem, item: object, file: str, line: int) -> Question:
    if not isinstance(item, dict):
        raise _Fault("", f"not an object but {_kind(item)}")
    found = _checked(_Item, item)
    _whole(found.question, "question")
    _said(PREFIX.sub("", found.question), "question")
    letters = LETTERS[: len(found.options)]
    if len(found.options) < 2:
        raise _Fault("options", f"{len(found.options)} options, expected at least two")
    if len(found.options) > len(LETTERS):
        raise _Fault("options", f"{len(found.options)} options, expected at most {len(LETTERS)}")
    for index, option in enumerate(found.options):
        _whole(option, f"options[{index}]")
    if found.answer is not None and (len(found.answer) != 1 or found.answer not in letters):
        raise _Fault("answer", f"answer {found.answer[:40]!r} is none of the letters {letters}")
    return Question(
        problem=problem.problem,
        question=found.question,
        options=tuple(found.options),
        answer=found.answer,
        source_id="" if problem.id is None else str(problem.id),
        file=file,
        line=line,
    )


def _checked(model: type[_Model], row: object) -> _Model:
    try:
        return model.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = [part for part in first["loc"] if part not in ("str", "int")]
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        if first["type"] == "missing":
            raise _Fault(field, "missing field") from None
        raise _Fault(field, f"{first['msg']}; found {_kind(first['input'])}") from None


def _said(text: str, field: str) -> None:
    if not text.strip():
        raise _Fault(field, f"empty {field}")


def _whole(text: str, field: str) -> None:
    if hit := _DAMAGED.search(text):
        name = "a NUL" if hit.group() == "\x00" else "U+FFFD, the mark of lost characters,"
        raise _Fault(field, f"holds {name} at character {hit.start() + 1}")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
