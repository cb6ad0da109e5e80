"""What is looked at before a PEFT folder from elsewhere is taken in."""

import struct
from pathlib import Path

import pytest

from storage.adapters.peft_folder import CONFIG, WEIGHTS, look
from storage.records import PonensError, UsageError
from tests.adapters import LAYER, peft, safetensors

A, B = (f"base_model.model.{LAYER}.lora_{which}.weight" for which in "AB")


def test_a_lora_is_read_without_loading_it(tmp_path: Path) -> None:
    found = look(peft(tmp_path, rank=16))

    assert 16 == found.rank
    assert {LAYER: ((16, 4), (4, 16))} == found.matrices


@pytest.mark.parametrize("name", ["adapter_model.bin", "optimizer.pt", "training_args.bin", "deep/x.PKL", "a.ckpt"])
def test_a_pickle_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    file = peft(tmp_path) / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"\x80\x04")

    with pytest.raises(UsageError, match=f"{Path(name).name} is a pickle"):
        look(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = peft(tmp_path / "adapter")
    (tmp_path / "secret").write_text("x")
    (folder / "tokenizer.json").symlink_to(tmp_path / "secret")

    with pytest.raises(UsageError, match=r"tokenizer\.json is a link"):
        look(folder)


def test_a_folder_without_weights_names_them(tmp_path: Path) -> None:
    (peft(tmp_path) / WEIGHTS).unlink()

    with pytest.raises(UsageError, match=WEIGHTS):
        look(tmp_path)


def test_another_kind_of_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no LoRA adapter"):
        look(peft(tmp_path, peft_type="PREFIX_TUNING"))


@pytest.mark.parametrize(
    "shapes",
    [
        {A: (8, 4)},
        {A: (8, 4), B: (4, 16)},
        {A: (16, 4), B: (4, 16)},
        {"model.embed_tokens.weight": (4, 4)},
        {A: (8, 4, 1), B: (4, 8)},
    ],
)
def test_matrices_that_are_no_pairs_of_the_rank_are_refused(tmp_path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    safetensors(peft(tmp_path, rank=8) / WEIGHTS, shapes)

    with pytest.raises(UsageError, match="matri"):
        look(tmp_path)


def test_a_rank_of_one_layer_alone_is_taken_from_the_pattern(tmp_path: Path) -> None:
    folder = peft(tmp_path, rank=16, r=8, rank_pattern={"q_proj": 16})

    assert 16 == look(folder).rank


def test_a_rank_above_what_vllm_serves_is_refused(tmp_path: Path) -> None:
    assert 24 == look(peft(tmp_path / "served", rank=24)).rank
    with pytest.raises(UsageError, match="cannot be served"):
        look(peft(tmp_path / "refused", rank=513))


@pytest.mark.parametrize("damage", ["cut", "longer", "header", "empty", "words"])
def test_weights_that_are_not_whole_are_refused(tmp_path: Path, damage: str) -> None:
    weights = peft(tmp_path) / WEIGHTS
    whole = weights.read_bytes()
    weights.write_bytes(
        {
            "cut": whole[:-4],
            "longer": whole + b"\x00" * 4,
            "header": struct.pack("<Q", 1 << 40) + whole[8:],
            "empty": b"",
            "words": b"version https://git-lfs.github.com/spec/v1\n",
        }[damage]
    )

    with pytest.raises(PonensError, match="no whole safetensors file"):
        look(tmp_path)


def test_a_configuration_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (peft(tmp_path) / CONFIG).write_text("{")

    with pytest.raises(UsageError, match=CONFIG):
        look(tmp_path)
