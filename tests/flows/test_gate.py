"""Promotion as a user meets it: evaluations are planted where their steps look for them, so no model is loaded."""

import json
from pathlib import Path

import pytest

from flows import dry_run, gate
from flows.cli.app import main
from flows.recipe import load
from storage.adapters import champions
from storage.adapters import versions as adapters
from storage.artifacts import write_json
from storage.home import Home
from storage.records import Receipt, UsageError
from tasks.runtime.step import Step
from tests.chains import follow
from tests.flows.conftest import Hook
from tests.planted import ASKED, BASE, planted
from tests.planted import recipe as recipe_of


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe whose whole source is its test split."""
    monkeypatch.setenv("PONENS_HOME", str(tmp_path / "home"))
    for name in ("PREFECT_API_URL", "PONENS_WEBHOOK"):
        monkeypatch.delenv(name, raising=False)
    return recipe_of(tmp_path)


def ponens(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as done:
        main([str(a) for a in arguments])
    assert isinstance(done.value.code, int)
    return done.value.code


@pytest.mark.parametrize(
    ("champion", "candidate", "code", "words"),
    [
        (None, 30, 0, ()),
        (None, 12, 3, ("cannot tell whether it is better than the base", "smallest difference", "points")),
        (None, 0, 3, ("worse than the base",)),
        (20, 35, 0, ()),
        (20, 22, 3, ("cannot tell whether it is better than logic/1", "smallest difference", "2 of 40")),
        (35, 20, 3, ("worse than logic/1", "0 of 40 questions were fixed and 15 broken")),
    ],
)
def test_only_what_is_better_becomes_the_champion(
    champion: int | None,
    candidate: int,
    code: int,
    words: tuple[str, ...],
    path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home, _, _ = planted(path, champion or BASE, candidate)
    first, second = (adapters.resolve(home, f"logic/{n}") for n in (1, 2))
    if champion:
        champions.promote(home, first, None, "force", "the first")
    before = champions.moves(home, "logic")

    assert code == ponens("promote", "logic/2", "--recipe", path, "--json")
    said = capsys.readouterr()
    found = json.loads(said.out)
    moves = champions.moves(home, "logic")
    assert (code == 0) == found["promoted"]
    assert candidate / ASKED == found["accuracy"]["candidate"]
    for word in words:
        assert word in said.err
    if code:
        assert before == moves
    else:
        assert second == champions.champion(home, "logic")
        evidence = moves[-1].evidence
        assert evidence and ("gate", "better") == (moves[-1].how, evidence["paired"]["verdict"])
        assert all((home.root / place).is_dir() for place in evidence["evaluations"].values())
        assert 0 == ponens("promote", "logic/2", "--recipe", path), "it is champion already"
        assert moves == champions.moves(home, "logic")


def test_force_needs_a_reason_and_history_and_rollback_tell_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, _, _ = planted(path, 20, 12)
    assert 0 == ponens("promote", "logic/1", "--recipe", path)

    assert 2 == ponens("promote", "logic/2", "--force", "--because", "  ")
    assert 2 == ponens("adapters", "alias", "logic/2", "champion")
    assert 2 == ponens("adapters", "alias", "logic/1", "champion", "--drop")
    assert "ponens promote" in capsys.readouterr().err
    assert 0 == ponens("promote", "logic/2", "--force", "--because", "the customer wants it")
    assert "logic/2" == str(champions.champion(home, "logic"))
    assert 0 == ponens("rollback", "logic", "--because", "they do not")
    assert 2 == ponens("rollback", "logic")
    capsys.readouterr()
    assert 0 == ponens("adapters", "history", "logic", "--json")
    told = json.loads(capsys.readouterr().out)

    assert "logic/1" == told["champion"]
    assert [(None, 1, "gate", ""), (1, 2, "force", "the customer wants it"), (2, 1, "rollback", "they do not")] == [
        (move["before"], move["after"], move["how"], move["because"]) for move in told["moves"]
    ]
    assert 0 == ponens("adapters", "history", "logic")
    page = capsys.readouterr().out
    for words in ("new → 1", "better:", "on 40 questions", "because: they do not", "artifacts/evaluations/"):
        assert words in page


def test_of_two_promotions_at_once_the_second_has_to_beat_the_first(path: Path) -> None:
    """Both are better than the base; while the third version is judged, the second becomes champion."""
    home, recipe, do = planted(path, BASE, 31, 30)
    second, third = (adapters.resolve(home, f"logic/{n}") for n in (2, 3))

    def interrupted(step: Step) -> Receipt:
        if step.name == "evaluate" and champions.champion(home, "logic") is None:
            assert follow(gate.promote(recipe, home, second, lambda name: None), do)["promoted"]
        return do(step)

    found = follow(gate.promote(recipe, home, third, lambda name: None), interrupted)

    assert (False, "logic/2", "logic/2") == (found["promoted"], found["against"], found["champion"])
    assert [2] == [move.after for move in champions.moves(home, "logic")]


def test_the_recipe_is_that_of_the_run_which_made_the_adapter(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, recipe, _ = planted(path, 30)
    assert 2 == ponens("promote", "logic/1")
    assert "--recipe" in capsys.readouterr().err
    manifest = home.adapters / "logic" / "1" / "manifest.json"
    write_json(manifest, json.loads(manifest.read_text()) | {"key": "k"})
    write_json(home.run("r1") / "recipe.json", recipe.model_dump(mode="json"))
    write_json(home.run("r1") / "outcome.json", {"recipe": "logic", "steps": [{"name": "train", "key": "k"}]})

    assert 0 == ponens("promote", "logic/1")


def test_a_gate_of_its_own_is_asked_whole_and_kept_out_of_training(path: Path) -> None:
    other = path.with_name("gate.jsonl")
    other.write_text((path.with_name("data.jsonl")).read_text().replace("Lamp", "Bulb"))
    path.write_text(path.read_text() + 'gate = "gate.jsonl"\n')
    home, recipe, do = planted(path, 30)

    assert [str(other)] == recipe.gate
    assert [str(other)] == recipe.parsing.against
    found = follow(gate.promote(recipe, home, adapters.resolve(home, "logic/1"), lambda name: None), do)
    assert (True, [str(other)]) == (found["promoted"], found["gate"])
    assert do.parsed and {"train": 0, "valid": 0, "test": ASKED} == do.parsed.facts["splits"]


def with_gate(path: Path, *rows: str) -> Path:
    other = path.with_name("gate.jsonl")
    own = path.with_name("data.jsonl").read_text().replace("Lamp", "Bulb")
    other.write_text(own + "".join(f"{row}\n" for row in rows))
    path.write_text(path.read_text() + 'gate = "gate.jsonl"\n')
    return other


def test_rows_of_a_gate_that_judge_nothing_are_told_with_the_decision(path: Path) -> None:
    keyless = {"id": "x", "problem": "Bulb x.", "questions": [{"question": "Which?", "options": ["red", "green"]}]}
    with_gate(path, "{broken", json.dumps(keyless))
    home, recipe, do = planted(path, 30)
    found = follow(gate.promote(recipe, home, adapters.resolve(home, "logic/1"), lambda name: None), do)

    assert ["the gate set is judged without 1 rejected rows and 1 without a key of 42 rows"] == found["warnings"]
    assert (ASKED, 2) == gate.look(recipe, home)


def test_a_gate_is_read_by_the_recipe_s_columns_where_it_has_them(path: Path) -> None:
    rows = [{"stem": f"Which is lamp {n}?", "a": "red", "b": "green", "key": n % 2 + 1} for n in range(9)]
    path.with_name("data.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    path.with_name("gate.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows[:4]))
    columns = 'first = 1\ncolumns = {question = "stem", options = ["a", "b"], answer = "key"}'
    path.write_text(path.read_text().replace("test = 1.0", f"test = 1.0\n{columns}") + 'gate = "gate.jsonl"\n')
    home, recipe = Home(path.parent / "home"), load(path)

    assert (4, 0) == gate.look(recipe, home)
    own = [{"question": "Which?", "options": ["red", "green"], "answer": "B"}]
    path.with_name("gate.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in own))
    assert (1, 0) == gate.look(recipe, home), "another file's own columns are its own"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"question": "Which?", "options": ["red"], "answer": "A"}, "1 rejected; options: 1 options"),
        ({"question": "Which?", "options": ["red", "green"]}, "1 rows for choice, 0 rejected"),
        ({"instruction": "Say hello.", "output": "Hello."}, "1 rows for instruction"),
    ],
)
def test_a_gate_that_could_judge_nothing_is_refused_before_anything_is_trained(
    row: dict[str, object], says: str, path: Path
) -> None:
    path.with_name("gate.jsonl").write_text(json.dumps(row) + "\n")
    path.write_text(path.read_text() + 'gate = "gate.jsonl"\n')
    dry = dry_run.Dry(load(path), Home(path.parent / "home"), None, {})

    with pytest.raises(UsageError, match="the gate set holds nothing") as caught:
        dry_run.refuse(dry, ["promote"])
    assert says in str(caught.value)


def test_a_webhook_is_told_in_the_end_and_one_that_fails_undoes_nothing(
    hook: tuple[str, type[Hook]], path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, server = hook
    server.replies += [503, 200, 404]
    home, _, _ = planted(path, 30, 20)
    monkeypatch.setenv("PONENS_WEBHOOK", url)

    assert 0 == ponens("promote", "logic/1", "--recipe", path)
    assert 0 == ponens("promote", "logic/2", "--force", "--because", "to try it")
    said = capsys.readouterr()
    assert 3 == len(server.heard), "a server that is ill is asked again, one that says no is not"
    (first, told), (again, _), (_, last) = server.heard
    assert first == again == told["id"]
    assert ("ponens.champion.changed", "logic/1", None, "gate") == tuple(
        told[k] for k in ("event", "adapter", "before", "how")
    )
    assert ("logic/2", "logic/1", "to try it") == tuple(last[k] for k in ("adapter", "before", "because"))
    assert "127.0.0.1 did not take the news: HTTP 404" in said.err
    assert "secret-path" not in said.out + said.err
    assert "logic/2" == str(champions.champion(home, "logic"))
