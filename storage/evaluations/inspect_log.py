"""Inspect: a log as `.eval`, a zip of JSON compressed by Zstandard, or as `.json`.

An item is a sample's id, its replies are the epochs, `reduced` is what the log's own reducer made of them. Scores are
numbers, truth values, or the letters C, I, P (a half) and N (no answer); of a score with several values each is a
metric by itself, SCORER/NAME. A sample that ended in an error, or that was not scored, counts as without an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from storage.evaluations.files import Opened, members, names, parsed
from storage.evaluations.items import Choice, Item, Reply, Task, number, text
from storage.records import UsageError

TOOL = "inspect"
_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_HEADERS = ("header.json", "_journal/start.json")
_READ = ("id", "epoch", "input", "target", "choices", "metadata", "scores", "score", "output", "error", "invalidation")


def is_it(file: Opened) -> bool:
    """Whether the file is of this tool."""
    if file.is_zip:
        return any(name in _HEADERS or name.startswith(("samples/", "_journal/")) for name in names(file.path))
    first = file.document
    return isinstance(first, dict) and "eval" in first and ("samples" in first or "status" in first)


def read(file: Opened, choice: Choice) -> Task:
    """The task of one log."""
    log, samples = _zipped(file) if file.is_zip else (file.document, file.document.get("samples"))
    where = str(file.path)
    if not isinstance(samples, list) or not samples:
        raise UsageError(
            f"{where} has no samples",
            seen=f"status {log.get('status')!r}",
            expected="a log with its samples",
            hint="a log of an evaluation that broke off: `inspect log recover`, or evaluate again",
        )
    samples = [_sample(one, f"{where}, sample {number}") for number, one in enumerate(samples, 1)]
    metrics = _metrics(samples)
    if not metrics:
        raise UsageError(
            f"{where} has no score",
            seen="no sample was scored",
            expected="scores that are numbers or C, I, P, N",
            hint="inspect score LOG",
        )
    name = _name(log)
    metric = choice.metric_of(name, metrics, where)
    reducers, reduced = _reductions(log, metric)
    task = Task(name, _items(samples, reduced, metric, where), "", metric, (), metrics)
    task.notes += _odd(log, samples, task)
    if len(reducers) > 1:
        task.notes.append(f"{name}: of the reducers {', '.join(reducers)} the log's first is what --repeats tool takes")
    return task


def model_of(file: Opened) -> str:
    """The model that the log names."""
    log = _header(file) if file.is_zip else file.document
    model = _eval(log).get("model")
    return model if isinstance(model, str) else ""


def _header(file: Opened) -> Mapping[str, Any]:
    return next((_object(parsed(content, name)) for name, content in members(file.path) if name in _HEADERS), {})


def _zipped(file: Opened) -> tuple[Mapping[str, Any], list[Any]]:
    headers: dict[str, Mapping[str, Any]] = {}
    samples, reductions = [], None
    for name, content in members(file.path):
        if name in _HEADERS:
            headers[name] = _object(parsed(content, f"{file.path}: {name}"))
        elif name == "reductions.json":
            reductions = parsed(content, f"{file.path}: {name}")
        elif name.startswith("samples/") and name.endswith(".json"):
            sample = parsed(content, f"{file.path}: {name}")  # events and messages of an agent take megabytes each
            samples.append({of: sample[of] for of in _READ if of in sample} if isinstance(sample, dict) else sample)
    log = next((headers[name] for name in _HEADERS if name in headers), {})
    return {"status": "started", **log, "reductions": reductions}, samples


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _eval(log: Any) -> Mapping[str, Any]:
    return _object(_object(log).get("eval"))


def _name(log: Mapping[str, Any]) -> str:
    name = _eval(log).get("task")
    return name if isinstance(name, str) else ""


def _sample(value: Any, where: str) -> Mapping[str, Any]:
    if isinstance(value, dict) and isinstance(value.get("id"), (str, int)):
        return value
    raise UsageError(where, seen=f"{str(value)[:80]}", expected="a sample with an id")


def _metrics(samples: Iterable[Mapping[str, Any]]) -> list[str]:
    """Scorers in their order; of one with several values, each that is a number."""
    found: dict[str, None] = {}
    for sample in samples:
        for name, score in _scores(sample).items():
            value = _object(score).get("value")
            if isinstance(value, dict):
                found |= {f"{name}/{part}": None for part, one in value.items() if _number(one) is not None}
            elif _number(value) is not None:
                found[name] = None
    return list(found)


def _scores(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    """The scores by scorer; a log of before they had names has one."""
    old = sample.get("score")
    return _object(sample.get("scores")) or ({"score": old} if isinstance(old, dict) else {})


def _number(value: Any) -> float | None:
    return _LETTERS[value] if isinstance(value, str) and value in _LETTERS else number(value)


def _value(score: Any, metric: str) -> Any:
    value = _object(score).get("value")
    return value.get(metric.partition("/")[2]) if isinstance(value, dict) else value


def _reply(sample: Mapping[str, Any], metric: str) -> Reply:
    scores = _scores(sample)
    score = scores.get(metric) or scores.get(metric.partition("/")[0])
    value = _value(score, metric)
    if (found := _number(value)) is None:
        return Reply(failed=_why(sample))
    return Reply(found, "" if value == "N" else _answer(score))


def _why(sample: Mapping[str, Any]) -> str:
    error = _object(sample.get("error")).get("message")
    return f"error: {text(error)[:80]}" if error else "not scored"


def _answer(score: Any) -> Any:
    answer = _object(score).get("answer")
    return answer.strip() if isinstance(answer, str) else answer


def _reductions(log: Mapping[str, Any], metric: str) -> tuple[list[str], dict[str, Reply]]:
    """The log's own reducers, and what the first made of each sample's epochs."""
    reducers: list[str] = []
    found: dict[str, Reply] = {}
    reductions = log.get("reductions")
    for one in reductions if isinstance(reductions, list) else []:
        if _object(one).get("scorer") != metric.partition("/")[0]:
            continue
        reducers.append(str(one.get("reducer")))
        if len(reducers) > 1:
            continue
        for sample in one["samples"] if isinstance(one.get("samples"), list) else []:
            score = _number(_value(sample, metric))
            if score is not None and "sample_id" in sample:
                found.setdefault(str(sample["sample_id"]), Reply(score))
    return reducers, found


def _items(samples: list[Mapping[str, Any]], reduced: Mapping[str, Reply], metric: str, where: str) -> list[Item]:
    by_id: dict[str, dict[int, Mapping[str, Any]]] = {}
    for sample in samples:
        epochs = by_id.setdefault(str(sample["id"]), {})
        epoch = sample.get("epoch", 1) if isinstance(sample.get("epoch", 1), int) else 1
        if epoch in epochs:
            raise UsageError(f"{where}, sample {sample['id']!r}", seen=f"epoch {epoch} twice", expected="each once")
        epochs[epoch] = sample
    items = []
    for index, (id, epochs) in enumerate(by_id.items()):
        first, ordered = next(iter(epochs.values())), [epochs[epoch] for epoch in sorted(epochs)]
        choices = first.get("choices")
        items.append(
            Item(
                index=index,
                id=id,
                prompt=_prompt(first.get("input")),
                key=first.get("target"),
                options=[one for one in choices if isinstance(one, str)] if isinstance(choices, list) else (),
                fields=_object(first.get("metadata")),
                replies=[_reply(sample, metric) for sample in ordered],
                reduced=reduced.get(id) if len(epochs) > 1 else None,
                texts=[_said(sample) for sample in ordered],
            )
        )
    return items


def _prompt(given: Any) -> str:
    if isinstance(given, list):
        return text([turn for turn in given if _object(turn).get("role") == "user"][-1:])
    return text(given)


def _said(sample: Mapping[str, Any]) -> str:
    output = _object(sample.get("output"))
    if isinstance(output.get("completion"), str) and output["completion"]:
        return str(output["completion"])
    choices = output.get("choices")
    return text(_object(choices[0]).get("message")) if isinstance(choices, list) and choices else ""


def _odd(log: Mapping[str, Any], samples: list[Mapping[str, Any]], task: Task) -> list[str]:
    found = []
    if log.get("status") not in (None, "success"):
        found.append(f"{task.name}: the log's status is {log.get('status')!r}, not 'success'")
    ids = _object(_eval(log).get("dataset")).get("sample_ids")
    if isinstance(ids, list) and (lacking := len({*map(str, ids)} - {one.id for one in task.items})):
        found.append(f"{task.name}: {lacking} of {len(ids)} samples are not in the log")
    if invalid := sum(bool(sample.get("invalidation")) for sample in samples):
        found.append(f"{task.name}: {invalid} samples were marked invalid in the log; they count as they were scored")
    if failed := sum(bool(reply.failed) for one in task.items for reply in one.replies):
        found.append(
            f"{task.name}: {failed} of {len(samples)} samples ended in an error or were not scored; "
            "they count as without an answer"
        )
    return found
