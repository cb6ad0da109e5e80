"""A server of ours beside bare vLLM: requests a second and latencies, by clients at once and by adapters in the mix.

    python benchmarks/serve.py --base MODEL [--clients 1 8 32] [--rounds 5] [--seconds 20]
    python benchmarks/serve.py                    a tiny random base, made for the run

Both serve the same base and the same eight random adapters with the same settings of the engine, one after the other
on the same device, never at once; the order within a round is drawn. Each client asks, waits for the whole reply and
asks again: chat completions of `--tokens` tokens, greedy, the end ignored, every prompt another one. Ratios are taken
within a round and their median shown, with the least and the most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx

from storage import devices
from storage.adapters.peft_config import SERVABLE_RANKS
from storage.artifacts import publish, write_json
from storage.home import Home
from tasks.models import base_models
from tasks.serve import engines
from tasks.serve.spec import ServeSpec

ROOT = Path(__file__).resolve().parents[1]
MIXES = {"base": 0, "one adapter": 1, "eight adapters": 8}
WORDS = [
    "the",
    "robot",
    "turns",
    "left",
    "and",
    "right",
    "by",
    "a",
    "lamp",
    "under",
    "the",
    "third",
    "cup",
    "before",
    "it",
    "looks",
    "north",
]


@dataclass(frozen=True)
class Measured:
    """One server under one load: requests a second, and seconds that a request took."""

    rate: float
    times: list[float]

    def at(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def adapters(home: Home, base: Path, name: str, rank: int) -> None:
    """Eight versions of `bench`, random and far from nothing."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    for seed in range(8):
        torch.manual_seed(seed)
        folder = home.root / "making"
        config = LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        wrapped = get_peft_model(model, config)
        wrapped.save_pretrained(folder)
        model = wrapped.unload()
        AutoTokenizer.from_pretrained(base).save_pretrained(folder)
        about = {
            "base_model": name,
            "base_identity": base_models.identity(name),
            "settings": {"rank": rank},
            "facts": {},
        }
        write_json(folder / "adapter.json", about)
        publish(folder, "adapters/bench", home, identity=f"{seed:064x}", numbered=True)


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise SystemExit(f"a server did not start: {log.read_text()[-3000:]}")


def bare(stack: ExitStack, home: Home, base: Path, rank: int, spec: ServeSpec, log: Path) -> str:
    """vLLM's own server as it stands, with the engine's settings of ours and the adapters loaded."""
    port = free()
    words = engines.vllm(engines.Start(base, Path("unused"), engines.ranks([rank], SERVABLE_RANKS)), spec)
    ours = {"--uds": 2, "--worker-extension-cls": 2, "--trust-request-chat-template": 1}
    words = [*words[:1], "-m", "vllm.entrypoints.openai.api_server", *words[3:]]
    for word, length in ours.items():
        if word in words:
            del words[words.index(word) : words.index(word) + length]
    modules = [f"bench/{n}={home.adapters / 'bench' / str(n)}" for n in range(1, 9)]
    command = [*words, "--host", "127.0.0.1", "--port", str(port), "--lora-modules", *modules]
    process = subprocess.Popen(
        command, env=engines.environment(base), stdout=log.open("ab"), stderr=subprocess.STDOUT, start_new_session=True
    )
    stack.enter_context(ended(process))
    up(f"http://127.0.0.1:{port}/health", process, log)
    return f"http://127.0.0.1:{port}"


def ours(stack: ExitStack, home: Home, spec: ServeSpec, log: Path) -> str:
    """`ponens serve`, as a user starts it."""
    port = free()
    command = [sys.executable, "-m", "flows.cli", "serve", "bench", "--port", str(port)]
    for name, value in spec.model_dump(exclude_unset=True).items():
        command += ["--set", f"serve.{name}={value}"]
    env = {**os.environ, "PONENS_HOME": str(home.root), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, env=env, stdout=log.open("ab"), stderr=subprocess.STDOUT, start_new_session=True
    )
    stack.enter_context(ended(process))
    up(f"http://127.0.0.1:{port}/ready", process, log)
    return f"http://127.0.0.1:{port}"


