"""The table of a sweep: best first, corrected for all comparisons, and text stays text on the page."""

from typing import Any

from evals.report.sweep import Row, SweepFacts, best, markdown, page, standings
from evals.verdict import across


def trial(rank: str, adapter: str | None, error: str | None = None) -> Row:
    return {
        "settings": {"train.rank": rank}, "adapter": adapter, "run": "r", "error": error,
        "accuracy": None, "ci95": None, "base": None, "paired": None,
    }  # fmt: skip


def side(accuracy: float, p: float, word: str = "better") -> dict[str, Any]:
    paired = {"mcnemar_p": p, "verdict": word, "difference": accuracy - 0.2, "fixed": 9, "broken": 1, "reason": "so"}
    return {"accuracy": accuracy, "ci95": [accuracy - 0.1, accuracy + 0.1], "paired": paired}


def evaluation(first: str, sides: dict[str, dict[str, Any]]) -> dict[str, Any]:
    adapter = sides.pop(first)
    return {
        "adapter_name": first, "base": {"accuracy": 0.2}, "adapter": adapter, "paired": adapter["paired"], "others": sides,
        "questions": 40, "votes": 5, "engine": "vllm", "adapters": [first, *sides],
    }  # fmt: skip


def test_the_best_stands_first_and_words_are_corrected_over_all_evaluations() -> None:
    one = evaluation(
        "a/1", {"a/1": side(0.5, 0.02), "a/2": side(0.7, 0.001), "vote of a/1+a/2": side(0.6, 0.6, "cannot tell")}
    )
    two = evaluation("a/3", {"a/3": side(0.4, 0.04)})
    trials = [trial("8", "a/1"), trial("16", "a/2"), trial("<32>", "a/3"), trial("64", None, "out of memory")]
    rows = standings(trials, [one, two])
    facts: SweepFacts = {
        "sweep": "a-1", "recipe": "a", "made_at": "2026-11-22T08:00:00+00:00", "command": "ponens sweep a.toml",
        "over": {"train.rank": ["8", "16", "<32>", "64"]}, "comparisons": 4, "rows": rows, "evaluations": [one, two],
        "page": "",
    }  # fmt: skip
    shown, text = page(facts), markdown(facts)

    assert ["a/2", "vote of a/1+a/2", "a/1", "a/3", None] == [row["adapter"] for row in rows]
    # Holm over four: 4 * 0.001, 3 * 0.02, 2 * 0.04, 0.6
    assert [0.004, 0.6, 0.06, 0.08] == [round(row["paired"]["adjusted_p"], 9) for row in rows if row["paired"]]
    assert ["better", *["cannot tell"] * 3] == [row["paired"]["verdict"] for row in rows if row["paired"]]
    assert rows[0] == best(facts)
    assert "&lt;32&gt;" in shown
    assert "<32>" not in shown + text
    assert "out of memory" in shown
    assert "| 64 | – | – | – | – | – | failed |" in text


def test_one_comparison_is_left_as_it_is() -> None:
    found = side(0.5, 0.04)["paired"]

    assert [found | {"adjusted_p": 0.04, "comparisons": 1}] == across([found])
