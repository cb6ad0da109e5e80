"""Multiple choice: ask for reasoning that ends in an answer line, and read the letter back.

`solve` is the one prompt of training, evaluation and serving; `explain` asks a teacher for a
rationale and shows it the key; `read` turns any reply into a letter or an abstention; `betrays` finds
the words with which a rationale shows that it was told the key.
A change of wording or of reading raises VERSION, which is part of every key that depends on it.
"""

from __future__ import annotations

import re
import unicodedata

from storage.records import LETTERS, Message, Question, Reading

VERSION = "choice/2"

_SOLVE = {
    "en": 'Take whatever is not stated as false. Reason step by step and end with the line "Answer: X".',
    "zh": "未说明的一律视为假。逐步推理，最后一行写“答案：X”。",
}
# what is asked of a whole text, question and options: solve() without its parts
TEMPLATE = {language: f"{{question}}\n\n{words}" for language, words in _SOLVE.items()}
_EXPLAIN = {
    "en": (
        "Take whatever is not stated as false. Reason step by step from the text alone, test each option, "
        "and write as if you had not been told the key. The key is {key}; if your own reasoning leads "
        'elsewhere, follow your reasoning. End with the line "Answer: X".'
    ),
    "zh": (
        "未说明的一律视为假。只依据题文逐步推理，逐一检验选项，行文如同事先不知道答案。"
        "参考答案是 {key}；若你的推理得出别的结论，以推理为准。最后一行写“答案：X”。"
    ),
}


def body(question: Question) -> str:
    """Problem, question and lettered options, as every prompt shows them."""
    options = "\n".join(f"{letter}) {text}" for letter, text in zip(LETTERS, question.options, strict=False))
    return f"{question.problem}\n\n{question.question}\n{options}"


def solve(question: Question) -> list[Message]:
    """Messages that ask for the answer; the key is not in them."""
    return [Message("user", f"{body(question)}\n\n{_SOLVE[question.language]}")]


def explain(question: Question) -> list[Message]:
    """Messages that show a teacher the key and ask for a rationale. ValueError without a key."""
    if question.answer is None:
        raise ValueError(f"question {question.id} has no key to explain")
    return [Message("user", f"{body(question)}\n\n{_EXPLAIN[question.language].format(key=question.answer)}")]


def forced(question: Question) -> str:
    """The start of a reply after which the next token can only be a letter."""
    return "答案：" if question.language == "zh" else "Answer:"


def answer_line(question: Question) -> str:
    """The line that a right reply ends with. ValueError without a key."""
    if question.answer is None:
        raise ValueError(f"question {question.id} has no key")
    return f"答案：{question.answer}" if question.language == "zh" else f"Answer: {question.answer}"


