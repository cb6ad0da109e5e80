"""A tokenizer and a rendering put together: conversations -> text -> token ids with their offsets.

    renderer = fit(load(folder, None), Wish("chatml", system="Be brief."))
    renderer.text(messages, asking=True)     # what a model is asked with: ends where its reply begins

Training, its preview and evaluation render through here and nowhere else. Knows no torch; a tokenizer is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prompts import ending
from prompts.rendering import Rendering, Wish, knows_thinking, shipped
from storage import chat_template
from storage.records import PonensError
from tasks.models import base_models
from tasks.tokenizing import template_errors

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's token ids, and where in the text each begins and ends, in characters."""

    ids: list[int]
    offsets: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Renderer:
    """A transformers tokenizer that renders as `rendering` says; its chat_template is `rendering.text`."""

    tokenizer: Any
    rendering: Rendering

    def text(self, messages: Sequence[Message], *, asking: bool = False, whose: str = "a conversation") -> str:
        """The conversation's text, without the system prompt of the recipe: `rendering.messages` puts it there.

        PonensError, naming `whose` it is, if the template refuses the messages.
        """
        from jinja2 import TemplateError  # whoever only plans a training need not load it

        try:
            text: str = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=asking, **self.rendering.variables
            )
        except TemplateError as error:
            raise PonensError(
                f"the chat template {self.rendering.wish.template!r} refuses {whose}",
                seen=f"{error.message} (roles {', '.join(m['role'] for m in messages)})",
                expected="roles in an order that the template knows",
                hint=_advice(messages),
            ) from None
        return text

    def prompt(self, messages: Sequence[Message]) -> str:
        """What a model is asked with: the messages, the system prompt before them, the reply's beginning after them."""
        return self.text(self.rendering.messages(messages), asking=True)

    def tokens(self, texts: list[str]) -> list[Tokens]:
        """Texts in tokens; the template has written the special ones already."""
        if not texts:
            return []
        found = self.tokenizer(
            texts, add_special_tokens=False, return_attention_mask=False, return_offsets_mapping=True
        )
        return [Tokens(ids, offsets) for ids, offsets in zip(found["input_ids"], found["offset_mapping"], strict=True)]


def _advice(messages: Sequence[Message]) -> str:
    """What can be done about messages that a template refuses; many know no system turn."""
    if any(m["role"] == "system" for m in messages):
        return 'this template may know no system turn: take it out of the rows, or set [train] template = "chatml"'
    return 'mend the rows: turns of user and assistant by turns, the user\'s first; or set [train] template = "chatml"'


def load(place: str, revision: str | None) -> Any:
    """A tokenizer from a folder or the hub's name, never code from there. Needs transformers, no weights.

    Its chat_template is the default one, in whichever of the hub's forms the folder has it, or None.
    """
    from transformers import AutoTokenizer

    where: dict[str, Any] = {"local_files_only": True} if Path(place).is_dir() else {"revision": revision}
    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **where)
    given = tokenizer.chat_template
    folder = Path(place) if Path(place).is_dir() else base_models.place(place, revision)
    text = chat_template.text(folder) if folder else chat_template.by_name(given).get(chat_template.DEFAULT)
    tokenizer.chat_template = text or (given if isinstance(given, dict) else None)
    return tokenizer


def fit(tokenizer: Any, wish: Wish) -> Renderer:
    """Give a base model's tokenizer the template that is wished for, with the tokens it lacks and the end of a reply.

    PonensError for a model without a template of its own, for one with neither pad nor eos, and for a template that
    has no place for the system prompt or knows no thinking mode where one is asked for.
    """
    added: tuple[str, ...] = ()
    if wish.template != "own":
        template = shipped(wish.template)
        known = tokenizer.get_vocab()
        lacking = [t for t in template.tokens if len(tokenizer(t, add_special_tokens=False)["input_ids"]) != 1]
        tokenizer.add_tokens(lacking, special_tokens=True)
        added = tuple(token for token in lacking if token not in known)
        tokenizer.chat_template = template.text
        if template.stop:
            tokenizer.eos_token = template.stop
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise template_errors.no_end()
        tokenizer.pad_token = tokenizer.eos_token
    renderer = Renderer(tokenizer, Rendering(wish, own_template(tokenizer), added))
    _check_wish(renderer)
    return renderer


def own_template(tokenizer: Any) -> str:
    """The text of the tokenizer's chat template. PonensError if it has none, or several by name and no default."""
    template = getattr(tokenizer, "chat_template", None)
    if not isinstance(template, str):
        raise template_errors.no_template(sorted(template) if isinstance(template, dict) else [])
    return template


def end_tokens(renderer: Renderer) -> list[str]:
    """The tokens that end a reply by the template. PonensError if it ends one with nothing, or with text."""
    tokenizer, name = renderer.tokenizer, renderer.rendering.wish.template
    after = ending.after_reply(renderer.text) or ""
    eos = tokenizer.eos_token
    if not after.strip():
        raise template_errors.ends_with_nothing(name, eos)
    known = [str(token) for token in tokenizer.get_added_vocab()]
    found = ending.end_tokens(after, [*known, *([eos] if eos else [])])
    if not found:
        raise template_errors.ends_otherwise(name, after, [eos] if eos else [])
    return found


def stop_tokens(place: str | Path, revision: str | None = None) -> set[int]:
    """Every token that ends a reply by a folder's own configuration."""
    from transformers import AutoConfig, GenerationConfig

    found: set[int] = set()
    for kind in (GenerationConfig, AutoConfig):
        try:
            ids = getattr(kind.from_pretrained(str(place), revision=revision), "eos_token_id", None)
        except (OSError, ValueError):  # an adapter's folder has no config.json
            continue
        found |= set(ids) if isinstance(ids, list) else {ids} if isinstance(ids, int) else set()
    return found


def _check_wish(renderer: Renderer) -> None:
    wish, name = renderer.rendering.wish, renderer.rendering.wish.template
    if wish.thinking is not None and not knows_thinking(renderer.rendering.text):
        raise template_errors.no_thinking(name, wish.thinking)
    if wish.system and wish.system.strip() not in _introduced(renderer):
        raise PonensError(
            f"the chat template {name!r} leaves the system prompt out",
            seen=f"[train] system = {wish.system[:60]!r}",
            expected="a template with a place for it",
            hint="leave [train] system out, or set [train] template to another one",
        )


def _introduced(renderer: Renderer) -> str:
    """A question with the recipe's system prompt before it; "" if the template refuses a system turn."""
    try:
        return renderer.prompt([{"role": "user", "content": "?"}])
    except PonensError:
        return ""
