"""Rows that hold several questions about one passage, or several examples of one instruction.

    {"title": "…", "paragraphs": [{"context": "…", "qas": [{"question": "…", "answers": [{"text": "…"}]}]}]}   SQuAD
    {"passage": "…", "qa_pairs": [{"question": "…", "answer": {"number": "4", "spans": []}}]}               DROP
    {"story": "…", "questions": [{"input_text": "…"}], "answers": [{"input_text": "…"}]}                    CoQA
    {"instruction": "…", "instances": [{"input": "…", "output": "…"}]}                                     seed tasks
    {"prompt": "…", "completions": ["…", "…"], "labels": [true, true]}                                     stepwise
    {"pre_text": […], "table": […], "qa": {"question": "…", "answer": "…"}}                                FinQA
    {"table": […], "paragraphs": […], "questions": [{"question": "…", "answer": "…"}]}                      TAT-QA
    {"questions": ["…", "…"], "answers": ["…", "…"]}                                                       lists
    {"turns": ["…", "…"], "reference": ["…", "…"]}                                                      MT-bench

One that cannot be read is a reject, the others stand. CoQA's questions follow one another, so they are one dialogue.
Steps are one answer, if all of them are judged right. An object of such rows, as DROP's, is all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storage.dialogues import Dialogue
from storage.records import Message, Rejected, Role
from storage.sources.formats import columns, pairs, prose
from storage.sources.formats.base import At, Cells, Fault, Format, kind, listed, named, said, text, texts
from storage.sources.formats.choice_names import OPTIONS
from storage.sources.formats.conversation import settled
from storage.sources.formats.reply import column, present
from storage.sources.formats.unread import Watched

_SEVERAL = ("paragraphs", "qas", "qa_pairs", "qa", "QA", "questions")
_FOLLOWS = ("story", "followups", "turn_ids")  # what makes questions a talk, each after the one before
_YES_NO = ("yes", "no")
_WORDS = ("input_text", "texts", "text")
_SIDES: tuple[Role, Role] = ("user", "assistant")
_INSTANCES = ("instances", "Instances")
_INSTRUCTIONS = ("instruction", "Definition", "definition")


def sniff(row: Cells) -> bool:
    """Questions below a passage, instances below an instruction, or steps of an answer."""
    return _reader(row) is not None or (len(row) > 0 and all(_is_passage(value) for value in row.values()))


def records(row: Cells, at: At) -> Iterator[Dialogue | Rejected]:
    """The dialogues of a row."""
    reader = _reader(row)
    if reader is not None:
        yield from reader(row, at)
        return
    if not any(_is_passage(value) for value in row.values()):
        raise Fault("qa_pairs", "missing field")
    for name in row:
        if _is_passage(row[name]):
            yield from _answered(row[name], at)
        else:
            yield at.reject(Fault(name, f"expected questions about a passage, found {kind(row[name])}"))


def _reader(row: Cells) -> Any:
    if any(isinstance(row.get(name), list) for name in _INSTANCES):
        return _instances
    if isinstance(row.get("qa"), dict) and pairs.FORMATS[1].sniff(row["qa"]):
        return _one
    if isinstance(row.get("completions"), list) and isinstance(row.get("labels"), list):
        return _steps
    asked = row.get("turns")
    if isinstance(asked, list) and asked and all(isinstance(turn, str) for turn in asked):
        return _benchmark
    if _are_lists(row):
        return _talk if any(name in row for name in _FOLLOWS) else _parallel
    paragraphs = row.get("paragraphs")
    if isinstance(paragraphs, list) and paragraphs and all(_is_passage(part) for part in paragraphs):
        return _article
    return _answered if _is_passage(row) else None


def _are_lists(row: Cells) -> bool:
    """Whether questions and answers are two lists, without options."""
    asked, given = row.get("questions"), row.get("answers")
    if not isinstance(asked, list) or not asked or "options" in row or not isinstance(given, list | dict):
        return False
    return all(isinstance(one, str | list) or (isinstance(one, dict) and "input_text" in one) for one in asked)


def _is_passage(value: object) -> bool:
    """Whether an object holds questions with their answers; those with options, yes and no are choices."""
    if not isinstance(value, dict):
        return False
    field = _several(value)
    first = value[field][0] if field and value[field] else None
    if not isinstance(first, dict) or present(tuple(first), OPTIONS):
        return False
    if field == "questions":
        return isinstance(first.get("question"), str) and ("answer" in first or "answers" in first)
    return str(first.get("answer")).strip().lower() not in _YES_NO or "id" in first


def _several(row: Cells) -> str | None:
    """The column of the questions below a passage."""
    return next((name for name in _SEVERAL[1:] if isinstance(row.get(name), list)), None)


def _article(row: Cells, at: At) -> Iterator[Dialogue | Rejected]:
    for part in row["paragraphs"]:
        yield from _answered(part, at)


def _answered(row: Cells, at: At) -> Iterator[Dialogue | Rejected]:
    field, names = _several(row) or "qa_pairs", tuple(row)
    about = present(names, columns.CONTEXT) or present(names, ("text",))
    passage = "\n\n".join(filter(str.strip, (prose.passage(row[name], name) for name in about)))
    for n, item in enumerate(listed(row, field)):
        try:
            if not isinstance(item, dict):
                raise Fault(f"{field}[{n}]", f"not an object but {kind(item)}")
            asked, answer = text(item, "question"), _answer(item)
            words = f"{passage}\n\n{asked}" if passage.strip() else asked
            yield _dialogue([Message("user", words), Message("assistant", answer)], item, at, passage)
        except Fault as fault:
            where = fault.field if fault.field.startswith(field) else f"{field}[{n}].{fault.field}"
            yield at.reject(Fault(where, fault.reason))


def _answer(item: Cells) -> str:
    """SQuAD's first answer; DROP's number, date or spans."""
    if item.get("is_impossible"):
        raise Fault("answers", "the passage has no answer (is_impossible)")
    field = "answers" if "answers" in item else "answer"
    value = item.get(field)
    if isinstance(value, dict) and "spans" in value:
        given = value.get("date")
        date = given if isinstance(given, dict) else {}
        when = " ".join(str(date[part]) for part in ("day", "month", "year") if date.get(part))
        spans = ", ".join(texts(value, "spans"))
        return said(str(value.get("number") or "") or when or spans, field)
    return prose.answers(value, field)[0]


def _talk(row: Cells, at: At) -> Iterator[Dialogue]:
    asked, replies = _both(row)
    about = present(tuple(row), columns.CONTEXT)
    story = text(row, "story" if "story" in row else "context" if "context" in about else about[0])
    turns = [
        Message(role, _input(item, f"{field}[{n}]"))
        for n, both in enumerate(zip(asked, replies, strict=True))
        for role, field, item in zip(_SIDES, ("questions", "answers"), both, strict=True)
    ]
    turns[0] = Message("user", f"{story}\n\n{turns[0].content}")
    yield _dialogue(turns, row, at, story, "chat")


def _benchmark(row: Cells, at: At) -> Iterator[Dialogue]:
    """A user's turns, each with the answer to it in a list beside, or the one answer to the one turn."""
    asked = row["turns"]
    name = column(row, (*columns.ANSWER, *columns.REPLY, "reference"))
    if name is None or row[name] in (None, [], ""):
        raise Fault("turns", "a user's turns without answers: a benchmark, nothing to learn from")
    answers = row[name] if isinstance(row[name], list) else [row[name]]
    if len(answers) != len(asked):
        raise Fault(name, f"{len(answers)} answers to {len(asked)} turns of a user")
    given = [
        Message(role, _input(item, f"{field}[{n}]"))
        for n, both in enumerate(zip(asked, answers, strict=True))
        for role, field, item in zip(_SIDES, ("turns", name), both, strict=True)
    ]
    yield _dialogue(given, row, at, "", "chat")


