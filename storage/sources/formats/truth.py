"""Statements that are true or false, entailed or not.

    {"question": "…", "passage": "…", "answer": true}                       BoolQ, StrategyQA; also `label` 0, 1
    {"context": "…", "questions": [{"text": "…", "label": true}]}           RuleTaker
    {"theory": "…", "questions": {"Q1": {"question": "…", "answer": "Unknown"}}}        ProofWriter
    {"example1": {"test_example": {"question": "…", "query": "…", "answer": "True"}}}   ProntoQA
    {"question": "…", "query": "…", "answer": "True"}                       ProntoQA, one a row
    {"theory": "…", "question": "…", "answer": "Unknown"}                   ProofWriter, one a row
    {"context": "…", "qa_pairs": [{"question": "…", "answer": "yes"}]}      LogicBench
    {"premise": "…", "hypothesis": "…", "label": "entailment"}              SNLI, RTE, ANLI, LogiQA 2.0 NLI, RuleTaker

What is true or false is a choice between the two, and Unknown where the set has it. What a label's word is among
others a row does not say, so an entailment is a classification whose answer is the word. A number for a word is read
where the set is known by its columns, else rejected: 1 is neutral in one set and no entailment in another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storage.dialogues import Dialogue
from storage.records import LETTERS, Message, Question, Rejected
from storage.sources.formats import prose
from storage.sources.formats.base import At, Cells, Fault, Format, kind, named, said, text

_TRUE_FALSE, _OPEN, _YES_NO = ("True", "False"), ("True", "False", "Unknown"), ("yes", "no")
_WORDS = ("entailment", "neutral", "contradiction")
_CLAIMS = ("hypothesis", "conclusion", "sentence2", "claim", "statement")
_PREMISES = ("premise", "major_premise", "minor_premise", "sentence1", "evidence", "table_text")
_LABELS = ("gold_label", "label", "fever_gold_label", "gold")
_SNLI = frozenset(("premise", "hypothesis", "label"))
_NO_OTHERS = {"options", "choices", "messages", "conversations", "chosen", "completion", "output", "response"}
_SPELLINGS = {"true": "True", "false": "False", "unknown": "Unknown", "uncertain": "Unknown", "yes": "yes", "no": "no"}


def sniff(row: Cells) -> bool:
    """Something asked or claimed, and whether it is so."""
    return not _NO_OTHERS & row.keys() and _reader(row) is not None


def records(row: Cells, at: At) -> Iterator[Question | Dialogue | Rejected]:
    """The questions of a row, or its entailment."""
    reader = _reader(row)
    if reader is None:
        raise Fault("answer", "neither true nor false")
    yield from reader(row, at)


def _reader(row: Cells) -> Any:
    if _premises(row) and any(name in row for name in _CLAIMS) and _judged(row) is not None:
        return _entailment
    if isinstance(row.get("question"), str) and isinstance(row.get("sentence"), str) and _entails(row.get("label")):
        return _entailment  # QNLI
    if isinstance(row.get("questions"), dict) and "theory" in row:
        return _theory
    if _is_list(row.get("questions"), "text", "label") and "context" in row:
        return _rules
    if _is_list(row.get("qa_pairs"), "question", "answer") and _spelled(row["qa_pairs"][0]["answer"]) in _YES_NO:
        return _pairs
    if row and all(isinstance(value, dict) and isinstance(value.get("test_example"), dict) for value in row.values()):
        return _examples
    asked = isinstance(row.get("question"), str)
    if asked and isinstance(row.get("answer"), bool):
        return _asked
    if asked and (isinstance(row.get("query"), str) or "theory" in row) and _spelled(row.get("answer")) in _OPEN:
        return _proved
    if asked and "answer" not in row and isinstance(row.get("label"), bool | int):
        return _asked if row["label"] in (0, 1) and "passage" in row else None
    if asked and "context" in row and "answer" not in row and _entails(row.get("label")):
        return _entailment
    return None


def _is_list(value: object, *names: str) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and set(names) <= value[0].keys()


def _entails(label: object) -> bool:
    return isinstance(label, str) and label.replace("_", " ").replace("-", " ").lower().endswith("entailment")


def _spelled(answer: object) -> str | None:
    """How a set's word for true, false, unknown, yes or no is spelled here; None for any other."""
    return _SPELLINGS.get(answer.strip().lower()) if isinstance(answer, str) else None


def _proved(row: Cells, at: At) -> Iterator[Question]:
    """A claim below a theory, or below what the set calls the question."""
    theory, claim = ("theory", "question") if "theory" in row else ("question", "query")
    open_world = "theory" in row and "CWA" not in named(row, "id")
    options = _OPEN if open_world else _TRUE_FALSE
    yield _question(text(row, theory), text(row, claim), options, row["answer"], "answer", row, at)


def _asked(row: Cells, at: At) -> Iterator[Question]:
    field = "answer" if "answer" in row else "label"
    passage = prose.passage(row.get("passage", row.get("context")), "passage")
    yield _question(passage, text(row, "question"), _TRUE_FALSE, row[field], field, row, at)


