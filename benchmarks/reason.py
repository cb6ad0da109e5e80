"""`reason` beside its peers, against a mock teacher that takes 200 ms for every reply.

    make bench NAME=reason                                   # under three minutes
    python benchmarks/reason.py --peers FOLDER --repeat 5    # with distilabel and curator, installed into FOLDER
    python benchmarks/reason.py --memory --memory-requests 20000

Every contender asks the same questions of a new server in a new process, one after another, and that
`--repeat` times; the client is pinned to one core and the server to another, where the machine has two.
A run that other processes disturbed is tried again. Prints Markdown tables: the median, and in
parentheses the least and the most.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "reason_peers")]

from measure import Contender, Run, Setting, run  # noqa: E402

from prompts.choice import explain  # noqa: E402
from puzzles.generate import generate  # noqa: E402
from storage.records import Question  # noqa: E402

LATENCY = 0.2
CALM = 0.1  # the most of the client's core that other processes may take from a run
BARE = "bare ChatOpenAI threads"
OURS = Contender("Ponens", "ponens_reason.py")
HOUSE = (
    OURS,
    Contender(BARE, "bare_threads.py"),
    Contender("five-worker pool", "tutorial_pool.py", fixed=5),
    Contender("LangChain .batch", "langchain_batch.py"),
)
PEERS = {
    "distilabel 1.5.3": ("distilabel_pipeline.py", "distilabel[openai]==1.5.3 requests"),  # it imports requests unsaid
    "curator 0.1.31": ("curator_llm.py", "bespokelabs-curator==0.1.31"),
}
HEAD = (
    "",
    "seconds",
    "calls/s",
    "of the limit",
    "of bare",
    "CPU ms a call",
    "of bare",
    "peak MB",
    "lost",
    "asked twice",
)


def environment(folder: Path, name: str, requirement: str) -> str:
    """The interpreter of a peer's own environment, made if it is not there. RuntimeError if that fails."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    place = folder / name.replace(" ", "-")
    python, ready = place / "bin" / "python", place / ".ready"
    if not ready.exists():
        try:
            subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, place], check=True, capture_output=True)
            subprocess.run(
                [uv, "pip", "install", "-q", "--python", python, *requirement.split()], check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", b"") or str(error).encode()
            raise RuntimeError(f"{requirement} does not install: {said.decode(errors='replace').strip()}") from error
        ready.touch()
    return str(python)


def contenders(peers: Path | None) -> list[Contender]:
    found = list(HOUSE)
    if peers is not None:
        for name, (script, requirement) in PEERS.items():
            try:
                found.append(Contender(name, script, environment(peers.resolve(), name, requirement)))
            except RuntimeError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
    return found


def write_rows(path: Path, count: int) -> dict[str, str]:
    """`count` questions as JSON lines for the contenders; returns each one's prompt by its id."""
    questions = (
        Question(row["problem"], part["question"], tuple(part["options"]), part["answer"])
        for row in generate(count, seed=1)
        for part in row["questions"]
    )
    prompts: dict[str, str] = {}
    with path.open("w", encoding="utf-8") as file:
        for question in islice(questions, count):
            prompts[question.id] = explain(question)[0].content
            parts = {name: getattr(question, name) for name in ("problem", "question", "options", "answer")}
            file.write(json.dumps({"id": question.id, "prompt": prompts[question.id], "question": parts}) + "\n")
    return prompts


def cores() -> tuple[int, ...]:
    """The client's core and the server's; empty where there is only one or the system cannot pin."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else ()


def compete(given: argparse.Namespace, folder: Path) -> Iterator[Run]:
    """All settings, each contender in turn, and again."""
    entered = contenders(given.peers)
    settings = [Setting(workers, LATENCY, cores=cores()) for workers in given.workers]
    settings += [Setting(given.faulty, LATENCY, faults=True, cores=cores())] if given.faulty else []
    for setting in settings:
        rows = folder / f"{setting.workers}.jsonl"
        prompts = write_rows(rows, setting.workers * given.waves)
        here = [c for c in entered if c.fixed in (None, setting.workers) or setting.faults]
        runs: list[Run] = []
        for _ in range(given.repeat):
            for contender in here:
                runs.append(undisturbed(contender, setting, rows, prompts, given))
                yield runs[-1]
        worst = max(one.others for one in runs)
        print(f"\n### {title(setting)}\n\n{table(runs)}\n", flush=True)
        print(f"Other processes took at most {worst:.0%} of the client's core.", flush=True)


def undisturbed(
    contender: Contender, setting: Setting, rows: Path, prompts: dict[str, str], given: argparse.Namespace
) -> Run:
    """The first run of some tries that had the client's core to itself, else the least disturbed one."""
    tries: list[Run] = []
    while len(tries) < given.tries and (not tries or tries[-1].others > CALM):
        found = run(contender, setting, rows, prompts, given.limit)
        said = found.problem or f"{found.seconds:.1f} s, others took {found.others:.0%} of the client's core"
        print(f"{contender.name}, {title(setting)}: {said}", file=sys.stderr, flush=True)
        tries.append(found)
    return min(tries, key=lambda one: (bool(one.problem), one.others))


def title(setting: Setting) -> str:
    kind = "faulty" if setting.faults else "clean"
    return f"{kind} server, {setting.workers} workers, limit {setting.workers / setting.latency:.0f} calls/s"


def table(runs: Sequence[Run]) -> str:
    """One row a contender. What is compared with bare threads is compared within one round."""
    rounds: dict[str, list[Run]] = {}
    for one in runs:
        rounds.setdefault(one.contender, []).append(one)
    lines = [_line(HEAD), "|" + "---|" * len(HEAD)]
    for name, mine in rounds.items():
        good = [(one, bare) for one, bare in zip(mine, rounds[BARE], strict=True) if not (one.problem or bare.problem)]
        if not good:
            lines.append(_line((name, mine[0].problem, *[""] * (len(HEAD) - 2))))
            continue
        limit = good[0][0].setting.workers / LATENCY
        ours = [one for one, _ in good]
        cells = (
            _spread((one.seconds for one in ours), "{:.1f}"),
            _spread((_rate(one) for one in ours), "{:.1f}"),
            _spread((_rate(one) / limit for one in ours), "{:.1%}"),
            _spread((_rate(one) / _rate(bare) for one, bare in good), "{:.2f}"),
            _spread((_cost(one) for one in ours), "{:.2f}"),
            _spread((_cost(one) / _cost(bare) for one, bare in good), "{:.2f}"),
            _spread((one.memory / 1e6 for one in ours), "{:.0f}"),
            f"{_spread((one.lost or 0 for one in ours), '{:.0f}')} of {ours[0].requests}",
            _spread((one.twice for one in ours), "{:.0f}"),
        )
        lines.append(_line((name, *cells)))
    return "\n".join(lines)


def _rate(one: Run) -> float:
    return one.calls / one.seconds


def _cost(one: Run) -> float:
    return one.cpu / one.calls * 1000


def _spread(values: Iterable[float], form: str) -> str:
    values = list(values)
    least, middle, most = (form.format(v) for v in (min(values), statistics.median(values), max(values)))
    return middle if least == most else f"{middle} ({least}–{most})"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def memory(given: argparse.Namespace, folder: Path) -> Iterator[Run]:
    """Ponens at two sizes against a server that does not wait."""
    setting = Setting(32, 0.0, samples=8, cores=cores())
    print("| requests | peak resident MB | calls/s | CPU ms a call | asked twice |\n|---|---|---|---|---|")
    for requests in (1000, given.memory_requests):
        rows = folder / f"memory-{requests}.jsonl"
        one = run(OURS, setting, rows, write_rows(rows, requests // setting.samples), limit=3600.0)
        cells = (
            f"{one.requests:,}",
            f"{one.resident / 1e6:.0f}",
            f"{_rate(one):.0f}",
            f"{_cost(one):.2f}",
            str(one.twice),
        )
        print(one.problem or _line(cells), flush=True)
        yield one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="*", default=[5, 32, 64, 128])
    parser.add_argument("--faulty", type=int, default=32, help="workers against the faulty server; 0 leaves it out")
    parser.add_argument("--waves", type=int, default=12, help="questions for each worker")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--tries", type=int, default=3, help="runs at most until one is undisturbed by other processes")
    parser.add_argument("--peers", type=Path, help="enter the peers; their environments are kept here")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds until a contender is given up")
    parser.add_argument("--memory", action="store_true", help="peak memory at two sizes instead")
    parser.add_argument("--memory-requests", type=int, default=200_000)
    parser.add_argument("--out", type=Path, help="write every run to this file as JSON")
    given = parser.parse_args()
    print("client and server each on a core of its own" if cores() else "client and server share the cores")
    with tempfile.TemporaryDirectory(prefix="ponens-bench-") as folder:
        runs: list[dict[str, object]] = []
        for one in (memory if given.memory else compete)(given, Path(folder)):
            runs.append(asdict(one))
            if given.out:  # after each, so that an interrupted benchmark keeps what it has
                given.out.write_text(json.dumps(runs, indent=1), "utf-8")


if __name__ == "__main__":
    main()