def _parallel(row: Cells, at: At) -> Iterator[Dialogue | Rejected]:
    """Questions and answers in two lists, each pair by itself; one question may come in several wordings."""
    about = present(tuple(row), columns.CONTEXT)
    passage = "\n\n".join(filter(str.strip, (prose.passage(row[name], name) for name in about)))
    for n, (asked, answer) in enumerate(zip(*_both(row), strict=True)):
        for wording in asked if isinstance(asked, list) else [asked]:
            try:
                words = _input(wording, f"questions[{n}]")
                turns = [Message("user", f"{passage}\n\n{words}" if passage else words)]
                answered = _input(answer, f"answers[{n}]")
                yield _dialogue([*turns, Message("assistant", answered)], row, at, passage)
            except Fault as fault:
                yield at.reject(fault)


def _both(row: Cells) -> tuple[list[Any], list[Any]]:
    """The questions and their answers, one for each. Fault if their numbers differ."""
    asked, given = row["questions"], row["answers"]
    if isinstance(given, dict):
        given = next((given[name] for name in _WORDS if name in given), given)
    if not isinstance(given, list):
        raise Fault("answers", f"expected a list, found {kind(given)}")
    if len(asked) != len(given):
        raise Fault("answers", f"{len(given)} answers to {len(asked)} questions")
    return asked, given


