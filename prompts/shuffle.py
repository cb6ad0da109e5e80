"""Options in another order: when a question allows it, and how a rationale's letters follow.

    anchored(question)                    why its options must stay where they are, None if they need not
    orders(question, 2)                   (2, 0, 1, 3), …: which option comes first, second, …
    rearranged(question, order)           the question with its key on another letter
    reletter(text, question, order)       the rationale that says of the new letters what it said of the old

The rule: a copy is made only where every letter is understood. Options that speak of letters or of each
other, such as "A and C" or "以上都不对", stay. A rationale's letters are rewritten where they can only mean
options; where one may be a name, a variable or an article, or where an option is meant by its place, such
as "the first option", there is no copy. A rationale is never lost by that: the question stays as asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from prompts import choice
from storage.records import LETTERS, Question, digest, folded

ALIKE, REFER, NAMED, UNCLEAR = (
    "two options read alike",
    "options refer to letters or to each other",
    "the question names options",
    "the rationale's letters are not clear",
)
Order = Sequence[int]
_TRIES = 24
_ALONE = re.compile(r"(?<![A-Za-z0-9'’_])[A-Z](?![A-Za-z0-9'’_])")
_ARTICLE = re.compile(r"A (?P<word>[a-z][a-z-]+)")
# What an option says when it speaks of others, in English and Chinese.
_OTHERS = re.compile(
    r"\b(?:all|none|any|both|neither|either|each|some|two|three)\s+(?:of\s+)?(?:the\s+)?"
    r"(?:above|these|those|them|others?|statements?|answers?)\b"
    r"|\b(?:above|below|preceding|previous|foregoing|aforementioned|former|latter|options?|choices?)\b"
    r"|^\W*(?:all|none|both|neither|either)\W*$"
    r"|以上|上述|上面|前述|前者|后者|选项|皆(?:是|非|对|错|不)|第[一二三四五六七八九十\d]+项|[前后][一二两三四]项"
    r"|^\W*(?:(?:这|他们|她们|它们)?(?:两者|二者|三者|两个|全部|全|都|均|其他|其它))",
    re.IGNORECASE,
)
_LOWER = re.compile(r"\([a-z]\)|^\W*[a-z]\W*$|(?<![a-z])[a-f]\s*(?:\band\b|\bor\b|&|,|、|和|与|及|或)\s*[a-f](?![a-z])")
_BY_LETTER = re.compile(r"(?:\b(?:option|choice|answer)s?|选项|答案)\s*[(（]?(?-i:[A-Z])(?![A-Za-z])", re.IGNORECASE)
# Options meant by their place, ranges of letters, small letters: nothing that a new letter could follow.
_PLACE = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|last|next|previous|preceding)\s+(?:\w+\s+)?(?:option|choice|alternative)s?\b"
    r"|\b(?:option|choice)s?\s+(?:number\s+)?(?:\d|one|two|three|four|five)\b"
    r"|第[一二三四五六\d]+个?(?:选项|项|选择|答案)|(?:最后|上|下|前|后)一?[个项两]+(?:选项|选择)|[前后][一二两三四]个?选?项"
    r"|(?<![A-Za-z0-9])(?-i:[A-Z])\s*(?:-|–|—|~|～|\.\.+|…|to|through|到|至)\s*(?-i:[A-Z])(?![A-Za-z0-9])"
    r"|\((?-i:[b-z])\)|\b(?:option|choice|answer)s?\s*[(:：]?\s*(?-i:[b-h])\b|[Ａ-Ｚ]",
    re.IGNORECASE,
)
# Before a letter that is a variable or a name rather than an option.
_SYMBOL = re.compile(
    r"(?:[=<>+/^→⇒⇔∧∨¬≠≤≥∈∪∩]|->|\b(?:let|suppose|denote|call)|[设令记]|\b(?:vitamin|plan|type|point|grade|group|team"
    r"|person|player|set|step|case|class|figure|row|column|box|node|variable|statement|condition|premise|rule|event"
    r"|film|movie|room|train|section|part|level|region|line|city|house)"
    r"|集合|规则|变量|条件|命题|陈述|前提|方案|计划|事件|情况|步骤|[点人组队图表类房城])\s*$",
    re.IGNORECASE,
)
_MATHS = re.compile(r"\s*(?:[=<>+/^→⇒⇔∧∨≠≤≥∈∪∩]|->)|\(")
_STRONG = re.compile(
    r"(?:\b(?:options?|choices?|answers?)(?:\s+is)?|选项|答案(?:是|为)?|(?:应|故|所以|因此)?选)[\s:：*_(（]*$",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"(?:is|are|was|and|or|but|because|since|as|not|can|cannot|does|do|fails|fits|works|holds|matches|states|says|would"
    r"|must|should|has|contradicts|follows|requires|yes|no|only|alone|too|also|right|wrong|true|false|correct)\b"
)
_LISTED = re.compile(r"\W*(?P<letter>[A-Z])\W? ?[).:：、．]")


def anchored(question: Question) -> str | None:
    """Why the options of a question must stay in their order, None if they may change places."""
    options = [folded(option).strip() for option in question.options]
    if len({option.casefold() for option in options}) < len(options):
        return ALIKE
    if any(_OTHERS.search(o) or _LOWER.search(o) or _capitals(o, question, o) for o in options):
        return REFER
    asked = folded(question.question)
    given = f"{question.problem}\n{asked}"
    names = _capitals(question.problem, question, given)
    if _BY_LETTER.search(asked) or _capitals(asked, question, given).keys() - names.keys():
        return NAMED
    return None


def orders(question: Question, count: int) -> Iterator[tuple[int, ...]]:
    """Up to `count` orders of the options, none of them the one they have, from the question's content alone.

    The key comes to stand on letters that it was not on yet, in turn: with one copy fewer than there are
    options every letter is the key once, which is what balances skewed keys. A larger count changes
    none of the first orders. ValueError without a key.
    """
    if question.answer is None:
        raise ValueError(f"question {question.id} has no key that could follow")
    places = range(len(question.options))
    right = LETTERS.index(question.answer)
    rest = [place for place in places if place != right]
    turns = [*sorted(rest, key=lambda place: digest([question.id, "key", place])), right]
    seen = {tuple(places)}
    for number in range(count):
        at = turns[number % len(turns)]
        for attempt in range(_TRIES):
            mixed = sorted(rest, key=lambda place: digest([question.id, number, attempt, place]))
            order = (*mixed[:at], right, *mixed[at:])
            if order not in seen:
                seen.add(order)
                yield order
                break


def rearranged(question: Question, order: Order) -> Question:
    """The question with its options in `order`, and the key's letter with its option."""
    answer = None if question.answer is None else LETTERS[order.index(LETTERS.index(question.answer))]
    return replace(question, options=tuple(question.options[place] for place in order), answer=answer)