async def load(url: str, clients: int, mix: int, seconds: float, tokens: int, seed: int) -> Measured:
    """So many clients for so many seconds; requests that have begun are waited for and counted."""
    draw = random.Random(seed)
    names = [f"bench/{n}" for n in range(1, mix + 1)] or ["base"]
    times: list[float] = []
    began = time.perf_counter()

    async def client(session: aiohttp.ClientSession) -> None:
        while time.perf_counter() - began < seconds:
            body = {
                "model": draw.choice(names),
                "messages": [{"role": "user", "content": " ".join(draw.choices(WORDS, k=60))}],
                "temperature": 0,
                "max_tokens": tokens,
                "ignore_eos": True,
            }
            start = time.perf_counter()
            async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
                said = await reply.json()
                assert reply.status == 200, said
                assert said["usage"]["completion_tokens"] == tokens
            times.append(time.perf_counter() - start)

    patience = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=patience) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return Measured(len(times) / (time.perf_counter() - began), times)


def measure(urls: dict[str, str], options: argparse.Namespace) -> dict[tuple[str, int, str], list[Measured]]:
    """Every server under every load, round by round; the first of each is thrown away."""
    found: dict[tuple[str, int, str], list[Measured]] = {}
    for mix in MIXES.values():
        for url in urls.values():
            asyncio.run(load(url, 8, mix, 3, options.tokens, 0))
    for number in range(options.rounds):
        draw = random.Random(number)
        for clients in options.clients:
            for mix in draw.sample(sorted(MIXES), len(MIXES)):
                for who in draw.sample(sorted(urls), len(urls)):
                    seed = number * 1000 + clients
                    one = asyncio.run(load(urls[who], clients, MIXES[mix], options.seconds, options.tokens, seed))
                    found.setdefault((mix, clients, who), []).append(one)
                    print(f"{number} {clients:>3} {mix:<15} {who:<7} {one.rate:8.2f}/s", file=sys.stderr)
    return found


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def table(found: dict[tuple[str, int, str], list[Measured]], clients: list[int]) -> None:
    """Requests a second and latencies, as Markdown."""
    print("| clients | mix | server | requests/s | p50 ms | p95 ms | p99 ms | of bare | of one adapter |")
    print("|---|---|---|---|---|---|---|---|---|")
    for count in clients:
        for mix in MIXES:
            for who in ("bare", "ponens"):
                runs = found[mix, count, who]
                whole = Measured(0, [t for run in runs for t in run.times])
                ms = " | ".join(f"{1000 * whole.at(share):.0f}" for share in (0.5, 0.95, 0.99))
                rate = statistics.median(run.rate for run in runs)
                to_bare = [a.rate / b.rate for a, b in zip(runs, found[mix, count, "bare"], strict=True)]
                to_one = [a.rate / b.rate for a, b in zip(runs, found["one adapter", count, who], strict=True)]
                print(f"| {count} | {mix} | {who} | {rate:.1f} | {ms} | {spread(to_bare)} | {spread(to_one)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", help="a base model's folder or hub name; a tiny one is made by default")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--max-model-len", type=int, default=1024)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ponens-serve-") as root, ExitStack() as stack:
        home = Home(Path(root) / "home")
        home.root.mkdir()
        name = options.base or str(_tiny(Path(root) / "base"))
        base = base_models.snapshot(name)
        adapters(home, base, name, options.rank)
        # two engines on one device: each gets its half of what one would take
        share = 0.4 if devices.visible() else 0.3
        spec = ServeSpec(max_model_len=options.max_model_len, gpu_memory_utilization=share)
        urls = {
            "bare": bare(stack, home, base, options.rank, spec, Path(root) / "bare.log"),
            "ponens": ours(stack, home, spec, Path(root) / "ponens.log"),
        }
        found = measure(urls, options)
    table(found, options.clients)
    print(json.dumps({"base": name, "rounds": options.rounds, "seconds": options.seconds, "tokens": options.tokens}))


def _tiny(folder: Path) -> Path:
    sys.path.insert(0, str(ROOT))
    from tests.tiny import tiny_base

    return tiny_base(folder)


if __name__ == "__main__":
    main()
