"""lm-evaluation-harness: `samples_TASK_TIME.jsonl` of --log_samples, with `results_TIME.json` beside it where it is.

A line is one question under one filter. Right is the metric's own number; `doc_hash` says which document it was, and
where an older release wrote none it is computed of `doc`. Multiple choice by likelihood has no answer, only right and
wrong. A metric of which less is better (`higher_is_better`) counts with its sign turned. `bypass`, which stands there
after --predict_only, is no metric.

Releases before 0.4.3 name no filter: the whole set stands there once for each. Before 0.4.2 a file is named
MODEL_TASK.jsonl, is one JSON list, and `results.json` lies beside it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from storage.evaluations.files import Opened, parsed
from storage.evaluations.items import Choice, Item, Reply, Task, number, text
from storage.records import PonensError, UsageError, digest

TOOL = "lm-eval"
_Line = tuple[int, Mapping[str, Any]]
_STAMPED = re.compile(r"samples_(?P<task>.+?)_(?P<time>\d{4}-\d\d-\d\dT[\d.:-]+)")
_KNOWN = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash"),
    *("prompt_hash", "target_hash", "gold", "logit_0", "truth"),
}
_INVALID = "[invalid]"
_NO_METRIC = "bypass"


def is_it(file: Opened) -> bool:
    """Whether the file is of this tool."""
    first = file.first
    return isinstance(first, dict) and {"doc_id", "filtered_resps"} <= first.keys()


def task_of(path: Path, results: Mapping[str, Any]) -> str:
    """The task that a file's name says: without its time, or without the model before a task that the results name."""
    stem = path.name.partition(".jsonl")[0].partition(".json")[0]
    if stamped := _STAMPED.fullmatch(stem):
        return stamped["task"]
    named = results.get("results")
    ending = [task for task in named if stem.endswith(f"_{task}")] if isinstance(named, dict) else []
    return max(ending, key=len, default=stem.removeprefix("samples_"))


def read(file: Opened, choice: Choice) -> Task:
    """The task of one file of samples."""
    where = str(file.path)
    rows = [(line, _row(value, where, line)) for line, value in file.rows()]
    beside = _results(file.path)
    name = task_of(file.path, beside)
    by_filter = _by_filter(rows, _listed(beside, name))
    filters = _ordered(by_filter, _listed(beside, name))
    filter = choice.filter_of(name, filters, where)
    of_filter = by_filter[filter]
    metrics = _metrics([row for _, row in of_filter])
    if not metrics and not _is_unscored(of_filter[0][1]):
        raise UsageError(
            f"{file.path} has no metric that is a number for each question",
            seen=", ".join(map(str, of_filter[0][1].get("metrics", []))) or "no metric",
            expected="such as acc or exact_match",
        )
    metric = choice.metric_of(name, metrics, where)
    task = Task(name, [], filter, metric, filters, metrics)
    sign = -1.0 if _lower_is_better(beside, task) else 1.0
    if sign < 0:
        task.notes.append(f"{metric}: less is better, so it counts with its sign turned")
    if not metrics:
        task.notes.append(f"{name}: predictions alone (--predict_only), so the replies are read by our extractor")
    seen: dict[int, int] = {}
    for line, row in of_filter:
        if (first := seen.setdefault(row["doc_id"], line)) != line:
            raise UsageError(
                f"{file.path}, line {line}",
                seen=f"doc_id {row['doc_id']} a second time, first in line {first}",
                expected="each question once for each filter",
            )
        task.items.append(_item(row, metric, sign, where, line))
    task.notes += _incomplete(beside, task)
    return task


def model_of(path: Path) -> str:
    """The model that the results beside a file name, else its folder."""
    results = _results(path)
    config = results.get("config")
    named = results.get("model_name") or (config.get("model_args") if isinstance(config, dict) else None)
    return named if isinstance(named, str) else path.parent.name


def _row(value: Any, where: str, line: int) -> Mapping[str, Any]:
    if isinstance(value, dict) and isinstance(value.get("doc_id"), int) and "filtered_resps" in value:
        return value
    raise UsageError(
        f"{where}, line {line}",
        seen=f"{str(value)[:80]}",
        expected="a sample with doc_id, doc, target and filtered_resps",
    )


