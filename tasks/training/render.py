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

from prompts.rendering import Rendering, Wish, knows_thinking, shipped
from storage.records import PonensError

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
                hint="set [train] template to another one, or mend the rows",
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


def load(place: str, revision: str | None) -> Any:
    """A tokenizer from a folder or the hub's name, never code from there. Needs transformers, no weights."""
    from transformers import AutoTokenizer

    where: dict[str, Any] = {"local_files_only": True} if Path(place).is_dir() else {"revision": revision}
    return AutoTokenizer.from_pretrained(place, trust_remote_code=False, **where)


def fit(tokenizer: Any, wish: Wish) -> Renderer:
    """Give a base model's tokenizer the template that is wished for, with the tokens it lacks and the end of a reply.

    PonensError for a model without a template of its own, and for a template that has no place for the
    system prompt or knows no thinking mode where one is asked for.
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
        tokenizer.pad_token = tokenizer.eos_token
    renderer = Renderer(tokenizer, Rendering(wish, own_template(tokenizer), added))
    _check_wish(renderer)
    return renderer


def own_template(tokenizer: Any) -> str:
    """The text of the tokenizer's chat template. PonensError if it has none, or several by name."""
    template = getattr(tokenizer, "chat_template", None)
    if not isinstance(template, str):
        raise PonensError(
            "the base model's tokenizer has no chat template",
            seen=type(template).__name__,
            expected="a template in chat_template.jinja or tokenizer_config.json",
            hint='set [train] template = "chatml", or use an instruct model',
        )
    return template


def _check_wish(renderer: Renderer) -> None:
    wish, name = renderer.rendering.wish, renderer.rendering.wish.template
    if wish.thinking is not None and not knows_thinking(renderer.rendering.text):
        raise PonensError(
            f"the chat template {name!r} has no thinking mode",
            seen=f"[train] thinking = {str(wish.thinking).lower()}",
            expected="a template that reads enable_thinking",
            hint="leave [train] thinking out",
        )
    if wish.system and wish.system.strip() not in renderer.prompt([{"role": "user", "content": "?"}]):
        raise PonensError(
            f"the chat template {name!r} leaves the system prompt out",
            seen=f"[train] system = {wish.system[:60]!r}",
            expected="a template with a place for it",
            hint="leave [train] system out, or set [train] template to another one",
        )
