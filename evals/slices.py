"""Both accuracies on parts of the questions: by family, language, number of options, length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from evals.facts import SliceFacts
from storage.records import Ballot, Question


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
    return [
        {
            "by": by,
            "name": name,
            "n": len(pairs),
            "base": sum(b for b, _ in pairs) / len(pairs),
            "adapter": sum(a for _, a in pairs) / len(pairs),
        }
        for (by, name), pairs in sorted(rows.items())
    ]


def labels_of(question: Question) -> dict[str, str]:
    """What can be said of any question: its language and its number of options."""
    return {
        "language": {"zh": "Chinese", "en": "English"}[question.language],
        "options": f"{len(question.options)} options",
    }
