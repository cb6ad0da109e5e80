"""Reading answers: a reply becomes the letter that it settles on, or an abstention of a named class.

    reply ──▶ what is not thinking ──▶ statements, the last first ──▶ lone letters, judged options ──▶ a class

Statements hang on words such as "answer" and "选". They are looked for with `str.find`, and patterns are
tried only there, each over a bounded stretch: a long reply costs little more than a short one, and none
costs more than in proportion to its length. docs/reading.md says how well this reads.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from prompts import phrases
from storage.records import ERROR, LETTERS, Question, Reading, failure, folded

EXTRACTORS = ("boxed", "answer-line", "answer-tag", "cue", "option-text", "bare", "judged")
CLASSES = ("outside", "several", "refused", "truncated", "unreadable")
_BEFORE, _BACK = 48, 24  # characters: what may stand before the word of a statement, and what may take it back
_NARROW = [("\u3000", " "), *((chr(0xFEE0 + code), chr(code)) for code in range(0x21, 0x7F))]
_EDGES = 160, 240  # characters: a refusal opens or closes a reply; in between it is said of a clue


def read(reply: str, question: Question, *, cut: bool = False) -> Reading:
    """The letter that the reply settles on, the extractor that found it and where in the reply it fired.

    Statements come first: a boxed answer, an answer line or tag, a cue such as "the answer is". The last
    of them counts, for a model may change its mind; it holds a letter or an option's own text. Without a
    statement, lines that are a letter alone ("bare") and sentences such as "option B is correct" ("judged")
    count if they all agree; options of one text are one answer. Everything else abstains, and the extractor
    says how: "outside" the options, "several" answers at once, "refused", "truncated" or "unreadable".

    Text inside `<think>` is never an answer. `cut` says that the reply stopped at a length limit: then
    only statements count, and one that the limit may have cut short counts only as an answer line's letter.
    No reply raises: what goes wrong within is a class of its own, "error: " and what was raised.
    """
    try:
        return _read(reply, question, cut)
    except Exception as error:  # a fault of this reader, which must cost one reply and not all others
        return Reading(None, ERROR + failure(error))


def _read(reply: str, question: Question, cut: bool) -> Reading:
    start, end, thinking = _spoken(reply)
    spoken = _narrow(reply[start:end])
    text = folded(spoken)
    options = _options(question.options)
    hit = stated(text, options)
    if hit and cut and hit.end >= len(text.rstrip()) and hit.extractor != "answer-line":
        hit = None
    hit = hit or (None if cut else _implied(text, question, options)) or _class(text, cut or thinking)
    if hit is None:
        return Reading(None, "unreadable")
    at = start + _origin(spoken, text, hit.start), start + _origin(spoken, text, hit.end)
    return Reading(hit.answer, hit.extractor, at)


class _Hit(NamedTuple):
    """A reading before it has its place in the reply: `start` and `end` are places in the text at hand."""

    answer: str | None
    extractor: str
    start: int
    end: int

    def shifted(self, by: int) -> _Hit:
        return self._replace(start=self.start + by, end=self.end + by)


class _Options(NamedTuple):
    """A question's options as replies name them. `under` is each letter's first letter of the same text."""

    letters: str
    plain: tuple[str, ...]
    under: dict[str, str]
    heads: frozenset[str]  # what their plain texts begin with

    def lettered(self, letter: str, name: str, start: int, end: int) -> _Hit:
        return _Hit(letter, name, start, end) if letter in self.letters else _Hit(None, "outside", start, end)

    def by_text(self, words: str) -> str | None:
        """The option whose text these words are; the first of several with one text; None if in doubt."""
        head = phrases.FIRST.match(words)
        if not head or head[1].casefold()[:1] not in self.heads or phrases.NO_TEXT.fullmatch(words):
            return None  # a lone letter is a letter, even where an option's text is one
        plain = _plain(words)
        hits = {self.under[letter] for letter, text in zip(self.letters, self.plain, strict=True) if text == plain}
        return hits.pop() if len(hits) == 1 else None

    def alike(self, one: str, other: str) -> bool:
        """Whether two letters name the same text."""
        return self.under.get(one, one) == self.under.get(other, other)


@lru_cache(maxsize=4096)
def _options(options: tuple[str, ...]) -> _Options:
    letters, first = LETTERS[: len(options)], dict[str, str]()
    under = {a: first.setdefault(" ".join(text.split()), a) for a, text in zip(letters, options, strict=True)}
    plain = tuple(_plain(folded(text)) for text in options)
    return _Options(letters, plain, under, frozenset(text[:1] for text in plain))


def _plain(text: str) -> str:
    return phrases.MARKUP.sub(" ", text).strip().rstrip(".。!,;").strip().casefold()


def _spoken(reply: str) -> tuple[int, int, bool]:
    """Where the reply proper begins and ends, and whether it ends inside a thought."""
    start, end = 0, len(reply)
    for mark in phrases.THINKS.finditer(reply):
        if mark["close"]:
            start, end = mark.end(), len(reply)
        elif end == len(reply):
            end = mark.start()
    return start, end, end < len(reply)


def _narrow(text: str) -> str:
    """The text with ASCII in place of full-width forms, as NFKC has it: after that NFKC mostly need only look."""
    if not text.isascii():
        for wide, narrow in _NARROW:
            text = text.replace(wide, narrow)
    return text


def _origin(reply: str, text: str, place: int) -> int:
    """The place in `reply` of a place in its NFKC form, which may be shorter or longer."""
    if text == reply:
        return place
    # NFKC neither makes nor takes line ends, so only one line has to be measured.
    row, column = text.count("\n", 0, place), place - (text.rfind("\n", 0, place) + 1)
    *before, line = reply.split("\n", row + 1)[: row + 1]
    begin = sum(map(len, before)) + row
    return begin + bisect_left(range(len(line)), column, key=lambda n: len(folded(line[:n])))


def stated(text: str, options: _Options) -> _Hit | None:
    """The last statement of the reply."""
    return next((hit for place, word in _words(text) if (hit := _statement(text, place, word, options))), None)


def _words(text: str) -> list[tuple[int, str]]:
    """The places of words that may state an answer, the last first."""
    low = text.lower() if "İ" not in text else text.replace("İ", "I").lower()  # the one capital whose small is longer
    found = []
    for word in phrases.FORMS:
        place = low.find(word)
        while place >= 0:
            found.append((place, word))
            place = low.find(word, place + 1)
    return sorted(found, reverse=True)


def _statement(text: str, place: int, word: str, options: _Options) -> _Hit | None:
    for name, before, after in phrases.FORMS[word]:
        start, match = place, after.match(text, place)
        if match and before:
            lead = before.search(text, max(0, place - _BEFORE), place)
            start, match = (lead.start(), match) if lead else (place, None)
        if not match or phrases.TAKEN_BACK.search(text, max(0, start - _BACK), start):
            continue
        rest, at = match["rest"].strip(), match.end("rest") - len(match["rest"].lstrip())
        if not rest.strip("*_`:#") and (below := phrases.HEADING.match(text, match.end())):
            hit, at = _lone(below["line"], options, name), below.start("line")
        else:
            hit = _settle(rest, options, name)
        if hit:
            return hit._replace(start=start, end=at + hit.end)
    return None


def _settle(rest: str, options: _Options, name: str) -> _Hit | None:
    """What the words after a cue say, and up to where; None if they state nothing."""
    part = phrases.PART.split(rest, maxsplit=1)[0].rstrip()
    for words in (rest, part):
        if letter := options.by_text(words):
            return _Hit(letter, "option-text", 0, len(words))
    if (gloss := phrases.GLOSSED.match(part)) and (letter := options.by_text(gloss["text"])):
        same = options.alike(letter, gloss["letter"])
        return _Hit(letter if same else None, "option-text" if same else "several", 0, gloss.end())
    if small := phrases.SMALL.fullmatch(rest):
        return _small(small, options, name)
    if phrases.NEGATED.match(rest):
        return None
    pair = phrases.PAIR.match(rest)
    if not pair and (none := phrases.NONE.match(rest)):
        return _Hit(None, "refused", 0, none.end())
    if (
        (run := phrases.RUN.match(rest))
        and set(run["run"]) <= {*options.letters}
        and list(run["run"]) == sorted({*run["run"]})
    ):
        return _Hit(None, "several", 0, run.end())
    match = phrases.LETTER.match(rest, pair.end() if pair else 0)
    if not match or (name == "cue" and phrases.ASKED.match(rest, match.end())):
        return None
    return _capital(rest, match, options, name)


def _small(match: re.Match[str], options: _Options, name: str) -> _Hit | None:
    """A letter in lower case, which may be an option's text as well."""
    letter, end = match[1].upper(), match.end(1)
    if match[1] not in options.plain:
        return options.lettered(letter, name, 0, end)
    if letter in options.letters:
        return _Hit(None, "several", 0, end)
    return _Hit(options.letters[options.plain.index(match[1])], "option-text", 0, end)


