"""What an adapter's folder says of itself, by the files that lie in it."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from storage.adapters.folder import ABOUT, AdapterFolder
from storage.adapters.peft_folder import CONFIG, WEIGHTS

LOW = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


def folder(path: Path, config: dict[str, Any] | None, tensors: tuple[str, ...] = (LOW,)) -> AdapterFolder:
    header = json.dumps({name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} for name in tensors}).encode()
    (path / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header)
    (path / ("config.json" if config is None else CONFIG)).write_text(json.dumps(config or {}))
    return AdapterFolder(path)


@pytest.mark.parametrize(
    ("config", "rank", "why", "rows"),
    [
        ({"r": 8}, 8, [], 0),
        ({"r": 8, "rank_pattern": {"q_proj": 32, "v_proj": 4}}, 32, [], 0),
        ({"r": 8, "rank_pattern": None}, 8, [], 0),
        ({"r": 4, "use_dora": True, "bias": "all"}, 4, ["DoRA", "bias 'all'"], 0),
        ({"r": 4, "modules_to_save": ["lm_head"]}, 4, ["modules trained whole"], 0),
        ({"r": 4, "trainable_token_indices": [5, 151_643]}, 4, ["tokens of its own"], 151_644),
        ({"r": 4, "trainable_token_indices": {"embed_tokens": [7], "lm_head": [9]}}, 4, ["tokens of its own"], 10),
        (None, 0, ["all weights trained"], 0),
    ],
    ids=["low", "pattern", "no pattern", "dora", "head", "tokens", "tokens by layer", "full model"],
)
def test_a_folder_says_its_rank_what_keeps_it_from_the_fly_and_the_rows_it_needs(
    config: dict[str, Any] | None, rank: int, why: list[str], rows: int, tmp_path: Path
) -> None:
    found = folder(tmp_path, config)

    assert (rank, why, rows) == (found.rank, found.not_on_the_fly, found.rows_needed)
    assert (config is None, config is not None) == (found.is_full_model, found.is_peft)


def test_a_tensor_that_is_no_low_rank_keeps_it_from_the_fly(tmp_path: Path) -> None:
    found = folder(tmp_path, {"r": 4}, (LOW, "base_model.model.lm_head.weight"))

    assert ["the tensor base_model.model.lm_head.weight"] == found.not_on_the_fly
    assert {LOW: (2, 3), "base_model.model.lm_head.weight": (2, 3)} == found.shapes


def test_what_is_written_of_it_is_read_back(tmp_path: Path) -> None:
    found = AdapterFolder(tmp_path)
    (tmp_path / ABOUT).write_text('{"base_model": "org/model"}')
    found.configure({"r": 8})

    assert ({"base_model": "org/model"}, {"r": 8}) == (found.about, found.config)
    with pytest.raises(OSError):
        _ = AdapterFolder(tmp_path / "gone").about
