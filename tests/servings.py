"""`ponens serve` as a process, over a tiny base and two adapters of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openai

from prompts import choice
from prompts.rendering import Rendering, Wish
from storage.adapters import registry
from storage.adapters import versions as adapters
from storage.adapters.versions import Adapter
from storage.artifacts import publish, write_json
from storage.home import Home
from tasks.models import base_models
from tests.tiny import CHATML, tiny_base

ROOT = Path(__file__).resolve().parents[1]
ASK = "The robot turns left.\n\nWhich way does it look?\nA) north\nB) east"
OWN = CHATML.replace("assistant\\n", "assistant\\nSo ")  # another template than the base's


@dataclass
class Serving:
    home: Home
    base: Path
    url: str
    pid: int

    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)


def trained(home: Home, base: Path, folder: Path, system: str | None, template: str = CHATML) -> Adapter:
    """The next version of `logic`, with random weights as large as the base's, as training leaves it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    told = {
        "base_model": str(base), "base_identity": base_models.identity(str(base)), "prompt": choice.VERSION, "facts": {},
        "rendering": Rendering(Wish("own", system), template).dict(), "settings": {"rank": 8},
        "inference": {"question": dict(choice.TEMPLATE), "temperature": 0.0, "top_p": 1.0, "max_new_tokens": 16},
    }  # fmt: skip
    write_json(folder / "adapter.json", told)
    made = publish(folder, "adapters/logic", home, identity=os.urandom(32).hex(), numbered=True)
    return adapters.resolve(home, made.artifact.removeprefix("adapters/"))


@contextlib.contextmanager
def served(root: Path, *settings: str) -> Iterator[Serving]:
    """A server that is up, with `logic/1` (the champion) and `logic/2`; nothing of it is left afterwards."""
    home, base = Home(root / "home"), tiny_base(root / "base")
    trained(home, base, root / "one", "Be brief.")
    trained(home, base, root / "two", None, OWN)
    registry.set_alias(home, Adapter("logic", 1, home.adapters / "logic" / "1"), "champion")
    env = {**os.environ, "PONENS_HOME": str(home.root), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "flows.cli", "serve", "logic", "--port", "0", "--json"]
    command += [word for setting in settings for word in ("--set", f"serve.{setting}")]
    log = (root / "serve.log").open("wb")
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        assert line, (root / "serve.log").read_text() + "".join(p.read_text() for p in home.logs.glob("*"))
        yield Serving(home, base, json.loads(line)["url"], server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(300)
    assert not [*(home.root / "work").glob("serve-*")] and not [*(home.root / "servers").glob("*.json")]
