"""How much a statement weighs by where it stands: a reply's own answer, or a remark beside it.

    FIRM      the reply's own: the last of them counts
    LOOSE     in a note, a bracket, a quotation, under a condition: counts only where nothing is firm
    VOID      what others may think, a mistake, what would hold if things were otherwise: never counts

All is matched against folded text (`storage.records.folded`), in Chinese and English.
"""

from __future__ import annotations

import re

VOID, LOOSE, FIRM = 0, 1, 2
_REACH = 240  # characters that are looked at before a statement
_SENTENCE = re.compile(r"[.!?](?=\s)|[。!?;\n]|(?<=\S)---?(?=\s)")
_OTHERS = re.compile(
    r"\b(?:some|many|most|one|others?|people|students?|readers?|solvers?|you|someone|anyone|they|beginners?|novices?)"
    r"(?:\s+(?:\w+\s+){0,3}?)?(?:may|might|could|would|often|will|can|tend|likely|mistakenly|wrongly|incorrectly"
    r"|(?:be\s+)?tempted)\b|\btempting\b|\b(?:common|frequent|typical|usual|easy)\s+(?:mistake|error|trap|pitfall|slip)"
    r"|\b(?:mistakenly|wrongly|erroneously|incorrectly)\b|\bat\s+first\s+(?:glance|sight)?|\b(?:initially|originally)\b"
    r"|\bi\s+(?:first\s+|had\s+)?(?:thought|believed|assumed|guessed|considered|suspected)\b|\bfor\s+a\s+moment\b"
    r"|\b(?:a\s+)?(?:distractor|trap|decoy)\b|\b(?:some|many|most)\s+(?:people|students|readers|would|will)?\s*"
    r"(?:think|say|choose|pick|answer|believe|select|argue|claim)\b"
    r"|\b(?!(?:i|we|it|this|that|which|clue|\d+)\b)\w+\s+(?:said|says?|claims?|claimed|thinks?|argues?|believes?|insists?)\s+(?:that\s+)?(?=the\s+(?:\w+\s+)?answer)"
    r"|\b(?:next|other|another|previous|following|similar|easier|harder)\s+(?:puzzle|question|problem|one|version|exercise)\b|(?:下|另|上)一道?题|原题"
    r"|误选|错选|误以为|误认为|错误地|(?:有|很多|许多|不少|部分|有些|一些|大多数?)的?(?:人|同学|考生|学生|读者)|有人|(?:容易|可能|也许)会?"
    r"(?:误|错|想|以为|认为|觉得|选)|(?:常见|典型)(?:的)?(?:错误|误区|陷阱)|起初|最初|一开始|原本以?为|本以为|乍一?看|初看|干扰项",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:if|had|suppose|supposing|assuming|unless|otherwise|without|were|imagine|hypothetically)\b"
    r"|如果|假如|假设|假定|要是|倘若|若(?!干)|除非|否则|换成|改成|改为(?!\s*[A-Z](?![A-Za-z]))",
    re.IGNORECASE,
)
_CONTRARY = re.compile(
    r"\b(?:would|could|might)\b|[就则]?(?:会|将)(?:变?成|变?为|是)|才(?:会|是)|\bhad\b", re.IGNORECASE
)
_ELSE = re.compile(r"\bif\s+not\b|\botherwise\b|\belse\b|否则|[如若]果?不", re.IGNORECASE)
_THOUGH = re.compile(
    r"\bbut\b|\bhowever\b|,\s*(?:yet|so)\b|但是?|然而|不过|而实际|实际上|后来|改[选为]|仔细|细看|再看|深入",
    re.IGNORECASE,
)
_LABEL = (
    r"(?:(?:side\s+|foot)?note(?:\s+that)?|remarks?|p\.?\s?s|n\.?\s?b|caution|warning|caveat|(?:common\s+)?(?:mistakes?|errors?|pitfalls?|traps?)"
    r"|tips?|hint|extension|variation|follow[- ]?up|bonus|disclaimer|aside|why\s+not[^\n:]{0,40}"
    r"|注意?|备注|附注|提示|提醒|说明|易错点?(?:分析|提醒|提示)?|常见错误|误区|陷阱|拓展|延伸|变式(?:训练|题)?|温馨提示|思考|补充(?:说明)?|另外?注"
    r"|错因(?:分析)?|干扰项(?:分析)?)"
)
_NOTE = re.compile(rf"[\s*_#>\-•(\[【(]*+{_LABEL}[\s*_\])】)]*+(?:[:,.-]|that\b)", re.IGNORECASE)
_HEADING = re.compile(rf"^[\s*_#>\-•\[【]*+{_LABEL}[ \t*_\]】]*+:?[ \t*_]*$", re.IGNORECASE | re.MULTILINE)
_ANSWERED = re.compile(
    r"^[\s*_#>\[【]*+(?:(?:final|correct|the)\s+)?(?:answer|conclusion|答案|结论|最终)", re.IGNORECASE | re.MULTILINE
)
_QUOTED = re.compile(r"\S[^\n]*[\"“'‘「`]\s*\Z")
_CITED = re.compile(r"(?:参考|给定|所给|标准)的?\Z")  # the key of the source, which a prompt may show
_FORMAT = re.compile(
    r"\b(?:line|format|form|template|write|end|ended|as\s+asked|required)\b|格式|写成|写作|形如|要求", re.IGNORECASE
)
# What a reply says when it takes an answer back: then a later statement is a change of mind and no contradiction.
_CHANGED = re.compile(
    r"\b(?:wait|actually|however|hmm+|oops|sorry|correct(?:ion|ing|ed)|mistaken?|errors?|slip|typo|wrong|incorrect|re-?(?:check|examin|"
    r"consider|read|think|visit|calculat|evaluat|verif|do)\w*|revis\w+|second\s+thoughts?|scratch\s+that|final(?:ly)?|in\s+fact"
    r"|updat\w+|double[- ]check\w*|let\s+me|but|no|not|instead|rather|on\s+reflection|should\s+be|change|try\s+again)\b"
    r"|等等|等一下|不对|更正|纠正|修正|重新|实际上|其实|错了?|抱歉|然而|但|再(?:看|想|检查|仔细)|最终|改[为选成]|应[该当]?[为是选]|不是|检查|核对|验证",
    re.IGNORECASE,
)


