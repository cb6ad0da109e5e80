import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from storage.records import Receipt, UsageError
from tasks.models import base_models
from tasks.runtime import process
from tasks.train.spec import TrainSpec
from tasks.train.step import step

SNAPSHOT = Receipt("assemble", "k", "d" * 64, "artifacts/snapshots/x", {}, {}, 0.0, "")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text("{}")
    return folder


def key(base: Path, name: str = "demo", snapshot: Receipt = SNAPSHOT, **settings: object) -> str:
    return str(step(TrainSpec.model_validate({"base_model": str(base), **settings}), name, snapshot).key)


def test_importing_it_brings_in_no_heavy_library() -> None:
    code = "import sys, tasks.train.step, tasks.train.trainer_main; print(sorted({'torch', 'transformers', 'trl', 'peft'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=process.surroundings({}), capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_an_unknown_setting_or_method_is_refused() -> None:
    for wrong in ({"lora_rank": 8}, {"method": "prefix"}, {"loss": "everything"}, {"epochs": 0}, {"seed": -1}):
        with pytest.raises(ValidationError):
            TrainSpec.model_validate({"base_model": "x", **wrong})


def test_every_setting_is_described_for_the_form() -> None:
    assert [name for name, field in TrainSpec.model_fields.items() if not field.description] == []


def test_a_rank_above_what_vllm_serves_is_refused(base: Path) -> None:
    assert len({key(base, rank=rank) for rank in (3, 48, 512)}) == 3  # served by the next of vLLM's ranks
    with pytest.raises(UsageError, match="rank cannot be served"):
        key(base, rank=513)


@pytest.mark.parametrize("name", ["../up", "a|b", "a/b"])
def test_a_name_that_is_no_folder_is_refused(base: Path, name: str) -> None:
    with pytest.raises(UsageError, match="adapter's name"):
        key(base, name)


@pytest.mark.parametrize("missing", ["./nowhere", "/nowhere/at/all", "recipes/no_such_base", "~/nowhere/model"])
def test_a_base_model_that_is_not_there_is_refused(missing: str) -> None:
    with pytest.raises(UsageError, match="is not there"):
        key(Path(missing)) if missing.startswith("/") else step(TrainSpec(base_model=missing), "demo", SNAPSHOT)


def test_a_folder_with_pickled_weights_only_is_refused(base: Path) -> None:
    (base / "model.safetensors").rename(base / "pytorch_model.bin")

    with pytest.raises(UsageError, match="cannot be used"):
        key(base)


def test_the_key_follows_settings_snapshot_base_and_name(base: Path) -> None:
    first = key(base)
    other = Receipt("assemble", "k", "e" * 64, "artifacts/snapshots/y", {}, {}, 0.0, "")

    assert key(base) == first
    assert key(base, learning_rate=1e-3) != first
    assert key(base, snapshot=other) != first
    assert key(base, "other") != first
    (base / "model.safetensors").write_bytes(b"wEights")
    assert key(base) != first


def test_settings_that_leave_the_adapter_as_it_is_leave_the_key(base: Path) -> None:
    first = key(base)

    assert key(base, save_steps=7) == first
    assert key(base, gradient_checkpointing=True) == first
    assert key(base, alpha=32) == first, "twice the rank is what alpha is if it is not given"


def test_files_that_shape_no_model_leave_its_identity(base: Path) -> None:
    before = base_models.identity(str(base))
    (base / "README.md").write_text("words")
    (base / "train.log").write_text("words")
    assert base_models.identity(str(base)) == before

    (base / "tokenizer.json").write_text('{"other": 1}')
    assert base_models.identity(str(base)) != before


def test_a_large_weight_file_is_known_by_its_size_header_and_blocks(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = base / "model.safetensors"
    weights.write_bytes((2).to_bytes(8, "little") + b"{}" + bytes(1 << 20))
    monkeypatch.setattr(base_models, "_LARGE", 1 << 16)
    before = base_models.identity(str(base))

    assert base_models.identity(str(base)) == before
    with weights.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    assert base_models.identity(str(base)) != before


def test_a_hub_model_is_its_name_and_revision() -> None:
    name = "Qwen/Qwen2.5-7B-Instruct"

    assert base_models.folder(name) is None
    assert base_models.spelling(name) == name
    assert base_models.identity(name) == base_models.identity(name, "main")
    assert base_models.identity(name, "abc") != base_models.identity(name)


def test_a_folder_of_the_house_is_spelled_by_its_path_in_the_house(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert base_models.spelling(str(base)) == str(base)

    monkeypatch.setattr(base_models, "_HOUSE", base.parent.resolve())
    assert base_models.spelling(str(base)) == "base"
    assert base_models.folder("base") == base.resolve()
