"""What is wrong with a chat template, as the error that says so: before a tokenizer is loaded, and with one."""

from __future__ import annotations

from collections.abc import Iterator

from storage.records import PonensError


def ends_with_nothing(template: str, eos: str | None) -> PonensError:
    """The error for a template after whose replies no token stands."""
    return PonensError(
        f"the chat template {template!r} ends a reply with nothing: a model would learn never to stop",
        seen="no text after an assistant's words",
        expected=f"a token that ends it, such as {eos!r}" if eos else "a token that ends it",
        hint="set [train] template = \"chatml\", or end the assistant's turn in the base model's chat_template.jinja",
    )


def ends_otherwise(template: str, after: str, stops: Iterator[str] | list[str]) -> PonensError:
    """The error for a template whose replies end with text that nothing stops at."""
    return PonensError(
        f"the chat template {template!r} ends a reply with what nothing stops at",
        seen=f"{after[:40]!r} after an assistant's words, which is no special token of this tokenizer",
        expected=f"a reply that ends with {' or '.join(map(repr, stops)) or 'a special token'}, where evaluation and "
        "serving stop",
        hint="set [train] template = \"chatml\", or end the assistant's turn in the base model's chat_template.jinja",
    )


def no_end() -> PonensError:
    """The error for a tokenizer that can neither end a text nor fill a batch."""
    return PonensError(
        "the base model's tokenizer has neither a pad nor an eos token",
        seen="tokenizer_config.json without pad_token and eos_token",
        expected="one of them: rows of a batch are filled up with it",
        hint='name one in the base\'s tokenizer_config.json, or set [train] template = "chatml", which brings one',
    )


def no_template(named: list[str]) -> PonensError:
    """The error for a base without a template that would be used where none is named."""
    if named:
        return PonensError(
            "the base model has chat templates by name alone, and none that is the default",
            seen=", ".join(named),
            expected="one in chat_template.jinja, or one of the name default",
            hint='copy one of them to chat_template.jinja in the base\'s folder, or set [train] template = "chatml"',
        )
    return PonensError(
        "the base model's tokenizer has no chat template",
        seen="none in chat_template.jinja, tokenizer_config.json, chat_template.json or processor_config.json",
        expected="a template in one of these",
        hint='set [train] template = "chatml", or use an instruct model',
    )


def no_thinking(template: str, thinking: bool) -> PonensError:
    """The error for a thinking mode that is asked of a template without one."""
    return PonensError(
        f"the chat template {template!r} has no thinking mode",
        seen=f"[train] thinking = {str(thinking).lower()}",
        expected="a template that reads enable_thinking",
        hint="leave [train] thinking out",
    )
