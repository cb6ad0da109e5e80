"""A SQL query read out of a reply: fenced or in prose, with blank lines, comments and semicolons within quotes.

    reply ──▶ fenced blocks that hold a query, else all of it ──▶ statements ──▶ the last query that reads
                     └─ texts of a JSON object in it (`keyed`), if they hold one

What reads is what sqlglot parses as SQLite's; whether it may run, and what it gives, is the scorer's to say.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterator
from typing import NamedTuple

from prompts import keyed

_FENCE = re.compile(r"(?P<mark>```+|~~~+)(?P<inside>.*?)(?:(?P=mark)|\Z)", re.DOTALL)
_LANGUAGE = re.compile(
    r"[ \t]*(?:[a-z][\w+-]*)?[ \t]*\n|[ \t]*(?:sql(?:ite3?)?|mysql|postgres(?:ql)?|duckdb)\b", re.IGNORECASE
)
_TAGGED = re.compile(
    r"(?:<(?P<tag>sql|query|answer|final|output|code)>|\[SQL\])(?P<inside>.*?)(?:</(?P=tag)>|\[/SQL\]|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_ESCAPE = re.compile(r"&(?:lt|gt|amp|quot|apos|#39);")
_QUOTED_LINE = re.compile(r"^[ \t]*> ?", re.MULTILINE)
# Where a query may begin; "With this query" and "Select the right one" begin none.
_START = re.compile(
    r"(?<![A-Za-z0-9_.'’])(?:\(\s{0,40}){0,4}"
    r"(?:select\b(?!\s+(?:the|an?|all|your|one)\s+[a-z]+\s+(?:that|which|of|from\s+the|in|for)\b)"
    r"|with\s+(?:recursive\s+)?[\"`\[]?\w+[\"`\]]?\s*(?:\([^()]*\)\s*)?as\s*(?:(?:not\s+)?materialized\s*)?\(|values\s*\()",
    re.IGNORECASE,
)
# What is passed over as a whole: texts, quoted names, comments. An open one runs to the end.
_SPAN = re.compile(
    r"'(?:[^']|'')*(?:'|\Z)|\"(?:[^\"]|\"\")*(?:\"|\Z)|`[^`\n]*`|\[[^\]\n]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL
)
_PIECE = re.compile(rf"{_SPAN.pattern}|[;；。()]", re.DOTALL)
# Statements that are no queries, though a query may stand within.
_OTHER = re.compile(
    r"\s*(?:(?:```|~~~)\w*\s*)?(?:insert\s+(?:or\s+\w+\s+)?into|replace\s+into|merge\s+into|update\s+\S+\s+set|delete\s+from"
    r"|create\s+(?:or\s+replace|temp|temporary|table|view|virtual|unique|index|trigger)|alter\s+table|pragma\s+\w|vacuum"
    r"|drop\s+(?:table|view|index|trigger)|explain\s+(?:query\s+plan\s+)?(?=select|with|values)|(?:attach|detach)\s+(?:database\s+)?['\"\w]|copy\s+\w+\s+(?:from|to))\b",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?:\A|[\n:：\"'“`(>*])\s*\Z")
_GOES_ON = re.compile(
    r"\s*(?:[,(+*/=<>|&%]|\)|--|/\*|(?:from|where|group|order|having|limit|offset|union|intersect|except|inner|left|right|full|cross"
    r"|natural|outer|join|on|and|or|not|in|is|between|like|case|when|then|else|end|as|using|over|partition|select|window|asc|desc)\b)",
    re.IGNORECASE,
)
_OPEN_END = re.compile(
    r"(?:[,(+\-*/=<>|&%.]|\b(?:select|distinct|from|where|by|having|limit|offset|union|all|intersect|except|join|on|and|or|not|in|is"
    r"|between|like|case|when|then|else|as|using|over))\s*\Z",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.!?。！？]\s*\Z")
# "We select from singer.\n\nSELECT name": prose that begins as a query does, and the query behind it
_AGAIN = re.compile(r"(?:\n[ \t]*\n|[.:。：]\s+)(?=(?:select|with)\b)", re.IGNORECASE)
_FROM = re.compile(r"\bfrom\b", re.IGNORECASE)
_CLOSERS = {"`": "`", '"': '"', "“": "”", "'": "'", "‘": "’", "「": "」", "*": "**", "{": "}", "$": "$"}
_PROSE = re.compile(
    r"\s(?:which|that|this|these|to|will|would|it|its|here|so|because|since|for|returns?|gives?|shows?|counts?|finds?|gets?"
    r"|lists?|selects?|with|where|to|note|the|a|an|you|we|i|answers?|should|can|query|done|explanation)\Z",
    re.IGNORECASE,
)
_LONGEST, _SEARCHED = 20_000, 4_000  # characters of a query, and of a text in which its end is looked for
_QUERIES, _TRIES, _ENDS = 64, 40, 160  # queries of a reply, lines and ends that are tried


class Query(NamedTuple):
    """What a reply gives: the query, how many queries there are, whether the end of this one is there.

    Without a query `text` is the reply as it is, for it may be what a database refuses; None if that is empty.
    `whole` is False where the reply breaks off within the query, or may: nothing follows it.
    """

    text: str | None
    queries: int
    whole: bool


class _Found(NamedTuple):
    text: str
    closed: bool


def query(reply: str) -> Query:
    """The last query of a reply that reads, else the last that begins as one."""
    if _ESCAPE.search(reply):
        reply = html.unescape(reply)
    blocks = list(_blocks(reply))
    found = [one for inside, closed in blocks for one in _within(inside, closed)]
    found = found or _within(reply, closed=False)
    reading = [one for one in found if reads(one.text)]
    if not reading and (plain := _QUOTED_LINE.sub("", reply)) != reply:
        return query(plain)  # it was quoted as in a letter
    if not found:
        text, closed = blocks[-1] if blocks else (reply, False)
        return Query(text.strip() or None, 0, closed)
    chosen = (reading or found)[-1]
    return Query(chosen.text, len(reading) or len(found), chosen.closed)


def begins(reply: str) -> int | None:
    """Where the first query of a reply begins, None without one."""
    hit = _START.search(reply)
    return hit.start() if hit else None


@functools.lru_cache(maxsize=512)
def reads(text: str) -> bool:
    """Whether this is one query, by the rules of SQLite and then by looser ones."""
    import sqlglot  # a tenth of a second, which only those who read queries wait for
    from sqlglot import exp

    if len(text) > _LONGEST or _asks_on(text, len(text)):
        return False
    try:
        trees = sqlglot.parse(text, read="sqlite")
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError):
        return False
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        return False
    return all(select.expressions for select in trees[0].find_all(exp.Select))


def _blocks(reply: str) -> Iterator[tuple[str, bool]]:
    """The insides of fenced or tagged blocks, and whether each is closed."""
    for hit in _FENCE.finditer(reply):
        inside = hit["inside"]
        language = _LANGUAGE.match(inside)
        yield inside[language.end() if language else 0 :], hit.end() - hit.end("inside") > 0
    if not _FENCE.search(reply):
        for hit in _TAGGED.finditer(reply):
            yield hit["inside"], hit.end() > hit.end("inside")


def _within(text: str, closed: bool) -> list[_Found]:
    """The queries in the texts of an object, if there are any; else those in the text itself."""
    values = [] if reads(text.strip(" ;\n")) else keyed.texts(text, lambda value: reads(value.strip(" ;\n")))
    inside = [one for value in values for one in _queries(value.text, closed or value.closed)]
    return inside or list(_queries(text, closed))


def _queries(text: str, closed: bool) -> Iterator[_Found]:
    """The queries in a text, the one behind the other."""
    at = 0
    for _ in range(_QUERIES):
        if (start := _start(text, at)) is None:
            return
        one, at = _one(text, start, closed)
        if not reads(one.text) and one.text[:4].lower() != "with" and (again := _AGAIN.search(text, start, at)):
            at = again.end()
            continue
        # "we select the names" is prose: within a sentence a query has a FROM
        if _FROM.search(one.text) or _BARE.search(text, max(0, start - 9), start) or reads(text[start:].strip(" ;\n")):
            yield one
        else:
            at = start + len("select")


def _start(text: str, at: int) -> int | None:
    """Where the next query begins, in no comment; a bracket before it counts only at the head of a line."""
    while hit := _START.search(text, at):
        line = text[text.rfind("\n", 0, hit.start()) + 1 : hit.start()]
        statement = max(text.rfind(";", 0, hit.start()), text.rfind("\n\n", 0, hit.start())) + 1
        if _OTHER.match(text, statement, hit.end()):
            at = _end(text, hit.start())[0]
            continue
        if "--" in line:
            at = hit.end()
            continue
        if hit[0].startswith("(") and line.strip():
            return hit.start() + re.match(r"[(\s]*", hit[0]).end()  # type: ignore[union-attr]
        return hit.start()
    return None


def _one(text: str, start: int, closed: bool) -> tuple[_Found, int]:
    """The query that begins here, and where to look for the next."""
    before = text[:start].rstrip(" ")[-1:]
    if (closer := _CLOSERS.get(before)) and (end := _closed(text, start, closer)):
        return _Found(text[start:end].strip(" ;\n"), closed=True), end
    end, semicolon = _end(text, start)
    shown = text[start:end]
    shorter = "" if _breaks_off(shown) and not reads(shown) else _shorter(shown)
    if semicolon and ((text[end] == ";" and reads(shown)) or not shorter):
        return _Found(shown.strip(), closed=True), end + 1
    best = shorter or shown
    more = bool(text[start + len(best) :].strip())
    return _Found(best.strip(), closed or semicolon or more), start + max(len(best), 6)


def _closed(text: str, start: int, closer: str) -> int | None:
    """Where the mark that stands before the query closes it: the first at which the query reads."""
    end = text.find(closer, start)
    for _ in range(_TRIES):
        if end < 0:
            return None
        if reads(text[start:end].strip(" ;\n")):
            return end
        end = text.find(closer, end + 1)
    return None


def _end(text: str, start: int) -> tuple[int, bool]:
    """Where the statement ends, and whether at a semicolon: one in no text, name or comment."""
    limit = min(len(text), start + _LONGEST)
    for hit in _PIECE.finditer(text, start, limit):
        if hit[0] in ";；。":
            return hit.start(), True
    return limit, False


def _breaks_off(text: str) -> bool:
    """Whether a text, a bracket or a clause of the query itself, and not of prose behind it, is open at the end."""
    if not _SENTENCE.search(text) and _asks_on(text, len(text)):
        return True
    depth = list[int]()
    for hit in _PIECE.finditer(text):
        last = hit[0]
        if last == "(":
            depth.append(hit.start())
        elif last == ")" and depth:
            depth.pop()
        else:
            text_open = last[0] in "'\"" and (len(last) == 1 or last[-1] != last[0])
            comment_open = last[:2] == "/*" and last[-2:] != "*/"
            if comment_open or (text_open and _asks_on(text, hit.start())):
                return True
    return any(_asks_on(text, at) or text[at - 1 : at].isalnum() for at in depth)


def _asks_on(text: str, at: int) -> bool:
    """Whether the words before this place want something to follow."""
    return _OPEN_END.search(text, max(0, at - 40), at) is not None


def _shorter(text: str) -> str:
    """The query at the head of a text that goes on in prose; "" where none reads.

    That is up to the first line at which it reads and no word of a query follows, else the longest that reads.
    """
    text = text[:_SEARCHED]
    lines = text.splitlines(keepends=True)
    at, tries = 0, 0
    for number, line in enumerate(lines[:-1]):
        at += len(line)
        goes_on = _GOES_ON.match("".join(lines[number + 1 : number + 3]).lstrip())
        if goes_on and goes_on[0].strip().istitle() and not text[:6].istitle():
            goes_on = None  # "And this is all." behind a query in capitals
        if not line.strip() or goes_on or _OPEN_END.search(text, max(0, at - 40), at) or tries >= _TRIES:
            continue
        tries += 1
        if reads(text[:at].strip()):
            return text[:at]
    if reads(text.strip()):
        return text
    # an alias needs no AS: of prose behind a query its first word would be one
    ends = [
        hit.start() for hit in re.finditer(r"\n|(?<=\S)[.。:：，,](?=\s|$)|\s(?=\S)|[。，”\"`*]|[\u3400-\u9fff]", text)
    ]
    cuts = (text[:end].rstrip() for end in reversed(ends[:_ENDS]))
    return next((cut for cut in cuts if _FROM.search(cut) and not _PROSE.search(cut) and reads(cut.strip())), "")
