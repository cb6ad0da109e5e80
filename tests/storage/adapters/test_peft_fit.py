"""What an adapter must have in common with its base: headers alone, no weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storage.adapters.peft_config import on_the_fly, unusable
from storage.adapters.peft_fit import misfit
from storage.adapters.peft_folder import look
from storage.artifacts import write_json
from storage.records import UsageError
from tests.adapters import safetensors

Shapes = dict[str, tuple[int, ...]]
Q, V, EXPERTS = (f"model.layers.{{}}.{part}" for part in ("self_attn.q_proj", "self_attn.v_proj", "mlp.experts"))
DENSE: Shapes = {
    "model.embed_tokens.weight": (20, 4),
    "model.norm.weight": (4,),
    **{f"{Q.format(n)}.weight": (4, 4) for n in range(2)},
    **{f"{Q.format(n)}.bias": (4,) for n in range(2)},
    **{f"{V.format(n)}.weight": (2, 4) for n in range(2)},
    "model.layers.7.self_attn.q_proj.weight": (4, 4),  # beyond the model's depth, as extra heads are kept
}
MOE: Shapes = DENSE | {
    f"{EXPERTS.format(n)}.{e}.{part}.weight": (4, 6) if part == "down_proj" else (6, 4)
    for n in range(2)
    for e in range(3)
    for part in ("gate_proj", "up_proj", "down_proj")
}


def pair(module: str, inside: int, out: int, rank: int = 2) -> Shapes:
    return {f"{module}.lora_A.weight": (rank, inside), f"{module}.lora_B.weight": (out, rank)}


QS = {**pair(Q.format(0), 4, 4), **pair(Q.format(1), 4, 4)}
VS = {**pair(V.format(0), 4, 2), **pair(V.format(1), 4, 2)}
# of each layer: all gates and ups in one, then all downs, rank times three experts
FUSED = {
    name: shape
    for n in range(2)
    for name, shape in {
        **pair(f"{EXPERTS.format(n)}.base_layer", 4, 12, 2 * 3),
        **pair(EXPERTS.format(n), 6, 4, 2 * 3),
    }.items()
}
EMBEDDED: Shapes = {"model.embed_tokens.lora_embedding_A": (2, 20), "model.embed_tokens.lora_embedding_B": (4, 2)}


def folders(root: Path, base: Shapes, adapter: Shapes, config: dict[str, Any]) -> tuple[Path, Path]:
    for name in ("base", "adapter"):
        (root / name).mkdir()
    safetensors(root / "base" / "model.safetensors", base)
    write_json(root / "base" / "config.json", {"num_hidden_layers": 2})
    safetensors(
        root / "adapter" / "adapter_model.safetensors", {f"base_model.model.{k}": v for k, v in adapter.items()}
    )
    write_json(
        root / "adapter" / "adapter_config.json",
        {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]} | config,
    )
    return root / "adapter", root / "base"


@pytest.mark.parametrize(
    ("base", "adapter", "config"),
    [
        (DENSE, QS, {}),
        (DENSE, {**QS, **VS}, {"target_modules": ["q_proj", "v_proj"]}),
        (DENSE, pair(Q.format(1), 4, 4), {"layers_to_transform": [1]}),
        (DENSE, pair(Q.format(1), 4, 4), {"layers_to_transform": 1, "layers_pattern": "layers"}),
        (DENSE, pair(Q.format(1), 4, 4), {"target_modules": r".*\.1\.self_attn\.q_proj"}),
        (DENSE, pair(Q.format(1), 4, 4), {"exclude_modules": ["0.self_attn.q_proj"]}),
        (DENSE, {**QS, "model.layers.0.self_attn.q_proj.lora_magnitude_vector": (4,)}, {"use_dora": True}),
        (DENSE, {**QS, f"{Q.format(0)}.bias": (4,)}, {"bias": "lora_only"}),
        (DENSE, {**QS, f"{Q.format(0)}.lora_B.bias": (4,)}, {"lora_bias": True}),
        (DENSE, {**QS, **EMBEDDED}, {"target_modules": ["q_proj", "embed_tokens"]}),
        (DENSE, {**QS, **pair("lm_head", 4, 20)}, {"target_modules": ["q_proj", "lm_head"]}),
        (DENSE, {**QS, **EMBEDDED, **pair("lm_head", 4, 20)}, {"ensure_weight_tying": True}),
        (DENSE, {**QS, "lm_head.weight": (20, 4)}, {"modules_to_save": ["lm_head"]}),
        (DENSE, {**QS, "model.embed_tokens.token_adapter.trainable_tokens_delta": (3, 4)},
         {"trainable_token_indices": [1, 2, 3]}),
        ({k.removeprefix("model."): v for k, v in DENSE.items()}, QS, {}),
        ({"h.0.attn.c_attn.weight": (4, 12)}, pair("transformer.h.0.attn.c_attn", 4, 12),
         {"target_modules": ["c_attn"], "fan_in_fan_out": True}),
        (MOE, {**QS, **FUSED}, {"target_parameters": ["gate_up_proj", "down_proj"]}),
        (MOE, {f"{k.removesuffix('.weight')}.lora_{ab}.weight": (2, v[1]) if ab == "A" else (v[0], 2)
               for k, v in MOE.items() if ".experts." in k and "down" in k for ab in "AB"},
         {"target_modules": ["down_proj"]}),
    ],
)  # fmt: skip
def test_an_adapter_that_fits_is_let_in(tmp_path: Path, base: Shapes, adapter: Shapes, config: dict[str, Any]) -> None:
    folder, place = folders(tmp_path, base, adapter, config)

    assert misfit(look(folder), place) is None


@pytest.mark.parametrize(
    ("adapter", "config", "said"),
    [
        (pair(Q.format(0), 4, 4), {}, "layers.1.self_attn.q_proj has no matrices 1 of 2 modules"),
        (QS, {"target_modules": ["q_proj", "v_proj"]}, "layers.0.self_attn.v_proj has no matrices 2 of 4"),
        ({**QS, **VS}, {}, "v_proj a module that target_modules does not name"),
        (QS, {"layers_to_transform": [1]}, "layers.0.self_attn.q_proj a module that target_modules does not name"),
        ({**QS, **pair(Q.format(5), 4, 4)}, {}, "layers.5.self_attn.q_proj A [2, 4], B [4, 2] a layer of that name"),
        ({**pair(Q.format(0), 4, 4), **pair(Q.format(1), 4, 5)}, {}, "A [2, 4], B [5, 2] a layer of [4, 4]"),
        ({**QS, "model.embed_tokens.lora_embedding_A": (2, 22), "model.embed_tokens.lora_embedding_B": (4, 2)},
         {"target_modules": ["q_proj", "embed_tokens"]}, "embed_tokens A [2, 22], B [4, 2] a layer of [20, 4]"),
        ({**QS, "model.embed_tokens.weight": (22, 4)}, {"modules_to_save": ["embed_tokens"]}, "[22, 4] the base's [20, 4]"),
        ({**QS, "lm_head.weight": (22, 4)}, {"modules_to_save": ["lm_head"]}, "[22, 4] the base's [20, 4]"),
        (QS, {"modules_to_save": ["lm_head"]}, "lm_head is not in the file"),
        (QS, {"trainable_token_indices": [1]}, "the tokens' rows are not in the file"),
        ({**QS, "score.weight": (2, 4)}, {}, "score.weight [2, 4] a tensor that the base has"),
        ({**VS, f"{V.format(0)}.lora_B.bias": (2,)}, {"target_modules": ["v_proj"], "lora_bias": True},
         "lora_B.bias lora_bias a layer with a bias"),
        ({**QS, f"{Q.format(0)}.lora_magnitude_vector": (9,)}, {"use_dora": True}, "[9] lengths for [4, 4]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path: Path, adapter: Shapes, config: dict[str, Any], said: str) -> None:
    folder, place = folders(tmp_path, DENSE, adapter, config)

    assert said in " ".join(misfit(look(folder), place) or ())


def test_experts_are_counted_sized_and_all_there(tmp_path: Path) -> None:
    half = {name: shape for name, shape in FUSED.items() if ".1." not in name}
    wide = FUSED | pair(EXPERTS.format(0), 7, 4, 6)
    four = {name: (8, s[1]) if "lora_A" in name else (s[0], 8) for name, s in FUSED.items()}
    for n, (adapter, said) in enumerate(
        [(half, "1 layers of experts without"), (wide, "A [6, 7]"), (four, "A [8, 4]")]
    ):
        (tmp_path / str(n)).mkdir()
        folder, place = folders(tmp_path / str(n), MOE, adapter, {"target_parameters": ["gate_up_proj"]})
        assert said in " ".join(misfit(look(folder), place) or ())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("alora_invocation_tokens", [5]), ("layer_replication", [[0, 2]]), ("use_qalora", True), ("arrow_config", {"k": 1}),
        ("use_bdlora", {"nblocks": 2}), ("monteclora_config", {"n": 1}), ("a_setting_of_next_year", "yes"),
    ],
)  # fmt: skip
def test_what_nothing_applies_is_refused_by_its_name(tmp_path: Path, setting: str, value: Any) -> None:
    folder, _ = folders(tmp_path, DENSE, QS, {setting: value})

    assert setting == unusable({setting: value})
    with pytest.raises(UsageError, match=f"{setting} is applied by nothing here"):
        look(folder)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, []), ({"use_rslora": True, "rank_pattern": {"q_proj": 4}, "init_lora_weights": "gaussian"}, []),
        ({"use_dora": True}, ["DoRA"]), ({"bias": "all"}, ["bias 'all'"]), ({"lora_bias": True}, ["lora_bias"]),
        ({"modules_to_save": ["lm_head"]}, ["modules trained whole"]),
        ({"trainable_token_indices": {"embed_tokens": [4]}}, ["tokens of its own"]),
        *[({"init_lora_weights": init}, [f"init_lora_weights {init!r}"])
          for init in ("pissa", "pissa_niter_16", "olora", "corda", "loftq")],
        ({"target_parameters": ["mlp.experts.down_proj"]}, ["target_parameters"]),
    ],
)  # fmt: skip
def test_vllm_adds_low_ranks_on_the_fly_and_nothing_else(config: dict[str, Any], said: list[str]) -> None:
    assert said == on_the_fly(config)


def test_a_tensor_that_is_no_low_rank_is_not_added_on_the_fly() -> None:
    whole = "base_model.model.model.embed_tokens.weight"

    assert [f"the tensor {whole}"] == on_the_fly({}, [f"base_model.model.{name}" for name in QS] + [whole])
    assert [] == on_the_fly({}, [f"base_model.model.{name}" for name in {**QS, **EMBEDDED}])
