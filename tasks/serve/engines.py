"""How each engine is started: its command and environment.

What comes up speaks this much of vLLM's HTTP:

    GET /health, /metrics      POST /v1/chat/completions, /v1/completions, /tokenize, /v1/load_lora_adapter

vLLM is its own server; `tasks.serve.transformers_server` is a small one for machines without it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from storage import devices
from tasks.engines.interface import SMALL_BYTES
from tasks.runtime import process
from tasks.serve.spec import ServeSpec

_BATCHED = 8192
_BLOCK = 32
_MEMORY = 1024  # adapters that vLLM keeps in main memory, beside those on the device


@dataclass(frozen=True, slots=True)
class Start:
    """What an engine serves, and where: a base model's folder, a socket, the largest rank (0: no adapters)."""

    base: Path
    socket: Path
    rank: int
    remote_code: bool = False


def vllm(start: Start, settings: ServeSpec) -> list[str]:
    """The command of vLLM's own server."""
    cpu, length = not devices.visible(), settings.max_model_len
    words: list[str] = [
        "-m", "tasks.serve.vllm_server", "--model", str(start.base), "--served-model-name", "base",
        "--uds", str(start.socket), "--generation-config", "vllm", "--trust-request-chat-template",
        "--disable-uvicorn-access-log", "--disable-fastapi-docs", "--enable-prefix-caching",
        "--dtype", settings.dtype, "--gpu-memory-utilization",
        str(settings.gpu_memory_utilization or (0.3 if cpu else 0.85)),
        "--tensor-parallel-size", str(settings.tensor_parallel),
    ]  # fmt: skip
    if length:
        words += ["--max-model-len", str(length)]
    if start.rank:
        words += ["--enable-lora", "--max-lora-rank", str(start.rank), "--max-loras", str(settings.max_loras)]
        words += ["--max-cpu-loras", str(max(_MEMORY, settings.max_loras))]
    if cpu:
        # a seeded request whose prompt is cut in two crashes the engine: "CPU Generator does not use offset"
        most = max(_BATCHED, length or _context(start.base))
        words += ["--enforce-eager", "--block-size", str(_BLOCK), "--no-enable-chunked-prefill"]
        words += ["--max-num-batched-tokens", str(most)]
        words += ["--distributed-executor-backend", "uni"] if settings.tensor_parallel == 1 else []  # a process less
        words += ["--worker-extension-cls", "tasks.serve.cpu_lora.BaseApart"] if start.rank else []
    if start.remote_code:
        words.append("--trust-remote-code")
    return [sys.executable, *words]


def transformers(start: Start, settings: ServeSpec) -> list[str]:
    """The command of the small server."""
    words = ["-m", "tasks.serve.transformers_server", str(start.base), str(start.socket), settings.dtype]
    return [sys.executable, *words, str(settings.max_model_len or 0)]


def environment(base: Path) -> dict[str, str]:
    """The engine's environment: nothing is fetched or sent; what the user has set stands."""
    small = sum(p.stat().st_size for p in base.glob("*.safetensors")) < SMALL_BYTES
    quiet = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_PLUGINS": "",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "600",  # longer than the front keeps a connection
        "VLLM_CPU_KVCACHE_SPACE": "1" if small else "4",
    }
    if small:
        quiet |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
    if not devices.visible():
        quiet["TORCHDYNAMO_DISABLE"] = "1"  # log-probabilities would have a C++ compiler called
    found = process.surroundings({})
    return {**quiet, **found, "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "VLLM_SERVER_DEV_MODE": "0"}


def ranks(found: Sequence[int], known: Sequence[int]) -> int:
    """The least rank that the engine knows and that all adapters fit; 0 for no adapter."""
    most = max(found, default=0)
    return next((rank for rank in known if rank >= most), most) if most else 0


def _context(base: Path) -> int:
    return int(orjson.loads((base / "config.json").read_bytes()).get("max_position_embeddings", 4096))
