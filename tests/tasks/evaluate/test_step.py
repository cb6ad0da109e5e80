import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from storage.artifacts import write_json
from storage.home import Home
from storage.records import PonensError, Question, Receipt, UsageError
from storage.tables.questions import write
from tasks.evaluate.candidates import Candidate, trained
from tasks.evaluate.elections import chosen
from tasks.evaluate.spec import EvaluateSpec
from tasks.evaluate.step import step
from tasks.runtime.step import Workshop

QUESTIONS = [Question(f"Lamp {n} is red.", "Colour?", ("red", "blue"), "A", split="test") for n in range(9)]


@pytest.fixture
def model(tmp_path: Path) -> SimpleNamespace:
    """A folder that looks like a base model; nothing loads it."""
    write_json(tmp_path / "base" / "config.json", {})
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    return SimpleNamespace(base_model=str(tmp_path / "base"), revision=None)


def receipt(step: str, digest: str = "d", artifact: str = "") -> Receipt:
    return Receipt(step, "k", digest, artifact, {}, {}, 0.0, "")


PARSE, TRAIN = receipt("parse"), receipt("train", "a", "adapters/logic/3")


def test_an_unknown_setting_and_one_out_of_range_are_refused() -> None:
    for wrong in ({"vote": 5}, {"votes": 0}, {"temperature": 0}, {"engine": "llama"}, {"adaptive": "soon"}):
        with pytest.raises(ValidationError):
            EvaluateSpec(**wrong)


def test_weights_and_early_stopping_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="all votes"):
        EvaluateSpec(weighting="logprob", adaptive="exact")


def test_every_setting_is_described_for_the_form_drawn_from_it() -> None:
    assert all("description" in field for field in EvaluateSpec.model_json_schema()["properties"].values())


def test_the_key_changes_with_what_shapes_the_answers_and_with_nothing_else(model: SimpleNamespace) -> None:
    def key(**settings: object) -> str | None:
        return step(EvaluateSpec(engine="transformers", **settings), model, PARSE, TRAIN).key

    plain = key()

    assert plain == key(gpu_memory_utilization=0.5) == key(tensor_parallel=2) == key(data_parallel=2)
    assert 6 == len({plain, key(votes=9), key(temperature=0.8), key(max_tokens=64), key(limit=3), key(seed=1)})


def test_keys_corrected_by_hand_are_said_and_in_the_key(model: SimpleNamespace) -> None:
    counts = {"corrected": {"train": 1, "valid": 0, "test": 0}, "ambiguous": {"train": 0, "valid": 0, "test": 0}}
    spec = EvaluateSpec(engine="transformers")
    corrected = step(spec, model, replace(PARSE, facts={"corrections": counts}), TRAIN)

    assert counts == corrected.settings["corrections"]
    assert corrected.key != step(spec, model, PARSE, TRAIN).key


def test_auto_has_the_key_of_the_engine_that_it_means(model: SimpleNamespace) -> None:
    auto = step(EvaluateSpec(), model, PARSE, TRAIN)

    assert auto.settings["engine"] in ("vllm", "transformers")
    assert auto.key == step(EvaluateSpec(engine=auto.settings["engine"]), model, PARSE, TRAIN).key


def test_an_adapter_that_is_yet_to_be_trained_leaves_the_key_open(model: SimpleNamespace) -> None:
    waiting = step(EvaluateSpec(), model, PARSE, receipt("train", ""))

    assert waiting.key is None
    assert waiting.inputs["adapter"] is None


def test_further_adapters_are_inputs_of_their_own(model: SimpleNamespace) -> None:
    other = Candidate("logic/1", "adapters/logic/1", "b")

    assert {"questions", "base_model", "adapter", "adapter logic/1"} == set(
        step(EvaluateSpec(), model, PARSE, TRAIN, other).inputs
    )


def test_a_training_s_adapter_is_named_by_its_version() -> None:
    assert "logic/3" == trained(TRAIN).name


def test_a_server_without_an_address_is_refused_before_anything_runs(
    model: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    with pytest.raises(UsageError, match="base_url"):
        step(EvaluateSpec(engine="openai"), model, PARSE, TRAIN)


def test_an_adapter_that_is_named_twice_is_refused(model: SimpleNamespace) -> None:
    with pytest.raises(UsageError, match="named twice"):
        step(EvaluateSpec(engine="transformers"), model, PARSE, TRAIN, trained(TRAIN))


def test_only_test_questions_with_a_key_are_asked_in_an_order_of_their_own() -> None:
    others = [replace(QUESTIONS[0], split="train"), replace(QUESTIONS[1], answer=None)]

    assert chosen(QUESTIONS + others, None) == chosen(list(reversed(QUESTIONS)), None)
    assert chosen(QUESTIONS, 4) == chosen(QUESTIONS, None)[:4]


def test_without_test_questions_the_error_names_the_setting() -> None:
    with pytest.raises(PonensError, match=r"\[parse\] test"):
        chosen([replace(q, split="train") for q in QUESTIONS], None)


def test_importing_it_brings_in_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "vllm", "peft")
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, tasks.evaluate.step; print([m for m in {heavy} if m in sys.modules])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert "[]" == found.stdout.strip()


def test_a_home_keeps_samples_beside_its_ledger(tmp_path: Path) -> None:
    assert tmp_path / "samples" == Home(tmp_path).samples


def test_an_adapter_of_another_base_is_refused_before_an_engine_starts(model: SimpleNamespace, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    (home.root / "artifacts" / "q").mkdir(parents=True)
    write(home.root / "artifacts" / "q", QUESTIONS, lambda group: "test")
    write_json(home.adapters / "logic" / "3" / "adapter.json", {"base_identity": "0" * 64, "base_model": "other"})
    one = step(EvaluateSpec(), model, receipt("parse", artifact="artifacts/q"), TRAIN)

    with pytest.raises(PonensError, match="another base model"):
        one.work(Workshop(tmp_path, home, lambda tick: None))
