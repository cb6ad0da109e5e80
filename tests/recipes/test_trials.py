"""The verdict on trial, by real training and real replies: what helps, what harms, what does nothing.

The demo's recipe in small trains an adapter ("better"). Merged, it is a base that is right often enough to be harmed:
by an adapter that learns the same rationales with the next letter at their end ("worse"), and not by one that adds
nothing ("cannot tell").
"""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evals.verdict import verdict
from flows.chain import Walk, chain, compare
from flows.recipe import load
from prompts import choice
from puzzles.generate import generate
from puzzles.solve import rationale
from storage import warehouse
from storage.adapters import champions
from storage.adapters import versions as adapters
from storage.adapters.versions import Adapter
from storage.artifacts import publish
from storage.home import Home
from storage.records import Question, Receipt
from storage.tables.samples import BALLOTS, SAMPLES
from tasks.adapters.export_adapter import export_adapter
from tasks.runtime.step import Step, run_step
from tests.chains import follow

ROOT = Path(__file__).resolve().parents[2]
FAMILY = "compass"
TRAIN = ["train.report_to=[]", "train.save_steps=1000"]
EVALUATE = ["evaluate.engine=transformers", "evaluate.limit=48", "evaluate.votes=5", "evaluate.max_tokens=96"]
TRIALS = 100

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(3000)]


class Runs:
    """Chains in one home; the receipts of the last."""

    def __init__(self, home: Path) -> None:
        self.home, self.receipts = Home(home), dict[str, Receipt]()

    def do(self, step: Step) -> Receipt:
        self.receipts[step.name], _ = run_step(step, self.home)
        return self.receipts[step.name]

    def word(self) -> str:
        return str(self.receipts["evaluate"].facts["paired"]["verdict"])

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.home.root / self.receipts["evaluate"].artifact / name)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The demo's recipe with one family of puzzles and a sixth of its training."""
    made = Runs(tmp_path_factory.mktemp("trials") / "home")
    small = ["puzzles.count=640", f'puzzles.families=["{FAMILY}"]', "parse.test=0.12", "train.max_steps=72"]
    follow(chain(load(ROOT / "recipes" / "demo.toml", [*small, *TRAIN, *EVALUATE]), made.home.root), made.do)
    return made


@pytest.fixture(scope="module")
def trials(demo: Runs) -> dict[str, Any]:
    """The merged demo as base, a harmful and an idle adapter on it, both evaluated on one load; hotter, to vary."""
    root = demo.home.root.parent
    base = root / "base"
    export_adapter(adapters.resolve(demo.home, "demo/1"), base, form="merged")
    (root / "wrong.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in taught_wrongly(280))
    )
    harmful = root / "harmful.toml"
    shutil.copy(ROOT / "recipes" / "demo.toml", harmful)
    text = harmful.read_text("utf-8")
    start, end = text.index("[puzzles]"), text.index("[train]")
    harmful.write_text(text[:start] + '[parse]\npath = "wrong.jsonl"\nvalid = 0.02\ntest = 0.0\n' + text[end:])
    made = Runs(demo.home.root)
    changes = ["name=harmful", "kind=instruction", f"train.base_model={base}", "train.max_steps=32", *TRAIN]
    walk = Walk(chain(load(harmful, changes), made.home.root))
    for step in walk:
        if step.name == "evaluate":
            break
        walk.done(made.do(step))
    idle(made.home, adapters.resolve(made.home, "harmful/1"))
    measured = ["puzzles.count=640", f'puzzles.families=["{FAMILY}"]', "parse.test=0.12", f"train.base_model={base}"]
    recipe = load(ROOT / "recipes" / "demo.toml", [*measured, *EVALUATE, "evaluate.temperature=1.2"])
    follow(compare(recipe, made.home.root, ["harmful/1", "idle/1"]), made.do)
    return {"runs": made, "facts": dict(made.receipts["evaluate"].facts)}


def taught_wrongly(count: int) -> list[dict[str, str]]:
    """The demo's prompts with its teacher's rationales, whose last line states the letter after the right one."""
    rows = []
    for row in generate(count, seed=77, families=(FAMILY,)):
        for asked in row["questions"]:
            question = Question(row["problem"], asked["question"], tuple(asked["options"]))
            (message,) = choice.solve(question)
            reply = str(rationale(message.content))
            letters = "ABCDEFGH"[: len(question.options)]
            shifted = letters[(letters.index(reply[-1]) + 1) % len(letters)]
            rows.append({"instruction": message.content, "output": reply[:-1] + shifted})
    return rows


