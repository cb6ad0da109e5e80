"""`ponens verdict` over real result files of other tools: the right numbers, by hand and by scipy."""

from pathlib import Path

import pytest
from scipy.stats import binomtest

from storage.evaluations.items import Choice
from storage.home import Home
from tasks.verdict.run import VerdictSpec, compare

RESULTS = Path(__file__).resolve().parents[4] / "shared" / "results"
pytestmark = pytest.mark.skipif(not RESULTS.exists(), reason="the result files of other tools are not on this machine")
KEYS = Choice(keys=RESULTS / "openai-batch" / "keys.jsonl")
FIRST = (20, 12, 19, 1, 1, 8, 1, 0.0390625, "better")
MAJORITY = (20, 10, 19, 2, 1, 10, 1, 0.0117188, "better")


def figures(path: str, other: str = "", **spec: object) -> list[tuple[object, ...]]:
    sides = [str(RESULTS / path.replace("*", side)) for side in "ab"]
    if other:
        sides[1] = "+".join(str(RESULTS / part) for part in other.split("+"))
    found = compare(VerdictSpec(sides, **spec), Home(RESULTS / "no-home"))
    of = []
    for one in found.tasks:
        v = one.judged
        n = v.questions
        counts = (v.base.accuracy, v.adapter.accuracy, v.base.unreadable, v.adapter.unreadable)
        assert v.p == pytest.approx(binomtest(len(v.fixed), len(v.fixed) + len(v.broken)).pvalue)
        of.append((n, *(round(share * n) for share in counts), len(v.fixed), len(v.broken), round(v.p, 7), v.word))
    return of


@pytest.mark.parametrize(
    ("path", "spec", "right"),
    [
        ("lm-eval/gen/mock-*", {"choice": Choice(filter="first")}, FIRST),
        ("lm-eval/gen/mock-*", {}, FIRST),
        ("lm-eval/gen/mock-*", {"choice": Choice(filter="maj3")}, (20, 11, 19, 1, 1, 9, 1, 0.0214844, "better")),
        ("lm-eval/gen/mock-*", {"read": True}, MAJORITY),
        ("lm-eval/mc/tiny-*", {}, (20, 5, 5, 0, 0, 5, 5, 1.0, "cannot tell")),
        ("lm-eval/mc/tiny-*", {"choice": Choice(metric="acc_norm")}, (20, 5, 4, 0, 0, 4, 5, 1.0, "cannot tell")),
        ("inspect/eval-epochs3/mock-*", {"repeats": "tool"}, (20, 10, 19, 0, 0, *MAJORITY[5:])),
        ("inspect/eval-epochs3/mock-*", {"repeats": "majority"}, MAJORITY),
        ("inspect/eval-epochs3/mock-*", {}, MAJORITY),
        ("inspect/eval-epochs3/mock-*", {"repeats": "first"}, FIRST),
        ("inspect/json-epochs1/mock-*", {}, FIRST),
        ("evalscope/out-*", {"repeats": "first"}, FIRST),
        ("evalscope/out-*/reviews/mock-*/general_mcq_cups.jsonl", {}, MAJORITY),
        ("evalscope/out-*", {}, MAJORITY),
        ("evalscope/out-*", {"read": True}, MAJORITY),
        ("openai-batch/mock-*_output.jsonl", {"choice": KEYS, "allow_missing": True},
         (19, 11, 18, 1, 1, 8, 1, 0.0390625, "better")),
        ("vllm-run-batch/mock-*.jsonl", {"choice": KEYS}, (20, 11, 19, 2, 1, 9, 1, 0.0214844, "better")),
        ("llama-factory/mock-*", {}, FIRST),
        ("ms-swift/mock-*", {}, FIRST),
        ("opencompass/predictions/mock-*/cups.json", {}, FIRST),
        ("opencompass/results/mock-*", {}, FIRST),
        ("opencompass/predictions/mock-*/cups_n3.json", {}, MAJORITY),
        ("opencompass/predictions/mock-*/cups_ppl.json", {}, (20, 8, 18, 0, 0, 10, 0, 0.0019531, "better")),
        ("lighteval/details/mock-*", {}, FIRST),
    ],
)  # fmt: skip
def test_a_tool_s_results_give_the_right_numbers(path, spec, right):
    assert [right] == figures(path, **spec)


def test_an_expired_request_of_the_file_of_errors_is_an_answer_that_cannot_be_read():
    errors = "openai-batch/mock-b_output.jsonl+openai-batch/mock-b_errors.jsonl"

    assert [(20, 12, 18, 1, 2, 8, 2, 0.109375, "cannot tell")] == figures(
        "openai-batch/mock-*_output.jsonl", errors, choice=KEYS
    )


def test_several_tasks_are_judged_each_and_together_corrected_for_all():
    found = compare(
        VerdictSpec([str(RESULTS / f"opencompass/predictions/mock-{side}") for side in "ab"]), Home(RESULTS / "none")
    )

    assert ["cups", "cups_n3", "cups_ppl"] == [one.name for one in found.tasks]
    assert {4} == {one.judged.comparisons for one in (*found.tasks, *found.overall)}
    assert (60, 28, 2) == (
        found.overall[0].judged.questions,
        len(found.overall[0].judged.fixed),
        len(found.overall[0].judged.broken),
    )
    assert pytest.approx(3 * 0.001953125) == found.tasks[2].judged.adjusted_p