def weight(text: str, start: int, end: int) -> int:
    """VOID, LOOSE or FIRM: how much the statement from `start` to `end` weighs where it stands."""
    before = text[max(0, start - _REACH) : start]
    own = text[start:end]
    sentence = before[_last(_SENTENCE, before) :]
    line = before.rpartition("\n")[2]
    others, though = _place(_OTHERS, sentence + own), _place(_THOUGH, sentence)
    if others >= 0 and though <= others:
        return VOID
    if (condition := _place(_CONDITION, sentence)) >= 0 and though <= condition:
        other = _CONTRARY.search(sentence[condition:] + own) or _ELSE.search(text, end, end + 40)
        return VOID if other else LOOSE
    if _CONTRARY.search(own) and re.search(r"\bwould\b", own, re.IGNORECASE):
        return LOOSE
    if (
        _NOTE.match(line.lstrip() + own)
        or _under_note(before)
        or _bracketed(line)
        or _quoted(line)
        or _CITED.search(line)
    ):
        return LOOSE
    return FIRM


def changed(text: str, start: int, end: int) -> bool:
    """Whether the words from `start` to `end` take back what was said before."""
    return _CHANGED.search(text, start, end) is not None


def _last(pattern: re.Pattern[str], text: str) -> int:
    at = 0
    for hit in pattern.finditer(text):
        at = hit.end()
    return at


def _place(pattern: re.Pattern[str], text: str) -> int:
    """Where the last of them begins, -1 without one."""
    at = -1
    for hit in pattern.finditer(text):
        at = hit.start()
    return at


def _under_note(before: str) -> bool:
    """Whether the heading above is one of a note, and no other heading gives the answer since."""
    note = _place(_HEADING, before)
    return note >= 0 and not _ANSWERED.search(before, note + 1)


def _bracketed(line: str) -> bool:
    """Whether a bracket was opened before, in the line, that is still open; one around a letter is none."""
    opened = max(line.rfind("("), line.rfind("["))
    return opened >= 0 and not re.search(r"[)\]]", line[opened:]) and len(line) - opened > 2


def _quoted(line: str) -> bool:
    return bool(_QUOTED.search(line)) and bool(_FORMAT.search(line))
