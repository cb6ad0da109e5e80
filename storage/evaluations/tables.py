"""Tables of any columns: JSON lines, JSON, CSV, parquet. Which column is which is said, or guessed by name and told.

Our own rows {"id", "group", "gold", "answer"} are such a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from storage.evaluations.files import Opened
from storage.evaluations.items import Choice, Item, Reply, Task, number, text
from storage.records import UsageError

TOOL = "table"
_NAMES: dict[str, Sequence[str]] = {
    "id": (
        "id",
        "custom_id",
        "question_id",
        "qid",
        "item_id",
        "sample_id",
        "example_id",
        "doc_id",
        "uid",
        "uuid",
        "key_id",
        "index",
        "idx",
    ),
    "gold": (
        "gold",
        "key",
        "answer_key",
        "answerKey",
        "target",
        "label",
        "labels",
        "reference",
        "expected",
        "correct_answer",
        "ground_truth",
        "truth",
        "solution",
    ),
    "answer": (
        "prediction",
        "pred",
        "predicted",
        "predict",
        "predicted_answer",
        "model_answer",
        "response",
        "output",
        "completion",
        "reply",
        "generation",
        "answer",
        "choice",
    ),
    "score": (
        "score",
        "is_correct",
        "correct",
        "right",
        "acc",
        "accuracy",
        "exact_match",
        "em",
        "f1",
        "reward",
        "rating",
    ),
    "prompt": ("prompt", "question", "input", "query", "instruction"),
}


class _Columns(NamedTuple):
    """The names of a table's columns; None for one that it has not."""

    id: str | None
    gold: str | None
    answer: str | None
    score: str | None
    prompt: str | None


def is_it(file: Opened) -> bool:
    """Whether the file is of this tool."""
    return isinstance(file.first, dict)


def _rows(file: Opened) -> Iterator[tuple[int, Any]]:
    """The rows of a table, also where they are the one list of a JSON document."""
    lists = [one for one in file.document.values() if isinstance(one, list)] if isinstance(file.document, dict) else []
    yield from enumerate(lists[0], 1) if len(lists) == 1 else file.rows()


def read(file: Opened, choice: Choice) -> Task:
    """The task of one table. UsageError where no column has what a verdict needs."""
    by_id: dict[str, Item] = {}
    of: _Columns | None = None
    for line, row in _rows(file):
        if not isinstance(row, dict):
            raise UsageError(
                f"{file.path}, line {line}",
                seen=str(row)[:80],
                expected='an object, such as {"id", "group", "gold", "answer"}',
            )
        of = of or _columns(row, choice, str(file.path))
        item = _item(len(by_id), row, of, file, line, keyed=choice.keys is None)
        name = item.id or f"line {line}"
        if name in by_id:
            item = _repeated(by_id[name], item, choice, f"{file.path}, line {line}")
        by_id[name] = item
    told = {} if of is None else {what: name for what, name in of._asdict().items() if name and what != "prompt"}
    own = all(what == name for what, name in told.items())
    notes = [] if own else [f"columns: {', '.join(f'{what} = {name}' for what, name in told.items())}"]
    return Task("", list(by_id.values()), metric=(of.score if of else None) or "", notes=notes)


def _repeated(first: Item, again: Item, choice: Choice, where: str) -> Item:
    """An item with a reply more. UsageError where nobody said that rows of one id are replies."""
    if not choice.repeated:
        raise UsageError(
            where,
            seen=f"id {again.id!r} a second time",
            expected="each id once",
            hint="if they are repeats, say what counts: --repeats majority, mean or first",
        )
    return replace(first, replies=[*first.replies, *again.replies], texts=[*first.texts, *again.texts])


