"""`ponens join`, as the other machines of a training meet it; the training itself is in tests/tasks/train/test_devices.py."""

from pathlib import Path

import pytest

from flows.cli.app import main
from flows.cli.join import _training
from flows.recipe import load
from storage.home import Home
from tasks.runtime.step import Result, Step, Workshop, run_step
from tasks.train import run as train


def ponens(*arguments: str, code: int) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert code == done.value.code


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PONENS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NODE_RANK", raising=False)
    base = Path(__file__).resolve().parents[3] / "recipes" / "demo_base"
    file = tmp_path / "two.toml"
    file.write_text(
        f'name = "two"\n[puzzles]\ncount = 40\n[reason]\nteacher = "embedded"\n'
        f'[train]\nbase_model = "{base}"\nprocesses = 2\nnodes = 2\nrendezvous = "127.0.0.1:29511"\n'
    )
    return file


def test_a_node_waits_as_long_as_it_is_told_and_must_be_one_of_the_others(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ponens("join", str(recipe), code=2)
    for node in ("0", "2"):
        ponens("join", str(recipe), "--node", node, code=2)
    ponens("join", str(recipe), "--node", "1", "--set", "train.nodes=1", code=2)
    monkeypatch.setenv("NODE_RANK", "1")
    ponens("join", str(recipe), "--wait", "0", code=1)

    assert "did not begin within 0 minutes" in " ".join(capsys.readouterr().err.split())


def test_the_training_is_found_by_its_key_once_the_steps_before_it_are_done(recipe: Path, tmp_path: Path) -> None:
    from flows.chain import Walk, chain

    chosen, home, keys = load(recipe), Home(tmp_path / "home"), dict[str, str | None]()

    seen: list[str | None] = []
    walk = Walk(chain(chosen, home.root))
    for step in walk:
        if step.name == "evaluate":
            break
        keys[step.name] = step.key
        seen.append(_training(chosen, home))
        walk.done(run_step(step if step.name != "train" else _idle(step), home)[0])

    assert [None] * (len(seen) - 1) + [keys["train"]] == seen
    assert "" == _training(chosen, home), "it is trained"
    assert not (home.work("train", str(keys["train"])) / train.SCRATCH / train.ORDER).exists()


def _idle(step: Step) -> Step:
    from dataclasses import replace

    def work(shop: Workshop) -> Result:
        (shop.folder / "adapter.json").write_text("{}")
        return Result({}, identity="0" * 64)

    return replace(step, work=work)
