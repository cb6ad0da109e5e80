"""Reading answers: a reply becomes the letter that it settles on, or an abstention of a named class.

    reply ──▶ its own words, no thinking ──▶ statements, the last first ──▶ lone letters, judged options ──▶ a class

What a model invents after its answer, a next turn or problem, is no part of the reply (`prompts.invented`), and a
remark does not replace the answer (`prompts.remarks`). A long reply costs little more than a short one, and none costs
more than in proportion to its length. docs/reading.md says how well this reads.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from prompts import invented, phrases
from prompts.options import Hit, Options, named
from prompts.statements import BACK, BEFORE, first_given, lone, lower_case, stated
from storage.records import ERROR, Question, Reading, failure, folded

EXTRACTORS = ("boxed", "answer-line", "answer-tag", "cue", "option-text", "bare", "judged")
CLASSES = ("outside", "several", "refused", "truncated", "unreadable")
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
    options = named(question.options)
    ends = _own(text, question, options)
    cut = cut and ends == len(text)  # the limit cut what came after
    text = text[:ends]
    hit = stated(text, options)
    if hit and cut and hit.end >= len(text.rstrip()) and hit.extractor != "answer-line":
        hit = None
    hit = hit or (None if cut else _implied(text, question, options)) or _class(text, cut or thinking)
    if hit is None:
        return Reading(None, "unreadable")
    at = start + _origin(spoken, text, hit.start), start + _origin(spoken, text, hit.end)
    return Reading(hit.answer, hit.extractor, at)


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


def _own(text: str, question: Question, options: Options) -> int:
    """Where what is the reply's own ends: before a turn or a problem that it invents after its answer."""
    mark = next(invented.marks(text, rules=True), None)
    if mark is None:
        return invented.own(text, None, rules=True)
    given = first_given(text, options)
    if (given is None or mark < given) and (
        any(hit.answer for hit in _judged(text[:mark], question, options))
        or phrases.REFUSED.search(text, 0, min(mark, _EDGES[0]))
    ):
        given = mark
    return invented.own(text, given, rules=True)


def _implied(text: str, question: Question, options: Options) -> Hit | None:
    """What lone letters and judged options agree on."""
    found, at = [*_judged(text, question, options)], 0
    for line in text.splitlines(keepends=True):
        if alone := lone(line, options, "bare"):
            found.append(alone.shifted(at))
        at += len(line)
    if not found:
        return _whole(text, options)
    if len({options.under.get(hit.answer or "") for hit in found}) > 1:
        return Hit(None, "several", min(hit.start for hit in found), max(hit.end for hit in found))
    return found[-1]


def _judged(text: str, question: Question, options: Options) -> Iterator[Hit]:
    """Options that a sentence calls right."""
    for letter in phrases.CAPITAL.finditer(text):
        for form in phrases.JUDGED + phrases.CALLED:
            if not (span := _around(text, letter, form)) or (
                form in phrases.CALLED and _spoken_of(letter[0], question)
            ):
                continue
            if not phrases.TAKEN_BACK.search(text, max(0, span[0] - BACK), span[0]):
                yield options.lettered(letter[0], form.name, *span)
                break


def _around(text: str, letter: re.Match[str], form: phrases.Form) -> tuple[int, int] | None:
    """From where to where the form's words stand around the letter; None if they do not."""
    start, after = letter.start(), form.after.match(text, letter.end())
    before = after and form.before and form.before.search(text, max(0, start - BEFORE), start)
    if not after or (form.before and not before):
        return None
    return before.start() if before else start, after.end()


def _spoken_of(letter: str, question: Question) -> bool:
    """Whether the letter may be a person or a thing of the problem, or "right" an option's own word."""
    told = folded("\n".join((question.problem, question.question, *question.options)))
    return bool(re.search(rf"(?<![A-Za-z0-9]){letter}(?![A-Za-z0-9])|\b(?i:right|correct)\b|正确", told))


def _whole(text: str, options: Options) -> Hit | None:
    """A reply that is nothing but one option's text, or its letter in lower case."""
    words = text.strip()
    if "\n" not in words and (letter := options.by_text(words)):
        return Hit(letter, "option-text", 0, len(words)).shifted(text.find(words))
    small = phrases.SMALL.fullmatch(words)
    hit = small and lower_case(small[1], small.end(1), options, "bare")
    return hit.shifted(text.find(words)) if hit else None


def _class(text: str, cut: bool) -> Hit | None:
    """How a reply without an answer fails to give one; None if nothing can be said."""
    opens, closes = _EDGES
    no = phrases.REFUSED.search(text, 0, opens) or phrases.REFUSED.search(text, max(0, len(text) - closes))
    if no:
        return Hit(None, "refused", *no.span())
    if dangling := phrases.DANGLING.search(text, max(0, len(text) - BEFORE)):
        return Hit(None, "truncated", *dangling.span())
    return Hit(None, "truncated", len(text), len(text)) if cut else None
