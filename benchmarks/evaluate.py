"""Five votes on each of 400 questions: this evaluation beside other ways to draw the same replies.

    ponens run recipes/demo.toml                                   # trains the adapter whose replies are drawn
    python benchmarks/evaluate.py                                  # minutes on two cores
    python benchmarks/evaluate.py --lm-eval ENV/bin/python         # with lm-evaluation-harness 0.4.13, in its own ENV
    python benchmarks/evaluate.py --shape 0.5b                     # on a GPU: random weights of that shape

All draw from the same weights, the adapter's merged into the toy base, the same prompts, as many replies
of as many tokens at most, on one thread (`data_parallel = 2`: two), each in a process of its own, one after the
other. Prints Markdown tables: the contenders; how the adapter is applied; what early stopping saves; what this
project adds to the time of its engine. Writes what it measured to OUT.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]  # a script: its own folder would be looked in, so imports come after

from benchmarks.train import SHAPES, shape  # noqa: E402
from evals.vote import count  # noqa: E402
from prompts import choice  # noqa: E402
from puzzles.generate import generate  # noqa: E402
from storage.adapters import versions as adapters  # noqa: E402
from storage.artifacts import write_json  # noqa: E402
from storage.home import Home  # noqa: E402
from storage.records import LETTERS, Question  # noqa: E402
from tasks.engines.interface import Loading  # noqa: E402
from tasks.engines.open import surroundings  # noqa: E402
from tasks.evaluate import sampler_main  # noqa: E402
from tasks.evaluate.generation import ORDER, OUTCOME, REPLIES, Adaptive, Decoding, Order, Reply, Subject  # noqa: E402
from tasks.kinds.asks import Ask  # noqa: E402
from tasks.kinds.choice import ask, read  # noqa: E402
from tasks.runtime.step import Workshop  # noqa: E402

BASE = ROOT / "recipes" / "demo_base"
FAMILIES = ("compass", "calendar", "seasons", "relay")
VOTES, MAX_TOKENS, TEMPERATURE = 5, 112, 0.7
Rule = tuple[Adaptive, float]  # with the confidence of beta
EXACT: Rule = ("exact", 0.95)
RULES: dict[int, dict[str, Rule]] = {
    VOTES: {"exact": EXACT},
    9: {"exact": EXACT, "beta 0.89": ("beta", 0.89), "beta 0.95": ("beta", 0.95)},
}
THREADS = {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "TOKENIZERS_PARALLELISM": "false"}
OURS_VLLM, OURS_TRANSFORMERS = "Ponens, vLLM", "Ponens, transformers"
OURS_TWICE = "Ponens, vLLM, data_parallel = 2"
BARE, SINGLE, HARNESS = "bare LLM.generate", "pipeline, one question at a time", "lm-evaluation-harness"


@dataclass
class Drawn:
    """What one contender took: seconds until it could answer, seconds of answering, CPU seconds in all."""

    start: float
    answering: float
    questions: int
    cpu: float = 0.0
    replies: int = 0
    winners: dict[str, str | None] | None = None


def questions(n: int) -> list[Question]:
    """Puzzles that the adapter has not seen."""
    rows = generate(n, seed=10_007, families=FAMILIES)
    found = [
        Question(row["problem"], q["question"], tuple(q["options"]), LETTERS[_place(q["answer"])], split="test")
        for row in rows
        for q in row["questions"]
    ]
    return random.Random(0).sample(found, n)


def _place(answer: str | int) -> int:
    return answer if isinstance(answer, int) else LETTERS.index(answer)


def order(
    engine: str, model: Path, asked: list[Question], votes: int = VOTES, rule: Rule = ("off", 0.95), copies: int = 1
) -> Order:
    """What `evaluate` gives its child, for one subject and votes alone."""
    decoding = Decoding(votes, TEMPERATURE, 1.0, MAX_TOKENS, 0, *rule)
    asks: list[Ask] = [replace(ask(q, forced=False), greedy=False) for q in asked]
    return Order(engine, {"model": str(model), "data_parallel": copies}, [Subject("base", "w")], asks, decoding)


def ours(given: Order, asked: list[Question], work: Path) -> Drawn:
    """An order, from the command to the samples on disk."""
    folder = Path(tempfile.mkdtemp(dir=work))
    shop = Workshop(folder, Home(folder / "home"), lambda tick: None)
    start = time.monotonic()
    drawn = given.draw(folder / "scratch", shop)
    wall = time.monotonic() - start
    answering = drawn.outcome["seconds"]["sample"]
    return Drawn(wall - answering, answering, len(asked), 0.0, len(drawn.replies), winners(asked, drawn.replies))


def applied(how: str, home: Home, adapter: str, asked: list[Question], work: Path) -> Drawn:
    """The same replies from the toy base with the adapter added by the engine: "merged" or "on_the_fly"."""
    found = adapters.resolve(home, adapter)
    subject = Subject(str(found), "w", str(found.folder), adapters.about(found).get("rendering"))
    plain = order("vllm", BASE, asked)
    return ours(replace(plain, subjects=[subject], loading={**plain.loading, "applied": how}), asked, work)


def added(given: Order, asked: list[Question], work: Path) -> Drawn:
    """An order in this process, vLLM's own calls timed: `start` is their time, `answering` that of everything else.

    What is else: tokens from text and back, replies to disk, and at the end ballots from replies.
    """
    surroundings(Loading(str(given.loading["model"])))
    from vllm.v1.engine.llm_engine import LLMEngine

    spent = 0.0

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def clocked(*arguments: Any, **more: Any) -> Any:
            nonlocal spent
            began = time.monotonic()
            try:
                return call(*arguments, **more)
            finally:
                spent += time.monotonic() - began

        return clocked

    for name in ("step", "add_request"):
        setattr(LLMEngine, name, timed(getattr(LLMEngine, name)))
    folder = Path(tempfile.mkdtemp(dir=work))
    names = ("engine", "loading", "subjects", "asks", "decoding", "rendering", "on_mismatch")
    write_json(folder / ORDER, given.told(*names) | {"samples": str(folder / "samples")})
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a child tells its parent
    sampler_main.sample(folder / ORDER)
    sampled = json.loads((folder / OUTCOME).read_bytes())["seconds"]["sample"]
    began = time.monotonic()
    rows = [json.loads(line) for line in (folder / REPLIES).read_bytes().splitlines()]
    winners(asked, [Reply(*row) for row in rows])
    counted = time.monotonic() - began
    return Drawn(spent, sampled - spent + counted, len(asked), 0.0, len(rows))


def winners(asked: list[Question], replies: Sequence[Reply]) -> dict[str, str | None]:
    """The winner of each question's votes."""
    by_id = {q.id: q for q in asked}
    votes: dict[str, list[str | None]] = {}
    for reply in replies:
        votes.setdefault(reply.ask, []).append(read(by_id[reply.ask], reply.index, reply.text, reply.finish).answer)
    return {id: count(by_id[id], cast).winner for id, cast in votes.items()}