def keys(file: Opened, choice: Choice) -> dict[str, Mapping[str, Any]]:
    """A file of keys: the row of each id, its key under "gold"."""
    found: dict[str, Mapping[str, Any]] = {}
    for line, row in file.rows():
        if not isinstance(row, dict):
            raise UsageError(f"{file.path}, line {line}", seen=str(row)[:80], expected='a row such as {"id", "answer"}')
        id = _named(row, choice.id, "id")
        gold = _named(row, choice.gold, "gold") or next((name for name in ("answer", "choice") if name in row), None)
        if id is None or gold is None or row[id] in (None, ""):
            raise UsageError(
                f"{file.path}, line {line}",
                seen=", ".join(map(str, row)),
                expected="columns of an id and a key",
                hint="name them: --id, --gold",
            )
        if str(row[id]) in found:
            raise UsageError(f"{file.path}, line {line}", seen=f"id {row[id]!r} a second time", expected="each id once")
        found[str(row[id])] = {**row, "gold": row[gold]}
    return found


def _columns(row: Mapping[str, Any], choice: Choice, where: str) -> _Columns:
    found: dict[str, str] = {}
    for what in _NAMES:
        name = _named(row, getattr(choice, what, None), what, where)
        if name is not None and name not in found.values():
            found[what] = name
    if "gold" not in found and found.get("answer") != "answer" and "answer" in row and choice.answer is None:
        found["gold"] = "answer"
    keyed = {"gold", "answer"} <= found.keys()
    if choice.score is None and keyed and (choice.gold or choice.answer):
        found.pop("score", None)
    if "score" not in found and not (keyed or ("answer" in found and choice.keys)):
        raise UsageError(
            f"{where} has no score, and no key with an answer",
            seen=", ".join(map(str, row)) or "no columns",
            expected="a score, or a key and an answer",
            hint="name the columns: --id, --gold and --answer, or --score",
        )
    return _Columns(**{what: found.get(what) for what in _Columns._fields})


def _named(row: Mapping[str, Any], said: str | None, what: str, where: str = "the file of keys") -> str | None:
    if said is None:
        return next((name for name in _NAMES[what] if name in row), None)
    if said not in row:
        raise UsageError(
            f"{where} has no column {said!r}", seen=", ".join(map(str, row)), expected=f"the column of --{what}"
        )
    return said


def _item(index: int, row: Mapping[str, Any], of: _Columns, file: Opened, line: int, *, keyed: bool) -> Item:
    id = row.get(of.id) if of.id else None
    gold = row.get(of.gold) if of.gold else None
    answer = row.get(of.answer) if of.answer else None
    score = row.get(of.score) if of.score else None
    if (of.answer and answer is None and of.answer not in row) or (of.gold and gold is None and of.gold not in row):
        raise UsageError(
            f"{file.path}, line {line}",
            seen=f"no {', '.join(name for name in (of.gold, of.answer) if name and name not in row)}",
            expected="the columns of the first row",
            hint="an answer that could not be read is null",
        )
    if type(id) is not str and of.id:
        id = _id(id, of.id, f"{file.path}, line {line}")
    elif of.id and not id:
        raise UsageError(f"{file.path}, line {line}", seen=f"{of.id} is empty", expected="a text or a number")
    mark = None
    if score not in (None, "") and (mark := number(score)) is None:
        raise UsageError(
            f"{file.path}, line {line}", seen=f"{of.score} {score!r:.60}", expected="a finite number, or nothing"
        )
    if keyed and not of.score and gold in (None, "", []):
        raise UsageError(
            f"{file.path}, line {line}",
            seen=f"{of.gold} {gold!r}",
            expected="the key of the question",
            hint="leave out questions without a key",
        )
    said = "" if answer is None else answer
    reply = Reply(mark, said if of.answer else None, "no score" if of.score and mark is None else "")
    options = row.get("options") or row.get("choices")
    return Item(
        index,
        id=id.strip() if id else "",
        prompt=text(row.get(of.prompt)) if of.prompt else "",
        key=gold,
        options=[one for one in options if isinstance(one, str)] if isinstance(options, list) else (),
        fields=row,
        replies=(reply,),
        texts=(said,) if of.answer and isinstance(said, str) else (),
    )


def _id(value: Any, column: str, where: str) -> str:
    if isinstance(value, float) and value.is_integer():  # as pandas writes whole numbers beside a missing one
        return str(int(value))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(where, seen=f"{column} {value!r:.60}", expected="a text or a number")
    return str(value)


def task_of(path: Path) -> str:
    """The task that the file is named after."""
    return path.name.partition(".")[0]
