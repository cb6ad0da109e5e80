"""Settings that nothing would read, refused: what a recipe says must do something.

`READ` is the one table of who reads what. A setting that is not in it is read by all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from storage.records import UsageError
from tasks.kinds.registry import read_by
from tasks.teachers.provider import PROVIDERS, Provider
from tasks.train import presets
from tasks.tune.spec import REFERENCED

ABSENT = object()
Path = str  # dotted, as --set takes it


@dataclass(frozen=True, slots=True)
class Read:
    """These settings, or all of a table, are read only where `by` has one of the values `where`.

    An empty `where` asks for any value: that a table, or a setting, is given at all. `spelled` is what a user sets
    for it, where that is not `by` itself.
    """

    settings: tuple[Path, ...]
    by: Path
    where: tuple[Any, ...] = ()
    spelled: str = ""

    def holds(self, recipe: object) -> bool:
        """True where the recipe has who reads them, or knows no such chooser."""
        value = value_at(recipe, self.by)
        return value is ABSENT or (value in self.where if self.where else value not in (None, [], 0))

    @property
    def readers(self) -> str:
        table, _, name = self.by.rpartition(".")
        said = self.spelled or (f"[{table}] {name}" if table else name if self.where else f"[{name}]")
        return f"{said} = {' or '.join(map(_toml, self.where))}" if self.where else said


def _asking(table: Path) -> tuple[Read, ...]:
    """What teachers read, for a table that names one."""

    def some(reads: Callable[[Provider], bool], *names: str) -> Read:
        teachers = tuple(name for name, provider in PROVIDERS.items() if reads(provider))
        return Read(tuple(f"{table}.{name}" for name in names), f"{table}.teacher", teachers)

    return (
        some(lambda one: not one.solver, "model", "temperature", "top_p", "thinking", "seed"),
        some(lambda one: not one.local, "base_url", "thinking_budget", "prices", "price_file", "max_cost"),
        some(lambda one: not one.solver, "workers", "timeout", "requests_per_minute", "tokens_per_minute"),
        some(lambda one: one.weights, "revision"),
        Read((f"{table}.thinking_budget",), f"{table}.thinking", (True,)),
    )


READ: tuple[Read, ...] = (
    Read(("reason", "assemble", "promote", "prefer", "tune", "grpo"), "train"),
    *(Read(settings, "kind", kinds) for kinds, settings in read_by().items()),
    Read(("grpo.length_target",), "grpo.length"),
    Read(
        tuple(f"prefer.{name}" for name in ("questions", "temperature", "top_p", "max_tokens", "seed")),
        "prefer.samples",
    ),
    Read(("evaluate.revision",), "evaluate.base_model"),
    Read(("evaluate.confidence",), "evaluate.adaptive", ("off", "beta")),  # off: what it would have saved is told
    Read(("evaluate.window",), "evaluate.adaptive", ("off", "window")),
    *_asking("reason"),
    Read(("reason.hints",), "reason.asks", ("solve-then-explain",), "[reason] prompt"),
    *_asking("evaluate.judge"),
    Read(("evaluate.server",), "evaluate.engine", ("openai",)),
    Read(
        ("evaluate.gpu_memory_utilization", "evaluate.tensor_parallel", "evaluate.adapters"),
        "evaluate.engine",
        ("auto", "vllm"),
    ),
    Read(
        ("evaluate.data_parallel", "evaluate.dtype", "evaluate.max_model_len"),
        "evaluate.engine",
        ("auto", "vllm", "transformers"),
    ),
    Read(
        tuple(f"train.{name}" for name in (*presets.ADAPTER_ONLY, "rank", "alpha", "dropout", "target_modules")),
        "train.method",
        ("lora", "qlora"),
    ),
    Read(("train.warmup",), "train.scheduler", ("cosine", "linear", "constant_with_warmup")),
    Read(("tune.warmup",), "tune.scheduler", ("cosine", "linear", "constant_with_warmup")),
    Read(("tune.reference",), "tune.method", REFERENCED),
    Read(("tune.loss", "tune.label_smoothing"), "tune.method", ("dpo",)),
    Read(("tune.label_smoothing",), "tune.loss", ("sigmoid",)),
    Read(("tune.gamma",), "tune.method", ("simpo",)),
    Read(("tune.desirable_weight", "tune.undesirable_weight"), "tune.method", ("kto",)),
    Read(("prefer.length_ratio",), "tune.method", ("dpo", "orpo", "simpo")),
    Read(("train.keep_best", "train.patience"), "train.eval_steps"),
    Read(("shards",), "runner", ("ray",)),
    Read(("reeval.timezone",), "reeval.cron"),
    Read(
        ("serve.gpu_memory_utilization", "serve.tensor_parallel", "serve.max_loras"), "serve.engine", ("auto", "vllm")
    ),
)


class Unread(ValueError):
    """A setting that nothing reads; `error` says so with the two ways out."""

    def __init__(self, error: UsageError) -> None:
        super().__init__(str(error))
        self.error = error


def check(recipe: object) -> None:
    """Unread for the first settings, other than their defaults, that nothing in this recipe would read."""
    for rule in READ:
        if rule.holds(recipe):
            continue
        if given := [path for setting in rule.settings for path in given_at(recipe, setting)]:
            seen = value_at(recipe, rule.by)
            chosen = f"with {_spelled(rule)} = {_toml(seen)}" if rule.where else f"without {rule.readers}"
            raise Unread(
                UsageError(
                    f"{', '.join(map(_key, given))} would not be read {chosen}",
                    expected=f"{rule.readers}, which reads {'it' if len(given) == 1 else 'them'}",
                    hint=f"leave {'it' if len(given) == 1 else 'them'} out, or set {rule.readers}",
                )
            )


def given_at(recipe: object, path: Path) -> Iterator[Path]:
    """The settings at a path, or below it, whose values are not their defaults."""
    value = value_at(recipe, path)
    if value is ABSENT or value is None:
        return
    if isinstance(value, BaseModel):
        names = list(type(value).model_fields)
        below = [part for name in names for part in given_at(recipe, f"{path}.{name}")]
        optional = default_at(recipe, path) is None
        yield from below or ([path] if optional else [])
    elif value != default_at(recipe, path):
        yield path


def value_at(recipe: object, path: Path) -> Any:
    """The value of a setting; ABSENT where the recipe has no such table or setting."""
    found: Any = recipe
    for name in path.split("."):
        found = getattr(found, name, ABSENT)
        if found is ABSENT:
            return ABSENT
        if found is None:
            return None if path.endswith(name) else ABSENT
    return found


def default_at(recipe: object, path: Path) -> Any:
    """The value that a setting has where nobody gives it; in [train] by preset and method."""
    *tables, name = path.split(".")
    table: Any = value_at(recipe, ".".join(tables)) if tables else recipe
    if tables == ["train"]:
        filled: Mapping[str, Any] = presets.fill({"preset": table.preset, "method": table.method})
        if name in filled and name not in ("preset", "method"):
            return filled[name]
    field = type(table).model_fields[name] if isinstance(table, BaseModel) else None
    return field.get_default(call_default_factory=True) if field else None


def _spelled(rule: Read) -> str:
    table, _, name = rule.by.rpartition(".")
    return rule.spelled or (f"[{table}] {name}" if table else name)


def _key(path: Path) -> str:
    table, _, name = path.rpartition(".")
    return f"[{table}] {name}" if table else name


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
