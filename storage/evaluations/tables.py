"""Tables of any columns: JSON lines, JSON, CSV, parquet. Which column is which is said, or guessed by name and told.

Our own rows {"id", "group", "gold", "answer"} are such a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    "group": ("group", "group_id", "cluster", "passage_id", "problem_id", "article_id", "db_id"),
    "prompt": ("prompt", "question", "input", "query", "instruction"),
}
_OPTIONS = ("options", "choices")


def is_it(file: Opened) -> bool:
    """Whether the file is of this tool."""
    return isinstance(file.first, Mapping)


def _rows(file: Opened) -> Iterator[tuple[int, Any]]:
    """The rows of a table, also where they are the one list of a JSON document."""
    lists = [one for one in file.document.values() if isinstance(one, list)] if isinstance(file.document, dict) else []
    yield from enumerate(lists[0], 1) if len(lists) == 1 else file.rows()


def read(file: Opened, choice: Choice) -> Task:
    """The task of one table. UsageError where no column has what a verdict needs."""
    rows = []
    for line, row in _rows(file):
        if not isinstance(row, Mapping):
            raise UsageError(
                f"{file.path}, line {line}",
                seen=str(row)[:80],
                expected='an object, such as {"id", "group", "gold", "answer"}',
            )
        rows.append((line, row))
    columns = _columns(rows[0][1], choice, str(file.path))
    by_id: dict[str, Item] = {}
    for line, row in rows:
        where = f"{file.path}, line {line}"
        item = _item(len(by_id), row, columns, where, keyed=choice.keys is None)
        name = item.id or f"line {line}"
        if name in by_id:
            if not choice.repeated:
                raise UsageError(
                    where,
                    seen=f"id {item.id!r} a second time",
                    expected="each id once",
                    hint="if they are repeats, say what counts: --repeats majority, mean or first",
                )
            first = by_id[name]
            item = replace(first, replies=[*first.replies, *item.replies], texts=[*first.texts, *item.texts])
        by_id[name] = item
    told = ", ".join(f"{what} = {column}" for what, column in columns.items() if what != "prompt")
    notes = (
        []
        if {*columns} - {"prompt"} == {"id", "group", "gold", "answer"} == {*columns.values()} - {columns.get("prompt")}
        else [f"columns: {told}"]
    )
    return Task("", list(by_id.values()), notes=notes)


def keys(file: Opened, choice: Choice) -> dict[str, Mapping[str, Any]]:
    """A file of keys: the row of each id, its key under "gold"."""
    found: dict[str, Mapping[str, Any]] = {}
    for line, row in file.rows():
        if not isinstance(row, Mapping):
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


def _columns(row: Mapping[str, Any], choice: Choice, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for what in _NAMES:
        name = _named(row, getattr(choice, what, None), what, where)
        if name is not None and name not in found.values():
            found[what] = name
    if "gold" not in found and found.get("answer") != "answer" and "answer" in row and choice.answer is None:
        found["gold"] = "answer"
    if (
        choice.score is None
        and "score" in found
        and {"gold", "answer"} <= found.keys()
        and (choice.gold or choice.answer)
    ):
        del found["score"]
    if "score" not in found and not ({"gold", "answer"} <= found.keys() or ("answer" in found and choice.keys)):
        raise UsageError(
            f"{where} has no score, and no key with an answer",
            seen=", ".join(map(str, row)) or "no columns",
            expected="a score, or a key and an answer",
            hint="name the columns: --id, --gold and --answer, or --score",
        )
    return found


def _named(row: Mapping[str, Any], said: str | None, what: str, where: str = "the file of keys") -> str | None:
    if said is None:
        return next((name for name in _NAMES[what] if name in row), None)
    if said not in row and what != "group":
        raise UsageError(
            f"{where} has no column {said!r}", seen=", ".join(map(str, row)), expected=f"the column of --{what}"
        )
    return said if said in row else None


def _item(index: int, row: Mapping[str, Any], columns: Mapping[str, str], where: str, *, keyed: bool) -> Item:
    if missing := [column for column in columns.values() if column not in row and column != columns.get("score")]:
        optional = {columns.get("prompt"), columns.get("group")}
        if absent := [column for column in missing if column not in optional]:
            raise UsageError(
                where,
                seen=f"no {', '.join(absent)}",
                expected="the columns of the first row",
                hint="an answer that could not be read is null",
            )
    id = row.get(columns["id"]) if "id" in columns else ""
    if id is None or isinstance(id, (bool, list, Mapping)) or ("id" in columns and id == ""):
        raise UsageError(where, seen=f"{columns['id']} {id!r:.60}", expected="a text or a number")
    options: Sequence[Any] = next((row[name] for name in _OPTIONS if isinstance(row.get(name), list)), [])
    answer, score = row.get(columns.get("answer", "")), None
    if "score" in columns and (given := row.get(columns["score"])) not in (None, ""):
        score = number(given)
        if score is None:
            raise UsageError(where, seen=f"{columns['score']} {given!r:.60}", expected="a finite number, or nothing")
    gold = row.get(columns["gold"]) if "gold" in columns else None
    if keyed and "score" not in columns and gold in (None, "", []):
        raise UsageError(
            where,
            seen=f"{columns['gold']} {gold!r}",
            expected="the key of the question",
            hint="leave out questions without a key",
        )
    said = "" if answer is None else answer
    reply = Reply(
        score, said if "answer" in columns else None, "" if "score" not in columns or score is not None else "no score"
    )
    return Item(
        index,
        id=str(int(id) if isinstance(id, float) and id.is_integer() else id).strip(),
        prompt=text(row.get(columns.get("prompt", ""))),
        key=gold,
        options=[one for one in options if isinstance(one, str)],
        fields=row,
        replies=[reply],
        texts=[said] if isinstance(said, str) else [],
    )


def task_of(path: Path) -> str:
    """The task that the file is named after."""
    return path.name.partition(".")[0]
