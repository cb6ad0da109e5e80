"""Reinforcement of a tiny adapter with rewards that are checked: replies kept, the reward rises, a resume is exact."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from storage.records import PonensError, Question
from storage.tables import questions
from tasks.tune.grpo_order import GrpoOrder
from tasks.tune.grpo_spec import GrpoSpec
from tests.tasks.train.test_whole_training import spec
from tests.tasks.trainings import order as supervision
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]
ASKED = [Question(f"A lamp is on, {n}.", "Which?", ("red", "green"), "B", f"q{n}", split="train") for n in range(6)]
ASKED += [Question("A lamp is off.", "Which?", ("red", "green"), "A", "t", split="test")]
GRPO: dict[str, Any] = {
    "replies": 4, "batch_size": 8, "max_tokens": 12, "max_steps": 4, "learning_rate": 5e-3, "save_steps": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A base, an adapter of it that answers with B or C, and parsed questions."""
    from tasks.train import sft

    folder = tmp_path_factory.mktemp("started")
    base = tiny_base(folder / "base", hidden=32, layers=1)
    supervised = supervision(base, folder / "sft", 32, epochs=2)
    sft.train(supervised)
    parsed = folder / "parsed"
    parsed.mkdir()
    by_group = {q.group: q.split for q in ASKED}
    questions.write(parsed, ASKED, by_group.__getitem__)
    return base, supervised.folder, parsed / "questions.parquet"


def order(started: tuple[Path, Path, Path], folder: Path, **grpo: Any) -> GrpoOrder:
    base, adapter, asked = started
    chosen = GrpoSpec.model_validate(GRPO | grpo)
    return GrpoOrder(
        spec=chosen.training(spec(base)),
        grpo=chosen,
        base_folder=str(base),
        train=asked,
        valid=asked,
        folder=folder,
        adapter=adapter,
        about={"base_identity": "b", "settings": {}, "parent": {"adapter": "demo/1", "digest": "d"}},
    )


def rewarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies of a tiny model are hardly ever readable: here those with an even number of characters are right."""
    from tasks.tune import grpo
    from tasks.tune.rewards import Judged

    def judge(question: Question, text: str, *, finished: bool, length_target: int) -> Judged:
        worth = {"answer": float(len(text) % 2 == 0), "format": 0.0, "length": 0.0}
        return Judged("right" if worth["answer"] else "wrong", worth, False, False)

    monkeypatch.setattr(grpo, "judge", judge)


def test_replies_to_training_questions_are_kept_with_their_rewards(
    started: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.tune import grpo

    rewarded(monkeypatch)
    made = order(started, tmp_path / "out")
    grpo.reinforce(made)

    about = json.loads((made.folder / "adapter.json").read_text())
    replies = pl.read_parquet(made.folder / "replies.parquet")
    assert 4 * 8 == about["facts"]["replies"] == len(replies)
    assert set(replies["question"]) <= {q.id for q in ASKED if q.split == "train"}
    assert replies["answer"].to_list() == [float(len(text) % 2 == 0) for text in replies["text"]]
    assert {"reward", "reward_answer"} <= set(about["history"][-1])
    assert about["facts"]["canary"]["changes_from_parent"] > 0
    assert "demo/1" == about["facts"]["parent"]


def test_a_reward_that_never_differs_teaches_nothing_and_ends_as_an_error(
    started: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    from tasks.tune import grpo

    with pytest.raises(PonensError, match=r"changed no"):  # unreadable, all of them: worth nothing
        grpo.reinforce(order(started, tmp_path / "out", max_steps=2))


def test_it_goes_on_from_a_checkpoint_to_the_same_weights_and_replies(
    started: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.tune import grpo

    rewarded(monkeypatch)
    whole, parts = order(started, tmp_path / "whole"), order(started, tmp_path / "parts")
    grpo.reinforce(whole)
    right = grpo.finish.save
    with monkeypatch.context() as patch:  # ends before it is saved, with its checkpoints of steps 2 and 4
        patch.setattr(grpo.finish, "save", lambda *given: None)
        grpo.reinforce(parts)
    last = parts.folder / "scratch" / "checkpoints" / "checkpoint-4"
    (last / "whole.json").unlink()  # as if it had been killed while it was written
    assert right is grpo.finish.save
    grpo.reinforce(parts)

    weights = [(one.folder / "adapter_model.safetensors").read_bytes() for one in (whole, parts)]
    assert weights[0] == weights[1]
    assert pl.read_parquet(whole.folder / "replies.parquet").equals(pl.read_parquet(parts.folder / "replies.parquet"))