def reletter(text: str, question: Question, order: Order) -> str | None:
    """A rationale of `question` rewritten for its options in `order`; None if one of its letters is not clear.

    A list of all options, one a line, is put in the new order.
    """
    if _PLACE.search(text) or len(question.options) > LETTERS.index("I"):  # the pronoun
        return None
    given = f"{question.problem}\n{question.question}\n"
    names = bool(_capitals(given, question, given))
    mentions = _capitals(text, question, given + text)
    if not all(_clear(text, at, only_strong=names) for places in mentions.values() for at in places):
        return None
    new = {old: LETTERS[order.index(place)] for place, old in enumerate(question.letters)}
    signs = list(text)
    for letter, places in mentions.items():
        for at in places:
            signs[at] = new[letter]
    written = _listed("".join(signs), question.letters)
    after = rearranged(question, order)
    return written if choice.read(written, after).answer == after.answer else None


def _capitals(text: str, question: Question, context: str) -> dict[str, list[int]]:
    """Where option letters stand alone in `text`, articles apart."""
    found: dict[str, list[int]] = {}
    for match in _ALONE.finditer(text):
        if match[0] in question.letters and not _article(text, match.start(), context):
            found.setdefault(match[0], []).append(match.start())
    return found


def _article(text: str, at: int, context: str) -> bool:
    """Whether "A" begins a sentence such as "A dog barks": only where the dog is spoken of elsewhere.

    An option alone is its own context: there "A dog" has nothing else to be.
    """
    match, before = _ARTICLE.match(text, at), text[:at].rstrip(" \t")
    if not match or _VERB.match(match["word"]) or (before and before[-1] not in '.!?:\n"“'):
        return False
    return context is text or bool(re.search(rf"\b(?:an?|[Tt]he|this|that|each|every)\s+{match['word']}\b", context))


def _clear(text: str, at: int, *, only_strong: bool) -> bool:
    before, after = text[max(0, at - 24) : at], text[at + 1 : at + 24]
    if _STRONG.search(before):
        return True
    if only_strong or _SYMBOL.search(before) or _MATHS.match(after):
        return False
    # a sentence that begins with "A" and a word that is neither known nor spoken of elsewhere
    return text[at] != "A" or not (word := re.match(r" ([a-z]+)", after)) or bool(_VERB.match(word[1]))


def _listed(text: str, letters: str) -> str:
    """Each run of lines that lists all options, in the order of their letters."""
    lines = text.split("\n")
    heads = [m["letter"] if (m := _LISTED.match(line)) else "" for line in lines]
    for start in range(len(lines) - len(letters) + 1):
        part = slice(start, start + len(letters))
        if sorted(heads[part]) == list(letters):
            lines[part] = [line for _, line in sorted(zip(heads[part], lines[part], strict=True))]
            heads[part] = sorted(heads[part])
    return "\n".join(lines)
