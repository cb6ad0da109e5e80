"""Which engine, and loading it: the one place that knows engines by name.

    engine = open_engine(choose("auto"), loading)

An engine's libraries are imported when it is opened.
"""

from __future__ import annotations

import importlib.util
import os
from functools import partial
from pathlib import Path

from storage import devices
from storage.records import UsageError
from tasks.engines.interface import Engine, Loading


def choose(engine: str, *, experts: bool = False) -> str:
    """The engine that "auto" means here: vLLM wherever it is installed, else transformers.

    `experts` is whether adapters of a mixture of experts are asked: without a GPU that is for transformers, since
    vLLM's experts answer otherwise once their weights were changed in place. UsageError for vLLM all the same.
    """
    misplaced = experts and not devices.visible()
    if engine == "vllm" and misplaced:
        raise UsageError(
            "vLLM without a GPU cannot be given an adapter of a mixture of experts",
            seen='engine = "vllm", no GPU',
            expected="replies of the weights that it is given; its experts keep others",
            hint='set engine = "transformers", or leave it out',
        )
    if engine != "auto":
        return engine
    return "vllm" if importlib.util.find_spec("vllm") and not misplaced else "transformers"


def renders(engine: str) -> bool:
    """True of an engine that is sent messages and renders the prompt by itself; it cannot be forced to a letter."""
    return engine == "openai"


def open_engine(name: str, loading: Loading) -> Engine:
    """Load an engine; its libraries are imported now."""
    if name == "openai":
        from tasks.engines.openai import OpenAIEngine

        return OpenAIEngine(loading)
    if loading.data_parallel > 1:
        from tasks.engines.parallel import ParallelEngine

        return ParallelEngine(partial(_copy, name), loading)
    if name == "vllm":
        from tasks.engines.vllm import VllmEngine

        return VllmEngine(loading)
    from tasks.engines.transformers import TransformersEngine

    return TransformersEngine(loading)


def _copy(name: str, loading: Loading) -> Engine:
    """One of several copies of an engine, in a process of its own."""
    surroundings(loading)
    return open_engine(name, loading)


def surroundings(loading: Loading) -> None:
    """Environment that vLLM and OpenMP read when they are imported; whatever the user has set stands."""
    settings = {
        # the engine's own processes import everything again: ten times the start
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0" if loading.tensor_parallel == 1 else "1",
        "VLLM_CPU_KVCACHE_SPACE": "1" if loading.small else "4",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_NO_USAGE_STATS": "1",
    }
    if not devices.visible():
        settings["TORCHDYNAMO_DISABLE"] = "1"  # vLLM's log-probabilities would have a C++ compiler called
    if Path(loading.model).is_dir():
        settings["HF_HUB_OFFLINE"] = "1"
    if loading.small:
        settings |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
    for name, value in settings.items():
        os.environ.setdefault(name, value)