def _capital(rest: str, match: re.Match[str], options: _Options, name: str) -> _Hit | None:
    """A capital at the head of `rest`, unless the words after it make it an article or name another option."""
    letter, end = match["letter"], match.end()
    named = options.by_text(rest[end:].lstrip(" *_`)]}:.、,-–—"))
    last, differ = end, named is not None and not options.alike(named, letter)
    while more := phrases.SEVERAL.match(rest, last):
        last, differ = more.end("letter"), differ or not options.alike(letter, more["letter"])
    if differ:
        return _Hit(None, "several", 0, last)
    return options.lettered(letter, name, 0, end) if named or last > end or phrases.ENDS.match(rest, end) else None


def _implied(text: str, question: Question, options: _Options) -> _Hit | None:
    """What lone letters and judged options agree on."""
    found, at = [*_judged(text, question, options)], 0
    for line in text.splitlines(keepends=True):
        if lone := _lone(line, options, "bare"):
            found.append(lone.shifted(at))
        at += len(line)
    if not found:
        return _whole(text, options)
    if len({options.under.get(hit.answer or "") for hit in found}) > 1:
        return _Hit(None, "several", min(hit.start for hit in found), max(hit.end for hit in found))
    return found[-1]


def _lone(line: str, options: _Options, name: str) -> _Hit | None:
    """A line that is nothing but a letter, with or without that option's own text."""
    words = line.strip(" \t\r\n*_`#>-•")
    match = phrases.ALONE.fullmatch(words)
    if not match or not match["letter"].isupper():
        return None
    own = options.by_text(match["text"])
    if match["text"].strip(" *_`\"'”’)]}】》」.。$") and not (own and options.alike(own, match["letter"])):
        return None
    at = line.find(words)
    return options.lettered(match["letter"], name, at, at + len(words))


