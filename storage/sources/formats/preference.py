r"""Preference pairs: two answers to one prompt, the better one named.

    {"prompt": "…", "chosen": "…", "rejected": "…"}
    {"conversations": […], "chosen": {"from": "gpt", "value": "…"}, "rejected": {…}}     LLaMA-Factory
    {"messages": [… {"role": "assistant", …}], "rejected_response": "…"}                 ms-swift
    {"chosen": "\n\nHuman: …\n\nAssistant: …", "rejected": "…"}                          HH-RLHF
    {"prompt": "…", "response_0": "…", "response_1": "…", "better_response_id": 1}       PKU-SafeRLHF

The names of the two answers are those of `_ANSWERS`, those of the prompt `_ASKS`. Each may be a text, a transcript, a
message, a list of messages, or one as JSON in a text; without a prompt, what both answers begin with is the prompt.
Two equal answers are rejected: nothing is preferred.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from storage.dialogues import Preference
from storage.records import Message
from storage.sources.formats.base import At, Cells, Fault, Format, kind, named, said
from storage.sources.formats.opening import BESIDE, history, opened
from storage.sources.formats.packed import unpacked
from storage.sources.formats.transcript import is_plain, transcribed
from storage.sources.formats.turns import is_turn, turns

_ANSWERS = (
    ("chosen", "rejected"),
    ("chosen_messages", "rejected_messages"),
    ("chosen_response", "rejected_response"),
    ("response_chosen", "response_rejected"),
    ("chosen", "reject"),
    ("preferred_output", "non_preferred_output"),
    ("response_j", "response_k"),
    ("chosen_answer", "rejected_answer"),
    ("pos_resp", "neg_resp"),
    ("accepted", "rejected"),
    ("preferred", "dispreferred"),
    ("preferred", "rejected"),
    ("preferred_response", "dispreferred_response"),
    ("better_response", "worse_response"),
    ("better", "worse"),
    ("winner", "loser"),
    ("response_w", "response_l"),
    ("y_w", "y_l"),
    ("good", "bad"),
    ("positive_response", "negative_response"),
    ("good_answer", "bad_answer"),
    ("chosen_output", "rejected_output"),
    ("chosen_completion", "rejected_completion"),
)
_WORSE = ("rejected_response", "rejected_messages")  # beside messages whose last answer is the better one
_RANKED = ("better_response_id", "response_0", "response_1")
_DIALOGUES = ("messages", "conversations", "conversation", "trajectory")
_ASKS = ("prompt", "instruction", "input", "question", "query", "problem")


class _Columns(NamedTuple):
    """The better and the worse answer, None where they have other names; what may be the prompt, in order."""

    answers: tuple[str, str] | None
    dialogues: tuple[str, ...]
    asks: tuple[str, ...]
    alone: bool  # two answers and one column of a prompt, and nothing that could stand before it


@lru_cache(maxsize=1 << 10)
def _columns(columns: tuple[str, ...]) -> _Columns:
    """The parts of a row of these columns: looked for once, not row by row."""
    answers = next((names for names in _ANSWERS if set(names) <= set(columns)), None)
    dialogues, asks = (tuple(name for name in names if name in columns) for names in (_DIALOGUES, _ASKS))
    alone = len(asks) == 1 and not dialogues and BESIDE.isdisjoint(columns) and "history" not in columns
    return _Columns(answers, dialogues, asks, answers is not None and alone)


def sniff(row: Cells) -> bool:
    """Two answers, the better one named."""
    if _columns(tuple(row)).answers or set(_RANKED) <= row.keys():
        return True
    return row.get("messages") is not None and any(row.get(name) is not None for name in _WORSE)


def records(row: Cells, at: At) -> Iterator[Preference]:
    """The pair of a row."""
    columns = _columns(tuple(row))
    if columns.alone and columns.answers and (pair := _plain_pair(row, *columns.answers, columns.asks[0], at)):
        yield pair  # as most are
        return
    notes: set[str] = set()
    prompt, better, worse = _shared(*_parts(row, notes))
    prompt = opened(row, prompt, notes)
    for field, answer in (("chosen", better), ("rejected", worse)):
        if len(answer) != 1 or answer[0].role != "assistant" or not answer[0].content.strip():
            raise Fault(field, "expected one answer of an assistant after what both share")
    if not any(message.role == "user" and message.content.strip() for message in prompt):
        missing = not any(name in row for name in (*_ASKS, *_DIALOGUES))
        raise Fault("prompt", "missing field" if missing else "no turn of a user")
    chosen, rejected = better[0].content, worse[0].content
    if chosen == rejected:
        raise Fault("rejected", "the same as chosen: nothing is preferred")
    id = named(row, "id")
    yield Preference(
        tuple(prompt),
        chosen,
        rejected,
        source_id=id,
        file=at.file,
        line=at.line,
        notes=tuple(sorted(notes)) if notes else (),
    )


def _plain_pair(row: Cells, better: str, worse: str, ask: str, at: At) -> Preference | None:
    """The pair of a row of three texts that are no more than words; None for any other."""
    if not (is_plain(row[better]) and is_plain(row[worse]) and is_plain(row[ask])):
        return None
    chosen, rejected, asked = said(row[better], better), said(row[worse], worse), said(row[ask], ask)
    if chosen == rejected:
        raise Fault("rejected", "the same as chosen: nothing is preferred")
    return Preference((Message("user", asked),), chosen, rejected, named(row, "id"), at.file, at.line)


def _parts(row: Cells, notes: set[str]) -> tuple[list[Message], list[Message], list[Message]]:
    """Prompt, better and worse answer; either may begin with the prompt's own turns."""
    if names := _columns(tuple(row)).answers:
        better, worse = _answer(row[names[0]], names[0], notes), _answer(row[names[1]], names[1], notes)
        texts = isinstance(row[names[0]], str) and isinstance(row[names[1]], str)
        if texts and "prompt" not in row and not (_asks(row) or _talks(row)):
            return _apart(row[names[0]], row[names[1]], better, worse)
        return _prompt(row, notes), better, worse
    if "better_response_id" in row:
        better_id = row["better_response_id"]
        if better_id not in (0, 1):
            raise Fault("better_response_id", f"{str(better_id)[:40]!r} is neither 0 nor 1")
        order = _RANKED[1:] if better_id == 0 else _RANKED[:0:-1]
        if missing := [name for name in order if name not in row]:
            raise Fault(missing[0], "missing field")
        return _prompt(row, notes), *(_answer(row[name], name, notes) for name in order)  # type: ignore[return-value]
    worse_name = next((name for name in _WORSE if row.get(name) is not None), None)
    if worse_name is None or row.get("messages") is None:
        raise Fault(next((name for name in _ANSWERS[0] if name not in row), "messages"), "missing field")
    dialogue = turns(row["messages"], "messages", notes)
    worse = _answer(row[worse_name], worse_name, notes)
    return [], dialogue, worse if len(worse) > 1 else [*dialogue[:-1], *worse]


