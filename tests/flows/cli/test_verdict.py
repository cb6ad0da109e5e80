"""`ponens verdict`, as a user meets it."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.app import main
from storage.home import Home
from tests import result_files as files
from tests.evaluations import ASKED, ran

KEYS = [q.answer for q in ASKED]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PONENS_HOME", str(tmp_path / "home"))
    for side, votes in (("a", files.A), ("b", files.B)):
        files.inspect_json(tmp_path / side, votes, random.Random(1))
    return tmp_path


def ponens(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    return done.value.code


def test_the_word_comes_first_and_no_dictionary_is_printed(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == ponens("verdict", "a", "b", "--repeats", "first")
    shown = capsys.readouterr()

    assert shown.out.startswith("better: b is better than a on jars. 7 of 16 questions were fixed and 0 broken")
    for words in (
        " 16 50.0 → 93.8 ",
        "+7 −0",
        "16 questions matched by id, 8 groups by column group; judged by choice of the tool",
    ):
        assert words in shown.out
    assert "{" not in shown.out
    assert "the first reply counts" in shown.err


def test_json_has_the_verdict_of_two_files_of_rows_at_its_head(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == ponens("verdict", "a", "b", "b", "--json")
    found = json.loads(capsys.readouterr().out)

    assert {"questions", "base", "adapter", "paired", "subjects", "tasks", "warnings"} <= found.keys()
    assert ["inspect"] * 3 == [one["tool"] for one in found["subjects"]]
    assert [2, 2] == [one["paired"]["comparisons"] for one in found["tasks"]]
    assert {"by": "id", "questions": 16, "only_a": [], "only_b": []} == found["tasks"][0]["matched"]


@pytest.mark.parametrize(
    ("sides", "fail_on", "code"),
    [(("a", "b"), "worse", 0), (("b", "a"), "worse", 3), (("a", "b"), "not-better", 0), (("a", "a"), "not-better", 3), (("a", "a"), "worse", 0)],
)  # fmt: skip
def test_a_word_can_be_an_exit_code(
    sides: tuple[str, str], fail_on: str, code: int, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code == ponens("verdict", *sides, "--repeats", "first", "--fail-on", fail_on)
    shown = capsys.readouterr()
    assert (code == 3) == (f"--fail-on {fail_on}" in shown.err)
    assert shown.err.count("on jars: worse") <= 1
    assert shown.out  # the verdict is printed in any case


def test_the_page_holds_word_warnings_and_what_changed(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == ponens("verdict", "a", "b", "--repeats", "first", "--read", "--html", "out/page.html")
    page = (results / "out" / "page.html").read_text("utf-8")

    for words in (
        'class="better">Better.',
        "Jar 1 of the rack",
        'data-change="fixed"',
        "the first reply counts",
        "script-src 'sha256-",
    ):
        assert words in page
    assert 7 == page.count("data-change=")
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_what_the_two_readings_disagree_on_is_listed(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [log] = (results / "b").glob("*.json")
    log.write_text(log.read_text().replace("ANSWER: C", "ANSWER: D"))

    assert 0 == ponens("verdict", "a", "b", "--read", "--repeats", "first")
    shown = capsys.readouterr().out
    assert "replies that the tool and our extractor read otherwise" in shown
    assert "key C: tool 1 (C), ours D (answer-line)" in shown


@pytest.mark.parametrize("form", ["lm-eval", "inspect", "evalscope", "rows"])
def test_what_results_writes_is_read_again_with_the_same_figures(
    form: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ran(Home(results / "home"), "one", [None, None, *KEYS[2:20], *("A" for _ in KEYS[20:])])
    assert 0 == ponens("results", "one", "--as", form, "--out", "out")
    capsys.readouterr()
    sides = {"rows": ("out/base.jsonl", "out/logic-1.jsonl"), "inspect": ("out/base.json", "out/logic-1.json")}
    assert 0 == ponens("verdict", *sides.get(form, ("out/base", "out/logic-1")), "--json")
    found = json.loads(capsys.readouterr().out)

    evaluation = run.outcome["evaluation"]
    for name in ("ci95", "mcnemar_p", "fixed", "broken", "problems", "verdict", "reason"):
        assert evaluation["paired"][name] == found["paired"][name], name
    assert evaluation["paired"]["difference"] == pytest.approx(found["paired"]["difference"])
    for side in ("base", "adapter"):
        assert evaluation[side]["accuracy"] == found[side]["accuracy"]
        assert evaluation[side]["unreadable"] == pytest.approx(found[side]["unreadable"])


def test_a_wrong_path_or_subject_is_a_usage_error(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == ponens("verdict", "a", "gone.jsonl")
    assert "gone.jsonl is not there" in capsys.readouterr().err
    assert 2 == ponens("verdict", "a")
    assert 2 == ponens("verdict", "a", "b", "--html", "a/nothing\0.html")


@pytest.mark.process
def test_a_verdict_on_json_waits_for_no_library_but_numpy(results: Path) -> None:
    script = (
        "import sys\nfrom flows.cli import main\n"
        "heavy, sys.argv = sys.argv[1:], ['ponens', 'verdict', 'a', 'b', '--json']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules} & set(heavy)), file=sys.stderr)"
    )
    heavy = [
        "transformers",
        "vllm",
        "mlflow",
        "sqlite3",
        "prefect",
        "langchain",
        "langchain_openai",
        "openai",
        "polars",
        "duckdb",
        "pyarrow",
        "scipy",
        "matplotlib",
        "torch",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", script, *heavy], capture_output=True, text=True, env=environment, check=True
    )

    assert "better" in done.stdout
    assert "" == done.stderr.splitlines()[-1]
