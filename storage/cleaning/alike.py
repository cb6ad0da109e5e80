"""Do two texts say the same? They differ a little, and what differs carries no fact.

One word decides a puzzle, so likeness alone proves nothing: a thousand puzzles of one template are alike and
none is a copy. What may differ between copies is punctuation, and a few words of which none

- is a number, a symbol, a single letter or a name (a capital inside a sentence),
- is a word of logic or comparison,
- is used twice: what a text comes back to is what it is about, be it Tom, 左 or the blue box.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import chain

from storage.cleaning.signs import NUMERALS, shingles
from storage.records import folded, normal

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+|[^\w\s]|_")
_STOPS = frozenset(".!?。…;\n")  # what follows one begins a sentence
_PUNCTUATION = frozenset(".,;:!?\"'()[]·…—-、。“”‘’《》〈〉「」『』【】~")
_FILLERS = frozenset("a an the please that then so also 的 了 吗 呢 吧 啊 呀 地 得 请 也 就 是".split())  # noqa: SIM905
_LOGIC = frozenset(
    """
    not no nor none never neither nothing nobody without cannot unless except but only just all every each any some
    most many few several both either or and if iff exactly least more less fewer than before after above
    below left right first last next between always sometimes possible possibly impossible must may might can could
    should true false same different opposite equal greater smaller larger higher lower older younger earlier later
    one two three four five six seven eight nine ten half twice once
    不 没 无 非 未 否 别 勿 莫 都 全 皆 各 每 只 仅 唯 除 任 有 或 且 和 与 及 若 如 则 当 但 多 少 大 小
    高 低 前 后 左 右 上 下 先 末 最 比 更 至 同 异 等 真 假 对 错 能 可 必 须 应 会 东 南 西 北 正 反 男 女
    长 短 早 晚 快 慢 轻 重
    """.split()  # noqa: SIM905
)


def alike(one: str, other: str, near: float) -> float | None:
    """The Jaccard similarity of two texts' characters if it is `near` or more and they say the same, else None."""
    first, second = shingles(normal(one)), shingles(normal(other))
    shared = len(first & second)
    similarity = shared / (len(first) + len(second) - shared)
    return similarity if similarity >= near and _same(_tokens(one), _tokens(other)) else None


def _same(one: Sequence[str], other: Sequence[str]) -> bool:
    apart = list(_differences(one, other))
    used = [Counter(map(str.casefold, tokens)) for tokens in (one, other)]
    return all(_idle(tokens, place, used) for tokens, place in apart)


def _idle(tokens: Sequence[str], place: int, used: Sequence[Counter[str]]) -> bool:
    """Whether the token at `place`, which the other text lacks there, carries no fact."""
    token, word = tokens[place], tokens[place].casefold()
    if token in _PUNCTUATION:
        return not _between_digits(tokens, place)
    if word in _FILLERS:
        return True
    if not token[0].isalpha() or token in NUMERALS or word in _LOGIC:
        return False
    chinese = "\u3400" <= token <= "\u9fff"
    if not chinese and (len(token) == 1 or (token[0].isupper() and place and tokens[place - 1] not in _STOPS)):
        return False
    return all(count[word] < 2 for count in used)


def _between_digits(tokens: Sequence[str], place: int) -> bool:
    """Whether a mark may be a minus, a ratio or a decimal point."""
    return any(token[0].isdigit() for token in tokens[max(0, place - 1) : place + 2])


def _differences(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[Sequence[str], int]]:
    """Each place in one text that has no equal in the other."""
    matcher = SequenceMatcher(None, [*map(str.casefold, one)], [*map(str.casefold, other)], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            yield from chain(((one, place) for place in range(a, b)), ((other, place) for place in range(c, d)))


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(folded(text))
