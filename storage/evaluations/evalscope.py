"""EvalScope: `reviews/MODEL/DATASET_SUBSET.jsonl`, as of 1.0 with `sample_score`, before that with `choices[].review`.

An item is the question (`group_id`), its replies are the repeats (`generation_index`); right is the main score's value.
Predictions alone hold no key and reports no questions: both are passed over where reviews lie beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from storage.evaluations.files import Opened
from storage.evaluations.items import Choice, Item, Reply, Task, number, text
from storage.records import UsageError

TOOL = "evalscope"


def is_it(file: Opened) -> bool:
    """Whether the file is of this tool."""
    first = file.first
    if not isinstance(first, dict):
        return False
    return "sample_score" in first or isinstance(_review(first), dict)


def is_prediction(file: Opened) -> bool:
    """Whether it is a file of predictions: replies without keys and scores."""
    first = file.first
    if not isinstance(first, dict) or is_it(file):
        return False
    return "model_output" in first or {"answer_id", "choices"} <= first.keys()


def is_report(file: Opened) -> bool:
    """Whether it is a report: figures of a whole dataset."""
    first = file.document
    return isinstance(first, dict) and {"dataset_name", "metrics"} <= first.keys()


def read(file: Opened, choice: Choice) -> Task:
    """The task of one file of reviews."""
    rows = [
        (line, each)
        for line, row in map(_row(file.path), file.rows())
        for each in ([row] if "sample_score" in row else _old(row))
    ]
    metrics = list(dict.fromkeys(name for _, row in rows for name in _values(row)))
    if not metrics:
        raise UsageError(f"{file.path} has no score", seen="no review has a value", expected="sample_score.score.value")
    main = _score(rows[0][1]).get("main_score_name")
    metrics.sort(key=lambda name: name != main)  # the main score first
    name = file.path.name.partition(".jsonl")[0]
    metric = choice.metric_of(name, metrics, str(file.path))
    task = Task(name, [], "", metric, (), metrics)
    by_question: dict[str, dict[int, tuple[int, Mapping[str, Any]]]] = {}
    for line, row in rows:
        sample = row["sample_score"]
        question = str(sample.get("group_id", sample.get("sample_id", row.get("index"))))
        repeats = by_question.setdefault(question, {})
        place = sample.get("generation_index")
        place = place if isinstance(place, int) else len(repeats)
        if place in repeats:
            raise UsageError(
                f"{file.path}, line {line}",
                seen=f"question {question}, repeat {place} a second time",
                expected="each once",
            )
        repeats[place] = line, row
    for question, repeats in by_question.items():
        index = int(question) if question.isascii() and question.isdigit() and len(question) < 16 else len(task.items)
        task.items.append(_item(index, [repeats[place][1] for place in sorted(repeats)], metric))
    if failed := sum(bool(reply.failed) for one in task.items for reply in one.replies):
        task.notes.append(f"{task.name}: {failed} reviews have no {metric}; they count as without an answer")
    return task


def model_of(path: Path) -> str:
    """The model, whose folder the reviews lie in."""
    return path.parent.name


def _row(path: Path) -> Any:
    def checked(numbered: tuple[int, Any]) -> tuple[int, Mapping[str, Any]]:
        line, row = numbered
        if isinstance(row, dict) and (isinstance(row.get("sample_score"), dict) or _review(row) is not None):
            return line, row
        raise UsageError(f"{path}, line {line}", seen=str(row)[:80], expected="a review with sample_score")

    return checked


def _review(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = row.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    review = first.get("review") if isinstance(first, dict) else None
    return review if isinstance(review, dict) else None


def _old(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The reviews of a row of a release before 1.0, one a choice, in the form of today's."""
    for choice in row["choices"]:
        review = choice.get("review") if isinstance(choice, dict) else None
        if not isinstance(review, dict):
            continue
        result = review.get("result")
        yield {
            "target": review.get("gold"),
            "input": _question(row.get("raw_input")),
            "index": row.get("index"),
            "sample_score": {
                "group_id": row.get("index", row.get("answer_id")),
                "score": {
                    "value": result if isinstance(result, dict) else {"score": result},
                    "extracted_prediction": review.get("pred"),
                    "prediction": text(choice.get("message")),
                },
                "sample_metadata": row.get("raw_input"),
            },
        }


def _question(raw: Any) -> str:
    """What was asked, as the source row of an older release has it."""
    names = ("input", "question", "query", "prompt", "messages")
    return next((text(raw[name]) for name in names if raw.get(name)), "") if isinstance(raw, dict) else text(raw)


def _score(row: Mapping[str, Any]) -> Mapping[str, Any]:
    score = row["sample_score"].get("score")
    return score if isinstance(score, dict) else {}


def _values(row: Mapping[str, Any]) -> Mapping[str, Any]:
    value = _score(row).get("value")
    values = value if isinstance(value, dict) else {} if value is None else {"score": value}
    return {str(name): one for name, one in values.items() if number(one) is not None}


def _item(index: int, rows: list[Mapping[str, Any]], metric: str) -> Item:
    first = rows[0]
    metadata = first["sample_score"].get("sample_metadata")
    fields = metadata if isinstance(metadata, dict) else {}
    own = next((fields[name] for name in ("id", "question_id", "uid") if isinstance(fields.get(name), (str, int))), "")
    target = first.get("target")
    return Item(
        index=index,
        id=str(own),
        prompt=_asked(first.get("messages")) or text(first.get("input")),
        key=target[0] if isinstance(target, list) and len(target) == 1 else target,
        fields=fields,
        replies=[_reply(row, metric) for row in rows],
        texts=[text(_score(row).get("prediction")) for row in rows],
    )


def _reply(row: Mapping[str, Any], metric: str) -> Reply:
    score = number(_values(row).get(metric))
    if score is None:
        return Reply(failed=f"no {metric}")
    said = _score(row).get("extracted_prediction")
    return Reply(score, said.strip() if isinstance(said, str) else said)


def _asked(messages: Any) -> str:
    if not isinstance(messages, list):
        return ""
    return text([one for one in messages if isinstance(one, dict) and one.get("role") == "user"][-1:])
