"""The sets that others use: each is read whole, asked a little of a server that knows the answers, and reported."""

from pathlib import Path
from typing import Any

import pytest

from flows.chain import chain, compare
from flows.recipe import load
from storage.dialogue_files import Dialogues
from storage.home import Home
from storage.questions import Stored
from storage.records import Receipt, UsageError
from tasks import candidates
from tasks.step import Step, run_step
from tests import adapters
from tests.fakes import TeacherServer, always, gold_of

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes" / "eval"
# questions that are asked, by recipe
COUNTS = {
    "ar-lsat": 231,
    "folio": 1003,
    "knights": 600,
    "logiqa": 651,
    "logiqa2": 1427,
    "prontoqa": 400,
    "proofwriter": 600,
}
ASKED, VOTES = 4, 3

pytestmark = pytest.mark.process
with_data = pytest.mark.skipif(
    not (ROOT / ".." / "shared" / "data").exists(), reason="the sample data are not beside this checkout"
)


class Measured:
    """A chain that was run: its receipts by step."""

    def __init__(self, home: Path) -> None:
        self.home, self.receipts = Home(home), dict[str, Receipt]()

    def do(self, step: Step) -> Receipt:
        self.receipts[step.name], _ = run_step(step, self.home)
        return self.receipts[step.name]

    @property
    def evaluation(self) -> dict[str, Any]:
        return dict(self.receipts["evaluate"].facts)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-any")


def settings(server: TeacherServer, *more: str) -> list[str]:
    address = f'evaluate.server={{base_url = "{server.openai_url}", first_wait = 0.01}}'
    return ["evaluate.engine=openai", f"evaluate.votes={VOTES}", f"evaluate.limit={ASKED}", address, *more]


def test_there_is_a_recipe_for_each_set() -> None:
    assert set(COUNTS) == {path.stem for path in RECIPES.glob("*.toml")}


@with_data
@pytest.mark.parametrize("name", COUNTS)
def test_a_set_is_parsed_asked_and_reported(name: str, tmp_path: Path) -> None:
    made = Measured(tmp_path)
    path = RECIPES / f"{name}.toml"
    with TeacherServer() as server:
        recipe = load(path, settings(server, "evaluate.base_model=org/model"))
        server.gold = Known(made, recipe.kind)
        chain(recipe, made.do, tmp_path)

    found = made.evaluation
    assert ["parse", "evaluate", "report"] == list(made.receipts)
    assert {"train": 0, "valid": 0, "test": COUNTS[name]} == made.receipts["parse"].facts["splits"]
    assert 0 == made.receipts["parse"].facts["rejected"]
    assert (ASKED, VOTES, 1.0) == (found["questions"], found["votes"], found["base"]["accuracy"])
    assert ASKED * (VOTES + 1) == sum(server.asked.values())
    assert not {"adapter", "paired", "adapter_name"} & found.keys()
    page = (tmp_path / made.receipts["report"].artifact / "report.html").read_text("utf-8")
    assert "100.0 %" in page
    assert ASKED == page.count('class="example"')


class Known(dict[str, str]):
    """The answer to every question that was parsed, by its text as prompts show it."""

    def __init__(self, made: Measured, kind: str) -> None:
        self.made, self.kind = made, kind

    def __contains__(self, text: object) -> bool:
        if not self:
            parsed = self.made.receipts["parse"]
            if self.kind == "choice":
                self.update(gold_of(Stored(self.made.home, parsed)))
            else:
                for one in Dialogues(self.made.home, parsed):
                    *_, roles = one.messages[-1].content.split("\n\n")
                    self[one.messages[0].content] = f"\n{roles}"
        return super().__contains__(text)


@with_data
def test_adapters_are_held_against_the_base_they_were_trained_on(tmp_path: Path) -> None:
    made = Measured(tmp_path)
    for _ in range(2):
        adapters.made(made.home, "logic", base_model="org/model", revision="abc")
    with TeacherServer(always("wrong")) as server:
        recipe = load(RECIPES / "folio.toml", settings(server))
        compare(recipe, made.do, tmp_path, ["logic/1", "logic/2"])

    assert {"org/model", "logic/1", "logic/2"} == {body["model"] for body in server.bodies}
    assert 0.0 == made.evaluation["adapter"]["accuracy"]
    assert "logic/2" in made.evaluation["others"]


def test_a_base_that_is_not_one_is_asked_for(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for base in ("org/model", "org/other"):
        adapters.made(home, "logic", base_model=base)
    named = candidates.named(tmp_path, ["logic/1", "logic/2"])

    assert candidates.Base("org/model") == candidates.base(tmp_path, named[:1])
    with pytest.raises(UsageError, match="logic/1: org/model, logic/2: org/other"):
        candidates.base(tmp_path, named)


def test_what_is_missing_is_named_before_anything_runs(tmp_path: Path) -> None:
    def do(step: Step) -> Receipt:
        raise AssertionError(step.name)

    with pytest.raises(UsageError, match="no model to measure"):
        chain(load(RECIPES / "folio.toml"), do, tmp_path)
    lost = load(RECIPES / "folio.toml", ["evaluate.base_model=org/model", "parse.path=lost.jsonl"])
    with pytest.raises(UsageError, match=r"not here(.|\n)*lost.jsonl(.|\n)*Yale-LILY/FOLIO(.|\n)*parse\.path"):
        chain(lost, do, tmp_path)
    chat = load(RECIPES / "folio.toml", ["kind=chat", "evaluate.base_model=org/model"])
    with pytest.raises(UsageError, match="compared, not measured"):
        chain(chat, lambda step: Receipt(step.name, "", "", "", {}, {}, 0.0, ""), tmp_path)