def bare_vllm(model: Path, prompts: list[str]) -> Drawn:
    """What one writes without a house: an engine with the same settings, one call, n replies a prompt."""
    os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    start = time.monotonic()
    import torch
    import vllm

    cuda = torch.cuda.is_available()
    on_cpu = {"enforce_eager": True, "block_size": 32, "enable_chunked_prefill": False, "max_num_batched_tokens": 8192}
    llm = vllm.LLM(
        model=str(model),
        dtype="float32",
        max_model_len=512,
        gpu_memory_utilization=0.85 if cuda else 0.3,
        **({} if cuda else on_cpu),
    )
    ready = time.monotonic()
    how = vllm.SamplingParams(n=VOTES, temperature=TEMPERATURE, max_tokens=MAX_TOKENS, seed=0)
    out = llm.generate(prompts, how, use_tqdm=False)
    return Drawn(ready - start, time.monotonic() - ready, len(prompts), 0.0, sum(len(o.outputs) for o in out))


def one_by_one(model: Path, prompts: list[str]) -> Drawn:
    """As tutorials do: a text-generation pipeline, called for each question."""
    start = time.monotonic()
    from transformers import pipeline

    pipe = pipeline("text-generation", model=str(model), dtype="float32")
    ready = time.monotonic()
    replies = 0
    for prompt in prompts:
        replies += len(
            pipe(
                prompt, num_return_sequences=VOTES, do_sample=True, temperature=TEMPERATURE,
                max_new_tokens=MAX_TOKENS, return_full_text=False,
            )
        )  # fmt: skip
    return Drawn(ready - start, time.monotonic() - ready, len(prompts), 0.0, replies)


