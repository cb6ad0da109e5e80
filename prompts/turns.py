"""What prompts over conversations share: the words that ask, below the user's own, and a reply without its wrapping.

A conversation's user says what the source says and nothing else; what to do with it is asked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from prompts.invented import begun
from prompts.invented import own as ends
from storage.records import Message, language_of

# a reply's thoughts: in tags, or in what stands before the final channel of gpt-oss
_THINK = re.compile(r"\A.*(?:</think>|<\|channel\|>final<\|message\|>)|<think>.*\Z", re.DOTALL | re.IGNORECASE)
_PLACES = re.compile(r"\{(?:question|options|key)\}")
_FENCE = re.compile(r"```[^\n`]*\n(?P<inside>.*?)(?:```|\Z)", re.DOTALL)


class Answer(NamedTuple):
    """What was read from a reply: the answer, None if there is none.

    `whole` is whether its end is there for sure, where the reply was cut at its length limit; `note` what else was in
    the reply that a person should know, "" for nothing.
    """

    text: str | None
    whole: bool = True
    note: str = ""


class Conversation(Protocol):
    """Messages that end in an answer, what they are for, and what their reader knew besides."""

    @property
    def messages(self) -> Sequence[Message]: ...

    @property
    def task(self) -> str: ...

    @property
    def about(self) -> Mapping[str, Any]: ...


def asked(conversation: Conversation, words: Mapping[str, str] | None) -> list[Message]:
    """What stands before the answer; below the last user's turn `words`, by language, in the language of the turns."""
    return framed(conversation, template(words)) if words else list(conversation.messages[:-1])


def placed(template: str, question: str, options: str = "", key: str = "") -> str:
    r"""A question in a template's places: {question}, with its options below it or at {options}; {key} is the letter.

    >>> placed("Q: {question}\nEnd.", "Who?", "A) Mia")
    'Q: Who?\nA) Mia\nEnd.'
    """
    whole = question if "{options}" in template or not options else f"{question}\n{options}"
    values = {"{question}": whole, "{options}": options, "{key}": key}
    return _PLACES.sub(lambda place: values[place[0]], template)


def around(template: str) -> list[str]:
    """The words of a template, without its places."""
    return [words for part in _PLACES.split(template) if (words := part.strip())]


def framed(conversation: Conversation, templates: Mapping[str, str]) -> list[Message]:
    """What stands before the answer, with the last user's turn in the template of the turns' language."""
    before = list(conversation.messages[:-1])
    last = max(place for place, message in enumerate(before) if message.role == "user")
    language = language_of("".join(message.content for message in before))
    before[last] = Message("user", placed(templates[language], before[last].content))
    return before


def template(words: Mapping[str, str]) -> dict[str, str]:
    """How a lone question is asked, by language: the words below "{question}"."""
    return {language: f"{{question}}\n\n{text}" for language, text in words.items()}


def spoken(reply: str) -> str:
    """A reply without what was thought before it and without the marks of a template around it."""
    text = _THINK.sub("", reply)
    return text[begun(text) :].strip()


def own(text: str, given: Callable[[str], int | None], *, problems: bool = True, rules: bool = False) -> str:
    """What is spoken up to a turn, or a problem, that is invented after the answer; `given` finds where that stands."""
    return text[: ends(text, given(text), problems=problems, rules=rules)].strip()


def blocks(text: str) -> list[str]:
    """The insides of fenced blocks; the last one may be open."""
    return [hit["inside"].strip() for hit in _FENCE.finditer(text)]
