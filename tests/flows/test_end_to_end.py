"""The whole flow on real parts: Prefect server and worker, DuckDB, LangChain over HTTP, TRL, vLLM."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from storage.journal import rows
from storage.records import Question
from storage.sources.readers import read
from storage.sources.source import files
from tests.fakes import TeacherServer, gold_of, mix
from tests.flows.conftest import ROOT, at_work, environment

pytestmark = [pytest.mark.heavy, pytest.mark.vllm, pytest.mark.prefect]
STEPS = ["puzzles", "parse", "reason", "assemble", "train", "evaluate", "report"]
COMPETITION = ROOT.parent / "shared" / "data" / "competition_logic" / "round1_train_data_dev400.jsonl"


def ponens(env: dict[str, str], *arguments: str | Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments), "--json"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert 0 == done.returncode, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def statuses(summary: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["status"] for step in summary["steps"]}


def keys(journal: Path) -> list[str]:
    """The key of every reply in the ledger, or of every sample, once for each time that it was asked for."""
    return [row["key"] for row in rows(journal)]


@pytest.fixture(scope="module")
def finished(
    prefect: dict[str, str], tmp_path_factory: pytest.TempPathFactory, recipe_text: str
) -> tuple[dict[str, Any], Path, dict[str, str]]:
    """A small recipe that has run once to its report."""
    path = tmp_path_factory.mktemp("finished") / "small.toml"
    path.write_text(recipe_text)
    env = {**prefect, "PONENS_HOME": os.path.relpath(path.parent / "home", ROOT)}  # relative, as the deployments' is
    return ponens(env, "run", path), path, env


def test_a_run_gives_the_summary_that_others_rely_on(finished: tuple[dict[str, Any], Path, dict[str, str]]) -> None:
    summary, _, _ = finished

    assert dict.fromkeys(STEPS, "ran") == statuses(summary)
    assert "small/1" == summary["adapter"]
    assert "vllm" == summary["evaluation"]["engine"]
    assert {"train", "valid"} == set(summary["dataset"]["rows"])
    for side in ("base", "adapter"):
        assert {"accuracy", "ci95", "greedy_accuracy", "unreadable"} <= summary["evaluation"][side].keys()
    assert {"difference", "ci95", "mcnemar_p", "fixed", "broken", "verdict"} <= summary["evaluation"]["paired"].keys()
    page = Path(summary["report"]).read_text("utf-8")
    assert "toy model" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_second_run_finds_every_step_done(finished: tuple[dict[str, Any], Path, dict[str, str]]) -> None:
    first, path, env = finished
    again = ponens(env, "run", path)

    assert dict.fromkeys(STEPS, "cached") == statuses(again)
    assert first["report"] == again["report"]
    assert 0 == again["reason"]["asked"]


def test_another_evaluation_setting_runs_evaluate_and_report_alone(
    finished: tuple[dict[str, Any], Path, dict[str, str]],
) -> None:
    _, path, env = finished
    planned = {s["name"]: s["status"] for s in ponens(env, "plan", path, "--set", "evaluate.votes=2")["steps"]}
    found = statuses(ponens(env, "run", path, "--set", "evaluate.votes=2"))

    assert ["evaluate", "report"] == [name for name, status in found.items() if status == "ran"]
    assert ["evaluate", "report"] == [name for name, status in planned.items() if status == "will_run"]


def test_an_adapter_that_is_there_is_evaluated_without_training(
    finished: tuple[dict[str, Any], Path, dict[str, str]],
) -> None:
    first, path, env = finished
    found = ponens(env, "evaluate", path, "--adapter", "small@latest", "--set", "train.rank=16")

    assert "train" not in statuses(found)
    assert first["evaluation"]["paired"]["verdict"] == found["evaluation"]["paired"]["verdict"]


def test_a_run_that_asks_for_it_ends_at_the_gate_and_all_can_be_explained(
    finished: tuple[dict[str, Any], Path, dict[str, str]],
) -> None:
    """Twelve steps of training prove nothing: the gate says so, and the run is done all the same."""
    first, path, env = finished
    gated = ponens(env, "run", path, "--set", 'promote.gate="test"')
    found, word = gated["promotion"], first["evaluation"]["paired"]["verdict"]

    assert "ran" == statuses(gated)["promote"]
    assert (word == "better") == found["promoted"]
    assert word == found["paired"]["verdict"]
    assert first["adapter"] in found["why"]
    assert (
        found
        == json.loads((Path(env["PONENS_HOME"]) / "runs" / gated["run_id"] / "outcome.json").read_text())["promotion"]
    )
    assert "promotion" in {a["key"] for a in _post(env, "artifacts/filter")}

    told = ponens(env, "explain", first["adapter"])
    [training] = told["origin"]["from"]
    base, snapshot = training["from"]
    rationales, questions = snapshot["from"]
    assert gated["run_id"] in training["runs"]
    assert 64 == len(base["identity"])
    assert first["dataset"]["snapshot"] == snapshot["name"]
    assert ("embedded", first["reason"]["kept"], 0.0) == tuple(rationales[k] for k in ("teacher", "kept", "cost"))
    assert {"generated puzzles"} == {source["name"] for source in questions["from"]}
    assert word in {evaluation["verdict"] for evaluation in told["evaluations"]}


def test_a_deleted_artifact_runs_what_made_it_alone(finished: tuple[dict[str, Any], Path, dict[str, str]]) -> None:
    first, path, env = finished
    for snapshot in Home(Path(env["PONENS_HOME"])).root.glob("artifacts/snapshots/*"):
        shutil.rmtree(snapshot)
    again = ponens(env, "run", path)

    assert ["assemble"] == [name for name, status in statuses(again).items() if status == "ran"]
    assert first["dataset"]["snapshot"] == again["dataset"]["snapshot"]


def test_a_sweep_trains_what_is_new_and_judges_all_adapters_in_one_evaluation(
    finished: tuple[dict[str, Any], Path, dict[str, str]],
) -> None:
    first, path, env = finished
    tried = ["sweep", path, "--over", "train.rank=8,16"]
    ahead = {one["step"]: (one["times"], one["cached"]) for one in ponens(env, *tried, "--plan")["work"]}
    found = ponens(env, *tried)
    again = {one["step"]: (one["times"], one["cached"]) for one in ponens(env, *tried, "--plan")["work"]}
    rows = {row["settings"].get("train.rank", "all"): row for row in found["rows"]}

    assert {**dict.fromkeys(STEPS[:4], (1, 1)), "train": (2, 1), "evaluate": (1, 0)} == ahead
    assert {**dict.fromkeys(STEPS[:4], (1, 1)), "train": (2, 2), "evaluate": (1, 1)} == again
    assert {"8", "16", "all"} == rows.keys()
    assert first["adapter"] == rows["8"]["adapter"]
    assert first["evaluation"]["adapter"]["accuracy"] == rows["8"]["accuracy"]
    assert 3 == rows["16"]["paired"]["comparisons"] == found["comparisons"]
    assert json.loads(Path(found["page"]).with_name("sweep.json").read_text())["rows"] == found["rows"]


def test_a_restored_home_finds_every_step_done_and_holds_nothing_left_over(
    finished: tuple[dict[str, Any], Path, dict[str, str]], tmp_path: Path
) -> None:
    first, path, env = finished
    archive = ponens(env, "backup", tmp_path)["archive"]
    restored = ponens(env, "restore", archive, "--home", tmp_path / "back")
    own = {**env, "PONENS_HOME": restored["home"]}

    assert {"cached"} == {step["status"] for step in ponens(own, "plan", path)["steps"]}
    assert first["adapter"] in [one["adapter"] for one in ponens(own, "adapters", "list")["adapters"]]
    assert [] == ponens(own, "gc", "--older-than", "0s")["found"]
    assert ponens(own, "doctor", "--deep")["ok"]


def test_the_warehouse_answers_what_people_ask(finished: tuple[dict[str, Any], Path, dict[str, str]]) -> None:
    summary, _, env = finished
    query = "select count(*) as n from ballots where subject <> 'base'"

    assert summary["evaluation"]["questions"] <= ponens(env, "sql", query)["rows"][0]["n"]


@pytest.mark.parametrize("step", ["reason", "train", "evaluate", "report"])
def test_a_killed_run_goes_on_and_asks_for_nothing_twice(
    step: str, finished: tuple[dict[str, Any], Path, dict[str, str]], tmp_path: Path
) -> None:
    """SIGKILL while `step` works in a home whose earlier steps are done; then the same command.

    test_worker.py kills in the others too, one after the other.
    """
    first, path, env = finished
    home = Home(tmp_path / "home")
    shutil.copytree(
        env["PONENS_HOME"], home.root, ignore=shutil.ignore_patterns("samples") if step == "evaluate" else None
    )
    for later in STEPS[STEPS.index(step) :]:
        shutil.rmtree(home.root / "receipts" / later, ignore_errors=True)
    if step == "train":
        shutil.rmtree(home.adapters)
    if step == "reason":
        shutil.rmtree(home.ledger)
    own = {**env, "PONENS_HOME": str(home.root)}

    run = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", str(path), "--json"],
        cwd=ROOT,
        env=own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while run.poll() is None and not at_work(home, step):
        time.sleep(0.001)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    finished_before = {journal: keys(journal) for journal in (home.ledger, home.samples)}
    again = ponens(own, "run", path)

    assert "ran" == statuses(again)[step]
    assert first["dataset"]["snapshot"] == again["dataset"]["snapshot"]
    for journal, before in finished_before.items():
        assert set(before) <= set(keys(journal))
        assert len(keys(journal)) == len(set(keys(journal)))
    if step == "evaluate":
        work = again["evaluation"]["work"]
        assert 0 < len(finished_before[home.samples]) <= work["reused"]


def test_without_train_a_base_is_measured_by_itself(prefect: dict[str, str], tmp_path: Path) -> None:
    recipe = tmp_path / "set.toml"
    recipe.write_text('name = "set"\n[puzzles]\ncount = 12\n[parse]\nvalid = 0.0\ntest = 1.0\n[evaluate]\nvotes = 3\n')
    with TeacherServer() as server:
        env = {**prefect, "PONENS_HOME": str(tmp_path / "home"), "OPENAI_API_KEY": "sk-any"}
        settings = ["evaluate.base_model=org/model", "evaluate.engine=openai", "evaluate.limit=6"]
        settings.append(f'evaluate.server={{base_url = "{server.openai_url}"}}')
        summary = ponens(env, "run", recipe, *(word for one in settings for word in ("--set", one)))

    assert dict.fromkeys(["puzzles", "parse", "evaluate", "report"], "ran") == statuses(summary)
    assert "adapter" not in summary
    assert {"base", "curves", "slices"} <= summary["evaluation"].keys()
    assert "paired" not in summary["evaluation"]
    assert "no verdict" in Path(summary["report"]).read_text("utf-8")


def test_a_deployment_runs_the_flow_to_its_report(
    finished: tuple[dict[str, Any], Path, dict[str, str]], recipe_text: str
) -> None:
    """`ponens deploy`, a worker, `prefect deployment run`: the flow completes with the artifacts that people follow."""
    import tomllib

    _, _, env = finished
    subprocess.run([sys.executable, "-m", "flows.cli", "deploy"], cwd=ROOT, env=env, check=True, timeout=200)
    worker = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "local-process"],
        cwd=ROOT,
        env={**env, "PREFECT_WORKER_QUERY_SECONDS": "2"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        parameters = json.dumps(tomllib.loads(recipe_text))
        home = json.dumps(env["PONENS_HOME"])
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "deployment", "run", "finetune-logic/finetune-logic"]
            + ["-p", f"recipe={parameters}", "-p", f"home={home}", "--watch"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=400,
        )
    finally:
        os.killpg(worker.pid, signal.SIGKILL)  # asked to end it may wait for its server for minutes
        worker.wait()

    assert 0 == done.returncode, done.stdout + done.stderr
    assert {"report-page", "verdict", "comparison", "parse", "evaluate"} <= {
        a["key"] for a in _post(env, "artifacts/filter")
    }
    names = {(t["name"], t["state_name"]) for t in _post(env, "task_runs/filter")}
    assert ("train", "Cached") in names


def test_a_bad_parameter_is_refused_before_the_run(finished: tuple[dict[str, Any], Path, dict[str, str]]) -> None:
    _, _, env = finished
    parameters = json.dumps({"name": "x", "puzzles": {"count": 5}, "train": {"base_model": "m", "rank": -1}})
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "deployment", "run", "finetune-logic/finetune-logic"]
        + ["-p", f"recipe={parameters}"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert 1 == done.returncode
    assert "rank" in done.stdout + done.stderr


def test_a_failed_run_says_where_in_its_one_object(prefect: dict[str, str], tmp_path: Path, recipe_text: str) -> None:
    recipe = tmp_path / "all-test.toml"
    recipe.write_text(recipe_text)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "flows.cli",
            "run",
            str(recipe),
            "--set",
            "parse.test=1.0",
            "--set",
            "parse.valid=0.0",
            "--json",
        ],
        cwd=ROOT,
        env={**prefect, "PONENS_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert 2 == done.returncode
    # what reason cannot do is seen before it is tried
    assert {"puzzles": "ran", "parse": "ran"} == statuses(json.loads(done.stdout))
    assert "nothing to reason about" in json.loads(done.stdout)["error"]
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not COMPETITION.exists(), reason="the competition's data is not beside this checkout")
def test_competition_problems_run_to_the_report_against_a_faulty_teacher(
    prefect: dict[str, str], tmp_path: Path, recipe_text: str
) -> None:
    data = tmp_path / "twenty.jsonl"
    data.write_text("".join(COMPETITION.read_text("utf-8").splitlines(keepends=True)[:20]), "utf-8")
    recipe = tmp_path / "twenty.toml"
    questions = [q for q in read(files([data])) if isinstance(q, Question)]
    script = mix({"wrong": 0.15, "unreadable": 0.1, "429": 0.15, "500": 0.1})
    with TeacherServer(script, gold=gold_of(questions)) as server:
        recipe.write_text(
            recipe_text.replace('name = "small"', 'name = "twenty"')
            .replace("[puzzles]\ncount = 120\n", "")
            .replace("[parse]\n", f'[parse]\npath = "{data.name}"\n')
            .replace(
                'teacher = "embedded"', f'teacher = "openai"\nmodel = "scripted"\nbase_url = "{server.openai_url}"'
            )
            .replace("max_length = 320", "max_length = 2048\nmax_truncated_share = 0.5")
        )
        env = {**prefect, "PONENS_HOME": str(tmp_path / "home"), "OPENAI_API_KEY": "sk-planted-key"}
        summary = ponens(env, "run", recipe)

    rejected = summary["reason"]["rejected"]
    assert rejected["disagrees"] > 0
    assert rejected["unreadable"] > 0
    assert summary["reason"]["requests"] == summary["reason"]["kept"] + sum(rejected.values())
    assert Path(summary["report"]).exists()
    places = [tmp_path, Path(prefect["PREFECT_HOME"])]  # ledger, receipts, warehouse, page; Prefect's database and logs
    planted = [p for place in places for p in place.rglob("*") if p.is_file() and b"sk-planted-key" in p.read_bytes()]
    assert [] == planted


def _post(env: dict[str, str], what: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{env['PREFECT_API_URL']}/{what}", data=b"{}", headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        found: list[dict[str, Any]] = json.loads(reply.read())
    return found


def test_without_a_server_a_run_brings_its_own(
    finished: tuple[dict[str, Any], Path, dict[str, str]], tmp_path: Path
) -> None:
    _, path, env = finished
    own = environment(PONENS_HOME=env["PONENS_HOME"], PREFECT_HOME=str(tmp_path / "prefect"))

    assert dict.fromkeys(STEPS, "cached") == statuses(ponens(own, "run", path))
