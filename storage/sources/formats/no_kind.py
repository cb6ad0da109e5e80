"""Rows of work that no kind here learns from, and rows that lack what makes them an example: rejected with that reason.

    {"question": {…}, "label": {"steps": […]}}       PRM800K: steps that are rated one by one
    {"query": "…", "pos": ["…"], "neg": ["…"]}       retrieval
    {"question1": "…", "question2": "…", "label": 0} QQP: a number for a word
    {"question": "…", "sql": "SELECT …"}             a query without its schema

They are looked at after all formats but plain text, so that a row which any of these reads is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from storage.dialogues import Record
from storage.records import Rejected
from storage.sources.formats import choice_sets, rated
from storage.sources.formats.base import At, Cells, Fault, Format

_STEP_MARKS = re.compile(r"(?:ки|[+-])\s*(?:\n|\Z)")  # Math-Shepherd's, at the end of each step
_SQL = re.compile(r"\s*(?:select|with)\b", re.IGNORECASE)
_LABELLED = re.compile(r"(?:label|intent|emotion|sentiment)\Z", re.IGNORECASE)
_RANKED = ("pos", "positive", "positives", "positive_passages", "positive_ctxs")
_SEVERAL_ANSWERS = ("responses", "answers", "completions", "generations", "outputs")
_ASKS = ("prompt", "question", "query", "instruction", "problem")


class Refusal(NamedTuple):
    """What makes a row one of these: the field that shows it, given by `of`, else None; and the reason."""

    of: Callable[[Cells], str | None]
    reason: str


def number_of(columns: dict[str, str], names: str = "NAME OF 0|NAME OF 1") -> str:
    """What to do where a number stands for a word: the mapping that names the words."""
    flags = " ".join(f"--column {ours}={theirs}" for ours, theirs in columns.items())
    return f"name them: {flags} --column 'label=label{{{names}}}'"


def _rated_steps(row: Cells) -> str | None:
    label = row.get("label")
    if isinstance(label, dict) and isinstance(label.get("steps"), list):
        return "label.steps"
    if isinstance(row.get("input"), str) and isinstance(label, str) and "Step 1" in label and _STEP_MARKS.search(label):
        return "label"
    steps = next((name for name in ("steps", "process", "completions") if isinstance(row.get(name), list)), None)
    judged = any(name in row for name in ("labels", "ratings", "step_labels", "final_answer_correct"))
    return steps if steps and judged else None


def _retrieval(row: Cells) -> str | None:
    name = next((name for name in _RANKED if name in row), None)
    wanted = {"query", "anchor", "question", "neg", "negative", "negatives", "negative_passages", "negative_ctxs"}
    return name if name and not wanted.isdisjoint(row) else None


def _two_hands(row: Cells) -> str | None:
    return "human_answers" if {"human_answers", "chatgpt_answers"} <= row.keys() else None


def _duplicates(row: Cells) -> str | None:
    return _numbered(row, ("label", "is_duplicate")) if {"question1", "question2"} <= row.keys() else None


def _sentence_answers(row: Cells) -> str | None:
    return _numbered(row, ("label",)) if {"question", "sentence"} <= row.keys() else None


def _sentence(row: Cells) -> str | None:
    return _numbered(row, ("label",)) if "sentence" in row else None


def _numbered(row: Cells, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if isinstance(row.get(name), int) or str(row.get(name)).isdigit()), None)


def _similar(row: Cells) -> str | None:
    pair = {"sentence1", "sentence2"} <= row.keys()
    return next((name for name in ("score", "similarity_score", "label") if pair and name in row), None)


def _other_label(row: Cells) -> str | None:
    """A label in numbers beside a text, under another name than `label`."""
    if not isinstance(row.get("text"), str) or "label" in row:
        return None
    return next((name for name in row if _LABELLED.search(str(name)) and type(row[name]) is int), None)


def _several_labels(row: Cells) -> str | None:
    return "labels" if isinstance(row.get("text"), str) and isinstance(row.get("labels"), list) else None


def _without_schema(row: Cells) -> str | None:
    asks = "db_id" not in row and any(isinstance(row.get(name), str) for name in (*_ASKS, "nl", "utterance"))
    names = ("sql", "SQL", "query", "sql_query", "gold_sql", "target_sql")
    query = next((name for name in names if isinstance(row.get(name), str) and _SQL.match(row[name])), None)
    return query if asks and query else None


def _blanks(row: Cells) -> str | None:
    options = row.get("options")
    lists = isinstance(options, list) and bool(options) and all(isinstance(each, list) for each in options)
    return "options" if lists and isinstance(row.get("answers"), list) and "questions" not in row else None


def _exported(row: Cells) -> str | None:
    mapping = row.get("mapping")
    return "mapping" if isinstance(mapping, dict) and any("message" in node for node in _objects(mapping)) else None


def _objects(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in value.values() if isinstance(node, dict)]


def _batch(row: Cells) -> str | None:
    return next((name for name in ("response", "body", "params") if "custom_id" in row and name in row), None)


def _unranked(row: Cells) -> str | None:
    if not any(isinstance(row.get(name), str | list) for name in _ASKS):
        return None
    return next((name for name in _SEVERAL_ANSWERS if isinstance(row.get(name), list) and len(row[name]) > 1), None)


def _claims(row: Cells) -> str | None:
    return "evidence" if {"claim", "evidence", "label"} <= row.keys() else None


REFUSALS = (
    Refusal(
        _rated_steps,
        "steps that are rated one by one (process rewards): no kind of work here learns from ratings of steps",
    ),
    Refusal(_retrieval, "texts to be found for a query (retrieval, embeddings): no kind of work here"),
    Refusal(
        _two_hands,
        "answers by people beside answers by a model: say which to learn, with --column prompt=question and "
        "--column 'completion=human_answers[0]' or 'completion=chatgpt_answers[0]'",
    ),
    Refusal(
        _duplicates,
        "numbers stand for words that the file does not say: "
        + number_of({"premise": "question1", "hypothesis": "question2"}, "not duplicate|duplicate"),
    ),
    Refusal(
        _sentence_answers,
        "numbers stand for words that the file does not say: "
        + number_of({"premise": "sentence", "hypothesis": "question"}, "entailment|not_entailment"),
    ),
    Refusal(_sentence, "numbers stand for words that the file does not say: " + number_of({"text": "sentence"})),
    Refusal(_other_label, "numbers stand for words that the file does not say: " + number_of({"text": "text"})),
    Refusal(_similar, "a degree of likeness in numbers (regression): no kind of work here"),
    Refusal(_several_labels, "several labels for a text (multi-label classification): no kind of work here"),
    Refusal(
        _without_schema,
        "a query without its schema: CREATE TABLE statements in a column `context`, or `db_id` and a tables.json "
        "beside the file",
    ),
    Refusal(_blanks, "options for several blanks of one passage (cloze): which blank is asked for has no place here"),
    Refusal(_exported, "a chat service's export, a tree of messages with branches: write each chat as `messages`"),
    Refusal(_batch, "calls of an API, not examples: write what was asked and answered as `messages`"),
    Refusal(_claims, "evidence that names pages, not their text: map hypothesis, premise and label to read it without"),
    Refusal(_unranked, "several answers, and nothing says which is the better: say one, with --column completion=…[0]"),
)


def sniff(row: Cells) -> bool:
    """A row that one of the refusals is for, and that is neither a choice nor rated answers."""
    return _refusal(row) is not None and not choice_sets.known(row) and not rated.sniff(row)


def records(row: Cells, at: At) -> Iterator[Record | Rejected]:
    """Fault, with the reason; nothing is ever yielded."""
    found = _refusal(row)
    raise Fault(*(found or ("line", "no example of any kind of work")))
    yield


def _refusal(row: Cells) -> tuple[str, str] | None:
    for refusal in REFUSALS:
        if (field := refusal.of(row)) is not None:
            return field, refusal.reason
    return None


FORMAT = Format("no-kind", sniff, records)