def _prompt(row: Cells, notes: set[str]) -> list[Message]:
    if field := _talks(row):
        asked = turns(row[field], field, notes)
        # a pair may stand beside the whole dialogue: its last answer is one of the two
        return asked[:-1] if asked and asked[-1].role == "assistant" else asked
    if isinstance(given := row.get("input"), dict):  # OpenAI's
        return opened(given, turns(given.get("messages"), "input.messages", notes), notes)
    value = row.get("prompt")
    if value is not None and not is_plain(value):
        if isinstance(unpacked(value), list):
            return turns(value, "prompt", notes)
        if (talk := transcribed(value, "prompt")) is not None:
            return talk
    before = history(row)
    asks = _asks(row)
    return [*before, Message("user", "\n\n".join(asks))] if asks else before


def _talks(row: Cells) -> str | None:
    """The column of the turns before the two answers."""
    return next((name for name in _columns(tuple(row)).dialogues if row[name] is not None), None)


def _asks(row: Cells) -> list[str]:
    names = _columns(tuple(row)).asks
    parts = [said(row[name], name, empty=True) for name in names if row[name] is not None]
    if len(parts) == 1:
        return parts if parts[0].strip() else []
    return list(dict.fromkeys(filter(str.strip, parts)))  # one prompt may stand under two names


def _answer(value: object, field: str, notes: set[str]) -> list[Message]:
    if is_plain(value):
        return [Message("assistant", said(value, field))]  # as most are
    items = unpacked(value)
    if is_turn(items):
        return turns([items], field, notes)
    if isinstance(items, list) and items and all(isinstance(item, str) for item in items) and "messages" not in field:
        if len(items) > 1:
            raise Fault(field, f"{len(items)} answers, expected one: say which, such as --column '{field}={field}[0]'")
        value = items[0]
        items = value
    if isinstance(items, list):
        return turns(items, field, notes)
    if (talk := transcribed(value, field)) is not None:
        return talk
    if not isinstance(value, str):
        raise Fault(field, f"expected text or messages, found {kind(value)}")
    return [Message("assistant", said(value, field))]


def _shared(
    prompt: list[Message], better: list[Message], worse: list[Message]
) -> tuple[list[Message], list[Message], list[Message]]:
    """The three, with the turns that both answers begin with as the prompt's end."""
    if len(better) < 2 or len(worse) < 2:
        return prompt, better, worse
    both = [one for one, _ in takewhile(lambda two: two[0] == two[1], zip(better[:-1], worse[:-1], strict=False))]
    if both and prompt and all(message in both for message in prompt):  # said again by both
        prompt = both
    elif prompt[len(prompt) - len(both) :] != both:
        prompt = [*prompt, *both]
    return prompt, better[len(both) :], worse[len(both) :]


def _apart(
    chosen: str, rejected: str, better: list[Message], worse: list[Message]
) -> tuple[list[Message], list[Message], list[Message]]:
    """Two texts without a prompt: the words that both begin with are the prompt, as TRL has it."""
    if len(better) > 1 or len(worse) > 1:
        return [], better, worse
    same = _alike(chosen, rejected)
    end = max(chosen.rfind(" ", 0, same), chosen.rfind("\n", 0, same)) + 1  # never within a word
    asked = chosen[:end].strip()
    answers = ([Message("assistant", text[end:].lstrip())] for text in (chosen, rejected))
    return [Message("user", asked)] if asked else [], *answers  # type: ignore[return-value]


def _alike(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    return bisect(range(1, min(len(one), len(other)) + 1), False, key=lambda end: one[:end] != other[:end])


def _reads(columns: tuple[str, ...]) -> frozenset[str] | None:
    """Two answers and a prompt in one column: these are read, whatever they hold."""
    parts = _columns(columns)
    return frozenset((*parts.answers, *parts.asks, "id")) if parts.answers and parts.alone else None


FORMAT = Format("preference", sniff, records, reads=_reads)
