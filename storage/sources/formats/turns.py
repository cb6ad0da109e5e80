"""Turns of a dialogue as the tools of the field write them, each described here once.

    {"role": "assistant", "content": "…"}      also by the names of `_BY` and `_WORDS`; content or `parts` as lists
    {"user": "…"}, {"assistant": "…"}          a turn whose only key is its role
    {"human": "…", "assistant": "…"}           a pair of turns: the names of `_PAIRS`, a `system` beside them
    ["…", "…", …]                              texts alone: a user's and an assistant's in turn

Beside the words of a turn are read: what says that it is not learnt from (`_SIGNS`); reasoning, which becomes
`<think>…</think>` before the answer; calls of tools, which become `<tool_call>` blocks, as Hermes and Qwen write them.
A list may also stand in a text, as JSON or as Python prints it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from storage.records import Message, Role
from storage.sources.formats.base import Cells, Fault, is_sound, kind, said
from storage.sources.formats.packed import unpacked

ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "chatbot", "bot"), "assistant"),
    **dict.fromkeys(("function_call", "tool_call"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response"), "tool"),
}
_CALLS = frozenset(("function_call", "tool_call"))  # roles whose words are a call of a tool, as JSON
REASONING = ("reasoning_content", "reasoning", "thinking", "thought")
_PAIRS = (
    ("human", "assistant"),
    ("user", "assistant"),
    ("human", "bot"),
    ("input", "output"),
    ("question", "answer"),
    ("query", "response"),
    ("prompt", "response"),
    ("instruction", "response"),
    ("instruction", "output"),
)
_SIGNS = ("train", "weight", "loss", "training", "trainable")  # true or false, 1 or 0
_SCALES = ("loss_weight", "loss_scale")  # any number; 0: not learnt from
# who says a turn, and its words; the first of each that is there counts
_BY = ("from", "role", "speaker", "author", "sender")
_WORDS = ("value", "parts", "content", "text", "message", "utterance", "ground_truth")  # the last: ORZ's answer
_READ = frozenset((*_BY, *_WORDS, *REASONING, *_SIGNS, *_SCALES, "tool_calls", "function_call"))
_SAYS = frozenset((*_WORDS, "tool_calls", "function_call"))
_PASSED_OVER = """
id name tool_call_id timestamp date model lang language tokens num_tokens country state hashed_ip header toxic redacted
turn_identifier
"""
_METADATA = frozenset(_PASSED_OVER.split())
_MAX_TURNS_LOOKED_AT = 100
_ASKS, _ANSWERS = (
    re.compile(rf"\s*(?:{marks})\s*[:：]\s*") for marks in ("问|Q|User|Human|用户", "答|A|Assistant|助手")
)


def turns(value: object, field: str, notes: set[str]) -> list[Message]:
    """The messages that a list of turns says, each checked by itself. Fault names the one that is none.

    What was odd is added to `notes`; "unread FIELD[].KEY" for a key of a turn that nobody reads.
    """
    items = unpacked(value)
    if not isinstance(items, list):
        raise Fault(field, f"expected a list, found {kind(value)}")
    if items and isinstance(items[0], str) and all(isinstance(item, str) for item in items):
        roles: tuple[Role, Role] = ("user", "assistant")
        items = [said(item, f"{field}[{n}]", empty=True) for n, item in enumerate(items)]
        return [Message(roles[n % 2], item) for n, item in enumerate(_unmarked(items))]
    said_by: list[Message] = []
    for n, item in enumerate(_with_analysis(items)):
        if (plain := _plain(item)) is not None:
            said_by.append(plain)
        else:
            said_by += _turn(item, f"{field}[{n}]", notes)
    speakers = bool(items) and isinstance(items[0], dict) and "speaker" in items[0]
    return _of_speakers(said_by) if speakers else said_by


def _of_speakers(turns: list[Message]) -> list[Message]:
    """Turns of speakers: a system that answers a user and has no assistant beside it is the assistant."""
    if turns[0].role != "user" or any(turn.role == "assistant" for turn in turns):
        return turns
    return [Message("assistant", turn.content, turn.train) if turn.role == "system" else turn for turn in turns]


def _unmarked(texts: list[str]) -> list[str]:
    """Texts in turn without the marks of their sides ("问：", "答："), where each begins with its own."""
    hits = [(_ASKS, _ANSWERS)[n % 2].match(text) for n, text in enumerate(texts)]
    return [text[hit.end() :] if hit else text for text, hit in zip(texts, hits, strict=True)] if all(hits) else texts


def _with_analysis(items: list[Any]) -> list[Any]:
    """The turns with what harmony says in its channel `analysis` as the reasoning of the turn after it."""
    if not items or not isinstance(items[-1], dict) or "channel" not in items[-1]:
        return items  # as most are: harmony's last turn is its channel `final`
    found: list[Any] = []
    thoughts = None
    for item in items:
        if isinstance(item, dict) and item.get("channel") == "analysis":
            thoughts = item.get("content")
        elif isinstance(item, dict):
            rest = {key: cell for key, cell in item.items() if key != "channel"}
            found.append({**rest, "reasoning": thoughts} if thoughts else rest)
            thoughts = None
        else:
            found.append(item)
    return found


def _plain(item: object) -> Message | None:
    """The message of a turn that is a role and a sound text and nothing else, as most are; None for any other."""
    if not isinstance(item, dict) or len(item) != 2:
        return None
    by, words = ("role", "content") if "role" in item else ("from", "value")
    name, text = item.get(by), item.get(words)
    if not isinstance(name, str) or not isinstance(text, str) or name in _CALLS or name not in ROLES:
        return None
    return Message(ROLES[name], text) if is_sound(text) else None


def are_turns(value: object) -> bool:
    """Whether a value, or the JSON in a text, is a list of objects that each say a role, or a pair of turns."""
    items = unpacked(value)
    return isinstance(items, list) and bool(items) and all(is_turn(item) for item in items[:_MAX_TURNS_LOOKED_AT])


def is_turn(item: object) -> bool:
    """Whether an object says a turn, or a pair of them."""
    return isinstance(item, dict) and (_said_by(item) or _pair(item) is not None)


def with_reasoning(reasoning: str, answer: str) -> str:
    r"""An answer after its reasoning, as models that think write it.

    >>> with_reasoning("One and one is two.", "2")
    '<think>\nOne and one is two.\n</think>\n\n2'
    """
    return f"<think>\n{reasoning.strip()}\n</think>\n\n{answer}"


def call(value: object, where: str) -> str:
    """A call of a tool as a block of text. Fault if it names no function."""
    item = unpacked(value)
    inner = item.get("function", item) if isinstance(item, dict) else item
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise Fault(where, f"a call of a tool without the name of a function: {str(value)[:40]!r}")
    arguments = unpacked(inner.get("arguments", inner.get("parameters", {})))
    return _block(orjson.dumps({"name": inner["name"], "arguments": arguments}).decode())


def _block(words: str) -> str:
    return words if "<tool_call>" in words else f"<tool_call>\n{words}\n</tool_call>"


_PARTS: dict[str, Callable[[str], str]] = {
    "text": str,
    **dict.fromkeys(("thinking", "reasoning"), lambda words: with_reasoning(words, "")),
    "tool_call": _block,
}


def _said_by(item: Mapping[str, Any]) -> bool:
    return (not _SAYS.isdisjoint(item) and any(name in item for name in _BY)) or _alone(item) is not None


def _alone(item: Mapping[str, Any]) -> str | None:
    """The role that is a turn's only key."""
    name = next(iter(item)) if len(item) == 1 else None
    return name if isinstance(name, str) and name.lower() in ROLES and isinstance(item[name], str) else None


