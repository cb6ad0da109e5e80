"""lm-evaluation-harness: `samples_TASK_TIME.jsonl` of --log_samples, with `results_TIME.json` beside it where it is.

A line is one question under one filter. Right is the metric's own number; `doc_hash` says which document it was, and
where an older release wrote none it is computed of `doc`. Multiple choice by likelihood has no answer, only right and
wrong. A metric of which less is better (`higher_is_better`) counts with its sign turned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from storage.evaluations.files import Opened, parsed
from storage.evaluations.items import Choice, Item, Reply, Task, number, text
from storage.records import PonensError, UsageError, digest

TOOL = "lm-eval"
_STAMPED = re.compile(r"samples_(?P<task>.+?)_(?P<time>\d{4}-\d\d-\d\dT[\d.:-]+)")
_KNOWN = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash"),
    *("prompt_hash", "target_hash", "gold", "logit_0", "truth"),
}
_INVALID = "[invalid]"


def is_it(file: Opened) -> bool:
    """Whether the file is of this tool."""
    first = file.first
    return isinstance(first, dict) and {"doc_id", "filtered_resps"} <= first.keys()


def task_of(path: Path) -> str:
    """The task that a file's name says, without its time."""
    stem = path.name.partition(".jsonl")[0].partition(".json")[0]
    stamped = _STAMPED.fullmatch(stem)
    return stamped["task"] if stamped else stem.removeprefix("samples_")


def read(file: Opened, choice: Choice) -> Task:
    """The task of one file of samples."""
    rows = [(line, _row(value, f"{file.path}, line {line}")) for line, value in file.rows()]
    name, beside = task_of(file.path), _results(file.path)
    filters = _filters({str(row.get("filter", "none")) for _, row in rows}, beside, name)
    filter = choice.filter_of(name, filters, str(file.path))
    of_filter = [(line, row) for line, row in rows if str(row.get("filter", "none")) == filter]
    metrics = _metrics([row for _, row in of_filter])
    if not metrics:
        raise UsageError(
            f"{file.path} has no metric that is a number for each question",
            seen=", ".join(map(str, of_filter[0][1].get("metrics", []))) or "no metric",
            expected="such as acc or exact_match",
        )
    metric = choice.metric_of(name, metrics, str(file.path))
    task = Task(name, [], filter, metric, filters, metrics)
    sign = -1.0 if _lower_is_better(beside, task) else 1.0
    if sign < 0:
        task.notes.append(f"{metric}: less is better, so it counts with its sign turned")
    seen: dict[int, int] = {}
    for line, row in of_filter:
        item = _item(row, metric, sign, f"{file.path}, line {line}")
        if (first := seen.setdefault(item.index, line)) != line:
            raise UsageError(
                f"{file.path}, line {line}",
                seen=f"doc_id {item.index} a second time, first in line {first}",
                expected="each question once for each filter",
            )
        task.items.append(item)
    task.notes += _incomplete(beside, task)
    return task


def model_of(path: Path) -> str:
    """The model that the results beside a file name, else its folder."""
    config = _results(path).get("config")
    named = _results(path).get("model_name") or (config.get("model_args") if isinstance(config, dict) else None)
    return named if isinstance(named, str) else path.parent.name


def _row(value: Any, where: str) -> Mapping[str, Any]:
    if isinstance(value, dict) and isinstance(value.get("doc_id"), int) and "filtered_resps" in value:
        return value
    raise UsageError(where, seen=f"{str(value)[:80]}", expected="a sample with doc_id, doc, target and filtered_resps")


