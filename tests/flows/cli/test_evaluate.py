"""ponens evaluate and plan with --model: what is named, what it would cost, and what cannot be."""

import json
from pathlib import Path

import pytest

from flows.chain import Walk, compare
from flows.cli import app as cli
from flows.recipe import load
from storage.home import Home
from tasks.runtime.step import run_step
from tests.fakes import TeacherServer, always
from tests.tasks.asking import KEY, everything, plant

RECIPE = """
name = "r"
[parse]
path = "rows.jsonl"
test = 1.0
valid = 0.0
[evaluate]
base_model = "org/base"
votes = 2
[evaluate.api.prices."m"]
in = 1.0
out = 4.0
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PONENS_HOME", "PREFECT_API_URL", "OPENAI_API_KEY", "DASHSCOPE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    (tmp_path / "r.toml").write_text(RECIPE)
    rows = [{"question": f"Which is {n}?", "options": [f"{n}", "x"], "answer": "A"} for n in range(10)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = cli._exit_code(list(words))
    found = capsys.readouterr()
    return code, found.out + found.err


def test_a_plan_takes_the_same_flags_and_names_the_key_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "plan", "r.toml", "--model", "openai:m", "--model", "hub:org/other", "--json")
    found = json.loads(text)
    wrong = " ".join(one["found"] for one in found["wrong"] if one["name"] == "models")

    assert 0 == code
    assert ["parse", "evaluate", "report"] == [step["name"] for step in found["steps"]]
    assert "OPENAI_API_KEY is not set" in wrong and "'org/other' is not on this machine" in wrong


def test_nothing_is_trained_for_models_though_the_recipe_trains(capsys: pytest.CaptureFixture[str]) -> None:
    text = RECIPE.replace('[evaluate]\nbase_model = "org/base"', '[train]\nbase_model = "org/base"\n[evaluate]')
    Path("t.toml").write_text(text)
    found = json.loads(said(capsys, "plan", "t.toml", "--model", "openai:m", "--json")[1])

    assert ["parse", "evaluate", "report"] == [step["name"] for step in found["steps"]]
    assert {"models"} == {one["name"] for one in found["wrong"]}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("opena:m", ("'opena:m'", "openai:MODEL, dashscope:MODEL, hub:MODEL")),
        ("logic/9", ("logic",)),
        ("hub:", ("'hub:'",)),
    ],
)
def test_who_is_not_there_is_named(model: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "plan", "r.toml", "--model", model)

    assert 2 == code, text
    assert [] == [word for word in words if word not in text]


def test_an_estimate_says_requests_and_cost_and_sends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("evaluate", "r.toml", "--model", "openai:m", "--model", "openai:free", "--estimate")
    code, text = said(capsys, *flags, "--json")
    told = json.loads(text.splitlines()[0])["models"]

    assert (0, 30, 0) == (code, told["openai:m"]["asked"], told["openai:m"]["from_ledger"])
    assert (
        pytest.approx(told["openai:m"]["tokens"]["in"] + 4 * told["openai:m"]["tokens"]["out"])
        == 1e6 * told["openai:m"]["cost"]
    )
    assert told["openai:free"]["cost"] is None
    assert "[evaluate.api.prices" in said(capsys, *flags)[1]


def test_an_estimate_without_an_api_to_pay_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == said(capsys, "evaluate", "r.toml", "--model", "hub:org/other", "--estimate")[0]


ANSWERS = [
    {"instruction": f"Say {n}.", "input": "", "output": "Each option was tested in turn.\nAnswer: B"} for n in range(10)
]


@pytest.mark.process
@pytest.mark.parametrize("kind", ["choice", "instruction"])
def test_base_and_api_models_stand_in_one_report_with_corrected_words_and_the_cost(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    if kind == "instruction":
        Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ANSWERS))
    home, found = Home(tmp_path / "home"), {}
    with (
        TeacherServer(always("right" if kind == "instruction" else "wrong")) as weak,
        TeacherServer(always("wrong" if kind == "instruction" else "right")) as strong,
    ):
        monkeypatch.setenv("OPENAI_BASE_URL", strong.openai_url)
        server = [f'evaluate.server.base_url="{weak.openai_url}"', "evaluate.server.first_wait=0.01"]
        recipe = load(Path("r.toml"), [f"kind={kind}", "evaluate.votes=1", 'evaluate.engine="openai"', *server])
        recipe, adapters = recipe.asking(["openai:m", "openai:free"])
        walk = Walk(compare(recipe, home.root, adapters or []))
        for step in walk:
            found[step.name] = walk.done(run_step(step, home)[0])
    facts = found["evaluate"].facts
    page = (home.root / found["report"].artifact / "report.html").read_text()

    assert ("openai:m", ["openai:free"]) == (facts["adapter_name"], list(facts["others"]))
    assert (0.0, 1.0, 1.0) == tuple(
        side["accuracy"] for side in (facts["base"], facts["adapter"], facts["others"]["openai:free"])
    )
    assert ("better", 2) == (facts["paired"]["verdict"], facts["paired"]["comparisons"])
    assert "openai:free: " in page and "cost unknown: no price" in page
    assert f"cost {facts['models']['openai:m']['cost']:,.4f}" in page
    assert KEY not in everything(home.root)