def _rules(row: Cells, at: At) -> Iterator[Question | Rejected]:
    yield from _each(row["questions"], "questions", text(row, "context"), "text", "label", _TRUE_FALSE, at)


def _pairs(row: Cells, at: At) -> Iterator[Question | Rejected]:
    yield from _each(row["qa_pairs"], "qa_pairs", text(row, "context"), "question", "answer", _YES_NO, at)


def _theory(row: Cells, at: At) -> Iterator[Question | Rejected]:
    closed = "CWA" in named(row, "id")  # what a closed world does not prove is false
    items = [item for _, item in sorted(row["questions"].items(), key=lambda pair: (len(pair[0]), pair[0]))]
    options = _TRUE_FALSE if closed else _OPEN
    yield from _each(items, "questions", text(row, "theory"), "question", "answer", options, at)


def _examples(row: Cells, at: At) -> Iterator[Question | Rejected]:
    for name in row:
        item = row[name]["test_example"]
        try:
            yield _question(
                text(item, "question"), text(item, "query"), _TRUE_FALSE, item.get("answer"), "answer", item, at
            )
        except Fault as fault:
            yield at.reject(Fault(f"{name}.{fault.field}", fault.reason))


def _each(
    items: list[Any], field: str, problem: str, asked: str, key: str, options: tuple[str, ...], at: At
) -> Iterator[Question | Rejected]:
    for n, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise Fault(f"{field}[{n}]", f"not an object but {kind(item)}")
            yield _question(problem, text(item, asked), options, item.get(key), key, item, at)
        except Fault as fault:
            where = fault.field if fault.field.startswith(field) else f"{field}[{n}].{fault.field}"
            yield at.reject(Fault(where, fault.reason))


def _question(
    problem: str, asked: str, options: tuple[str, ...], key: object, field: str, row: Cells, at: At
) -> Question:
    word = str(bool(key)) if isinstance(key, bool | int) and key in (0, 1) else key
    spelled = None if word is None else _spelled(said(word, field))
    if word is not None and spelled not in options:
        raise Fault(field, f"answer {str(key)[:40]!r} is none of {', '.join(options)}")
    letter = None if spelled is None else LETTERS[options.index(spelled)]
    id = named(row, "id", "qid", "idx") if not isinstance(row.get("idx"), dict) else ""
    return Question(problem, asked, options, letter, source_id=id, file=at.file, line=at.line)


def _premises(row: Cells) -> list[str]:
    """The columns of premises, each a text or a list of texts."""
    there = [name for name in _PREMISES if row.get(name)]
    found = [name for name in there if _are_words(row[name])]
    return found or [name for name in there if name == "premise"]


def _are_words(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _premise(row: Cells) -> str | None:
    """The columns of premises in one text; None where there are none."""
    names = _premises(row) or (["sentence"] if "question" in row and row.get("sentence") else [])
    parts = []
    for name in names:
        value = row[name]
        parts += [said(item, name) for item in value] if isinstance(value, list) else [said(value, name)]
    return "\n".join(parts) if parts else None


def _entailment(row: Cells, at: At) -> Iterator[Dialogue]:
    premise = _premise(row)
    above = text(row, "context") if premise is None else premise
    claim = text(row, next(name for name in (*_CLAIMS, "question") if name in row))
    label = _word(row)
    yield Dialogue(
        (Message("user", f"{above}\n\n{claim}"), Message("assistant", label)),
        "classification",
        {"label": label},
        above,
        named(row, "id", "uid", "pairID"),
        at.file,
        at.line,
        context=above,
    )


def _judged(row: Cells) -> str | None:
    """The column that says the word: SNLI and MultiNLI as published call it gold_label."""
    return next((name for name in _LABELS if name in row), None)


def _word(row: Cells) -> str:
    name = _judged(row) or "label"
    label = row[name]
    if isinstance(label, str) and not label.strip().isdigit():
        word = said(label, name)
        if word == "-":
            raise Fault(name, "'-': those who judged did not agree")
        return word
    if label == -1:
        raise Fault(name, "-1: those who judged did not agree, or the label is withheld")
    plain = isinstance(label, int) and not isinstance(label, bool)
    if plain and (row.keys() == _SNLI or {"uid", "reason"} <= row.keys()):  # SNLI, ANLI
        if not 0 <= label < len(_WORDS):
            raise Fault(name, f"{label} is none of 0, 1 and 2")
        return _WORDS[label]
    if isinstance(label, float):
        raise Fault(name, f"{label}: a degree of likeness in numbers (regression): no kind of work here")
    flags = " ".join(f"--column {ours}={theirs}" for ours, theirs in _own_names(row).items())
    raise Fault(
        name,
        f"{label} stands for a word that the file does not say, and sets count them differently: name them, such as "
        f"{flags} --column '{name}={name}{{WORD OF 0|WORD OF 1}}'",
    )


def _own_names(row: Cells) -> dict[str, str]:
    """The columns of premise and claim, by the names that a mapping has for them."""
    claim = next((name for name in _CLAIMS if name in row), "question")
    return {"premise": (_premises(row) or ["context"])[0], "hypothesis": claim}


FORMAT = Format("truth", sniff, records)
