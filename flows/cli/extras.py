"""Which extra of ours brings a package that is missing.

A plain install reads and compares; recipes, teachers and servers need [run], training needs [train].
"""

from __future__ import annotations

from storage.records import PonensError, UsageError

_MODULES = {
    "run": (
        *("aiohttp", "dashscope", "httpx", "langchain", "langchain_core", "langchain_openai", "openai", "prefect"),
        *("requests", "sacrebleu", "starlette", "tenacity", "uvicorn", "yaml"),
    ),
    "train": ("accelerate", "bitsandbytes", "datasets", "gguf", "mlflow", "peft", "torch", "transformers", "trl"),
    "gpu": ("vllm",),
    "ray": ("ray",),
    "cloud": ("fsspec", "huggingface_hub", "s3fs"),
}


def lacking(error: Exception) -> PonensError | None:
    """The error that names the extra to install; None for any other error than a package that an extra brings."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    name = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in _MODULES.items() if name in modules), None)
    if extra is None:
        return None
    return UsageError(
        f"this command needs ponens[{extra}]",
        seen=f"{name} is not installed",
        hint=f"pip install 'ponens[{extra}]'" + (", or ponens[cpu] without a GPU" if extra == "gpu" else ""),
    )
