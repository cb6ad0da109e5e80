"""A question's options as replies name them, and what a reader found in a text."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from prompts import phrases
from storage.records import LETTERS, folded


class Hit(NamedTuple):
    """A reading before it has its place in the reply: `start` and `end` are places in the text at hand."""

    answer: str | None
    extractor: str
    start: int
    end: int
    explicit: bool = False  # a boxed answer, an answer line or tag, whatever was read in it

    def shifted(self, by: int) -> Hit:
        return self._replace(start=self.start + by, end=self.end + by)


class Options(NamedTuple):
    """A question's options as replies name them. `under` is each letter's first letter of the same text."""

    letters: str
    plain: tuple[str, ...]
    under: dict[str, str]
    heads: frozenset[str]  # what their plain texts begin with

    def lettered(self, letter: str, name: str, start: int, end: int) -> Hit:
        return Hit(letter, name, start, end) if letter in self.letters else Hit(None, "outside", start, end)

    def by_text(self, words: str) -> str | None:
        """The option whose text these words are; the first of several with one text; None if in doubt."""
        head = phrases.FIRST.match(words)
        if not head or head[1].casefold()[:1] not in self.heads or phrases.NO_TEXT.fullmatch(words):
            return None  # a lone letter is a letter, even where an option's text is one
        plain = plain_of(words)
        hits = {self.under[letter] for letter, text in zip(self.letters, self.plain, strict=True) if text == plain}
        return hits.pop() if len(hits) == 1 else None

    def alike(self, one: str, other: str) -> bool:
        """Whether two letters name the same text."""
        return self.under.get(one, one) == self.under.get(other, other)


@lru_cache(maxsize=4096)
def named(options: tuple[str, ...]) -> Options:
    """The options of a question."""
    letters, first = LETTERS[: len(options)], dict[str, str]()
    under = {a: first.setdefault(" ".join(text.split()), a) for a, text in zip(letters, options, strict=True)}
    plain = tuple(plain_of(folded(text)) for text in options)
    return Options(letters, plain, under, frozenset(text[:1] for text in plain))


def plain_of(text: str) -> str:
    """Words without markup, case and closing marks."""
    return phrases.MARKUP.sub(" ", text).strip().rstrip(".。!,;").strip().casefold()
