"""draft: rows -> a commented recipe for them, its sizes guessed from their lengths and from this machine.

    rows = survey(records)                       how many of which kind, how long
    settings = sized(rows, kind, machine())      the values of a recipe, table by table
    written("quiz", settings)                    its text

A start for a person to change: every value that is a guess says in its comment what it was guessed from.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import orjson

from storage.dialogues import TAKES, Dialogue, Kind, Preference, Record
from storage.records import Question, Rejected, UsageError
from tasks.clients.usage import guess
from tasks.kinds.registry import KINDS
from tasks.models import base_models
from tasks.teachers.spec import Price
from tasks.train import estimate
from tasks.train.presets import PRESETS

READ = 50_000  # rows that are looked at
GIB = 2**30
_REPLY = 400  # tokens of a rationale
_ROWS_A_STEP = 16
_TESTED = 2_000  # test rows that tell a difference of 3 points
_FAMILIES: Mapping[Kind, tuple[str, tuple[str, ...]]] = {
    "sql": ("Qwen/Qwen2.5-Coder-{}-Instruct", ("0.5B", "1.5B", "3B", "7B")),
    "proof": ("Qwen/Qwen2.5-Math-{}-Instruct", ("1.5B", "7B")),
}
# of two kinds that take the same rows the later one: replies to instructions are compared with their answers
_ORDER: tuple[Kind, ...] = ("chat", "instruction", "assignment", "proof", "sql", "choice")
_INSTRUCT = ("Qwen/Qwen2.5-{}-Instruct", ("0.5B", "1.5B", "3B", "7B"))
# list prices of the providers' own pages for a million tokens, as of 2025; a guess that the recipe tells
_TEACHERS: Mapping[str, tuple[str, str, Price, str]] = {
    "DASHSCOPE_API_KEY": ("dashscope", "qwen-max", Price(**{"in": 2.4}, out=9.6), "yuan"),
    "OPENAI_API_KEY": ("openai", "gpt-4o-mini", Price(**{"in": 0.15}, out=0.6), "dollars"),
}


@dataclass(frozen=True, slots=True)
class Survey:
    """What was seen of a file: rows by what they are for, their groups, rejects, and tokens by estimate.

    `tokens` are of whole rows, `answers` of what is learnt or asked for; sorted. `whole` is False where more follows.
    """

    purposes: Counter[str] = field(default_factory=Counter)
    groups: int = 0
    keyed: int = 0
    rejected: tuple[Rejected, ...] = ()
    tokens: tuple[int, ...] = ()
    answers: tuple[int, ...] = ()
    questions: tuple[Question, ...] = ()
    whole: bool = True

    @property
    def rows(self) -> int:
        return self.purposes.total()


@dataclass(frozen=True, slots=True)
class Machine:
    """What trains: the device by its name, its memory in bytes (None: not known), whether 4-bit bases can be loaded."""

    device: str
    memory: int | None
    four_bits: bool

    @property
    def preset(self) -> str | None:
        """The preset of `[train]` for a GPU of this memory; None for a CPU or a GPU too small for any."""
        room = (self.memory or 0) / GIB
        if self.device == "CPU":
            return None
        fits = [("80gb", 70.0), ("24gb", 20.0), *([("8gb", 7.5)] if self.four_bits else [])]
        return next((name for name, least in fits if room >= least), None)


def machine() -> Machine:
    """This machine. Nothing is loaded."""
    device, memory = estimate.device()
    return Machine(device, memory, importlib.util.find_spec("bitsandbytes") is not None)


def survey(records: Iterable[Record | Rejected], most: int = READ) -> Survey:
    """Look at the first rows, so many at most."""
    purposes, groups, keyed = Counter[str](), set[str](), 0
    rejected, questions, whole = list[Rejected](), list[Question](), True
    tokens, answers = list[int](), list[int]()
    for number, record in enumerate(records):
        if number == most:
            whole = False
            break
        if isinstance(record, Rejected):
            rejected.append(record)
            continue
        purposes[_purpose(record)] += 1
        groups.add(record.group)
        prompt, answer = _lengths(record)
        tokens.append(prompt + answer)
        answers.append(answer)
        if isinstance(record, Question) and record.answer is not None:
            keyed += 1
            questions.append(record)
    found = tuple(sorted(tokens)), tuple(sorted(answers))
    return Survey(purposes, len(groups), keyed, tuple(rejected), *found, tuple(questions), whole)


def _purpose(record: Record) -> str:
    if isinstance(record, Dialogue):
        return record.task
    return "choice" if isinstance(record, Question) else "preference" if isinstance(record, Preference) else "text"


def _lengths(record: Record) -> tuple[int, int]:
    """Tokens of prompt and answer by estimate; a question's answer is the rationale that a teacher will write."""
    if isinstance(record, Question):
        return round(guess(record.problem + record.question + "".join(record.options))) + 60, _REPLY
    if isinstance(record, Dialogue):
        *before, last = record.messages
    elif isinstance(record, Preference):
        *before, last = record.preferred().messages
    else:
        return 0, round(guess(record.text))
    return round(guess("".join(m.content for m in before))) + 10 * len(before), round(guess(last.content)) + 10


