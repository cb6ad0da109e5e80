"""Settings files for accelerate launch, read by accelerate's own parser and plugins."""

from pathlib import Path
from typing import Any

import pytest

from tasks.train.launch import SETTINGS, command
from tasks.train.spec import TrainSpec

STRATEGIES = [
    {"strategy": strategy, "offload": offload}
    for strategy in ("ddp", "fsdp2", "zero2", "zero3")
    for offload in (False, True)
    if not (offload and strategy == "ddp")
]


def write(folder: Path, **settings: Any) -> Path:
    spec = TrainSpec.model_validate({"base_model": "x", "processes": 2, **settings})
    words = command(spec, folder / "order.json")
    assert words[words.index("--config_file") + 1] == str(folder / SETTINGS)
    return folder / SETTINGS


def parsed(file: Path) -> Any:
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    arguments = launch_command_parser().parse_args(["--config_file", str(file), "-m", "tasks.train.trainer_main"])
    return _validate_launch_command(arguments)[0]


@pytest.mark.heavy
@pytest.mark.parametrize("settings", STRATEGIES, ids=str)
def test_accelerate_accepts_the_settings_and_starts_what_they_say(settings: dict[str, Any], tmp_path: Path) -> None:
    found = parsed(write(tmp_path, **settings))
    strategy = settings["strategy"]

    assert found.num_processes == 2
    assert found.multi_gpu == (strategy == "ddp")
    assert found.use_fsdp == (strategy == "fsdp2")
    assert found.use_deepspeed == strategy.startswith("zero")


@pytest.mark.heavy
@pytest.mark.parametrize("offload", [False, True])
def test_fsdp2_shares_weights_out_and_may_keep_them_in_main_memory(
    offload: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate.utils import FullyShardedDataParallelPlugin
    from accelerate.utils.launch import prepare_multi_gpu_env

    environment = prepare_multi_gpu_env(parsed(write(tmp_path, strategy="fsdp2", offload=offload)))
    for name, value in environment.items():
        if name.startswith(("FSDP_", "ACCELERATE_")):
            monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()

    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert (type(plugin.cpu_offload).__name__ == "CPUOffloadPolicy") == offload


@pytest.mark.heavy
@pytest.mark.parametrize(("strategy", "stage"), [("zero2", "2"), ("zero3", "3")])
def test_zero_says_its_stage_and_where_the_optimizer_lies(strategy: str, stage: str, tmp_path: Path) -> None:
    found = parsed(write(tmp_path, strategy=strategy, offload=True))

    assert str(found.zero_stage) == stage
    assert found.offload_optimizer_device == "cpu"
    assert getattr(found, "offload_param_device", None) == ("cpu" if stage == "3" else None)


def test_what_cannot_go_together_is_refused_with_the_way_out() -> None:
    for settings, said in (
        ({"method": "qlora", "strategy": "zero3"}, "cannot share out a base in 4 bits"),
        ({"offload": True}, "offload needs strategy"),
        ({"method": "full", "use_dora": True}, "these are for adapters"),
        ({"nodes": 2, "processes": 2}, "rendezvous"),
        ({"nodes": 2, "processes": 3, "rendezvous": "a:1"}, "3 processes cannot be shared out evenly to 2 nodes"),
        ({"patience": 2}, "need eval_steps"),
        ({"keep_best": True}, "need eval_steps"),
    ):
        with pytest.raises(ValueError, match=said):
            TrainSpec.model_validate({"base_model": "x", **settings})


def test_a_preset_sets_only_what_is_left_out_and_the_method_what_the_preset_leaves_out() -> None:
    small = TrainSpec.model_validate({"base_model": "x", "preset": "8gb", "rank": 8})
    whole = TrainSpec.model_validate({"base_model": "x", "method": "full"})

    assert (small.method, small.rank, small.batch_size, small.gradient_accumulation) == ("qlora", 8, 1, 16)
    assert TrainSpec.model_validate(small.model_dump()) == small, "the resolved recipe is the same recipe"
    assert whole.learning_rate == 2e-5
    assert TrainSpec.model_validate({"base_model": "x", "method": "full", "learning_rate": 1e-3}).learning_rate == 1e-3
    assert TrainSpec(base_model="x").learning_rate == 2e-4