def _pair(item: Mapping[str, Any]) -> tuple[str, str] | None:
    return next((names for names in _PAIRS if names[0] in item and names[1] in item), None)


def _turn(item: object, where: str, notes: set[str]) -> list[Message]:
    if not isinstance(item, dict):
        raise Fault(where, f"not an object but {kind(item)}")
    if (alone := _alone(item)) is not None:
        return [Message(ROLES[alone.lower()], said(item[alone], f"{where}.{alone}", empty=True))]
    if (bare := _bare(item)) is not None:
        item = bare
    by = next((name for name in _BY if name in item), "role")
    words = next((name for name in _WORDS if item.get(name) is not None), "value" if by == "from" else "content")
    if by not in item and (names := _pair(item)):
        return _two(item, names, where, notes)
    if by not in item:
        raise Fault(where, f"a turn that does not say whose it is, with {', '.join(map(str, item))[:80]}")
    name = item.get(by)
    role = ROLES.get(name.lower()) if isinstance(name, str) else None
    if role is None or not isinstance(name, str):
        raise Fault(f"{where}.{by}", f"role {str(name)[:40]!r} is none of {', '.join(ROLES)}")
    if name.lower() in _CALLS:
        return [Message(role, _block(content(item.get(words), f"{where}.{words}").strip()), learnt(item, where, notes))]
    if unknown := [key for key in item if key not in _READ and key not in _METADATA and speaks(item[key])]:
        notes.update(f"unread {where.partition('[')[0]}[].{key}" for key in unknown)
    return [Message(role, _words(item, words, role, where, notes), learnt(item, where, notes))]


