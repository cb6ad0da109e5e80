"""The words with which a reply states, takes back and refuses an answer, in Chinese and English.

`FORMS` gives for each word the ways to state an answer with it. All is matched against text in NFKC, which
has turned full-width letters, colons and brackets into ASCII.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_OPEN = r"(?:[\s*_`~$\"'“”‘’(\[{<【《「\\]|(?-i:text(?:bf|it|rm)?|math(?:bf|it|rm))\{)*+"
_CLOSE = r"[\s*_`~$\"'“”‘’)\]}>】》」\\]*+"
_NOUN = r"(?:(?i:(?:the\s+)?(?:option|choice|letter|answer)\b)|选项|字母)?"
_REST = r"(?P<rest>.{0,400})"
_SURELY = r"(?:therefore|thus|clearly|indeed|hence|then|definitely|simply|actually|obviously)\b"
_VERB = (
    rf"[\s*_`\"'”】]*+(?:(?:is\s+(?:{_SURELY}\s+)?(?:not|neither)\s[^.\n]{{0,40}}\sbut(?:\s+rather)?|is|=|would\s+be|must\s+be|should\s+be"
    r"|has\s+to\s+be|->|→)(?!\w)|不是[^。\n]{0,40}而是|就是|显然是|只能是|应该?是|应当是|应当?为|应该?选|的?是|为"
    rf"|选择?(?!项))?[\s*_]*+(?:{_SURELY}\s*,?)?\s*:?"
) + _REST


class Form(NamedTuple):
    """A way to state an answer: its extractor, what stands before the word, the word and what follows."""

    name: str
    before: re.Pattern[str] | None
    after: re.Pattern[str]


def _form(name: str, before: str, after: str) -> Form:
    flags = re.IGNORECASE | re.MULTILINE
    return Form(name, re.compile(rf"(?:{before})\Z", flags) if before else None, re.compile(after, flags))


_BOXED = _form("boxed", r"\\f?", r"box(?:ed)?\s*\{\s*(?:\\(?:text|math)(?:rm|bf|it)?\s*\{)?(?P<rest>[^{}\n]{0,400})")
_LINE = _form(
    "answer-line",
    r"^[ \t*_`#>|\"“【《「-]*+(?:\d{1,2}[.)]\s+)?[*_]*"
    r"(?:(?:so|the|my|final|correct|right|revised|corrected|updated)\s+)*(?:最终|正确|参考)?的?",
    r"(?:(?:ans(?:wer)?|solution|final|答案)[\s*_`\"”】》」]*+(?:is|是|为)?[\s*_]*+(?:->|[:=→–—|]|-(?=\s))|ans\.)"
    + _REST,
)
_TAG = _form("answer-tag", "<", r"answer>(?P<rest>[^<]{0,400})")
_CUE = _form(
    "cue",
    "",
    r"(?<![a-z0-9_])(?:answers?|solution)(?-i:(?![a-z]))(?:\s+(?:key|choice|option|letter|that\s+\w{1,20})\b)?(?:\s+to\s+(?:the|this)\s+\w{1,20})?"
    r"(?:,[^,.\n]{1,60},(?=\s*(?:is|must|would|should)\b))?" + _VERB,
)
_NAMED = _form(
    "cue",
    r"\b(?:correct|right|best|final|selected|chosen)\s+",
    r"(?:option|choice|letter)(?=\W+(?:is\b|would|must|should)|[\s*_]*+:)" + _VERB,
)
_CHOSEN = _form(
    "cue",
    r"\b(?:i|we)(?:'ll|'d|'m|\s+am|\s+are|\s+will|\s+would|\s+must|\s+should|\s+can)?\s+",
    r"(?:choos(?:e|ing)|pick(?:ing)?|select(?:ing)?|go(?:ing)?\s+with)\b" + _VERB,
)
FORMS = {
    "box": (_BOXED,),
    "ans": (_LINE, _TAG, _CUE),
    "solution": (_LINE, _CUE),
    "final": (_LINE,),
    **dict.fromkeys(("option", "choice", "letter"), (_NAMED,)),
    **dict.fromkeys(("choos", "pick", "select", "go with", "going with"), (_CHOSEN,)),
    "答案": (_LINE, _form("cue", "", "答案" + _VERB)),
    "选": (_form("cue", "(?:正确|最终)的?", "选项" + _VERB), _form("cue", "", "选择?(?!项)" + _VERB)),
    "正确的是": (_form("cue", "", "正确的" + _VERB),),
}
HEADING = re.compile(r"[^\S\n]*\n\s*(?P<line>[^\n]+)")
# "If the answer is A", "不选 A", "可能选 A": words before a statement that take it back.
TAKEN_BACK = re.compile(
    r"(?:\b(?:if|suppose|supposing|assume|assuming|unless|whether|not|never)\b[^.\n]{0,12}|n't\s+"
    r"|可能|[不别勿没若]|(?:如果|假如|假设|假定|要是|倘若|排除)[^,。;:\n]{0,4})\s*(?:应该?|能|可|要)?选?择?\Z",
    re.IGNORECASE,
)
ASKED = re.compile(rf"{_CLOSE}(?:\?|吗)")
LETTER = re.compile(rf"{_OPEN}{_NOUN}{_OPEN}(?P<letter>[A-Z])(?![A-Za-z0-9+#=]|['’_-][A-Za-z0-9]|\s*=|\.[A-Z]\.)")
RUN = re.compile(rf"{_OPEN}(?P<run>[A-Z]{{2,8}})(?![A-Za-z0-9])")
SMALL = re.compile(r"[\s*_`(\[]*+([a-z])[\s*_`)\].]*")
# "option (b) blue", "(b).": a letter in lower case that is named as one; "b) blue" where that is its text
MARKED = re.compile(
    r"[\s*_`]*+(?:(?i:option|choice|letter)\s+[(\[]?|[(\[])([a-z])[)\].:,]*(?![\w'’-])(?P<text>.*)|[\s*_`]*+(?P<listed>[a-z])[).:]\s*(?P<own>\S.*)"
)
# A capital followed by a word is an article or a name ("A dog", "B的父亲") unless the word is one of these.
ENDS = re.compile(
    rf"\s*[)\]}}】》」]|{_CLOSE}(?:$|[^\w\s]|because\b|since\b|as\b|but\b|for\b|by\b|with\b|given\b|so\b|rather\b|instead\b|and\s+not\b"
    r"|(?:is|as)\s+(?:the\s+)?(?:only\s+)?(?:correct|right|best)\b|因为|由于|选?项|是?正确|是对|这|所以|而|不选|了|作为)"
)
SEVERAL = re.compile(
    rf"{_CLOSE}(?:,?\s*(?:or|and)\b|[,/、&]|或者?|和|与|及)\s*{_NOUN}{_OPEN}(?P<letter>[A-Z]){_CLOSE}"
    r"(?=$|[.,;。、/&]|or\b|and\b|或|和|与|都|均|are\b|both\b)"
)
PAIR = re.compile(rf"(?:either|both)\s+(?={_OPEN}{_NOUN}{_OPEN}[A-Z](?![A-Za-z]))", re.IGNORECASE)
NEGATED = re.compile(
    rf"{_OPEN}(?:(?:not|(?:can(?:not|\s+not|'t|’t)|could\s*n[o']t|must\s+not)\s+be|neither|isn['’]t)\s+|不(?:可能)?是|不(?:会|能)是|既不是|并?非)"
    rf"\s*{_OPEN}{_NOUN}{_OPEN}[A-Z](?![A-Za-z])"
)
# Behind a list of letters: what is listed is wrong.
WRONG = re.compile(
    r"[\s,:]*(?:(?:(?:are|were|can|is|all|both|must)\s+){0,3}(?:be\s+)?(?:wrong|incorrect|false|out\b|not\b|ruled\s+out|excluded|eliminated|impossible)"
    r"|(?:三|两|几|这)?(?:个|项|者)?(?:选?项)?(?:都|均|皆|全|可|也|则)*(?:不|错|排除|非|无))",
    re.IGNORECASE,
)
NONE = re.compile(
    rf"{_OPEN}(?:(?:none|neither|either|both|unknown|unclear|undetermined|undecided|cannot|can't|not|n/a)\b"
    r"|无法|不能|无正确|没有|(?:以上)?都不|以上皆非|均不|不确定|未知)",
    re.IGNORECASE,
)
PART = re.compile(r"[.。;]\s|[。;,]")
GLOSSED = re.compile(rf"(?P<text>[^(]+)\(\s*{_NOUN}{_OPEN}(?P<letter>[A-Z]){_CLOSE}")
MARKUP = re.compile(r"[\s*_`\"'“”‘’$\\]+")
FIRST = re.compile(r"[\s*_`\"'“”‘’$\\]*+(.)")
NO_TEXT = re.compile(r"\W*[A-Za-z]?\W*")
ALONE = re.compile(
    rf"(?:(?:(?:so|therefore|thus|hence)\b|故|因此|所以)[,:]?\s*)?{_OPEN}{_NOUN}[\s:]*+{_OPEN}(?P<letter>[A-Z])"
    rf"{_CLOSE}[.。:,、)]*(?P<text>.*)",
    re.IGNORECASE,
)
_FITS = r"符合(?:所有|全部|题意|条件(?!\s*[0-9一二三四五六]))"
_OPTION = r"(?:\b(?:option|choice|answer)\s+|选项\s*)"
CAPITAL = re.compile(r"(?<![A-Za-z0-9])[A-Z](?![A-Za-z0-9])")
# What stands before and after an option's letter where it is called right.
JUDGED = tuple(
    _form("judged", before and f"(?:{before}){_OPEN}", _CLOSE + after)
    for before, after in (
        (_OPTION, rf"(?:is\s+(?:the\s+)?(?:only\s+)?(?:correct|right)\b|是?(?:唯一)?(?:正确|对的)|{_FITS})"),
        (
            "",
            r"(?:is\s+the\s+(?:only\s+)?(?:correct|right)?\s*(?:answer|option|choice)\b|是(?:正确|唯一)?(?:答案|选项))",
        ),
        ("", rf"选?项\s*(?:是?正确|{_FITS})"),
        (r"\bonly\s+(?:option|choice)\s+", r"(?:remains|fits|works|is\s+left)\b"),
        (r"\b(?:which|that|this|it)\s+(?:is|must\s+be|matches|corresponds\s+to|leaves)\s+(?:option|choice)\s+", ""),
        (r"\bleft\s+with\s+(?:option|choice)\s+|即(?:为|是)?\s*选项\s*", ""),
        (r"即(?:为|是)?\s*", r"选?项"),
    )
)
# The same said of a letter alone, which may be a person, a box or a city of the problem.
CALLED = tuple(
    _form("judged", before and f"(?:{before}){_OPEN}", _CLOSE + after)
    for before, after in (
        ("", r"(?:is\s+(?:correct|right)(?=\s*(?:[.!,;\n]|$|because\b))|it\s+is\b|正确)"),
        (
            r"\b(?:it|that|this)(?:'s|\s+is|\s+must\s+be)\s+|\bleaves\s+|应该是|只剩下?|(?:所以|因此|故|那么|从而)(?:就|只能|应该?)?[是为]",
            r"(?=[.。!,\n]|$)",
        ),
        (r"\b(?:so|therefore|thus|hence),?\s+", r"\.?[ \t]*$"),
        (rf"^[ \t*_>#-]*+{_OPTION}?", rf"[.:,]{_CLOSE}(?:(?:correct|right)\b|正确|对(?:$|[,。;]))"),
    )
)
THINKS = re.compile(r"[<\[◁](?P<close>/?)think(?:ing)?[>\]▷]", re.IGNORECASE)
DANGLING = re.compile(
    r"(?:(?:answer|option|choice|答案|选项)[\s*_`\"”】]*+(?:is|是|为|:)|\\boxed\s*\{[^{}]*|选择?)[\s*_:$\"“(\[]*\Z",
    re.IGNORECASE,
)
REFUSED = re.compile(
    r"\b(?:i|we)\s*(?:cannot|can't|can\s+not|could\s+not|couldn't|won't|will\s+not|(?:am|are|'m|'re)\s+(?:not\s+able|unable)\s+to)"
    r"\s+(?:answer|help|assist|determine|decide|tell|say|provide|choose|pick|comply|see|solve)\b"
    r"|\bi(?:'d|\s+would)\s+rather\s+not\b|\bimpossible\s+to\s+(?:answer|determine|decide|tell)\b"
    r"|\bi(?:'m|\s+am)\s+(?:sorry|unable)\b|\bi\s+(?:do\s+not|don't)\s+(?:know\b|have\s+enough\b)"
    r"|\b(?:not\s+enough|insufficient)\s+(?:information|data|context)\b"
    r"|\bnone\s+of\s+the\s+(?:\w{1,12}\s+)?(?:options|choices|answers|above)\b"
    r"|\b(?:cannot|can't|can\s+not)\s+be\s+(?:determined|answered|decided)\b"
    r"|抱歉|对不起|(?:无法|不能|不便|难以|拒绝)(?:回答|作答|确定|判断|得出|提供|给出|帮助|选择|解答)|(?:信息|条件)不足|此?题无解|没有(?:给出|提供)?足够"
    r"|(?:没有|无)(?:一个)?正确的?(?:选项|答案)|我也?不知道|(?:选项|以上)[都均全](?:不对|不正确|错|不成立|不符合)",
    re.IGNORECASE,
)
