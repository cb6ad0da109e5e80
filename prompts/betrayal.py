"""How a rationale betrays that it was shown the key, in Chinese and English."""

from __future__ import annotations

import re

from storage.records import folded

# Read once markup is gone and every space is single. A letter makes the difference between a key and the key of a
# box; "noun" may be a thing in the puzzle.
_KEY = r"(?-i:\(?(?:[Oo]ption |[Cc]hoice )?[A-HJ-Z])(?![A-Za-z\d_'’-]| (?:or|and|major|minor|sharp|flat)\b)"
_OWN = r"(?:given|provided|supplied|stated|reference|official|known|gold(?:en)?|expected|model)"
_END = r"(?= ?(?:[.,;:!?)]|$))"
_PER = (
    r"(?:according to|as per|per|in line with|in agreement with|consistent with|agree(?:s|ing)? with|match(?:es|ing)?"
    r"|contradict(?:s|ing)?|contrary to|despite|given by|confirm(?:s|ed by)|based on|since|from)"
)
_ANSWER = r"the (?:correct |right |final )?(?:answer|key)"
_SINCE = r"(?:since|because|as|given|seeing|knowing)(?: that)?"
_SINCE_ZH = r"(?:既然|由于|因为|鉴于)(?:我们?)?(?:已经?)?"
_GIVEN_ZH = r"(?:给出|给定|提供|所给|给|告知|告诉我?们?)(?:了|的)*(?:正确|最终)?答案(?!选项|[中里有都纸卡])"
_BETRAYALS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bthe (?:{_OWN} |correct )?(?P<noun>(?:answer )?key)(?::|,? (?:is|was|being|=|says|gives)(?: that)?) {_KEY}",
        rf"\bthe (?:{_OWN} )?(?P<noun>(?:answer )?key) (?:says|states|tells us|claims|indicates)\b",
        rf"\b{_PER} the (?:{_OWN} |correct |(?=answer))(?P<noun>(?:answer )?key)\b",
        rf"\b(?:according to|as per|per) the (?P<noun>key){_END}",
        rf"\b(?:this|that|which|answer|result|conclusion|{_KEY}),? (?:also |indeed )?"
        rf"(?:matches|agrees with|is consistent with|confirms) the (?P<noun>key){_END}",
        rf"\bthe (?P<noun>{_OWN} answer)\b(?! (?:options?|choices?|sheets?|sets?|format|lines?|letters?)\b)",
        r"\b(?P<noun>(?:reference|official|gold(?:en)?) (?:solution|label)|ground[- ]truth)\b",
        rf"\b{_SINCE} (?:we|I)(?: already| do| have| had| are| were| was| been){{0,4}}"
        rf" (?:know|knew|told|informed|given)(?: that)? {_ANSWER} (?:is|was|to be|must be)\b",
        rf"\b{_SINCE} {_ANSWER} (?:is|was|must be)(?: known to be)? {_KEY}",
        r"\b(?:we|I)(?:'ve| have| had|'d| are| were| was| am|'re|'m)(?: been| already| not| never){0,4}"
        rf" (?:told|informed|given)(?: that)? {_ANSWER}(?:{_END}| (?:is|was) {_KEY})",
        rf"\b(?:know|knew|known|knowing) {_ANSWER} (?:in advance|beforehand|ahead of time)\b",
        rf"\b{_ANSWER}(?: is| was| has been| we were| I was)?(?: already)? (?:given|provided|supplied|told) (?:as|to be"
        r"|to (?:us|me)|above|here|in the (?:prompt|question|instructions?|task)|by the (?:prompt|user|key))\b",
        r"\bthe (?:prompt|user|question|instructions?|task)(?: already)? (?:says?|states?|tells? (?:us|me)|gives?"
        r"|provides?|specif(?:y|ies)|reveals?)(?: that)? the (?:correct |right )?answer\b(?! (?:options?|choices?)\b)",
        rf"\byou(?:'ve| have)?(?: already)? (?:said|told me|gave|given|provided|stated)(?: me)?(?: that)? {_ANSWER}\b",
        r"\bback(?:wards?)? from the (?:\w+ )?(?:answer|key)\b|\breverse[- ]engineer\w* the (?:answer|reasoning)\b",
        r"\b(?:according to|based on|as per|per|following) the (?P<noun>hint)\b(?! (?:in|of|from|number|\d))",
        r"\bthe (?P<noun>hint) (?:says|states|tells|indicates|gives)\b|\bas hinted\b|\bthe hinted (?:answer|option)\b",
        rf"\bas (?:if|though) (?:I|we)(?: \w+(?:n't)?){{0,3}} (?:told|know|knew|known|shown|given) {_ANSWER}\b",
        rf"\bpretend\w*(?: \w+(?:n't)?){{0,4}} know {_ANSWER}\b",
        r"(?P<noun>(?:参考|标准)的?答案)",
        r"已知的?(?:正确|最终)?答案(?![纸卡册本])|答案(?:已经?|早已)(?:给出|给定|提供|告知|知)",
        rf"(?:题目|题中|题干|题面|系统|用户)[中里]?(?:已经?|所)?{_GIVEN_ZH}",
        rf"(?:^|[\s,。;:(]|[根依]据|[按参依]照|对照|[与和同由从按]|符合)已?{_GIVEN_ZH}",
        rf"{_SINCE_ZH}(?:知道|得知)?(?:正确|最终)?的?答案[是为选] ?{_KEY}(?! ?(?:的话|会|则|时|将))",
        rf"{_SINCE_ZH}(?:知道|得知|被告知)了?(?:正确|最终)?答案(?!的)",
        r"(?:^|[\s,。;:(]|我们?)已?被告知了?(?:正确)?的?答案",
        r"(?:事先|提前|预先)(?:并?不|就|已经?)?(?:知道|得知|知晓)了?(?:正确)?答案|(?:假装|装作|如同)不知道(?:正确)?答案",
        r"(?:[从由]|[根依]据)(?:正确|最终|该)?答案(?:出发|[倒反逆]推|可知|来看)",
        r"[与和同跟](?:正确|最终)?答案 ?[A-Z]? ?(?:一致|相符|吻合)",
        r"(?:[根依]据|[按依]照)(?:题目|所给|给定|给出)?的?(?P<noun>提示)(?! ?[\d一二三四五六七八九十(]|词)"
        r"|如?提示(?:所[说示言]|说|指出|的答案)",
    )
)
_WORDS = re.compile(r"key|answer|solution|label|truth|hint|revers|答案|提示", re.IGNORECASE)
_REACH = 200  # characters that a phrase may stand before or after such a word
_MARKUP = re.compile(r"[*_`\"“”「」『』]+")


def betrays(text: str, puzzle: str = "") -> str | None:
    """The first phrase with which a rationale shows that it was told the key; None if there is none.

    A conclusion ("so the answer is B") is honest, and so is talk of keys and hints that stand in the
    puzzle: give its text as `puzzle`, and what it speaks of itself betrays nothing.
    """
    plain = " ".join(_MARKUP.sub("", folded(text)).split())
    asked = " ".join(folded(puzzle).split()).casefold()
    found = [
        (match.start(), match[0].strip(" ,。;:("))
        for start, end in _windows(plain)
        for pattern in _BETRAYALS
        for match in pattern.finditer(plain, start, end)
        if not (noun := match.groupdict().get("noun")) or noun.casefold() not in asked
    ]
    return min(found)[1] if found else None


def _windows(text: str) -> list[tuple[int, int]]:
    """The stretches of text around the words without which nothing is betrayed: the rest need not be searched."""
    windows: list[tuple[int, int]] = []
    for match in _WORDS.finditer(text):
        start, end = max(0, match.start() - _REACH), match.end() + _REACH
        if windows and start <= windows[-1][1]:
            windows[-1] = windows[-1][0], end
        else:
            windows.append((start, end))
    return windows
