"""Two runs compared, and an evaluation written for other tools."""

import json
import math
from pathlib import Path

import pytest

from evals.verdict import verdict
from storage.home import Home
from storage.records import PonensError, UsageError
from storage.runs import find
from tasks.diff import diff
from tasks.results import write
from tests.evaluations import ASKED, ran

KEYS = [q.answer for q in ASKED]
WRONG = ["ABC"[("ABC".index(str(k)) + 1) % 3] for k in KEYS]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_better_second_run_is_told_with_its_questions_and_settings(home: Home) -> None:
    a = ran(home, "a1", [None, *WRONG[1:20], *KEYS[20:]])
    b = ran(home, "b1", [*KEYS[:39], None], adapter="logic/2", train={"base_model": "toy", "rank": 16})
    found = diff(a, b)
    judged = found["evaluation"]

    assert [{"setting": "train.rank", "a": 8, "b": 16}] == found["settings"]
    assert ("logic/1", "logic/2") == (found["a"]["adapter"], found["b"]["adapter"])
    assert [("parse", False), ("evaluate", False)] == [(s["step"], s["same"]) for s in found["steps"]]
    assert ("better", 20, 1) == (judged["paired"]["verdict"], len(judged["fixed"]), len(judged["broken"]))
    [broken] = judged["broken"]
    assert (ASKED[39].id, ASKED[39].source_id, KEYS[39], KEYS[39], None) == (
        broken["id"], broken["source_id"], broken["gold"], broken["a"], broken["b"]
    )  # fmt: skip
    assert {(ASKED[0].id, None), (ASKED[1].id, WRONG[1])} <= {(row["id"], row["a"]) for row in judged["fixed"]}
    assert "worse" == diff(b, a)["evaluation"]["paired"]["verdict"]


def test_runs_over_other_questions_are_compared_on_those_in_common(home: Home) -> None:
    a = ran(home, "a1", KEYS[:30], asked=ASKED[:30])
    b = ran(home, "b1", KEYS[10:], asked=ASKED[10:])
    c = ran(home, "c1", KEYS[30:], asked=ASKED[30:])
    judged = diff(a, b)["evaluation"]

    assert (20, 10, 10) == (judged["questions"], judged["only_a"], judged["only_b"])
    with pytest.raises(PonensError, match="no question in common"):
        diff(a, c)


def test_bases_that_were_measured_by_themselves_are_compared_and_written(home: Home, tmp_path: Path) -> None:
    a, b = ran(home, "a1", WRONG, adapter=None), ran(home, "b1", KEYS, adapter=None)
    found = diff(a, b)

    assert "better" == found["evaluation"]["paired"]["verdict"]
    assert (0.0, 1.0) == (found["a"]["accuracy"], found["b"]["accuracy"])
    assert ["base"] == write(b, "lm-eval", tmp_path / "out")["subjects"]


def test_ballots_that_are_gone_are_named(home: Home) -> None:
    a, b = ran(home, "a1", KEYS), ran(home, "b1", KEYS)
    (home.root / "artifacts" / "evaluations" / "b1" / "ballots.parquet").unlink()

    with pytest.raises(PonensError, match="ballots of run b1 are gone"):
        diff(a, b)


def test_a_run_is_named_by_its_beginning_or_as_its_recipe_s_newest(home: Home) -> None:
    for id in ("20261101-a", "20261102-b"):
        ran(home, id, KEYS)
    (home.run("20261103-c")).mkdir()  # under way

    assert "20261101-a" == find(home, "20261101").id
    assert "20261102-b" == find(home, "logic@latest").id
    for reference, said in (("2026", "2 runs"), ("2027", "no run"), ("", "no run"), ("other@latest", "no run")):
        with pytest.raises(UsageError, match=said):
            find(home, reference)


def test_rows_are_what_a_verdict_reads(home: Home, tmp_path: Path) -> None:
    run = ran(home, "a1", KEYS)
    written = write(run, "rows", tmp_path / "rows")
    base, adapter = (
        [json.loads(line) for line in (tmp_path / "rows" / name).read_text().splitlines()]
        for name in ("base.jsonl", "logic-1.jsonl")
    )

    assert ["base", "logic/1"] == written["subjects"]
    assert run.outcome["evaluation"]["paired"] == verdict(base, adapter).paired()


def test_lm_eval_results_hold_accuracy_with_a_clustered_error_and_every_sample(home: Home, tmp_path: Path) -> None:
    write(ran(home, "a1", [*WRONG[:10], *KEYS[10:]]), "lm-eval", tmp_path / "lm")
    [results] = (tmp_path / "lm" / "logic-1").glob("results_*.json")
    [samples] = (tmp_path / "lm" / "logic-1").glob("samples_logic_*.jsonl")
    found = json.loads(results.read_text())
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    task = found["results"]["logic"]

    assert 0.75 == task["acc,majority-vote"]
    # 20 problems of two questions, both right or both wrong: the error of 20 coins, not of 40
    assert task["acc_stderr,majority-vote"] == pytest.approx(math.sqrt(0.75 * 0.25 / 20))
    assert (40, 30.0) == (len(rows), sum(row["acc"] for row in rows))
    assert 3 == len(rows[0]["resps"][0])
    assert {"pretrained": "toy", "peft": "logic/1"} == found["config"]["model_args"]


def test_an_inspect_log_holds_each_question_with_its_score(home: Home, tmp_path: Path) -> None:
    write(ran(home, "a1", [None, *KEYS[1:]]), "inspect", tmp_path / "log")
    found = json.loads((tmp_path / "log" / "logic-1.json").read_text())
    scores = {s["id"]: s["scores"]["majority-vote"] for s in found["samples"]}

    assert (2, "success", 40) == (found["version"], found["status"], found["results"]["total_samples"])
    assert ("I", None) == (scores[ASKED[0].id]["value"], scores[ASKED[0].id]["answer"])
    assert ("C", KEYS[1]) == (scores[ASKED[1].id]["value"], scores[ASKED[1].id]["answer"])
    inspect = pytest.importorskip("inspect_ai.log", reason="inspect_ai is not installed")
    assert 40 == len(inspect.read_eval_log(str(tmp_path / "log" / "logic-1.json")).samples)


def test_what_cannot_be_written_is_told_and_leaves_nothing(home: Home, tmp_path: Path) -> None:
    run = ran(home, "a1", KEYS)
    with pytest.raises(UsageError, match="no such form"):
        write(run, "xml", tmp_path / "out")
    (home.root / "artifacts" / "evaluations" / "a1" / "samples.parquet").unlink()
    with pytest.raises(PonensError, match="is gone"):
        write(run, "rows", tmp_path / "out")
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        write(run, "rows", tmp_path / "there")

    assert not (tmp_path / "out").exists()
