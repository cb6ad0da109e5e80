"""lighteval: details as parquet, a row a question: `doc`, `metric` and `model_response`; before 0.9 flat columns.

Those are `full_prompt`, which is the model's own where a chat's template went into it, and `example`, the question
alone, by which rows are then matched; lists and objects may stand there as Python's text.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.evaluations.files import Opened
from storage.evaluations.items import Choice, Item, Reply, Task, number, text
from storage.records import UsageError, digest

TOOL = "lighteval"


def is_it(file: Opened) -> bool:
    """Whether the file is of this tool."""
    first = file.first if file.is_table else None
    return isinstance(first, dict) and ({"doc", "metric"} <= first.keys() or {"metrics", "full_prompt"} <= first.keys())


def task_of(path: Path) -> str:
    """The task, as `details_TASK_TIME.parquet` names it."""
    return path.stem.removeprefix("details_").rpartition("_")[0] or path.stem


def model_of(path: Path) -> str:
    """The model: `details/MODEL/TIME/details_….parquet`."""
    return path.parent.parent.name


def read(file: Opened, choice: Choice) -> Task:
    """The task of one file of details."""
    rows = [_row(value, f"{file.path}, row {number}") for number, value in file.rows()]
    metrics = list(dict.fromkeys(name for row in rows for name in _metric(row)))
    if not metrics:
        raise UsageError(
            f"{file.path} has no metric that is a number", seen="none", expected="such as extractive_match"
        )
    metric = choice.metric_of(task_of(file.path), metrics, str(file.path))
    items = [_item(index, row, metric) for index, row in enumerate(rows)]
    return Task(task_of(file.path), items, "", metric, (), metrics)


def _row(value: Any, where: str) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise UsageError(where, seen=str(value)[:80], expected="a row of details")


def _literal(value: Any) -> Any:
    """A value that an older release wrote as Python's text."""
    if isinstance(value, str) and value[:1] in "[{" and len(value) < 100_000:
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return value
    return value


def _object(value: Any) -> Mapping[str, Any]:
    found = _literal(value)
    return found if isinstance(found, dict) else {}


def _metric(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        str(name): one
        for name, one in _object(row.get("metric", row.get("metrics"))).items()
        if number(one) is not None
    }


def _item(index: int, row: Mapping[str, Any], metric: str) -> Item:
    doc = _object(row.get("doc")) or {**row, "query": row.get("full_prompt") or row.get("example")}
    response = _object(row.get("model_response"))
    said = _literal(response.get("text", row.get("predictions")))
    choices = _literal(doc.get("choices"))
    options = [one for one in choices if isinstance(one, str)] if isinstance(choices, list) else []
    own = str(doc.get("id", ""))
    specific = _object(doc.get("specific", doc.get("specifics")))
    score = number(_metric(row).get(metric))
    return Item(
        index=int(own) if own.isascii() and own.isdigit() and len(own) < 16 else index,
        id="" if own.isdigit() else own,
        document=digest([repr((row["example"], row.get("choices")))]) if row.get("example") else "",
        prompt=text(doc.get("query")),
        key=_key(doc, options),
        options=() if all(len(one.strip()) == 1 for one in options) else options,
        fields=specific,
        replies=[Reply(score) if score is not None else Reply(failed=f"no {metric}")],
        texts=[one for one in said if isinstance(one, str)] if isinstance(said, list) else [],
    )


def _key(doc: Mapping[str, Any], options: list[str]) -> Any:
    gold = _literal(doc.get("gold_index"))
    places = gold if isinstance(gold, list) else [gold]
    keys = [options[n].strip() for n in places if isinstance(n, int) and 0 <= n < len(options)]
    return keys[0] if len(keys) == 1 else keys or doc.get("gold")