def _one(row: Cells, at: At) -> Iterator[Dialogue | Rejected]:
    """The one question of a row, in an object beside its passage."""
    merged = {**{name: cell for name, cell in row.items() if name != "qa"}, **row["qa"]}
    watched = Watched.of(merged, row.read) if isinstance(row, Watched) else merged
    yield from pairs.QUESTION_ANSWER.records(watched, at)  # type: ignore[misc]


def _input(item: object, where: str) -> str:
    """The words of one of a list's questions or answers; of several answers to one question the first."""
    if isinstance(item, list) and item:
        item = item[0]
    return said(item.get("input_text") if isinstance(item, dict) else item, where)


def _instances(row: Cells, at: At) -> Iterator[Dialogue | Rejected]:
    field = next(name for name in _INSTANCES if name in row)
    name = next((name for name in _INSTRUCTIONS if name in row), _INSTRUCTIONS[0])
    shared = prose.passage(row.get(name), name)
    for n, item in enumerate(listed(row, field)):
        where = f"{field}[{n}]"
        try:
            if not isinstance(item, dict):
                raise Fault(where, f"not an object but {kind(item)}")
            instruction = shared or prose.passage(item.get("instruction"), f"{where}.instruction")
            given = prose.passage(item.get("input"), f"{where}.input")
            asked = "\n\n".join(part for part in (instruction, given) if part.strip())
            answer = prose.answers(item.get("output"), f"{where}.output")[0]
            turns = [Message("user", said(asked, name)), Message("assistant", answer)]
            yield _dialogue(turns, row, at, instruction if len(row[field]) > 1 else "")
        except Fault as fault:
            yield at.reject(fault)


def _steps(row: Cells, at: At) -> Iterator[Dialogue]:
    steps, labels = texts(row, "completions"), listed(row, "labels")
    if len(steps) != len(labels) or not all(label in (0, 1) for label in labels):
        raise Fault("labels", f"expected true or false for each of {len(steps)} steps")
    if wrong := [n for n, label in enumerate(labels, 1) if not label]:
        raise Fault("labels", f"step {wrong[0]} is judged wrong: no example to learn from")
    turns = [Message("user", text(row, "prompt")), Message("assistant", "\n".join(steps))]
    yield _dialogue(turns, row, at, "")


def _dialogue(turns: list[Message], row: Cells, at: At, topic: str, task: Any = "instruction") -> Dialogue:
    messages, notes = settled(turns, "question")
    id = named(row, "id", "query_id")
    return Dialogue(messages, task, topic=topic, source_id=id, file=at.file, line=at.line, notes=notes, context=topic)


FORMAT = Format("nested", sniff, records)