def _bare(item: Cells) -> dict[str, Any] | None:
    """A pair of turns without the word that all its keys begin with, as XTuner's toys have it; None for any other."""
    heads = {key.partition("_")[0] for key in item if isinstance(key, str) and "_" in key}
    bare = {key.partition("_")[2]: cell for key, cell in item.items()} if len(heads) == 1 else {}
    return bare if len(bare) == len(item) and _pair(bare) and not any(name in item for name in _BY) else None


def _two(item: Cells, names: tuple[str, str], where: str, notes: set[str]) -> list[Message]:
    system = item.get("system")
    if unknown := [key for key in item if key not in (*names, *_READ, *_METADATA, "system") and speaks(item[key])]:
        notes.update(f"unread {where.partition('[')[0]}[].{key}" for key in unknown)
    asked, answer = (said(item[name], f"{where}.{name}", empty=True) for name in names)
    opening = [Message("system", said(system, f"{where}.system"))] if system else []
    answer = _after_reasoning(item, answer, where, notes)
    return [*opening, Message("user", asked), Message("assistant", answer, learnt(item, where, notes))]


def _words(item: Cells, field: str, role: Role, where: str, notes: set[str]) -> str:
    calls = [item[name] for name in ("tool_calls", "function_call") if item.get(name)]
    given = item.get(field)
    words = "" if given is None and calls else content(given, f"{where}.{field}")
    if role == "assistant":
        words = _after_reasoning(item, words, where, notes, also=bool(calls))
    if not calls:
        return words
    notes.add("tool-calls")
    several = unpacked(calls[0])
    blocks = [call(c, f"{where}.tool_calls") for c in (several if isinstance(several, list) else [several])]
    return "\n".join([words, *blocks] if words.strip() else blocks)


def _after_reasoning(item: Cells, words: str, where: str, notes: set[str], *, also: bool = False) -> str:
    name = next((name for name in REASONING if isinstance(item.get(name), str) and item[name].strip()), None)
    if name is None:
        return words
    if "</think>" in words:
        if item[name].strip() not in words:
            notes.add(f"unread {where.partition('[')[0]}[].{name}")
        return words
    if not words.strip() and not also:
        raise Fault(f"{where}.{name}", "reasoning without an answer after it")
    notes.add("kept-reasoning")
    return with_reasoning(said(item[name], f"{where}.{name}"), words)


def content(value: object, where: str) -> str:
    """The words of a turn: a text, or a list of parts, thoughts and calls among them. Fault for a part of another kind.

    A part says its words by its own type's name, or as `text` or `value` (LLaMA-Factory's).
    """
    if isinstance(value, dict) and "value" in value:  # ORZ: a ground truth and how often it was met
        value = value["value"]
    if not isinstance(value, list):
        return said(value, where, empty=True)
    parts = []
    for n, part in enumerate(value):
        name = part.get("type", "text" if "text" in part else None) if isinstance(part, dict) else kind(part)
        if not isinstance(part, dict) or name not in _PARTS:
            raise Fault(f"{where}[{n}]", f"a part of type {str(name)[:40]!r}, and this release is text only")
        field = next((field for field in (name, "text", "value") if part.get(field) is not None), name)
        words = said(part.get(field), f"{where}[{n}].{field}", empty=True)
        parts.append(_PARTS[name](words) if words.strip() else words)
    return "".join(parts)


def learnt(item: Cells, where: str, notes: set[str]) -> bool:
    """What the signs of a turn say of learning from it; True where all are absent or null."""
    learn = True
    for field in (*_SIGNS, *_SCALES):
        value = item.get(field)
        if value is None:
            continue
        number = isinstance(value, int | float)
        if not (number and value >= 0) if field in _SCALES else value not in (0, 1):  # True and False are 1 and 0
            raise Fault(f"{where}.{field}", f"{str(value)[:40]!r} is neither true nor false")
        if value not in (0, 1):
            notes.add("weighted-turn")
        learn = learn and bool(value)
    if item.get("train_detail"):
        raise Fault(f"{where}.train_detail", "parts of a turn that are not learnt from have no place here")
    return learn


def speaks(value: object, depth: int = 4) -> bool:
    """Whether there is text in a value, or in what it holds; a number, as tables write it, is none."""
    if isinstance(value, str):
        words = value.strip()
        if words[:1].isalpha():
            return True  # as most
        return bool(words) and not words.removeprefix("-").replace(".", "", 1).isdigit()
    if depth:
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            if speaks(inner, depth - 1):
                return True
    return False
