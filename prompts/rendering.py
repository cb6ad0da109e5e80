"""How a conversation becomes text: chat template, system prompt, thinking mode. One rendering from training to serving.

A template is Jinja as tokenizers carry it (`messages`, `add_generation_prompt`); those of `templates/` are shipped,
"own" is whatever the base model's tokenizer brings along. Nothing here knows a tokenizer: `tasks.tokenizing.renderer`
puts the two together.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from storage.records import digest

Name = Literal["own", "chatml", "mistral", "yuan2"]
_FOLDER = Path(__file__).with_name("templates")
_PARTS = ("template_sha256", "system", "thinking", "added_tokens")  # the name is no part: equal text renders alike
_SHORT = 16


@dataclass(frozen=True, slots=True)
class Template:
    """A shipped template: its text, the tokens that it writes, and the one that ends a reply (None: the model's own).

    Tokens that a tokenizer lacks are added to it, and the embeddings learn them.
    """

    text: str
    tokens: tuple[str, ...] = ()
    stop: str | None = None


# Beside <sep> and <eod>, Yuan2's own tokenizer has these; <n> is its line break and stands between turns.
_YUAN2 = (
    "<eod> <sep> <n> <pad> <mask> <predict> <FIM_SUFFIX> <FIM_PREFIX> <FIM_MIDDLE> <commit_before> <commit_msg> "
    "<commit_after> <jupyter_start> <jupyter_text> <jupyter_code> <jupyter_output> <empty_output>"
)
_TOKENS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "chatml": (("<|im_start|>", "<|im_end|>"), "<|im_end|>"),
    "mistral": ((), None),
    "yuan2": (tuple(_YUAN2.split()), "<eod>"),
}


@functools.cache
def shipped(name: str) -> Template:
    """A template of this house: chatml, mistral or yuan2."""
    tokens, stop = _TOKENS[name]
    return Template((_FOLDER / f"{name}.jinja").read_text("utf-8").strip(), tokens, stop)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a recipe asks for: a template's name, a system prompt, a thinking mode; None leaves it to the template."""

    template: Name = "own"
    system: str | None = None
    thinking: bool | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What of it shapes a result: the text of a shipped template too, a base's own is part of the base."""
        return asdict(self) | {"text": None if self.template == "own" else digest(shipped(self.template).text)}


@dataclass(frozen=True, slots=True)
class Rendering:
    """What text a conversation becomes. `added` are the tokens that the base model's tokenizer lacked."""

    wish: Wish
    text: str
    added: tuple[str, ...] = ()

    def messages(self, given: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
        """Roles and words, with the system prompt before them unless they bring one of their own."""
        messages = [{"role": m["role"], "content": m["content"]} for m in given]
        if self.wish.system is None or messages[0]["role"] == "system":
            return messages
        return [{"role": "system", "content": self.wish.system}, *messages]

    @property
    def variables(self) -> dict[str, bool]:
        """What the template is told beside the messages."""
        return {} if self.wish.thinking is None else {"enable_thinking": self.wish.thinking}

    def dict(self) -> dict[str, Any]:
        """The identity that an adapter's manifest keeps: every part legible, and one digest of them all."""
        parts = {
            "template": self.wish.template,
            "template_sha256": hashlib.sha256(self.text.encode()).hexdigest(),
            "system": self.wish.system,
            "thinking": self.wish.thinking,
            "added_tokens": list(self.added),
        }
        return parts | {"digest": digest([parts[part] for part in _PARTS])}


def knows_thinking(template: str) -> bool:
    """Whether a template has a thinking mode, by the name that Qwen3's gave it.

    >>> knows_thinking("{% if enable_thinking is defined %}")
    True
    """
    return re.search(r"\benable_thinking\b", template) is not None


def unmarked_thoughts(rows: Iterable[Mapping[str, Any]], template: str) -> int:
    """How many rows of prompt and completion think between tags that the template does not know.

    >>> unmarked_thoughts([{"prompt": [], "completion": [{"content": "<think>Hm.</think>2"}]}], "{{ messages }}")
    1
    """
    if knows_thinking(template) or "</think>" in template:
        return 0
    return sum(any("</think>" in m["content"] for m in (*row["prompt"], *row["completion"])) for row in rows)


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """In which parts two identities differ, in words; none if they render alike.

    >>> differences({"system": None}, {"system": "Be brief."})
    ["system None against 'Be brief.'"]
    """
    return [
        f"{part.removesuffix('_sha256')} {_said(part, here)} against {_said(part, there)}"
        for part in _PARTS
        if here.get(part) != there.get(part)
    ]


def _said(part: str, identity: Mapping[str, Any]) -> str:
    value = identity.get(part)
    if part == "template_sha256":
        return f"{identity.get('template', '')} {str(value)[:_SHORT]}".strip()
    return repr(value)
