"""Two runs compared, and an evaluation written for other tools."""

import json
import math
from pathlib import Path

import polars as pl
import pytest

from evals.report.page import page
from evals.scorers.base import Outcome
from evals.verdict import verdict
from storage.dialogues import Kind
from storage.home import Home
from storage.records import PonensError, UsageError
from storage.runs import find
from tasks.evaluate.diff_runs import diff
from tasks.evaluate.export_logs import write
from tasks.report.gather import gather
from tests.evaluations import ASKED, ran, scored

KEYS = [q.answer for q in ASKED]
RECIPE = json.dumps({"name": "logic", "parse": {"path": "rows.jsonl"}, "train": {"base_model": "toy"}})
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

    with pytest.raises(PonensError, match="evaluation of run b1 is gone"):
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
    assert ("I", "") == (scores[ASKED[0].id]["value"], scores[ASKED[0].id]["answer"])
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


@pytest.mark.parametrize(("kind", "votes"), [("sql", 3), ("proof", 1), ("chat", 1)])
def test_runs_over_dialogues_are_compared_written_and_reported_as_those_over_letters_are(
    kind: Kind, votes: int, home: Home, tmp_path: Path
) -> None:
    wrong: list[Outcome] = ["wrong"] * 39
    second: list[Outcome] = [*["right"] * 30, *["invalid"] * 9]
    a = scored(home, "a1", kind, {"base": [*wrong, "undecided"], "logic/1": [*wrong, "right"]}, votes)
    b = scored(home, "b1", kind, {"base": [*wrong, "right"], "logic/1": [*second, "wrong"], "logic/2": [*wrong, "wrong"]}, votes)  # fmt: skip
    judged = diff(a, b)["evaluation"]
    row = judged["fixed"][0]

    assert ("better", 39, 0, 1) == (
        judged["paired"]["verdict"],
        judged["questions"],
        judged["only_a"],
        judged["only_b"],
    )
    assert ("right", "wrong", "right") == (row["gold"], row["a"], row["b"])
    assert {"sql": "How many", "proof": "Prove", "chat": "What is"}[kind] in row["question"]

    write(b, "rows", tmp_path / "rows")
    base, one = (
        [json.loads(line) for line in (tmp_path / "rows" / name).read_text().splitlines()]
        for name in ("base.jsonl", "logic-1.jsonl")
    )
    paired = b.outcome["evaluation"]["paired"]
    assert paired["fixed_ids"] == list(verdict(base, one).fixed)
    assert {None, "right", "wrong"} == {line["answer"] for line in one}

    write(b, "lm-eval", tmp_path / "lm")
    [results] = (tmp_path / "lm" / "logic-1").glob("results_*.json")
    [samples] = (tmp_path / "lm" / "logic-1").glob("samples_*.jsonl")
    by = "majority-vote" if votes > 1 else "first-reply"
    assert 0.75 == json.loads(results.read_text())["results"]["logic"][f"acc,{by}"]
    assert votes == len(json.loads(samples.read_text().splitlines()[0])["resps"][0])

    write(b, "inspect", tmp_path / "log")
    log = json.loads((tmp_path / "log" / "logic-2.json").read_text())
    assert {"I", "C"} >= {sample["scores"][by]["value"] for sample in log["samples"]}
    assert log["samples"][0]["input"][-1]["role"] == "user"

    facts = gather(home, 10_000, RECIPE, {name: found for name in ("parse", "evaluate") if (found := b.receipt(name))})
    assert "ponens evaluate recipe.json --adapter logic/1 --adapter logic/2" == facts["command"]
    assert {"adapters/logic/1": "one", "adapters/logic/2": "two"} == {
        origin["name"]: origin["digest"] for origin in facts["lineage"] if origin["what"] == "adapter"
    }
    [said] = facts["questions"][0]["others"]
    assert {"logic/2: wrong"} == {reply["text"] for reply in said}
    assert "corrected for all 2 comparisons (Holm)" in page(facts)


def test_a_reply_that_a_server_refused_is_written_as_one(home: Home, tmp_path: Path) -> None:
    run = ran(home, "a1", KEYS)
    file = home.root / "artifacts" / "evaluations" / "a1" / "samples.parquet"
    pl.read_parquet(file).with_columns(finish=pl.lit("refused")).write_parquet(file)
    write(run, "inspect", tmp_path / "log")
    log = json.loads((tmp_path / "log" / "logic-1.json").read_text())

    assert {"content_filter"} == {c["stop_reason"] for s in log["samples"] for c in s["output"]["choices"]}
