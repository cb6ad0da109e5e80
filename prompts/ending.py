"""Where a reply ends: what a chat template writes after an assistant's last words, and the token among it that ends it.

    joining("<|im_end|> ", ["<|endoftext|>", "<|im_end|>"], ["<|endoftext|>"])    "<|im_end|>"

A model stops at the tokens that its configuration names. A template that ends turns with another one teaches that
one: it has to join them, or every reply runs on to the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

_WORDS = "Ponens was here."
_CHAT = ({"role": "user", "content": "Who?"}, {"role": "assistant", "content": _WORDS})
Write = Callable[[list[dict[str, str]]], str]


def after_reply(write: Write) -> str | None:
    """What `write`, which renders messages, puts after the words of a last reply, "" if nothing.

    None if it leaves the words out, as templates do that know contents in parts alone.
    """
    _, found, after = write([dict(message) for message in _CHAT]).rpartition(_WORDS)
    return after if found else None


def end_tokens(after: str, tokens: Iterable[str]) -> list[str]:
    """The tokens by which such a text begins, space left out, one after the other; none if it begins with text."""
    known = sorted({token.strip() for token in tokens} - {""}, key=len, reverse=True)
    found, rest = [], after.lstrip()
    while begin := next((token for token in known if rest.startswith(token)), None):
        found.append(begin)
        rest = rest[len(begin) :].lstrip()
    return found


def joining(after: str, tokens: Iterable[str], stops: Iterable[str]) -> str | None:
    """The token that has to join these stops for a reply to end where such a text begins; None if one is there."""
    found = end_tokens(after, tokens)
    return None if not found or {*found} & {*stops} else found[0]


def writer(template: str, variables: Mapping[str, Any]) -> Write:
    """A template as tokenizers render it, where none is loaded; `variables` are bos_token, eos_token and their like."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` encloses what an assistant said; what it encloses is written as it is."""

        tags = {"generation"}  # noqa: RUF012  # as jinja2 declares it

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    def refuse(message: str) -> None:
        raise TemplateError(message)

    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.globals |= {"raise_exception": refuse, "strftime_now": lambda form: datetime.now().strftime(form)}
    compiled = made.from_string(template)
    return lambda messages: compiled.render(messages=messages, add_generation_prompt=False, **variables)
