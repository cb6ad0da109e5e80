"""The sets that others use: each is read whole and a little of it asked of what knows the answers; two are reported."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from evals.scorers.assignment import AssignmentScorer
from flows.chain import chain, compare
from flows.recipe import load
from prompts import assignment, choice
from storage.home import Home
from storage.records import Question, Receipt, UsageError
from storage.tables.dialogue_files import Dialogues
from storage.tables.questions import Stored
from storage.tables.samples import Samples
from tasks.engines.interface import Request
from tasks.evaluate import candidates
from tasks.evaluate.elections import Electorate, chosen
from tasks.evaluate.generation import Decoding, Reply, Subject
from tasks.evaluate.rounds import Asking
from tasks.parse import step as parse
from tasks.runtime.step import Step, run_step
from tests import adapters
from tests.chains import follow
from tests.fakes import TeacherServer, gold_of
from tests.fakes_engine import FakeEngine

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
    fetched = {"spider", "bird"}  # their questions and databases are a person's to fetch

    assert {*COUNTS, *fetched} == {path.stem for path in RECIPES.glob("*.toml")}


@with_data
@pytest.mark.parametrize("name", COUNTS)
def test_a_set_is_read_whole_and_what_knows_its_answers_is_right(name: str, tmp_path: Path) -> None:
    recipe, home = load(RECIPES / f"{name}.toml"), Home(tmp_path)
    parsed, _ = run_step(parse.step(recipe.parse, parse.source(recipe.parse), kind=recipe.kind), home)

    assert {"train": 0, "valid": 0, "test": COUNTS[name]} == parsed.facts["splits"]
    assert 0 == parsed.facts["rejected"]
    right = scripted(list(Stored(home, parsed)), home) if recipe.kind == "choice" else told(Dialogues(home, parsed))
    assert [True] * ASKED == right


def scripted(questions: list[Question], home: Home) -> list[bool]:
    """A few questions asked of an engine that knows the answers, through prompts, votes and ballots as they are."""
    voters = Electorate(chosen(questions, ASKED))
    keys = {choice.body(q): choice.answer_line(q) for q in voters.questions}

    def known(request: Request) -> str:
        asked = request.messages[-1].content
        return f"It follows.\n{next(line for text, line in keys.items() if text in asked)}"

    base, asks = Subject("base", "w"), {a.id: a for a in voters.asks}
    engine = FakeEngine({"base": known})
    with Samples(home.samples) as store:
        run = Asking("fake", {"base": base}, asks, {}, Decoding(VOTES, 0.7, 1.0, 64, 0), None, store, lambda: engine)
        run.run()
    replies = [Reply(*slot, kept.text, kept.finish, kept.tokens, None) for slot, kept in run.got.items()]
    return [ballot.right for ballot in voters.ballots(voters.samples(replies)["base"]).values()]


def told(dialogues: Dialogues) -> list[bool]:
    """A few puzzles answered by their own solutions, through the reading and the scorer as they are."""
    some = islice(dialogues, ASKED)
    return [AssignmentScorer().score(str(assignment.read(d.messages[-1].content).text), d).right for d in some]


@with_data
@pytest.mark.parametrize("name", ["folio", "knights"])
def test_a_base_is_measured_by_itself_and_reported(name: str, tmp_path: Path) -> None:
    made = Measured(tmp_path)
    with TeacherServer() as server:
        recipe = load(RECIPES / f"{name}.toml", settings(server, "evaluate.base_model=org/model"))
        server.gold = Known(made, recipe.kind)
        follow(chain(recipe, tmp_path), made.do)

    found = made.evaluation
    assert ["parse", "evaluate", "report"] == list(made.receipts)
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
    with TeacherServer() as server:
        recipe = load(RECIPES / "folio.toml", settings(server))
        follow(compare(recipe, tmp_path, ["logic/1", "logic/2"]), made.do)

    assert {"org/model", "logic/1", "logic/2"} == {body["model"] for body in server.bodies}
    assert "logic/1" == made.evaluation["adapter_name"]
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
        follow(chain(load(RECIPES / "folio.toml"), tmp_path), do)
    lost = load(RECIPES / "folio.toml", ["evaluate.base_model=org/model", "parse.path=lost.jsonl"])
    with pytest.raises(UsageError, match=r"not here(.|\n)*lost.jsonl(.|\n)*Yale-LILY/FOLIO(.|\n)*parse\.path"):
        follow(chain(lost, tmp_path), do)
    chat = load(RECIPES / "folio.toml", ["kind=chat", "evaluate.base_model=org/model"])
    with pytest.raises(UsageError, match="compared, not measured"):
        follow(chain(chat, tmp_path), lambda step: Receipt(step.name, "", "", "", {}, {}, 0.0, ""))