def _by_filter(rows: Sequence[_Line], listed: Sequence[str]) -> dict[str, list[_Line]]:
    """The rows of each filter by its name; where rows name none and every question repeats, each pass is a filter."""
    found: dict[str, list[_Line]] = {}
    for line, row in rows:
        found.setdefault(str(row.get("filter", "none")), []).append((line, row))
    if any("filter" in row for _, row in rows):
        return found
    times: Counter[int] = Counter()
    passes: list[list[_Line]] = []
    for line, row in rows:
        if times[row["doc_id"]] == len(passes):
            passes.append([])
        passes[times[row["doc_id"]]].append((line, row))
        times[row["doc_id"]] += 1
    if len(passes) < 2 or len({len(of) for of in passes}) > 1:
        return found
    if len(listed) == len(passes):
        return dict(zip(listed, passes, strict=True))
    filtered = [[row["filtered_resps"] for _, row in of] for of in passes]
    if all(of == filtered[0] for of in filtered):
        return found  # the same rows twice
    return {str(n): of for n, of in enumerate(passes, 1)}


def _is_unscored(row: Mapping[str, Any]) -> bool:
    """Whether nothing was scored, as --predict_only asks for."""
    return row.get("metrics") == [_NO_METRIC] or (_NO_METRIC in row and not isinstance(row.get("metrics"), list))


def _listed(results: Mapping[str, Any], task: str) -> list[str]:
    """The names of a task's filters as its configuration orders them."""
    listed = _of(results, "configs", task, "filter_list")
    return [str(one.get("name")) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _ordered(there: Collection[str], listed: Sequence[str]) -> list[str]:
    """Filters in the order of the configuration, whatever that of the lines; others by name."""
    return sorted(there, key=lambda one: (listed.index(one) if one in listed else len(listed), one))


def _metrics(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The metrics that give a question a number; one may give none to the first."""
    named = rows[0].get("metrics")
    names = named if isinstance(named, list) and named else [name for name in rows[0] if name not in _KNOWN]
    there = [name for name in map(str, names) if name != _NO_METRIC]
    return [name for name in there if any(_score(row, name) is not None for row in rows)]


def _score(row: Mapping[str, Any], metric: str) -> float | None:
    """A metric's number; truth may be written as text, other texts are none."""
    value = row.get(metric)
    if type(value) is float and isfinite(value):
        return value
    return number(value) if not isinstance(value, str) or value in ("True", "False") else None


def _item(row: Mapping[str, Any], metric: str, sign: float, where: str, line: int) -> Item:
    doc, score = row.get("doc"), _score(row, metric)
    fields: Mapping[str, Any] = doc if isinstance(doc, dict) else {}
    filtered = row["filtered_resps"] if isinstance(row["filtered_resps"], list) else [row["filtered_resps"]]
    by_likelihood = bool(filtered) and _likelihood(filtered[0]) is not None and None not in map(_likelihood, filtered)
    answer = None if by_likelihood or not metric else _said(filtered)
    if score is None and answer != "" and metric:
        raise UsageError(
            f"{where}, line {line}", seen=f"{metric} {row.get(metric)!r:.40}", expected="a number for each question"
        )
    choices = fields.get("choices")
    return Item(
        index=row["doc_id"],
        document=str(row.get("doc_hash") or digest([doc])),
        prompt=_asked(row.get("arguments")),
        key=row.get("target"),
        options=[option for option in choices if isinstance(option, str)] if isinstance(choices, list) else (),
        fields=fields,
        replies=[Reply(None if score is None else sign * score, answer)],
        texts=[] if by_likelihood else _replies(row.get("resps")),
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


def _replies(resps: Any) -> list[str]:
    if isinstance(resps, str):
        return [resps]
    replies: list[str] = []
    for one in resps if isinstance(resps, list) else ():
        if isinstance(one, str):
            replies.append(one)
        else:
            replies += _replies(one)
    return replies


def _asked(given: Any) -> str:
    """The first prompt of a question's requests: named as of 0.4.2, else lists."""
    for request in given.values() if isinstance(given, dict) else given if isinstance(given, list) else ():
        if isinstance(request, dict):
            first = request.get("arg_0")
        else:
            first = request[0] if isinstance(request, list) and request else None
        if isinstance(first, list) and first and isinstance(first[0], str):
            first = first[0]
        if prompt := first if type(first) is str and not first.startswith("[{") else _prompt(first):
            return prompt
    return ""


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
    name = f"results_{stamped['time'].removesuffix('.jsonl').rstrip('.')}.json" if stamped else "results.json"
    beside = samples.with_name(name)
    if not beside.is_file():
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