def _judged(text: str, question: Question, options: _Options) -> Iterator[_Hit]:
    """Options that a sentence calls right."""
    for letter in phrases.CAPITAL.finditer(text):
        for form in phrases.JUDGED + phrases.CALLED:
            if not (span := _around(text, letter, form)) or (
                form in phrases.CALLED and _spoken_of(letter[0], question)
            ):
                continue
            if not phrases.TAKEN_BACK.search(text, max(0, span[0] - _BACK), span[0]):
                yield options.lettered(letter[0], form.name, *span)
                break


def _around(text: str, letter: re.Match[str], form: phrases.Form) -> tuple[int, int] | None:
    """From where to where the form's words stand around the letter; None if they do not."""
    start, after = letter.start(), form.after.match(text, letter.end())
    before = after and form.before and form.before.search(text, max(0, start - _BEFORE), start)
    if not after or (form.before and not before):
        return None
    return before.start() if before else start, after.end()


def _spoken_of(letter: str, question: Question) -> bool:
    """Whether the letter may be a person or a thing of the problem, or "right" an option's own word."""
    told = folded("\n".join((question.problem, question.question, *question.options)))
    return bool(re.search(rf"(?<![A-Za-z0-9]){letter}(?![A-Za-z0-9])|\b(?i:right|correct)\b|正确", told))


def _whole(text: str, options: _Options) -> _Hit | None:
    """A reply that is nothing but one option's text, or its letter in lower case."""
    words = text.strip()
    if "\n" not in words and (letter := options.by_text(words)):
        return _Hit(letter, "option-text", 0, len(words)).shifted(text.find(words))
    small = phrases.SMALL.fullmatch(words)
    hit = small and _small(small, options, "bare")
    return hit.shifted(text.find(words)) if hit else None


def _class(text: str, cut: bool) -> _Hit | None:
    """How a reply without an answer fails to give one; None if nothing can be said."""
    opens, closes = _EDGES
    no = phrases.REFUSED.search(text, 0, opens) or phrases.REFUSED.search(text, max(0, len(text) - closes))
    if no:
        return _Hit(None, "refused", *no.span())
    if dangling := phrases.DANGLING.search(text, max(0, len(text) - _BEFORE)):
        return _Hit(None, "truncated", *dangling.span())
    return _Hit(None, "truncated", len(text), len(text)) if cut else None
