"""Both accuracies on parts of the questions: by family, language, number of options, length."""

from __future__ import annotations

import re
import statistics
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from evals.evaluation import SliceFacts
from evals.stats import wilson
from storage.records import Ballot, Question

MOST_PARTS = 24
_PARTS_OF_LENGTH = 4
_STEM = re.compile(r"[A-Za-z][A-Za-z_]*")


def slices(
    base: Iterable[Ballot], adapter: Iterable[Ballot], labels: Mapping[str, Mapping[str, str]]
) -> list[SliceFacts]:
    """One row for each value of each label, values in their order of name.

    `labels` gives by question id what it belongs to, such as {"language": "zh", "family": "seating"}.
    Questions without a label are left out of that label's rows; ballots must be of the same questions.
    """
    right = {b.question: b.right for b in base}
    rows: dict[tuple[str, str], list[tuple[bool, bool]]] = defaultdict(list)
    for ballot in adapter:
        for by, name in labels.get(ballot.question, {}).items():
            rows[by, name].append((right[ballot.question], ballot.right))
    found: list[SliceFacts] = []
    for (by, name), pairs in sorted(rows.items()):
        n, before, after = len(pairs), sum(b for b, _ in pairs), sum(a for _, a in pairs)
        found.append(
            {
                "by": by,
                "name": name,
                "n": n,
                "base": before / n,
                "base_ci95": list(wilson(before, n)),
                "adapter": after / n,
                "adapter_ci95": list(wilson(after, n)),
            }
        )
    return found


def labels(questions: Sequence[Question]) -> dict[str, dict[str, str]]:
    """What each question belongs to, by its id: `labels_of`, and its quarter by length.

    Labels that part the questions in none or in more than 24 parts are left out; the language always stays.
    """
    found = {q.id: labels_of(q) | quarter for q, quarter in zip(questions, _quarters(questions), strict=True)}
    parts = {by: len({of[by] for of in found.values()}) for by in next(iter(found.values()), {})}
    kept = {by for by, n in parts.items() if by == "language" or 1 < n <= MOST_PARTS}
    return {id: {by: name for by, name in of.items() if by in kept} for id, of in found.items()}


def labels_of(question: Question) -> dict[str, str]:
    """What can be said of any question: its family, its language and its number of options.

    The family is the word that its source's id begins with, such as "boxes" of "boxes-en-000012".
    """
    stem = _STEM.match(question.source_id)
    return {
        "family": stem[0] if stem else "other",
        "language": {"zh": "Chinese", "en": "English"}[question.language],
        "options": f"{len(question.options)} options",
    }


def _quarters(questions: Sequence[Question]) -> list[dict[str, str]]:
    """The quarter of the questions that each belongs to by characters, within its language: these count unlike."""
    lengths = [len(q.problem) + len(q.question) + sum(map(len, q.options)) for q in questions]
    sizes = Counter(q.language for q in questions)
    edges = {
        language: statistics.quantiles(
            [n for n, q in zip(lengths, questions, strict=True) if q.language == language], n=_PARTS_OF_LENGTH
        )
        for language, size in sizes.items()
        if size >= 2 * _PARTS_OF_LENGTH
    }
    names = ("1 shortest", "2", "3", "4 longest")
    return [
        {"length": names[bisect_left(edges[q.language], n)] if q.language in edges else "few"}
        for n, q in zip(lengths, questions, strict=True)
    ]
