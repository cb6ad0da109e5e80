"""How training is started: `accelerate launch` with a settings file of our own beside the order.

command(spec, scratch / "order.json")    writes scratch/launch.json, returns the words of the command

One process a device. On one machine ports are taken as they are free, so two runs there do not meet. Several nodes
meet where the recipe says: each starts its part of the processes by a command of its own, from the same order.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from storage.artifacts import write_json
from tasks.runtime import worker
from tasks.train.presets import SHARDED
from tasks.train.spec import TrainSpec

SETTINGS = "launch.json"


def command(spec: TrainSpec, order: Path, node: int = 0, module: str = "tasks.train.trainer_main") -> list[str]:
    """The command by which `module` trains as the order file says, on this node its part."""
    settings = order.with_name(f"node-{node}-{SETTINGS}" if node else SETTINGS)
    write_json(settings, accelerate(spec, node))
    # the launcher takes seconds to come up and knows no lifeline
    launcher = [sys.executable, "-m", worker.__name__, "accelerate.commands.launch", "--config_file", str(settings)]
    return [*launcher, "--num_cpu_threads_per_process", "1", "-m", module, str(order)]


def accelerate(spec: TrainSpec, node: int = 0) -> dict[str, Any]:
    """Accelerate's own settings file (its `ClusterConfig`), as `accelerate config` would write it on this node."""
    settings: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU" if spec.processes > 1 else "NO",
        "num_machines": 1,
        "num_processes": spec.processes,
        "machine_rank": 0,
        "main_process_port": 0,
        "mixed_precision": "no",  # the base model's own numbers decide
        "use_cpu": False,  # of several processes on a CPU each finds out by itself
    }
    if spec.nodes > 1:
        host, _, port = str(spec.rendezvous).rpartition(":")
        settings |= {
            "num_machines": spec.nodes,
            "machine_rank": node,
            "main_process_ip": host,
            "main_process_port": int(port),
            "same_network": True,
            "rdzv_backend": "static",
        }
    if spec.strategy == "fsdp2":
        settings |= {"distributed_type": "FSDP", "fsdp_config": _fsdp2(spec)}
    elif spec.strategy in ("zero2", "zero3"):
        settings |= {"distributed_type": "DEEPSPEED", "deepspeed_config": _zero(spec)}
    return settings


def shards(strategy: str) -> bool:
    """Whether no single process holds all weights."""
    return strategy in SHARDED


def _fsdp2(spec: TrainSpec) -> dict[str, Any]:
    return {
        "fsdp_version": 2,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_reshard_after_forward": True,
        "fsdp_state_dict_type": "FULL_STATE_DICT",  # checkpoints that one process reads as well
        "fsdp_cpu_ram_efficient_loading": True,
        "fsdp_offload_params": spec.offload,
        "fsdp_activation_checkpointing": False,  # [train] gradient_checkpointing does that
    }


def _zero(spec: TrainSpec) -> dict[str, Any]:
    where = "cpu" if spec.offload else "none"
    stage = int(spec.strategy.removeprefix("zero"))
    settings: dict[str, Any] = {
        "zero_stage": stage,
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": spec.max_grad_norm,
        "offload_optimizer_device": where,
    }
    if spec.nodes > 1:
        settings["deepspeed_multinode_launcher"] = "standard"  # torchrun on each node; the default logs in to them
    if stage == 3:
        settings |= {"offload_param_device": where, "zero3_init_flag": True, "zero3_save_16bit_model": True}
    return settings
