"""A recipe: the specs of all steps, composed. Defaults, then the TOML file, then `key=value` changes.

name = "logic"
[parse]
path = "data.jsonl"

With [train] it ends in a measured adapter. Without it only measures: [evaluate] base_model, or adapters that exist.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from flows import recipe_errors, unread
from flows.recipe_changes import apply
from flows.recipe_paths import anchor
from storage import corrections
from storage.dialogues import Kind
from storage.records import UsageError
from storage.remote import is_url
from storage.sources import sqlite_files
from tasks.adapters.promote import SPLIT, PromoteSpec
from tasks.adapters.reeval import ReevalSpec
from tasks.assemble.step import AssembleSpec
from tasks.evaluate.candidates import Base
from tasks.evaluate.rivals import is_rival, rival
from tasks.evaluate.spec import EvaluateSpec
from tasks.kinds.own_words import Asking, PromptSpec
from tasks.kinds.registry import KINDS, Work, readers
from tasks.parse.step import ParseSpec
from tasks.prefer.spec import PreferSpec
from tasks.puzzles.step import PuzzlesSpec
from tasks.reason.step import ReasonSpec
from tasks.report.step import ReportSpec
from tasks.runtime.cluster import Cluster
from tasks.serve.spec import ServeSpec
from tasks.train.spec import TrainSpec
from tasks.tune.grpo_spec import GrpoSpec
from tasks.tune.spec import TuneSpec

Spec = TypeVar("Spec", bound=BaseModel)
StepName = Literal[
  "puzzles", "parse", "reason", "assemble", "train", "sample", "prefer", "tune", "grpo", "evaluate", "report", "promote"
]  # fmt: skip


class Recipe(BaseModel):
    """From a file of questions to a measured adapter; without `train`, to what a model that is there can do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="The adapter's name; its versions are NAME/1, NAME/2, …")
    kind: Kind = Field(
        "choice",
        description="The kind of work; choice asks a teacher for rationales, the others learn the answers as they are.",
    )
    runner: Literal["local", "ray"] = Field(
        "local", description="Where reason and evaluate work: here, or in shares on the Ray cluster at RAY_ADDRESS."
    )
    shards: int | None = Field(
        None, ge=1, description="Shares of the work under Ray; by default one a GPU, or a CPU where there are none."
    )
    puzzles: PuzzlesSpec | None = Field(None, description="Generate puzzles instead of reading a file.")
    parse: ParseSpec = Field(default_factory=ParseSpec)
    prompt: PromptSpec = Field(default_factory=PromptSpec, description="How questions are asked, in one's own words.")
    reason: ReasonSpec = Field(default_factory=ReasonSpec)
    assemble: AssembleSpec = Field(default_factory=AssembleSpec)
    train: TrainSpec | None = Field(None, description="How the adapter is trained; without it nothing is.")
    prefer: PreferSpec | None = Field(None, description="With this table replies to training questions become pairs.")
    tune: TuneSpec | None = Field(None, description="With this table the trained adapter goes on from preferences.")
    grpo: GrpoSpec | None = Field(None, description="With this table the adapter goes on from rewards of its replies.")
    evaluate: EvaluateSpec = Field(default_factory=EvaluateSpec)
    report: ReportSpec = Field(default_factory=ReportSpec)
    promote: PromoteSpec | None = Field(
        None, description="With this table a run ends by making its adapter the champion, if it is better."
    )
    reeval: ReevalSpec | None = Field(None, description="When and on what the champion is measured again.")
    serve: ServeSpec = Field(default_factory=ServeSpec)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
            raise ValueError(f"{name!r}: expected lower-case letters, digits, '.', '_' or '-', at most 64")
        return name

    @model_validator(mode="after")
    def _one_source(self) -> Recipe:
        if (self.puzzles is None) == (not self.parse.path):
            raise ValueError("give either [parse] path or [puzzles], one of the two")
        if self.puzzles and self.puzzles.kind != self.kind:
            raise ValueError(f'[puzzles] makes rows of kind "{self.puzzles.kind}", the recipe is of kind "{self.kind}"')
        return self

    @model_validator(mode="after")
    def _one_model(self) -> Recipe:
        if self.train and self.evaluate.base_model:
            raise ValueError("[evaluate] base_model is for recipes without [train], whose base_model is the base")
        return self

    @model_validator(mode="after")
    def _asked_alike(self) -> Recipe:
        if (self.prefer or self.tune or self.grpo) and self.prompt != PromptSpec():
            raise ValueError("[prefer], [tune] and [grpo] ask in our own words: leave [prompt] out, or these three")
        return self

    @model_validator(mode="after")
    def _one_system(self) -> Recipe:
        if self.train and self.train.system is not None and self.prompt.system is not None:
            raise ValueError("[prompt] system and [train] system: keep [prompt] system, which the teacher gets as well")
        return self

    @model_validator(mode="after")
    def _all_read(self) -> Recipe:
        unread.check(self)
        return self

    @property
    def base(self) -> Base | None:
        """The model to train on, or to measure; None where only adapters say it."""
        named = self.train or self.evaluate
        return Base(named.base_model, named.revision) if named.base_model else None

    @property
    def training(self) -> TrainSpec:
        """[train] with the system prompt of [prompt], where something is to be trained. UsageError without it."""
        if self.train is None:
            raise self._lacks("train")
        return self.train.model_copy(update={"system": self.prompt.system}) if self.prompt.system else self.train

    @property
    def prompting(self) -> Asking:
        """What is asked and how, the files of [prompt] read. UsageError where they do not do."""
        return Asking(self.prompt, self.kind)

    @property
    def cluster(self) -> Cluster | None:
        """Where work is shared out; None if it is done here."""
        return Cluster(self.shards) if self.runner == "ray" else None

    @property
    def work(self) -> Work:
        """What is to be known of its kind of work."""
        return KINDS[self.kind]

    @property
    def steps(self) -> tuple[StepName, ...]:
        """The steps of a run, in order."""
        there = {
            **dict.fromkeys(("assemble", "train"), self.train is not None),
            "reason": self.train is not None and self.work.letters,
            "sample": self.samples_training_questions,
            "prefer": self.preferring is not None,
            **{name: getattr(self, name) is not None for name in ("puzzles", "tune", "grpo", "promote")},
        }
        return tuple(step for step in get_args(StepName) if there.get(step, True))

    @property
    def preferring(self) -> PreferSpec | None:
        """[prefer], with its defaults where [tune] needs preferences and it is left out."""
        return self.prefer or (PreferSpec() if self.tune else None)

    @property
    def samples_training_questions(self) -> bool:
        """Whether the trained adapter answers training questions, for preferences."""
        return self.preferring is not None and self.work.letters and self.preferring.samples > 0

    @property
    def gate(self) -> list[str]:
        """The files that candidates are judged on; none if it is the test split."""
        gate = self.promote.gate if self.promote else SPLIT
        return [] if gate == SPLIT else [gate] if isinstance(gate, str) else gate

    @property
    def evaluating(self) -> EvaluateSpec:
        """[evaluate], with the folders of real databases that lie beside the rows where it names none."""
        if not self.work.databases or self.evaluate.databases_at is not None:
            return self.evaluate
        path = self.parse.path
        rows = [*([path] if isinstance(path, str) else path or []), *self.gate]
        roots = sqlite_files.beside(Path(os.path.expanduser(one)) for one in rows if not is_url(one))
        return self.evaluate.model_copy(update={"databases_at": [str(root) for root in roots] or None})

    @property
    def corrected(self) -> corrections.Corrections | None:
        """What people said of the keys of this recipe's questions. UsageError where it cannot be read."""
        return corrections.of_recipe(self.parse.corrections, self.name)

    @property
    def parsing(self) -> ParseSpec:
        """[parse], with the gate's files among the evaluation sets: nothing in them is trained on."""
        return self.parse.model_copy(update={"against": [*self.parse.against, *self.gate]})

    def with_changes(self, changes: Sequence[str]) -> Recipe:
        """This recipe with changes such as "train.rank=8" applied. UsageError as for a file."""
        if not changes:
            return self
        content = self.model_dump(mode="json", exclude_unset=True)
        for change in changes:
            apply(content, change)
        return validate(content, f"recipe {self.name} with what is set")

    def asking(self, subjects: Sequence[str]) -> tuple[Recipe, list[str] | None]:
        """This recipe with the models among the subjects, and the adapters among them; None where nobody is named.

        UsageError for a model of an unknown prefix.
        """
        if not subjects:
            return self, None
        models = [rival(one).name for one in subjects if is_rival(one)]
        adapters = [one for one in subjects if not is_rival(one)]
        asked = [*dict.fromkeys([*self.evaluate.models, *models])]
        return self.with_changes([f"evaluate.models={json.dumps(asked)}"]) if models else self, adapters

    def require(self, step: str) -> None:
        """UsageError if a run of this recipe has no such step."""
        if step not in self.steps:
            raise self._lacks(step)

    def _lacks(self, step: str) -> UsageError:
        what = f"of kind {self.kind!r}" if self.train else "without [train]"
        return UsageError(
            f"a recipe {what} has no step {step!r}",
            expected=f"one of {', '.join(self.steps)}",
            hint="`ponens plan RECIPE` shows what it does",
        )


