"""Where a reply ends and an invented next turn or problem begins: base models run on after their answer.

    own(reply, since) -> where what is the reply's own ends; `since` is where it has given its answer

Tokens that only templates write end a reply wherever they stand. A role or a heading in plain words ("User:",
"### 题目"), a question below a rule, or one with a new list of options or an answer of its own, does so only behind
the answer: until then it is the reply's own way to restate the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from heapq import merge

# <|im_start|>, <|eot_id|>, <｜User｜>, [INST], <start_of_turn>, </s>: no one writes them in prose
TOKENS = re.compile(
    r"<[|｜][A-Za-z_▁ ]{1,40}[|｜]>|\[/?INST\]|<</?SYS>>|</s>(?=\s*(?:\Z|<s>|\[|\n))|<s>(?=\s*\[INST\])"
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|eod)>|<sep>|<extra_id_\d+>|<\|[A-Za-z_]{1,40}\Z"
)
_ROLE = r"(?:user|human|student|customer|instruction|system|用户|人类|学生|提问者?|指令)"
_ANSWERER = r"(?:assistant|bot|ai|助手|助理)"
_PROBLEM = (
    r"(?:(?:next|another|new|additional|similar|follow[- ]?up|practice|sample|example)\s+)?"
    r"(?:question|problem|puzzle|exercise|example|passage|context|scenario|premises?|input|query|quiz|task|q)"
    r"(?:\s*(?:\#|no\.?|number)?\s*\d{1,3})?"
    r"|(?:下一道?|另一道?|又一道?|新的?|类似|相关|同类|拓展|思考|附加|巩固|课后|练习|第\s*[一二三四五六七八九十\d]+\s*道?)?(?:题目?|问题|例题?|练习题?|题干|材料|案例)"
    r"(?:\s*[一二三四五六七八九十\d]{1,3})?|问"
)
_FRAME = r"[ \t]*+[#>*_=\-【\[<「]*+[ \t]*+"
_SPEAKS = rf"(?:{_ROLE}|{_ANSWERER})"
_TURN = re.compile(
    rf"^{_FRAME}{_SPEAKS}[ \t]*+[*_】\]>」]*+[ \t]*+[:：](?!//)|^[ \t]*+(?:【{_SPEAKS}】|<(?:{_SPEAKS}|question)>)"
    r"|^[ \t]*+\[(?:end|eos|stop|done)\][ \t]*$"
    rf"|^[ \t]*+(?:(?:#{{1,6}}|\*\*|=+|-+)[ \t]*+)?{_SPEAKS}[ \t]*+(?:\*\*|=+|-+)?[ \t]*$"
    r"|^[ \t]*+(?:q|question|问题?)[ \t]*+[:：][^\n]*\n(?:[^\n]*\n){0,2}?[ \t]*+(?:a|answer|答案?)[ \t]*+[:：]",
    re.IGNORECASE | re.MULTILINE,
)
_NEXT = re.compile(
    rf"^{_FRAME}(?:{_PROBLEM})[ \t]*+[*_】\]>」]*+[ \t]*+[:：](?!//)|^[ \t]*+(?:【(?:{_PROBLEM})】|\[(?:{_PROBLEM})\])"
    rf"|^[ \t]*+(?:#{{1,6}}|\*\*|【|=+|-+)[ \t]*+(?:{_PROBLEM})[ \t]*+(?:\*\*|】|=+|-+)?[ \t]*$"
    r"|^[ \t]*+(?:question|problem|puzzle|exercise|example|q)[ \t]*+\#?\d{1,3}(?:[.)]?[ \t]*$|[.)][ \t]+\S)"
    r"|^[ \t]*+(?:第[一二三四五六七八九十\d]{1,3}题|下一题|例题?[一二三四五六七八九十\d]{1,3})[ \t。.、]*$"
    r"|^[ \t]*+(?:you\s+are\s+an?\s|(?:please\s+)?(?:answer|solve|read)\s+the\s+(?:following|next)\b"
    r"|请?(?:回答|解答|阅读|完成)(?:以下|下面|下列))",
    re.IGNORECASE | re.MULTILINE,
)
# A question and, below it, options: "Who is last?\nA) x\nB) y".
_OPTIONS = re.compile(
    r"^[^\n]{0,300}(?:[?？]|[(（][ \t　]{0,8}[)）]。?|_{2,9})[ \t*]{0,8}\n(?:[ \t]{0,8}\n)?"
    r"[ \t]{0,8}[(（]?A[).:、．）：][^\n]+\n[ \t]{0,8}[(（]?B[).:、．）：][^\n]",
    re.MULTILINE,
)
# A rule, and below it a question; a question and, right behind it, its answer.
_RULED = re.compile(
    r"(?:^[ \t]*+(?:-{3,}|\*{3,}|_{3,}|={3,}|\#{3,})[ \t]*$|(?<=\S)[ \t]+(?:-{3,}|\*{3}|={3,}|\#{3,})(?=[ \t]*\w))"
    r"(?=(?P<asks>[^?？]{1,600}[?？]|\s*(?:determine|find|identify|decide|name|solve|calculate|choose)\b[^?？.]{1,300}\.)"
    r"(?!\s*(?:yes|no|是|不|没|对)))",
    re.IGNORECASE | re.MULTILINE,
)
_ASKED = re.compile(
    r"^(?!(?:so|but|then|and|now|yet)\b)(?P<asks>[^\n]{1,300}[?？])[ \t*]*(?:\n(?:[ \t]*\n)?)?"
    r"[ \t*_#>]*+(?:(?:the|final|correct|right)\s+)*+(?:answer|ans|最?终?正?确?答案)[*_ \t]*+(?:[:：]|is\b|是|为)",
    re.IGNORECASE | re.MULTILINE,
)
# What an invented reply to an invented problem begins with; in a query it may be a comment.
_REPLIES = re.compile(
    rf"^{_FRAME}(?:output|response)[ \t]*+[*_】\]>」]*+[ \t]*+[:：](?!//)", re.IGNORECASE | re.MULTILINE
)
# Who asks so goes over the answer again.
_AGAIN = re.compile(
    r"\b(?:wait|actually|however|hmm+|oops|sorry|correct(?:ion|ing)|mistake|errors?|check\w*|verif\w+|let(?:'s|\s+me|\s+us)"
    r"|re-?(?:check|examin|consider|read|think|visit|calculat|evaluat|verif)\w*|revis\w+|second\s+thoughts?"
    r"|is\s+(?:this|that|it)|answer|am\s+i|did\s+i|why)\b|等等|等一下|不对|更正|纠正|修正|重新|实际上|其实|错|检查|核对|验证|再[看想]|为什么|答案",
    re.IGNORECASE,
)
_HEADER = re.compile(r"\s*(?:assistant|model)\b[ \t:]*\n?", re.IGNORECASE)


def own(reply: str, since: int | None, *, problems: bool = True, rules: bool = False) -> int:
    """Where in `reply` an invented turn or problem begins, else its end; without `since` only tokens end it.

    Without `problems` only turns count: in an essay "Example:" is a heading. With `rules` a question below a rule
    counts, one with its answer right behind it, and "Response:": in a query these may be comments.
    """
    hit = TOKENS.search(reply, begun(reply))
    end = hit.start() if hit else len(reply)
    return end if since is None else next((mark for mark in marks(reply, problems, rules) if since <= mark < end), end)


def marks(reply: str, problems: bool = True, rules: bool = False) -> Iterator[int]:
    """Where turns or problems begin in plain words, in their order; the reply's own first words are none."""
    first = len(reply) - len(reply.lstrip())
    patterns = (_TURN, _NEXT, _OPTIONS, *((_REPLIES,) if rules else ())) if problems else (_TURN,)
    found = [(hit.start() for hit in pattern.finditer(reply)) for pattern in patterns]
    for pattern in (_RULED, _ASKED) if rules else ():
        found.append(hit.start() for hit in pattern.finditer(reply) if not _AGAIN.search(hit["asks"]))
    return (place for place in merge(*found) if place > first)


def begun(reply: str) -> int:
    """Where a reply that repeats its own header ("<|im_start|>assistant") says its first word."""
    at = 0
    while hit := TOKENS.match(reply, at):
        header = _HEADER.match(reply, hit.end())
        at = header.end() if header else hit.end()
    return at