def kind_of(found: Survey, wanted: str | None = None) -> Kind:
    """The kind of work that takes all rows; `wanted` is what a person named.

    UsageError for rows that no kind takes whole: plain text, pairs of which one answer would be dropped, a mixture.
    """
    known: tuple[Kind, ...] = get_args(Kind)
    seen = ", ".join(f"{count:,} rows for {name}" for name, count in found.purposes.most_common())
    fitting = [kind for kind in known if set(found.purposes) <= set(TAKES[kind])]
    if wanted is not None:
        if wanted not in known:
            raise UsageError("--kind", seen=wanted, expected=f"one of {', '.join(known)}")
        if wanted not in fitting:
            raise UsageError(f"kind {wanted!r} does not take these rows", seen=seen, expected=_takers(fitting))
        return next(kind for kind in known if kind == wanted)
    if "preference" in found.purposes and fitting:
        raise UsageError(
            "rows for preference ask for two stages, and a recipe of one is written here",
            seen=seen,
            expected=f"rows for {', '.join(dict.fromkeys(TAKES[kind][0] for kind in known))}",
            hint="--kind chat learns the preferred answers; [tune] goes on from the pairs, as recipes/dpo.toml has it",
        )
    if not fitting:
        raise UsageError(
            "no kind of work takes all rows of this file",
            seen=seen,
            expected="rows of one kind",
            hint="plain text has no answer to learn; write each kind of rows to a file of its own",
        )
    return max(fitting, key=_ORDER.index)


def _takers(kinds: Sequence[str]) -> str:
    return " or ".join(f"--kind {kind}" for kind in kinds) or "rows of one kind"


def base_model(kind: Kind, here: Machine) -> tuple[str, str]:
    """The base for a kind of work on a machine, and why; without a network, one that is on this machine if any is."""
    form, sizes = _FAMILIES.get(kind, _INSTRUCT)
    room = (here.memory or 0) / GIB
    most = 7.0 if here.preset else 1.5 if here.device != "CPU" and room >= 7.5 else 0.5
    fitting = [size for size in sizes if float(size[:-1]) <= most] or [sizes[0]]
    names = [form.format(size) for size in reversed(fitting)]
    there = [name for name in names if base_models.place(name) is not None]
    offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("0", "")
    name = there[0] if offline and there else names[0]
    place = "on this machine already" if name in there else f"not on this machine yet: hf download {name}"
    return name, f"for {described(here)}; {place}"


def described(here: Machine) -> str:
    """The device and its memory in words."""
    return f"{here.device}{f' of {here.memory / GIB:.0f} GiB' if here.memory else ''}"


def sized(found: Survey, kind: Kind, here: Machine) -> dict[str, dict[str, Any]]:
    """The values of [parse], [reason], [train] and [evaluate] that fit the rows and the machine."""
    longest = max(512, _power(_quantile(found.tokens, 0.99)))
    preset = dict(PRESETS.get(here.preset or "", {"method": "lora", "rank": 16, "max_length": 2048, "batch_size": 4}))
    together = min(_ROWS_A_STEP, max(4, _power(found.rows // 64)))
    batch = max(1, min(together, preset["batch_size"] * preset["max_length"] // longest))
    test = 0.3 if found.groups < 40 else min(0.2, max(0.01, round(_TESTED / found.groups, 2)))
    reply = max(1024 if KINDS[kind].letters else 128, _power(2 * _quantile(found.answers, 0.99)))
    return {
        "parse": {"valid": 0.1 if found.groups < 40 else 0.05 if found.groups < 20_000 else 0.01, "test": test},
        "train": {
            "method": preset["method"],
            "rank": preset["rank"],
            "learning_rate": 2e-4,
            "epochs": 3 if found.rows < 10_000 else 2 if found.rows < 50_000 else 1,
            "batch_size": batch,
            "gradient_accumulation": max(1, together // batch),
            "max_length": longest,
        },
        "evaluate": {"votes": 5, "max_tokens": reply} if KINDS[kind].letters else {"max_tokens": reply},
    }


def teacher(environment: Mapping[str, str] = os.environ) -> tuple[str, str, Price, str, str]:
    """The teacher whose key is set, else the first: provider, model, its price by list, the currency, the variable."""
    variable = next((name for name in _TEACHERS if environment.get(name)), next(iter(_TEACHERS)))
    return *_TEACHERS[variable], variable


def limit_of(cost: float) -> float:
    """A limit of cost with room above an estimate: twice as much, to one digit, rounded up."""
    if cost <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(2 * cost))
    return round(math.ceil(2 * cost / unit) * unit, 6)


def written(head: Sequence[str], tables: Mapping[str, Mapping[str, Any]], why: Mapping[str, str]) -> str:
    """A recipe's text: comments, then `tables`, the one named "" first; `why` are comments by "table.key"."""
    lines = [f"# {line}" for line in head]
    for table, values in tables.items():
        lines += ["", f"[{table}]"] if table else []
        for key, value in values.items():
            said, because = f"{key} = {toml(value)}", why.get(f"{table}.{key}" if table else key)
            lines.append(f"{said:<30}  # {because}" if because else said)
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A value as TOML writes it.

    >>> toml({"options": ["a", "b"]})
    '{options = ["a", "b"]}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return f"{value:g}" if value >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")
    return orjson.dumps(value).decode()


def _key(name: str) -> str:
    plain = name.replace("_", "").replace("-", "")
    return name if plain.isascii() and plain.isalnum() else orjson.dumps(name).decode()


def _quantile(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def _power(number: int) -> int:
    """The least power of two that is no less."""
    return 1 << max(0, number - 1).bit_length()