def idle(home: Home, like: Adapter, name: str = "idle") -> None:
    """An adapter of the same shape whose B is next to nothing; B = 0 is refused before it is evaluated."""
    from safetensors.numpy import load_file, save_file

    work = home.root / "work" / "idle"
    shutil.copytree(like.folder, work)
    (work / "manifest.json").unlink()
    weights = load_file(work / "adapter_model.safetensors")
    tiny = {name: value * 0 + 1e-12 if "lora_B" in name else value for name, value in weights.items()}
    save_file(tiny, work / "adapter_model.safetensors", metadata={"format": "pt"})
    publish(work, f"adapters/{name}", home, identity="0" * 64, numbered=True, about={"made_at": ""})


def test_the_demos_adapter_is_better(demo: Runs) -> None:
    found = demo.receipts["evaluate"].facts

    assert "better" == demo.word()
    assert found["adapter"]["accuracy"] > found["base"]["accuracy"] + 0.3


def test_an_adapter_that_was_trained_on_wrong_letters_is_worse(trials: dict[str, Any]) -> None:
    facts = trials["facts"]

    assert "harmful/1" == facts["adapter_name"]
    assert facts["base"]["accuracy"] > 0.4
    assert "worse" == facts["paired"]["verdict"]
    assert facts["paired"]["broken"] > facts["paired"]["fixed"]


def test_an_adapter_that_adds_nothing_cannot_be_told_from_its_base_in_95_of_100_trials(trials: dict[str, Any]) -> None:
    """Each trial draws problems anew and, of the replies that both really gave, three votes a question and side."""
    made = trials["runs"]
    gold = {b["question"]: b["gold"] for b in made.table(BALLOTS).iter_rows(named=True)}
    said: dict[str, dict[str, list[str | None]]] = {"base": {}, "idle/1": {}}
    for sample in made.table(SAMPLES).filter(pl.col("index") >= 0).iter_rows(named=True):
        if sample["subject"] in said:
            said[sample["subject"]].setdefault(sample["question"], []).append(sample["answer"])
    words = []
    for trial in range(TRIALS):
        draw = random.Random(trial)
        drawn = draw.choices(sorted(gold), k=len(gold))
        rows = {
            side: [
                {"id": str(place), "group": id, "gold": gold[id], "answer": elected(draw.sample(votes[id], 3))}
                for place, id in enumerate(drawn)
            ]
            for side, votes in said.items()
        }
        words.append(verdict(rows["base"], rows["idle/1"]).word)

    assert "cannot tell" == trials["facts"]["others"]["idle/1"]["paired"]["verdict"]
    assert len({str(votes) for votes in said["base"].values()}) > 4  # there was something to draw
    assert words.count("cannot tell") >= 95


def elected(votes: list[str | None]) -> str | None:
    """The answer with most votes, the first of those level."""
    read = [vote for vote in votes if vote is not None]
    return max(read, key=read.count) if read else None


def test_a_champion_that_is_moved_to_a_worse_adapter_is_an_alarm(demo: Runs) -> None:
    """Measured by real replies, all drawn anew though most were there: the demo's adapter, then one that adds nothing."""
    from flows.reeval import reevaluate

    small = ["puzzles.count=640", f'puzzles.families=["{FAMILY}"]', "parse.test=0.12", *TRAIN, *EVALUATE]
    recipe = load(ROOT / "recipes" / "demo.toml", [*small, "evaluate.limit=24", "evaluate.votes=1"])
    good = adapters.resolve(demo.home, "demo/1")
    idle(demo.home, good, "demo")
    bad = adapters.resolve(demo.home, "demo@latest")
    champions.promote(demo.home, good, None, "force", "the first")
    first = follow(reevaluate(recipe, demo.home.root, "one", ""), demo.do)
    drawn = demo.receipts["evaluate"].facts["work"]
    champions.promote(demo.home, bad, good, "force", "by mistake")
    fallen = follow(reevaluate(recipe, demo.home.root, "two", ""), demo.do)

    assert [] == first.alarms
    assert (24 * 3 * 2, 0) == (drawn["asked"], drawn["reused"])
    assert "accuracy" in fallen.measures[0].alarm
    assert "champion demo/1 → demo/2" in (fallen.measures[0].against or {})["changed"]
    rows = warehouse.query(demo.home, "select round, side, engine from measures")
    assert {(name, side, "transformers") for name in ("one", "two") for side in ("base", "champion")} == {
        tuple(row.values()) for row in rows
    }