def _filters(there: set[str], beside: Mapping[str, Any], name: str) -> list[str]:
    """The filters as the task's configuration orders them, whatever that of the lines; else by name."""
    listed = _of(beside, "configs", name, "filter_list")
    order = [one.get("name") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return sorted(there, key=lambda one: (order.index(one) if one in order else len(order), one))


def _metrics(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The metrics that give a question a number; one may give none to the first."""
    named = rows[0].get("metrics")
    names = named if isinstance(named, list) and named else [name for name in rows[0] if name not in _KNOWN]
    return [name for name in map(str, names) if any(_score(row, name) is not None for row in rows)]


def _score(row: Mapping[str, Any], metric: str) -> float | None:
    value = row.get(metric)
    return None if isinstance(value, str) else number(value)


def _item(row: Mapping[str, Any], metric: str, sign: float, where: str) -> Item:
    doc, score = row.get("doc"), _score(row, metric)
    prompts = [said for said in _arguments(row.get("arguments")) if said]
    filtered = row["filtered_resps"] if isinstance(row["filtered_resps"], list) else [row["filtered_resps"]]
    by_likelihood = bool(filtered) and all(_likelihood(one) is not None for one in filtered)
    answer = None if by_likelihood else _said(filtered)
    texts = [] if by_likelihood else [said for said in _replies(row.get("resps")) if isinstance(said, str)]
    if score is None and answer != "":
        raise UsageError(where, seen=f"{metric} {row.get(metric)!r:.40}", expected="a number for each question")
    return Item(
        index=row["doc_id"],
        document=str(row.get("doc_hash") or digest([doc])),
        prompt=prompts[0] if prompts else "",
        key=row.get("target"),
        options=[option for option in doc["choices"] if isinstance(option, str)]
        if isinstance(doc, dict) and isinstance(doc.get("choices"), list)
        else (),
        fields=doc if isinstance(doc, dict) else {},
        replies=[Reply(None if score is None else sign * score, answer)],
        texts=texts,
    )


def _said(filtered: Sequence[Any]) -> Any:
    """What the filter left: "" where it found nothing; None where it is the whole reply, or several."""
    if len(filtered) != 1:
        return None
    said = filtered[0]
    if isinstance(said, list):
        return "" if said and all(one in (_INVALID, None, "") for one in said) else None
    return "" if said in (_INVALID, None, "") else said


def _likelihood(one: Any) -> float | None:
    return number(one[0]) if isinstance(one, list) and len(one) == 2 else None


def _replies(resps: Any) -> Iterator[Any]:
    if isinstance(resps, list):
        for one in resps:
            yield from _replies(one)
    else:
        yield resps


def _arguments(given: Any) -> Iterator[str]:
    """The prompts of a question's requests: named as of 0.4.2, else lists."""
    requests = given.values() if isinstance(given, dict) else given if isinstance(given, list) else []
    for request in requests:
        first = (
            request.get("arg_0")
            if isinstance(request, dict)
            else request[0]
            if isinstance(request, list) and request
            else None
        )
        yield _prompt(first[0] if isinstance(first, list) and first and isinstance(first[0], str) else first)


def _prompt(given: Any) -> str:
    """The text of a prompt; of a chat, which is JSON in text, its last user's turn."""
    if isinstance(given, str) and given.startswith("[{"):
        try:
            given = parsed(given.encode(), "")
        except (PonensError, UnicodeEncodeError):
            return str(given)
    if isinstance(given, list):
        asked = [turn for turn in given if isinstance(turn, dict) and turn.get("role") == "user"]
        return text(asked[-1:] or given)
    return text(given)


def _results(samples: Path) -> Mapping[str, Any]:
    """The results that were written with a file of samples; {} where there are none that can be read."""
    stamped = _STAMPED.search(samples.name)
    beside = (
        samples.with_name(f"results_{stamped['time'].removesuffix('.jsonl').rstrip('.')}.json") if stamped else None
    )
    if beside is None or not beside.is_file():
        return {}
    try:
        found = Opened(beside).document
    except PonensError:
        return {}
    return found if isinstance(found, dict) else {}


def _of(results: Mapping[str, Any], *names: str) -> Any:
    found: Any = results
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _lower_is_better(results: Mapping[str, Any], task: Task) -> bool:
    return _of(results, "higher_is_better", task.name, task.metric) is False


def _incomplete(results: Mapping[str, Any], task: Task) -> list[str]:
    counted = _of(results, "n-samples", task.name, "effective")
    if isinstance(counted, int) and counted != len(task.items):
        return [f"{task.name}: {len(task.items)} samples, but its results count {counted}"]
    return []