def load(path: Path, changes: list[str] | None = None, folder: Path | None = None) -> Recipe:
    """The recipe at `path` with `changes` such as "train.rank=8" applied; paths in it become absolute.

    A relative path in a recipe counts from the recipe's own folder, or from `folder`. UsageError names the file, the
    key, the value seen and what was expected.
    """
    try:
        text = path.read_text("utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.toml")], 1)
        hint = f"did you mean {path.parent / near[0]}?" if near else "the shipped recipes lie in recipes/"
        raise UsageError(f"no recipe at {path}", expected="a TOML file", hint=hint) from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(
            f"recipe {path} cannot be read", seen=error, expected="TOML in UTF-8, or the JSON copy of a run"
        ) from None
    for change in changes or []:
        apply(content, change)
    corrected = content.get("kind", Recipe.model_fields["kind"].default) in readers("parse.corrections")
    if corrected and isinstance(content.setdefault("parse", {}), dict):
        content["parse"].setdefault("corrections", corrections.NAME)
    anchor(content, folder or path.parent.resolve())
    return validate(content, str(path))


def validate(content: dict[str, Any], origin: str) -> Recipe:
    """A typed recipe from plain values. UsageError for an unknown key, with the nearest known one."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise recipe_errors.usage_error(error, origin, Recipe) from None


def section(kind: type[Spec], name: str, changes: Sequence[str]) -> Spec:
    """One table of a recipe from its defaults and changes such as "serve.dtype=float32". UsageError for all else."""
    content: dict[str, Any] = {name: {}}
    for change in changes:
        apply(content, change)
    if other := content.keys() - {name}:
        known = ", ".join(f"{name}.{field}" for field in kind.model_fields)
        raise UsageError(f"--set {min(other)}", expected=f"one of {known}")
    try:
        found = kind.model_validate(content[name])
        unread.check(SimpleNamespace(**{name: found}))
    except ValidationError as error:
        raise recipe_errors.usage_error(error, "--set", kind, name) from None
    except unread.Unread as error:
        raise error.error from None
    return found


def resolved(recipe: Recipe) -> str:
    """Every value of the recipe, defaults included, as JSON: the copy that is saved with a run."""
    return json.dumps(recipe.model_dump(mode="json"), indent=2, ensure_ascii=False)
