"""Each form that other tools write results in, from files of our own, against votes counted by hand."""

import random
from collections import Counter
from pathlib import Path

import pytest

from storage.evaluations.items import Choice
from storage.home import Home
from tasks.verdict.run import VerdictSpec, compare
from tests import result_files as files
from tests import result_variants as variants


def first(cast: str) -> str | None:
    return None if cast[0] == "-" else cast[0]


def majority(cast: str) -> str | None:
    votes = Counter(cast.replace("-", "")).most_common(2)
    return votes[0][0] if votes and (len(votes) == 1 or votes[0][1] > votes[1][1]) else None


def lm_evals_own(cast: str) -> str | None:
    """No answer has a vote, and of a tie the earlier wins."""
    return max(sorted(set(cast), key=cast.index), key=cast.count).replace("-", "") or None


def expected(count) -> tuple[int, ...]:
    said = [[count(cast) for cast in votes] for votes in (files.A, files.B)]
    right = [[one == key for one, key in zip(side, files.KEYS, strict=True)] for side in said]
    changes = Counter(zip(*right, strict=True))
    return (*map(sum, right), *(side.count(None) for side in said), changes[False, True], changes[True, False])


def judged(tmp_path: Path, writer, seeds=(1, 2), **spec):
    paths = [writer(tmp_path / side, votes, random.Random(seed))
             for side, votes, seed in zip("ab", (files.A, files.B), seeds, strict=True)]  # fmt: skip
    return compare(VerdictSpec([str(path) for path in paths], **spec), Home(tmp_path / "home"))


def figures(found) -> tuple[int, ...]:
    [one] = found.tasks
    v, n = one.judged, one.judged.questions
    shares = (v.base.accuracy, v.adapter.accuracy, v.base.unreadable, v.adapter.unreadable)
    return (*(round(share * n) for share in shares), len(v.fixed), len(v.broken))


SAID = Choice(id="No.", gold="Right one", answer="Ticked")
FORMS = [
    (files.lm_eval, first, "document", "column group", {}),
    (files.lm_eval, lm_evals_own, "document", "column group", {"choice": Choice(filter="vote")}),
    (files.lm_eval, majority, "document", "column group", {"read": True}),
    (files.lm_eval_old, first, "document", "column group", {}),
    (files.inspect_json, majority, "id", "column group", {}),
    (files.inspect_json, first, "id", "column group", {"repeats": "first"}),
    (files.inspect_eval, majority, "id", "column group", {}),
    (files.evalscope, majority, "prompt", "column group", {}),
    (files.evalscope, first, "prompt", "column group", {"repeats": "first"}),
    (files.evalscope_old, first, "prompt", "column group", {}),
    (files.opencompass, majority, "prompt", "none", {}),
    (files.opencompass_details, first, "position", "none", {}),
    (files.lighteval, first, "prompt", "none", {}),
    (files.llama_factory, first, "prompt", "none", {}),
    (files.ms_swift, first, "prompt", "column group", {}),
    (files.batch, majority, "id", "column group", {"choice": Choice(keys=Path("keys.jsonl"))}),
    (files.batch, first, "id", "column group", {"choice": Choice(keys=Path("keys.jsonl")), "repeats": "first"}),
    (files.responses, first, "id", "column group", {"choice": Choice(keys=Path("keys.jsonl"))}),
    (files.own_rows, first, "id", "column group", {}),
    (variants.lm_eval_passes, lambda cast: first(cast[1]), "document", "column group", {}),
    (variants.lm_eval_passes, first, "document", "column group", {"choice": Choice(filter="flexible-extract")}),
    (variants.lm_eval_predicted, first, "document", "column group", {}),
    (variants.evalscope_choices, majority, "prompt", "column group", {}),
    (variants.opencompass_nested, majority, "id", "none", {}),
    (variants.opencompass_shards, first, "prompt", "none", {}),
    (variants.lighteval_flat, first, "document", "column group", {}),
    (variants.ms_swift_old, first, "prompt", "none", {}),
    (variants.completions, first, "id", "column group", {"choice": Choice(keys=Path("keys.jsonl"))}),
    (variants.anthropic, first, "id", "column group", {"choice": Choice(keys=Path("keys.jsonl"))}),
    (files.spreadsheet, first, "id", "column Rack", {"choice": SAID, "group": "Rack"}),
]


@pytest.mark.parametrize(("writer", "count", "by", "groups", "spec"), FORMS)
def test_a_form_gives_the_verdict_of_its_votes(writer, count, by, groups, spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.keys(tmp_path)
    found = judged(tmp_path, writer, **spec)
    [one] = found.tasks

    assert expected(count) == figures(found)
    assert (by, groups) == (one.facts["matched"]["by"], one.facts["groups"]["by"])
    assert (by == "position") == any("position alone" in warning for warning in found.warnings)
    assert (groups == "none") == any("too sure" in warning for warning in found.warnings)
    assert (8 if groups != "none" else 16) == one.judged.problems


def test_the_tool_s_own_reduction_counts_where_it_is_asked_for(tmp_path):
    found = judged(tmp_path, files.inspect_eval, repeats="tool")
    right = [
        sum(cast.count(key) > 1 for cast, key in zip(votes, files.KEYS, strict=True)) for votes in (files.A, files.B)
    ]

    assert (*right, 0, 0) == figures(found)[:4]


def test_the_mean_of_repeats_is_judged_by_scores(tmp_path):
    found = judged(tmp_path, files.evalscope, repeats="mean")
    v = found.tasks[0].judged

    assert "sign-flip" == v.test
    assert (
        pytest.approx(sum(cast.count(key) for cast, key in zip(files.A, files.KEYS, strict=True)) / 48)
        == v.base.accuracy
    )


def test_the_tool_and_our_reading_are_told_apart(tmp_path):
    found = judged(tmp_path, files.inspect_json, read=True)
    assert [] == found.tasks[0].disagreements

    text = next((tmp_path / "a").glob("*.json"))
    text.write_text(text.read_text().replace("ANSWER: C", "ANSWER: D", 1))
    sides = [str(tmp_path / side) for side in "ab"]
    [one] = compare(VerdictSpec(sides, read=True, repeats="first"), Home(tmp_path)).tasks[0].disagreements

    assert ("C", "D") == (one["tool_answer"], one["our_answer"])
    assert "answer-line" == one["read_by"]
