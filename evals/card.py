"""The data card of a snapshot: what it is made of, as Markdown and as one self-contained HTML page.

card(facts) -> HTML (no network, no script)      markdown(facts) -> the same for a repository
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypedDict

from storage.records import language_of

if TYPE_CHECKING:
    from jinja2 import Environment

_CUT = 1_200  # characters of an example
_BINS = 14


class TokenFacts(TypedDict):
    """Lengths of prompt and completion together, in tokens of `tokenizer`, of `rows` examples."""

    tokenizer: str
    rows: int
    quantiles: list[int]
    bins: list[tuple[int, int, int]]


class CardFacts(TypedDict):
    """What a card shows; `description` is storage.description's, `drops` counts by step and reason.

    `made_of` says what an example is, `names` what its sources and their groups are called.
    """

    name: str
    snapshot: str
    prompt: str
    made_of: str
    names: tuple[str, str]
    licenses: Mapping[str, str]
    description: Mapping[str, Any]
    tokens: TokenFacts | None
    drops: Sequence[tuple[str, str, int]]
    shuffled: Mapping[str, int]


def card(facts: CardFacts) -> str:
    """The card as one HTML document."""
    return _environment().get_template("card.html.j2").render(**_shown(facts))


def markdown(facts: CardFacts) -> str:
    """The card as Markdown."""
    return _environment().get_template("card.md.j2").render(**_shown(facts))


def bins(lengths: Sequence[int]) -> list[tuple[int, int, int]]:
    """A histogram of equal steps over whole numbers: (lowest, highest, count) of each step."""
    if not lengths:
        return []
    low, high = min(lengths), max(lengths)
    width = max(1, -(-(high - low + 1) // _BINS))
    counts = [0] * (-(-(high - low + 1) // width))
    for length in lengths:
        counts[(length - low) // width] += 1
    return [(low + i * width, low + (i + 1) * width - 1, count) for i, count in enumerate(counts)]


def quantiles(lengths: Sequence[int]) -> list[int]:
    """Median, 95 % and longest; empty without lengths."""
    ordered = sorted(lengths)
    return [ordered[round(share * (len(ordered) - 1))] for share in (0.5, 0.95, 1.0)] if ordered else []


def _shown(facts: CardFacts) -> dict[str, Any]:
    sizes = {row["split"]: row for row in facts["description"]["sizes"]}
    return {
        "facts": facts,
        "d": facts["description"],
        "sizes": sizes,
        "rows": sum(row["rows"] for row in sizes.values()),
        "leaked": sum(facts["description"]["leaks"].values()),
    }


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _cell(text: str) -> str:
    for sign, shown in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "'"), ("\n", " ")):
        text = text.replace(sign, shown)
    return text


def _fenced(text: str) -> str:
    """Text as a Markdown code block, whatever fences it holds itself."""
    fence = "`" * max(3, *(len(run) + 1 for run in _runs(text)))
    return f"{fence}\n{text}\n{fence}"


def _runs(text: str) -> Iterable[str]:
    run = ""
    for sign in text:
        run = run + sign if sign == "`" else ""
        yield run


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("evals", "."),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"amount": lambda n: f"{n:,}".replace(",", "\u202f"), "cell": _cell, "fenced": _fenced}
    made.filters |= {"cut": lambda text: text if len(text) <= _CUT else f"{text[:_CUT]}…", "language": language_of}
    made.globals |= {"percent": _percent}
    return made
