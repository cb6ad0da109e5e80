"""bespokelabs-curator: one LLM over a dataset, its limit a minute raised out of the way."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

litellm = find_spec("litellm")
assert litellm and litellm.origin
# curator counts tokens with tiktoken, which would fetch its table; litellm, which comes along, ships it
os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers")

from bespokelabs import curator  # type: ignore[import-not-found]  # noqa: E402
from contender import KEY, MAX_TOKENS, MODEL, done, order  # noqa: E402
from datasets import Dataset  # noqa: E402


class Teacher(curator.LLM):  # type: ignore[misc]
    def prompt(self, row: dict[str, Any]) -> str:
        return str(row["prompt"])

    def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:
        return {"id": row["id"], "text": response}


given = order()
teacher = Teacher(
    model_name=MODEL,
    backend="openai",
    generation_params={"max_tokens": MAX_TOKENS},
    backend_params={
        "base_url": given.url,
        "api_key": KEY,
        "max_concurrent_requests": given.workers,
        "max_requests_per_minute": 1_000_000,
        "max_tokens_per_minute": 1_000_000_000,
    },
)
rows = Dataset.from_list([{"id": row["id"], "prompt": row["prompt"]} for row in given.questions()])
found = teacher(rows, working_dir=given.folder).dataset
done([(row["id"], row["text"]) for row in found])
