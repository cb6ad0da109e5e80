"""How each subject of an evaluation is asked: an adapter as it was trained, the base by its own template.

All get the same messages, system prompt and thinking mode; the marks around them are each one's own
(`docs/decisions/0011-one-rendering.md`). Child process only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompts.rendering import Rendering, Wish, differences, knows_thinking
from storage.records import PonensError
from tasks.engines import weights
from tasks.engines.interface import Loading
from tasks.tokenizing.renderer import Renderer, fit, own_template

Identity = Mapping[str, Any]  # what an adapter's manifest says of its rendering


def renderers(
    loading: Loading, identities: Mapping[str, Identity | None], wish: Wish | None, *, refuse: bool
) -> tuple[dict[str, Renderer], list[str]]:
    """A renderer for the base and each adapter, and where adapters were trained otherwise than `wish` says, in words.

    `identities` has the adapters by name, the one that is compared with the base first; None where a manifest
    says nothing: such an adapter is asked as `wish` says. PonensError for a mismatch, if it is to be refused.
    """
    found, warnings = {}, []
    now = fit(weights.tokenizer(loading), wish or Wish())
    for name, identity in identities.items():
        if identity is None:
            found[name] = now
            continue
        if wish and (apart := differences(identity, now.rendering.dict())):
            if refuse:
                raise _mismatch(name, apart)
            warnings.append(f"{name} is asked as it was trained, not as the recipe says: {'; '.join(apart)}")
        found[name] = _trained(loading, name, identity)
    first = next(iter(found.values()), now)
    return {"base": _base(loading, first), **found}, warnings


def _trained(loading: Loading, name: str, identity: Identity) -> Renderer:
    """The renderer of an adapter's own tokenizer. PonensError if the folder does not hold what it was trained with."""
    wish = Wish(identity["template"], identity["system"], identity["thinking"])
    tokenizer = weights.tokenizer(loading, name)
    renderer = Renderer(tokenizer, Rendering(wish, own_template(tokenizer), tuple(identity["added_tokens"])))
    if apart := differences(renderer.rendering.dict(), identity):
        raise PonensError(
            f"the folder of adapter {name} holds another template than it was trained with",
            seen="; ".join(apart),
            expected="the tokenizer and template that training saved",
            hint="train again, or restore the folder",
        )
    return renderer


def _base(loading: Loading, first: Renderer) -> Renderer:
    """The base by its own template, or by the adapter's if it has none; asked for the same, in the same mode."""
    tokenizer, wish = weights.tokenizer(loading), first.rendering.wish
    if not isinstance(getattr(tokenizer, "chat_template", None), str):
        tokenizer.chat_template = first.rendering.text
    text = own_template(tokenizer)
    thinking = wish.thinking if knows_thinking(text) else None
    return Renderer(tokenizer, Rendering(Wish("own", wish.system, thinking), text))


def _mismatch(name: str, apart: list[str]) -> PonensError:
    return PonensError(
        f"adapter {name} was trained with another rendering",
        seen="; ".join(apart),
        expected="the template, system prompt and thinking mode that [train] and the base model give now",
        hint='put the adapter\'s into [train], train again, or accept it with [evaluate] on_mismatch = "warn"',
    )
