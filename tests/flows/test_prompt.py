"""[prompt] of a recipe: where its words go, what they change in the keys, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.chain import Walk, chain
from flows.recipe import load
from storage.home import Home
from storage.records import Question, Receipt, UsageError
from storage.tables import questions
from tasks.reason.step import plan
from tasks.runtime.step import Step, run_step

ROOT = Path(__file__).resolve().parents[2]
BASE = """
name = "lamps"
[parse]
path = "lamps.jsonl"
valid = 0.2
test = 0.4
[reason]
teacher = "openai"
model = "m"
base_url = "http://127.0.0.1:9/v1"
[train]
base_model = "{base}"
"""
OWN = """
[prompt]
instruction = "Look closely."
answer_line = "Final answer: X"
system = "You are brief."
"""
ASKED = [Question(f"Lamp {n} is red.", "Which colour?", ("red", "blue", "green"), "B") for n in range(20)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rows = [
        {"passage": q.problem, "question": q.question, "options": list(q.options), "answer": q.answer} for q in ASKED
    ]
    (tmp_path / "lamps.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def steps(place: Path, more: str = "", base: str = BASE) -> dict[str, Step]:
    """The steps of a run, none of which but parse is done."""
    (place / "lamps.toml").write_text(base.replace("{base}", str(ROOT / "recipes" / "demo_base")) + more)
    home = Home(place / ".ponens")
    walk, seen = Walk(chain(load(place / "lamps.toml"), home.root)), dict[str, Step]()
    for step in walk:
        seen[step.name] = step
        walk.done(run_step(step, home)[0] if step.name == "parse" else _receipt(step))
    return seen


def _receipt(step: Step) -> Receipt:
    return Receipt(
        step.name, "k", "d", "adapters/lamps/1" if step.name == "train" else f"artifacts/{step.name}", {}, {}, 0.0, ""
    )


def test_ones_own_words_are_in_every_key_that_depends_on_them_and_the_house_s_are_in_none(place: Path) -> None:
    house, own = steps(place), steps(place, OWN)

    assert "choice/2/solve-then-explain" == house["reason"].settings["prompt"]
    assert not any("words" in step.settings for step in house.values())
    assert "system" not in house["reason"].settings
    assert own["reason"].settings["prompt"].startswith("choice/2+")
    assert "You are brief." == own["reason"].settings["system"]
    assert "You are brief." == own["evaluate"].settings["rendering"]["system"]
    assert own["assemble"].settings["words"] == own["evaluate"].settings["words"]
    assert "Look closely." in own["assemble"].settings["words"]["TEMPLATE"]["en"]
    assert house["parse"].key == own["parse"].key
    assert "You are brief." == load(place / "lamps.toml").training.wish.system


def test_a_teacher_is_asked_in_the_words_with_the_system_prompt_first(place: Path) -> None:
    steps(place, OWN)
    recipe = load(place / "lamps.toml")
    [request] = plan(recipe.reason.worded(recipe.prompting.words), ASKED[0])

    assert ["system", "user"] == [message.role for message in request.messages]
    assert request.messages[1].content.endswith('Look closely. End with the line "Final answer: X".')
    assert next(plan(recipe.reason, ASKED[0])).key != request.key


def test_an_example_that_is_kept_back_for_measuring_is_refused_before_a_teacher_is_asked(place: Path) -> None:
    parsed = steps(place)["parse"]
    found = questions.Stored(Home(place / ".ponens"), run_step(parsed, Home(place / ".ponens"))[0])
    by_split: dict[str, Question] = {question.split: question for question in found}

    def few(question: Question, written: bool) -> str:
        row: dict[str, Any] = {"passage": question.problem, "question": question.question,
                               "options": list(question.options), "answer": question.answer}  # fmt: skip
        if written:
            row = {"question": f"{question.problem}\n\n{question.question}\nA) red\nB) blue", "answer": "Answer: B"}
        (place / "few.jsonl").write_text(json.dumps(row) + "\n")
        return '[prompt]\nfew_shot = "few.jsonl"\n'

    assert (
        "Solved examples" in steps(place, few(by_split["train"], False))["evaluate"].settings["words"]["TEMPLATE"]["en"]
    )
    for split in ("valid", "test"):
        for written in (False, True):
            with pytest.raises(UsageError, match="kept back for measuring"):
                steps(place, few(by_split[split], written))


@pytest.mark.parametrize(
    "change, said",
    [
        ("answer_line = 'Answer:'", "0 X for the letter"),
        ("file = 'none.jinja'", "cannot be read"),
        ("few_shot = 'none.jsonl'", "cannot be read"),
        ("file = 'p.jinja'\ninstruction = 'Think.'", "leave instruction out"),
        ("instructions = 'Think.'", "instruction"),
        ("instruction = 'Think.'\n[tune]", "leave \\[prompt\\] out"),
        ("system = 'x'\n[train]\nbase_model = 'm'\nsystem = 'y'", "keep \\[prompt\\] system"),
    ],
)
def test_words_that_do_not_do_are_refused_before_anything_is_read(change: str, said: str, place: Path) -> None:
    base = BASE.partition("[train]")[0] if "[train]" in change else BASE
    with pytest.raises(UsageError, match=said):
        steps(place, f"[prompt]\n{change}\n", base)
    assert not (place / ".ponens" / "artifacts").exists()


@pytest.mark.parametrize("setting", ["instruction = 'x'", "few_shot = 'x'", "file = 'x'", "answer_line = 'Answer: X'"])
@pytest.mark.parametrize("kind", ["chat", "instruction"])
def test_kinds_that_ask_in_the_words_of_their_rows_take_a_system_prompt_alone(
    kind: str, setting: str, place: Path
) -> None:
    text = f'name = "c"\nkind = "{kind}"\n[parse]\npath = "x.jsonl"\n[prompt]\n'
    (place / "c.toml").write_text(text + setting)
    with pytest.raises(UsageError, match=setting.split()[0]):
        load(place / "c.toml")
    (place / "c.toml").write_text(text + "system = 'Be kind.'")
    assert "Be kind." == load(place / "c.toml").prompt.system
