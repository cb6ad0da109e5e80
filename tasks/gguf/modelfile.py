"""The Modelfile with which Ollama runs a GGUF file as the adapter was trained: template, stops, system words.

A Jinja template becomes Ollama's own by what it does: a conversation of placeholders is rendered, and what stands
before and after each of them is its turn. A template that does more than wrap turns gives none, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SYSTEM, _USER, _REPLY, _AGAIN = "@@system@@", "@@user@@", "@@reply@@", "@@again@@"


@dataclass(frozen=True, slots=True)
class Turns:
    """What stands around the words of each role; the system words that the template puts in by itself."""

    system: tuple[str, str] | None
    user: tuple[str, str]
    assistant: tuple[str, str]
    default: str = ""


def modelfile(
    file: str, tokenizer: Any, *, system: str | None, question: Mapping[str, str], stops: Sequence[str], about: str
) -> str:  # fmt: skip
    """The Modelfile's text; `question` are the words that a question is asked with, by language."""
    lines = [f"# {about}", f"FROM ./{file}"]
    shape = turns(tokenizer)
    if shape is None:
        lines.append(
            "# the chat template does more than wrap turns: Ollama takes its own reading of the one in the file"
        )
    else:
        lines.append(f'TEMPLATE """{_template(shape)}"""')
    if words := system or (shape.default if shape else ""):
        lines.append(f'SYSTEM """{words}"""')
    lines += [f'PARAMETER stop "{stop}"' for stop in stops]
    lines += ["PARAMETER temperature 0", "PARAMETER repeat_penalty 1.0"]
    for language, text in question.items():
        lines.append(f"# a question is asked as ({language}):")
        lines += [f"#   {line}" for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def turns(tokenizer: Any) -> Turns | None:
    """The wrapping of each role's words; None for a template that cannot be told so."""
    talk = [_message("user", _USER), _message("assistant", _REPLY), _message("user", _AGAIN)]
    try:
        asked, closed = _render(tokenizer, talk, True), _render(tokenizer, talk, False)
        ended, alone = _render(tokenizer, talk[:2], False), _render(tokenizer, talk[:1], True)
        after_user = closed.split(_AGAIN)[1]
        before_reply = asked.split(_AGAIN)[1].removeprefix(after_user)
        after_reply = ended.split(_REPLY)[1]
        before_user = asked.split(_REPLY)[1].split(_AGAIN)[0].removeprefix(after_reply)
        head = alone.split(_USER)[0].removesuffix(before_user)
    except (IndexError, ValueError):
        return None
    if asked.split(_USER)[1].split(_REPLY)[0] != after_user + before_reply or "{{" in asked:
        return None
    system = _system(tokenizer, before_user)
    around = Turns(system, (before_user, after_user), (before_reply, after_reply))
    return around if not head else _with_default(around, head)


def _with_default(around: Turns, head: str) -> Turns | None:
    """With the system words that stand there though none were given; None if something else stands there."""
    if around.system is None or not (head.startswith(around.system[0]) and head.endswith(around.system[1])):
        return None
    words = head.removeprefix(around.system[0]).removesuffix(around.system[1])
    return Turns(around.system, around.user, around.assistant, words)


def _system(tokenizer: Any, before_user: str) -> tuple[str, str] | None:
    from jinja2 import TemplateError

    try:
        text = _render(tokenizer, [_message("system", _SYSTEM), _message("user", _USER)], True)
        before, rest = text.split(_SYSTEM)
        return before, rest.split(_USER)[0].removesuffix(before_user)
    except (TemplateError, ValueError):
        return None


def _template(shape: Turns) -> str:
    system = ""
    if shape.system:
        system = '{{ if eq .Role "system" }}%s{{ .Content }}%s{{ end }}' % shape.system  # noqa: UP031  braces
    user = '{{ if eq .Role "user" }}%s{{ .Content }}%s{{ end }}' % shape.user  # noqa: UP031
    reply = '{{ if eq .Role "assistant" }}%s{{ .Content }}%s{{ end }}' % shape.assistant  # noqa: UP031
    return "{{- range .Messages }}" + system + user + reply + "{{ end }}" + shape.assistant[0]


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _render(tokenizer: Any, messages: list[dict[str, str]], asking: bool) -> str:
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asking)
    return text
