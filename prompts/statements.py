"""Statements of a reply: "the answer is B", an answer line, a boxed letter; which of them counts.

They hang on words such as "answer" and "选", which are looked for with `str.find`; patterns are tried only there, each
over a bounded stretch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from prompts import phrases, remarks
from prompts.options import Hit, Options

EXPLICIT = ("boxed", "answer-line", "answer-tag")
BEFORE, BACK = 48, 24  # characters: what may stand before the word of a statement, and what may take it back
_MOST = 200  # statements that are weighed: a reply of nothing else says nothing
_SPACE = " \t\n*_`.()#>"


def stated(text: str, options: Options) -> Hit | None:
    """The statement that counts: the last firm one, else what loose ones agree on (`prompts.remarks`)."""
    firm: Hit | None = None
    loose: list[Hit] = []
    for hit in _statements(text, _words(text), options):
        placeholder = hit.extractor == "outside" and text[hit.end - 1] == "X"  # the prompt's own "Answer: X"
        weight = remarks.LOOSE if placeholder else remarks.weight(text, hit.start, hit.end)
        if weight == remarks.FIRM:
            if firm is None:
                firm = hit
            elif hit.explicit or firm.explicit:
                return _later(text, hit, firm, options)
        elif weight == remarks.LOOSE:
            loose.append(hit)
    if firm or not loose:
        return firm
    agree = len({options.under.get(hit.answer or "") for hit in loose}) == 1
    return loose[0] if agree else Hit(None, "several", loose[-1].start, loose[0].end)


def first_given(text: str, options: Options) -> int | None:
    """Where the reply first gives an answer that could be its own; None if it states none."""
    stated = _statements(text, reversed(_words(text)), options)
    first = next((hit.end for hit in stated if hit.answer and remarks.weight(text, hit.start, hit.end)), None)
    at = 0
    for line in text.splitlines(keepends=True):
        if first is not None and at >= first:
            break
        if ((alone := lone(line, options, "bare")) and alone.answer) or (
            line.strip() and options.by_text(line.strip())
        ):
            return at + len(line.rstrip())
        at += len(line)
    return first


def _later(text: str, line: Hit, later: Hit, options: Options) -> Hit:
    """Of an answer and a later one the later, where it says the same, takes the first back or is an answer line too."""
    same = line.answer and later.answer and options.alike(line.answer, later.answer)
    between = text[line.end : later.start]
    if (
        same
        or line.answer is None
        or remarks.changed(text, line.end, later.end)
        or (later.explicit and between.strip(_SPACE))
    ):
        return later
    return Hit(None, "several", line.start, later.end)


def _statements(text: str, words: Iterable[tuple[int, str]], options: Options) -> Iterator[Hit]:
    every = (hit for place, word in words if (hit := _statement(text, place, word, options)))
    return islice(every, _MOST)


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


def _statement(text: str, place: int, word: str, options: Options) -> Hit | None:
    for name, before, after in phrases.FORMS[word]:
        start, match = place, after.match(text, place)
        if match and before:
            lead = before.search(text, max(0, place - BEFORE), place)
            start, match = (lead.start(), match) if lead else (place, None)
        if not match or phrases.TAKEN_BACK.search(text, max(0, start - BACK), start):
            continue
        rest, at = match["rest"].strip(), match.end("rest") - len(match["rest"].lstrip())
        if not rest.strip("*_`:#") and (below := phrases.HEADING.match(text, match.end())):
            hit, at = lone(below["line"], options, name), below.start("line")
        else:
            hit = _settle(rest, options, name)
        if hit:
            return hit._replace(start=start, end=at + hit.end, explicit=name in EXPLICIT)
    return None


def _settle(rest: str, options: Options, name: str) -> Hit | None:
    """What the words after a cue say, and up to where; None if they state nothing."""
    part = phrases.PART.split(rest, maxsplit=1)[0].rstrip()
    for words in (rest, part):
        if letter := options.by_text(words):
            return Hit(letter, "option-text", 0, len(words))
    if (gloss := phrases.GLOSSED.match(part)) and (letter := options.by_text(gloss["text"])):
        same = options.alike(letter, gloss["letter"])
        return Hit(letter if same else None, "option-text" if same else "several", 0, gloss.end())
    if small := phrases.SMALL.fullmatch(rest):
        return lower_case(small[1], small.end(1), options, name)
    if marked := _marked(part, options):
        return lower_case(*marked, options, name)
    if phrases.NEGATED.match(rest):
        return None
    pair = phrases.PAIR.match(rest)
    if not pair and (none := phrases.NONE.match(rest)):
        return Hit(None, "refused", 0, none.end())
    if (
        (run := phrases.RUN.match(rest))
        and set(run["run"]) <= {*options.letters}
        and list(run["run"]) == sorted({*run["run"]})
    ):
        return Hit(None, "several", 0, run.end())
    match = phrases.LETTER.match(rest, pair.end() if pair else 0)
    if not match or (name == "cue" and phrases.ASKED.match(rest, match.end())):
        return None
    return _capital(rest, match, options, name)


def _marked(words: str, options: Options) -> tuple[str, int] | None:
    """A letter in lower case that is named as an option or stands before that option's own text, and its end."""
    hit = phrases.MARKED.match(words)
    if not hit:
        return None
    group = 1 if hit[1] else "listed"
    own = options.by_text((hit["text"] or hit["own"] or "").strip(" *_`-–:,"))
    if (own is None and not hit[1]) or (own is not None and not options.alike(own, hit[group].upper())):
        return None
    return hit[group], hit.end(group)


def lower_case(small: str, end: int, options: Options, name: str) -> Hit | None:
    """A letter in lower case, which may be an option's text as well."""
    letter = small.upper()
    if small not in options.plain:
        return options.lettered(letter, name, 0, end)
    if letter in options.letters:
        return Hit(None, "several", 0, end)
    return Hit(options.letters[options.plain.index(small)], "option-text", 0, end)


def _capital(rest: str, match: re.Match[str], options: Options, name: str) -> Hit | None:
    """A capital at the head of `rest`, unless the words after it make it an article or name another option."""
    letter, end = match["letter"], match.end()
    named = options.by_text(rest[end:].lstrip(" *_`)]}:.、,-–—"))
    last, differ = end, named is not None and not options.alike(named, letter)
    signs, others = list[str](), {letter}
    while more := phrases.SEVERAL.match(rest, last):
        signs.append(rest[last : more.start("letter")].strip())
        others.add(more["letter"])
        last, differ = more.end("letter"), differ or not options.alike(letter, more["letter"])
    if differ and signs and phrases.WRONG.match(rest, last):
        # "B,A、C、D均不正确": the first stands apart from those that are called wrong; else all of them are
        apart = (signs[0][:1] in ",;:" and len({*signs, "and"}) > 2) or others == {*options.letters}
        return options.lettered(letter, name, 0, end) if apart else None
    if differ:
        return Hit(None, "several", 0, last)
    return options.lettered(letter, name, 0, end) if named or last > end or phrases.ENDS.match(rest, end) else None


def lone(line: str, options: Options, name: str) -> Hit | None:
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
