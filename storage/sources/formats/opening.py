r"""What opens a dialogue beside its turns: the system prompt of a row, and the tools that its turns may call.

    {"system": "Be brief.", "tools": "[{\"name\": \"w\"}]", …}

Tools become part of the system turn, in the words of Hermes and Qwen, so that a model that learns to call is shown
what it may call, whatever template renders the dialogue.
"""

from __future__ import annotations

import re

import orjson

from storage.records import Message
from storage.sources.formats.base import Cells, Fault, kind, said
from storage.sources.formats.packed import unpacked
from storage.sources.formats.turns import are_turns, content, speaks, turns

_GEMINI = ("systemInstruction", "system_instruction")  # an object of parts
SYSTEM = ("system", "system_prompt", "system_message", "sys", "developer", "meta_prompt", *_GEMINI)
_LABEL = re.compile(r"\ASYSTEM:\s*")  # how Glaive's begin
TOOLS = ("tools", "functions")
BESIDE = frozenset((*SYSTEM, *TOOLS))
_OPEN = "<tools>"
_TEXT = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""


def opened(row: Cells, turns: list[Message], notes: set[str]) -> list[Message]:
    """The turns after what the row itself says: its system prompt, and its tools (note "tools-in-system").

    Tools stand below the system prompt, be it the row's or the first of the turns.
    """
    if BESIDE.isdisjoint(row):
        return turns  # as most rows
    system, tools = system_of(row), _tools(row)
    if system.strip() and not (turns and turns[0] == Message("system", system)):
        turns = [Message("system", system), *turns]
    if not tools or (turns and turns[0].role == "system" and _OPEN in turns[0].content):
        return turns  # Hermes says its tools in the system turn already
    notes.add("tools-in-system")
    if turns and turns[0].role == "system":
        return [Message("system", f"{turns[0].content}\n\n{tools}"), *turns[1:]]
    return [Message("system", tools), *turns]


def system_of(row: Cells) -> str:
    """The system prompt that a row names beside its turns; "" without one."""
    if BESIDE.isdisjoint(row):
        return ""
    name = next((name for name in SYSTEM if name in row and row[name] is not None), None)
    if name is None:
        return ""
    value = row[name]
    parts = value.get("parts") if name in _GEMINI and isinstance(value, dict) else None
    return _LABEL.sub("", content(parts if parts is not None else value, name))


def history(row: Cells) -> list[Message]:
    """The turns that came before, of `history`: pairs of a user's and an assistant's words, or turns of any form."""
    if "history" not in row:
        return []
    value = unpacked(row["history"])
    if not value:
        return []
    if are_turns(value):
        return turns(value, "history", set())
    if not isinstance(value, list):
        raise Fault("history", f"expected a list, found {kind(value)}")
    return [message for n, pair in enumerate(value) for message in _exchange(pair, f"history[{n}]")]


def _exchange(pair: object, where: str) -> list[Message]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise Fault(where, "not a pair of turns")
    asked, answer = (said(turn, f"{where}[{side}]", empty=True) for side, turn in enumerate(pair))
    return [Message("user", asked), Message("assistant", answer)]


def _tools(row: Cells) -> str:
    if BESIDE.isdisjoint(row):
        return ""
    name = next((name for name in TOOLS if name in row and row[name] is not None), None)
    if name is None:
        return ""
    tools = unpacked(row[name])
    if isinstance(tools, dict):
        tools = [tools]
    if not isinstance(tools, list | str):
        raise Fault(name, f"expected a list of tools, found {kind(row[name])}")
    if not speaks(tools):
        return ""
    lines = [tools] if isinstance(tools, str) else [_line(unpacked(tool)) for tool in tools]
    return _TEXT.format(tools=said("\n".join(lines), name))


def _line(tool: object) -> str:
    return tool if isinstance(tool, str) else orjson.dumps(tool).decode()