# How a reply states its answer. NFKC has turned full-width letters, colons and brackets into ASCII.
_OPEN = r"[\s*_`~$\"'“”‘’(\[{<【《「\\]*+"
_CLOSE = r"[\s*_`~$\"'“”‘’)\]}>】》」\\]*+"
_NOUN = r"(?:(?i:(?:the\s+)?(?:option|choice|letter|answer)\b)|选项|字母)?"
_BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\(?:text|mathrm|mathbf|textbf)\s*\{)?(?P<rest>[^{}\n]{0,400})")
_LINE = re.compile(
    r"^[ \t*_`#>\"“【《「-]*+(?:so\s+|the\s+|my\s+)*(?:final\s+|correct\s+|right\s+)?"
    r"(?:answer|(?:最终|正确|参考)?的?答案)[\s*_`\"”】》」]*+(?:is|是|为)?[\s*_]*+:(?P<rest>.{0,400})",
    re.IGNORECASE | re.MULTILINE,
)
_CUE = re.compile(  # each branch begins with what is cheap to rule out: most of a reply is none of it
    r"(?:\b(?=[abcfirw])(?:answers?(?:\s+(?:key|choice|option|letter))?"
    r"|(?:correct|right|best|final)\s+(?:option|choice|letter)(?=\W+(?:is\b|would|must|should))"
    r"|(?:i|we)(?:'ll|'d|\s+will|\s+would|\s+must|\s+should|\s+can)?\s+(?:choose|pick|select|go\s+with))"
    r"|(?=[答正最选])(?:答案|(?:正确|最终)的?选项|正确的(?=是)|选择?))"
    r"[\s*_`\"”】]*+(?:(?:is|=|would\s+be|must\s+be|should\s+be|has\s+to\s+be|->|→)(?!\w)"
    r"|就是|显然是|只能是|应该?是|应当是|应为|应该?选|的?是|为|选)?[\s*_]*+"
    r"(?:(?:therefore|thus|clearly|indeed|hence|then|definitely|simply|actually)\b\s*,?)?\s*:?(?P<rest>.{0,400})",
    re.IGNORECASE,
)
_HEADING = re.compile(r"[^\S\n]*\n\s*(?P<line>[^\n]+)")
# "If the answer is A", "不选 A": words before a cue that take the statement back.
_TAKEN_BACK = re.compile(
    r"(?:\b(?:if|suppose|supposing|assume|assuming|unless|whether|not|never)\b[^.\n]{0,12}|n't\s+"
    r"|[不别勿没若]|(?:如果|假如|假设|假定|要是|倘若|排除)[^,。;:\n]{0,4})\s*(?:应该?|能|可|要)?$",
    re.IGNORECASE,
)
_LETTER = re.compile(rf"{_OPEN}{_NOUN}{_OPEN}(?P<letter>[A-Z])(?![A-Za-z0-9+#=]|['’_-][A-Za-z0-9]|\s*=|\.[A-Z]\.)")
# A capital followed by a word is an article or a name ("A dog", "B的父亲") unless the word is one of these.
_ENDS = re.compile(
    rf"\s*[)\]}}】》」]|{_CLOSE}(?:$|[^\w\s]|because\b|since\b|as\b|but\b|for\b|by\b|with\b|given\b|so\b|and\s+not\b"
    r"|(?:is|as)\s+(?:the\s+)?(?:only\s+)?(?:correct|right|best)\b|因为|由于|选?项|是?正确|是对|这|所以|而)"
)
_SEVERAL = re.compile(
    rf"{_CLOSE}(?:,?\s*(?:or|and)\b|[,/、&]|或者?|和|与|及)\s*{_NOUN}{_OPEN}[A-Z]{_CLOSE}"
    r"(?:$|[.,;。、/]|or\b|and\b|或|和|与|都|均|are\b|both\b)"
)
_REFUSED = re.compile(
    rf"{_OPEN}(?:none|neither|either|both|unknown|unclear|undetermined|undecided|cannot|can't|not|n/a)\b"
    rf"|{_OPEN}(?:无法|不能|无正确|没有|(?:以上)?都不|以上皆非|均不|不确定|未知)",
    re.IGNORECASE,
)
_ALONE = re.compile(
    rf"(?:(?:(?:so|therefore|thus|hence)\b|故|因此|所以)[,:]?\s*)?{_OPEN}{_NOUN}[\s:]*+{_OPEN}(?P<letter>[A-Z])"
    rf"{_CLOSE}[.。:,、)]*(?P<text>.*)",
    re.IGNORECASE,
)
_JUDGED = re.compile(
    rf"(?:\b(?i:option|choice|answer)\s+|选项\s*){_OPEN}(?P<a>[A-Z]){_CLOSE}(?:is\s+(?:the\s+)?(?:only\s+)?(?:correct|right)\b"
    rf"|是?(?:唯一)?(?:正确|对的))|(?<![A-Za-z0-9])(?P<b>[A-Z]){_CLOSE}(?:is\s+the\s+(?:only\s+)?(?:correct|right)?\s*"
    r"(?:answer|option|choice)\b|是(?:正确|唯一)?(?:答案|选项))"
)
_THINK = re.compile(r"\A.*</think>|<think>.*\Z", re.DOTALL | re.IGNORECASE)


def read(reply: str, question: Question) -> Reading:
    """The letter that the reply settles on, and the extractor that found it.

    Statements come first: an answer line, a boxed answer, a cue such as "the answer is". The last of
    them counts, for a model may change its mind; it holds a letter or an option's own text. Without a
    statement, lines that are a letter alone and sentences such as "option B is correct" count if they
    all agree. Everything else abstains, and the extractor says how: "outside" the options, "several"
    answers at once, "refused", or "unreadable", as is text that ends inside `<think>`.
    """
    text = unicodedata.normalize("NFKC", _THINK.sub("", reply))
    stated = _statements(text, question)
    return stated[-1] if stated else _implied(text, question) or Reading(None, "unreadable")