def harness(python: Path, model: Path, prompts: list[str], folder: Path) -> Drawn:
    """lm-evaluation-harness with its transformers model, prompts as they are; its start is that of one question."""
    folder.mkdir(exist_ok=True)
    rows = [json.dumps({"prompt": prompt, "gold": "A"}, ensure_ascii=False) for prompt in prompts]
    (folder / "rows.jsonl").write_text("\n".join(rows), "utf-8")
    (folder / "votes.yaml").write_text(
        f"""task: votes
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder / "rows.jsonl"}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: gold
repeats: {VOTES}
generation_kwargs: {{do_sample: true, temperature: {TEMPERATURE}, max_gen_toks: {MAX_TOKENS}, until: ["<|im_end|>"]}}
metric_list: [{{metric: exact_match}}]
filter_list:
  - name: vote
    filter:
      - {{function: regex, regex_pattern: "(?:Answer:|答案：)\\\\s*([A-Z])"}}
      - {{function: majority_vote}}
      - {{function: take_first}}
""",
        "utf-8",
    )
    command = [
        str(python), "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={model},dtype=float32",
        "--tasks", "votes", "--include_path", str(folder), "--batch_size", "64",
    ]  # fmt: skip
    walls = []
    for limit in (["--limit", "1"], []):
        start = time.monotonic()
        subprocess.run([*command, *limit], check=True, stdout=sys.stderr, env=os.environ | {"HF_HUB_OFFLINE": "1"})
        walls.append(time.monotonic() - start)
    return Drawn(walls[0], walls[1] - walls[0], len(prompts), 0.0, VOTES * len(prompts))


def merged(home: Home, adapter: str, folder: Path) -> Path:
    """The toy base with the adapter's weights added, and its tokenizer."""
    from tasks.engines import weights

    place = weights.save_merged(Loading(str(BASE)), adapters.resolve(home, adapter).folder, folder / "model")
    weights.tokenizer(Loading(str(BASE))).save_pretrained(place)
    return place


def shaped(size: str, folder: Path) -> Path:
    """A Qwen2 of that shape with random weights and the toy's small vocabulary: replies of full length, no sense."""
    from transformers import Qwen2ForCausalLM

    from tasks.engines import weights

    tokenizer = weights.tokenizer(Loading(str(BASE)))
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model = Qwen2ForCausalLM(shape(size, len(tokenizer), **ends))
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


def rendered(model: Path, asked: list[Question]) -> list[str]:
    """The prompts as text."""
    from tasks.engines import weights

    tokenizer = weights.tokenizer(Loading(str(model)))
    return [
        tokenizer.apply_chat_template([m.dict() for m in choice.solve(q)], tokenize=False, add_generation_prompt=True)
        for q in asked
    ]


