"""One contender against one server, each in processes of its own, measured from outside."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped]
from contender import Order
from server import tag

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TICK = 0.25
QUIET = {
    "OPENAI_API_KEY": "any",
    "LANGSMITH_TRACING": "false",
    "TELEMETRY_ENABLED": "false",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "HF_HUB_OFFLINE": "1",
    "DISTILABEL_LOG_LEVEL": "ERROR",
    "NO_PROXY": "127.0.0.1",
}


@dataclass(frozen=True)
class Contender:
    """`fixed` is the number of workers where it is no choice; `python` the interpreter of its environment."""

    name: str
    script: str
    python: str = sys.executable
    fixed: int | None = None


@dataclass(frozen=True)
class Setting:
    """`latency` in seconds; `cores` are the client's and the server's, empty where they cannot be set."""

    workers: int
    latency: float
    faults: bool = False
    samples: int = 1
    cores: tuple[int, ...] = ()


@dataclass
class Run:
    """What was seen. Times in seconds, memory in bytes; calls are requests that the server ended.

    `cpu` is the client's from the first request's arrival on, `others` the share of the client's core
    that went to processes outside the benchmark. A `problem` is why there is nothing more to say.
    """

    contender: str
    setting: Setting
    requests: int
    calls: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    resident: int = 0
    most_open: int = 0
    server_cpu: float = 0.0
    others: float = 0.0
    lost: int | None = None
    twice: int = 0
    problem: str = ""


@dataclass
class _Watch:
    """Clocks of a process tree, read from outside. `cpu` counts children that have ended."""

    root: psutil.Process
    cpu: float = 0.0
    memory: int = 0
    seen: dict[int, psutil.Process] = field(default_factory=dict)

    def look(self) -> None:
        used, memory = 0.0, 0
        with suppress(psutil.Error):
            tree = [self.root, *self.root.children(recursive=True)]
            for process in tree:
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    used += times.user + times.system + times.children_user + times.children_system
                    memory += process.memory_full_info().pss
        self.cpu, self.memory = max(self.cpu, used), max(self.memory, memory)


@contextmanager
def teacher(setting: Setting) -> Iterator[tuple[str, IO[bytes]]]:
    """The server's address, and the pipe on which it says that the first request is there."""
    words = [sys.executable, str(HERE / "server.py"), "--latency", str(setting.latency)]
    pin = setting.cores[-1:]
    with subprocess.Popen(
        words + ["--faults"] * setting.faults,
        stdout=subprocess.PIPE,
        bufsize=0,
        preexec_fn=(lambda: os.sched_setaffinity(0, pin)) if pin else None,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip(), process.stdout
        finally:
            process.terminate()


def run(contender: Contender, setting: Setting, rows: Path, prompts: dict[str, str], limit: float = 300.0) -> Run:
    """Let a contender ask for every prompt (by question id) once for each sample, and watch."""
    workers = contender.fixed or setting.workers
    found = Run(contender.name, setting, len(prompts) * setting.samples)
    with tempfile.TemporaryDirectory(prefix="ponens-bench-") as folder, teacher(setting) as (url, first):
        place, home = Path(folder), Path(folder) / "files"
        home.mkdir()
        order = Order(f"{url}/v1", str(rows), str(home), workers, setting.samples)
        (place / "order.json").write_text(json.dumps(asdict(order)), "utf-8")
        with (place / "log").open("w+b") as log:
            try:
                _watched(contender, setting, place, log, first, found, limit)
            except (TimeoutError, ChildProcessError) as error:
                log.seek(0)
                last = log.read().decode(errors="replace").strip().splitlines()[-1:]
                found.problem = " ".join([str(error), *last])[:300]
        with urllib.request.urlopen(f"{url}/counts") as reply:
            seen = json.load(reply)
        found.calls, found.seconds, found.most_open = seen["calls"], seen["seconds"], seen["most_open"]
        found.server_cpu = seen["cpu"]
        found.twice = sum(count > setting.samples for count in seen["completed"].values())
        if (place / "answers.jsonl").exists():
            with (place / "answers.jsonl").open("rb") as file:
                right = sum(bool(text) and tag(prompts[name]) in text for name, text in map(json.loads, file))
            found.lost = found.requests - right
    return found


def _watched(
    contender: Contender, setting: Setting, place: Path, log: IO[bytes], first: IO[bytes], found: Run, limit: float
) -> None:
    pin = setting.cores[:1]
    env = {**os.environ, **QUIET, "HF_HOME": str(place / "hf"), "CURATOR_CACHE_DIR": str(place / "curator")}
    env.pop("OPENAI_BASE_URL", None)
    if contender.python == sys.executable:
        env["PYTHONPATH"] = str(ROOT)
    with subprocess.Popen(
        [contender.python, str(HERE / contender.script), str(place / "order.json")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,  # a line that is read ahead would never make the pipe ready again
        stderr=log,
        env=env,
        cwd=place,
        start_new_session=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, pin)) if pin else None,
    ) as process:
        try:
            _clocks(process, pin, first, found, limit)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _clocks(process: subprocess.Popen[bytes], pin: tuple[int, ...], first: IO[bytes], found: Run, limit: float) -> None:
    assert process.stdin is not None and process.stdout is not None
    watch = _Watch(psutil.Process(process.pid))
    before, busy, until = 0.0, _busy(pin), time.monotonic() + limit
    with selectors.DefaultSelector() as ready:
        ready.register(first, selectors.EVENT_READ)
        ready.register(process.stdout, selectors.EVENT_READ)
        while True:
            heard = [key.fileobj for key, _ in ready.select(TICK)]
            watch.look()
            if first in heard:
                ready.unregister(first)
                before, busy, start = watch.cpu, _busy(pin), time.monotonic()
            if process.stdout in heard:
                if (line := process.stdout.readline().strip()) == b"done":
                    break
                if not line:
                    raise ChildProcessError(f"ended with exit code {process.wait()}:")
            if time.monotonic() > until:
                raise TimeoutError(f"not done after {limit:g} s")
    found.cpu, found.memory = watch.cpu - before, watch.memory
    found.resident = _high_water(process.pid)
    if pin:
        found.others = max(0.0, (_busy(pin) - busy - found.cpu) / (time.monotonic() - start))
    process.stdin.write(b"answers\n" if found.setting.samples == 1 else b"no\n")
    with suppress(subprocess.TimeoutExpired):  # some leave threads behind that keep them from ending
        process.wait(30)


def _busy(pin: tuple[int, ...]) -> float:
    """Seconds that the client's core has worked so far."""
    if not pin:
        return 0.0
    times = psutil.cpu_times(percpu=True)[pin[0]]
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def _high_water(pid: int) -> int:
    """Peak resident memory of one process, as the kernel keeps it; 0 where it does not."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text("utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