def _statements(text: str, question: Question) -> list[Reading]:
    """What the reply states, in its order; an answer line that is also a cue counts once."""
    found: dict[int, Reading] = {}
    for name, pattern in (("cue", _CUE), ("answer-line", _LINE), ("boxed", _BOXED)):
        at = 0
        while match := pattern.search(text, at):
            # A cue takes the rest of its line, which may hold the next cue: go on inside it.
            at = max(match.start("rest"), match.start() + 1)
            if _taken_back(text, match):
                continue
            rest = match["rest"].strip()
            if not rest.strip("*_`:#") and (below := _HEADING.match(text, match.end())):
                reading = _lone(below["line"], question, name)
            else:
                reading = _settle(rest, question, name)
            if reading:
                found[match.start("rest")] = reading
    return [found[at] for at in sorted(found)]


def _taken_back(text: str, match: re.Match[str]) -> bool:
    return bool(_TAKEN_BACK.search(text[max(0, match.start() - 24) : match.start()]))


def _settle(rest: str, question: Question, name: str) -> Reading | None:
    """What the words after a cue say; None if they state nothing."""
    for words in (rest, re.split(r"[.。;]\s|[。;,]", rest, maxsplit=1)[0]):
        if letter := _by_text(words, question):
            return Reading(letter, "option-text")
    if _REFUSED.match(rest):
        return Reading(None, "refused")
    if lower := re.fullmatch(r"[\s*_`(\[]*([a-z])[\s*_`)\].]*", rest):
        # In lower case it may be the option's text as well as its letter.
        alike = any(_plain(option) == lower[1] for option in question.options)
        return Reading(None, "several") if alike else _letter(lower[1].upper(), question, name)
    match = _LETTER.match(rest)
    if not match:
        return None
    after, letter = rest[match.end() :], match["letter"]
    named = _by_text(after.lstrip(" *_`)]}:.、,-"), question)
    if _SEVERAL.match(after) or (named and not _alike(named, letter, question)):
        return Reading(None, "several")
    return _letter(letter, question, name) if named or _ENDS.match(after) else None


def _implied(text: str, question: Question) -> Reading | None:
    """What lone letters and judged options agree on."""
    lines = [line for line in text.splitlines() if line.strip()]
    found = [r for line in lines if (r := _lone(line, question, "bare"))]
    judged = [m for m in _JUDGED.finditer(text) if not _taken_back(text, m)]
    found += [_letter(m["a"] or m["b"], question, "judged") for m in judged]
    if not found and len(lines) == 1 and (letter := _by_text(lines[0], question)):
        return Reading(letter, "option-text")
    if len({r.answer for r in found}) > 1:
        return Reading(None, "several")
    return found[-1] if found else None


def _lone(line: str, question: Question, name: str) -> Reading | None:
    """A line that is nothing but a letter, with or without that option's own text."""
    match = _ALONE.fullmatch(line.strip(" \t*_`#>-•"))
    if not match or not match["letter"].isupper():
        return None
    own = _by_text(match["text"], question)
    if match["text"].strip(" *_`\"'”’)]}】》」.。$") and not (own and _alike(own, match["letter"], question)):
        return None
    return _letter(match["letter"], question, name)


def _letter(letter: str, question: Question, name: str) -> Reading:
    return Reading(letter, name) if letter in question.letters else Reading(None, "outside")


def _alike(one: str, other: str, question: Question) -> bool:
    """Whether two letters name the same text."""
    texts = dict(zip(LETTERS, map(_plain, question.options), strict=False))
    return one == other or (one in texts and texts[one] == texts.get(other))


def _by_text(words: str, question: Question) -> str | None:
    """The option whose text these words are; the first of several with one text; None if in doubt."""
    if re.fullmatch(r"\W*[A-Za-z]?\W*", words):
        return None  # a lone letter is a letter, even where an option's text is one
    plain = _plain(words)
    hits = [i for i, option in enumerate(question.options) if _plain(option) == plain]
    return LETTERS[hits[0]] if len({question.options[i] for i in hits}) == 1 else None


def _plain(text: str) -> str:
    text = re.sub(r"[\s*_`\"'“”‘’$\\]+", " ", unicodedata.normalize("NFKC", text)).strip()
    return text.rstrip(".。!,;").strip().casefold()