def alone(work: Callable[[], Drawn]) -> Drawn:
    """The work in a process of its own, with the CPU seconds of that process and all its children."""
    reads, writes = os.pipe()
    if (pid := os.fork()) == 0:
        os.dup2(2, 1)  # engines print what is no table
        try:
            done = work()
            spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            done.cpu = sum(of.ru_utime + of.ru_stime for of in spent)
            os.write(writes, json.dumps(done.__dict__).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        said = pipe.read()
    if os.waitpid(pid, 0)[1] or not said:
        raise SystemExit("a contender failed: its last words stand above")
    return Drawn(**json.loads(said))


def table(found: dict[str, Drawn]) -> list[str]:
    """Rates without start-up, and with it."""
    lines = [
        "| | start s | answering s | questions/s | of bare | of one at a time | with start-up | CPU s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    most = max(d.questions for d in found.values())
    rate = {name: d.questions / d.answering for name, d in found.items()}
    whole = {name: most / (d.start + most / rate[name]) for name, d in found.items()}
    for name, d in found.items():
        against = [f"{rate[name] / rate[other]:.2f}" if other in rate else "–" for other in (BARE, SINGLE)]
        started = f"{whole[name] / whole[SINGLE]:.2f}" if SINGLE in whole else "–"
        cells = [f"{d.start:.1f}", f"{d.answering:.1f}", f"{rate[name]:.1f}", *against, started, f"{d.cpu:.0f}"]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return lines


def early(model: Path, asked: list[Question], work: Path) -> dict[str, tuple[float, float, float]]:
    """By rule and votes: the share of samples saved, that of winners kept, the time against the full vote."""
    saved: dict[str, tuple[float, float, float]] = {}
    for votes, rules in RULES.items():
        full = alone(partial(ours, order("vllm", model, asked, votes), asked, work))
        for name, rule in rules.items():
            less = alone(partial(ours, order("vllm", model, asked, votes, rule), asked, work))
            same = sum(w == (full.winners or {})[id] for id, w in (less.winners or {}).items())
            saved[f"{name} of {votes}"] = (
                1 - less.replies / full.replies,
                same / len(asked),
                less.answering / full.answering,
            )
    return saved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--home", type=Path, help="where the adapter is; by default beside recipes/demo.toml")
    parser.add_argument("--adapter", default="demo@latest")
    parser.add_argument("--shape", choices=list(SHAPES), help="random weights of this shape in place of the adapter")
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--one-by-one", type=int, default=100, help="questions for the pipeline; its rate is of these")
    parser.add_argument("--lm-eval", type=Path, help="the python of an environment with lm-evaluation-harness")
    parser.add_argument("--out", type=Path, help="a JSON file for what was measured")
    given = parser.parse_args()
    os.environ |= THREADS
    home = Home(given.home) if given.home else Home.beside(ROOT / "recipes" / "demo.toml")
    work = Path(tempfile.mkdtemp(prefix="ponens-evaluate-"))
    asked = questions(given.questions)
    model, texts = work / "model", work / "prompts.json"

    def prepare() -> Drawn:
        shaped(given.shape, work) if given.shape else merged(home, given.adapter, work)
        texts.write_text(json.dumps(rendered(model, asked)), "utf-8")
        return Drawn(0.0, 0.0, 0)

    alone(prepare)  # so that no contender finds a library imported
    prompts: list[str] = json.loads(texts.read_text("utf-8"))
    contenders: dict[str, Callable[[], Drawn]] = {
        OURS_VLLM: partial(ours, order("vllm", model, asked), asked, work),
        BARE: partial(bare_vllm, model, prompts),
        OURS_TWICE: partial(ours, order("vllm", model, asked, copies=2), asked, work),
        OURS_TRANSFORMERS: partial(ours, order("transformers", model, asked), asked, work),
        SINGLE: partial(one_by_one, model, prompts[: given.one_by_one]),
    }
    if given.lm_eval:
        contenders[HARNESS] = partial(harness, given.lm_eval, model, prompts, work / "harness")
    if not given.shape:
        for how in ("merged", "on_the_fly"):
            contenders[f"{OURS_VLLM}, adapter {how.replace('_', ' ')}"] = partial(
                applied, how, home, given.adapter, asked, work
            )
    found = {name: alone(contend) for name, contend in contenders.items()}
    print("\n".join(table(found)), flush=True)
    ours_alone = alone(partial(added, order("vllm", model, asked), asked, work))
    share = ours_alone.answering / (ours_alone.start + ours_alone.answering)
    print(
        f"\nvLLM's own calls {ours_alone.start:.2f} s, all else {ours_alone.answering:.2f} s: {share:.1%} of the time"
    )
    saved = early(model, asked, work)
    print("\n| rule | samples saved | winners kept | time |\n|---|---:|---:|---:|")
    print("\n".join(f"| {name} | {s:.1%} | {k:.1%} | {t:.2f} |" for name, (s, k, t) in saved.items()))
    if given.out:
        measured = {"contenders": {name: d.__dict__ for name, d in found.items()}, "added": share, "saved": saved}
        given.out.write_text(json.dumps(measured))
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
