"""Source files -> clean questions, rejects and drops, each question's split with it.

questions.parquet   one row a distinct question: train, valid or test by a hash of its problem
rejects.parquet     one row a reject: file, line, field, reason
drops.parquet       one row a question that repeats another, or one of an evaluation set: why, and which
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from storage import competition, questions, remote
from storage import source as sources
from storage.cleaning.clean import Rules
from storage.cleaning.run import VERSION
from storage.oddities import Oddities
from storage.records import Question, Receipt, Rejected, Split, UsageError, digest
from tasks.step import Result, Step, Workshop, of

READERS: dict[str, ModuleType] = {competition.NAME: competition}
_TOLD = 5  # rejects that a strict run's error names


class ParseSpec(BaseModel):
    """What to read and how to share it out: `valid` and `test` are shares of problems, not of questions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | list[str] | None = Field(None, description="File, folder or list of them, relative to the recipe.")
    format: str | None = Field(None, description="Format of the files; by default they are looked at.")
    strict: bool = Field(False, description="Fail if any row is rejected.")
    valid: float = Field(0.05, ge=0, lt=1, description="Share of problems to watch training with.")
    test: float = Field(0.2, ge=0, le=1, description="Share of problems to evaluate on.")
    salt: str = Field("", description="Another salt shares the problems out anew.")
    near: float = Field(
        0.95, ge=0.8, le=1, description="Similarity from which on a question repeats another; 1: only the same words."
    )
    against: list[str] = Field(
        [], description="Evaluation sets, in any format that is read: what they hold is not trained on."
    )
    overlap: float = Field(
        0.8, gt=0, le=1, description="Share of common n-grams from which on a question overlaps an evaluation set."
    )

    @model_validator(mode="after")
    def _shares(self) -> ParseSpec:
        if self.valid + self.test > 1:
            raise ValueError(f"valid + test is {self.valid + self.test:g}; expected at most 1")
        if self.format is not None and self.format not in READERS:
            raise ValueError(f"format {self.format!r}; expected one of {', '.join(READERS)}")
        return self


@dataclass(frozen=True, slots=True)
class Source:
    """Where the questions come from, and the digest of what is there (None: not made yet)."""

    paths: tuple[Path, ...]
    digest: str | None


def source(spec: ParseSpec, base: Path = Path(), fetched: Path = Path()) -> Source:
    """The source that `spec.path` names, relative to `base`; a URL's files are fetched below `fetched`.

    UsageError if it is missing.
    """
    named = [spec.path] if isinstance(spec.path, str) else spec.path or []
    paths = tuple(
        remote.here(path, fetched) if remote.is_url(path) else base / Path(path).expanduser() for path in named
    )
    return Source(paths, sources.fingerprint(sources.files(paths)))


def generated(receipt: Receipt, home: Path) -> Source:
    """The source that a step before this one makes, such as puzzles; `home` is the home's root."""
    return Source((home / receipt.artifact,), of(receipt))


def step(spec: ParseSpec, source: Source) -> Step:
    """The step that reads `source`. The files' content is in the key, their place is not."""
    return Step(
        name="parse",
        module=__name__,
        settings=spec.model_dump(exclude={"path", "against"}),
        inputs={"source": source.digest, "cleaning": VERSION, **_evaluation_sets(spec)},
        work=lambda shop: _work(shop, spec, source),
        shelf="questions",
        tables={"questions": questions.QUESTIONS, "rejects": questions.REJECTS, "drops": questions.DROPS},
    )


def inspect(path: Path | list[Path], format: str | None = None) -> dict[str, Any]:
    """What is in the files at `path`, nothing written: counts, every reject, warnings.

    UsageError if a path is missing, or no reader knows the format.
    """
    paths = [path] if isinstance(path, Path) else path
    name = format or sniffed(paths)
    tally = _Tally(name)
    rejects = [item for item in tally.watch(_reader(name).read(paths)) if isinstance(item, Rejected)]
    told = [{"file": r.file, "line": r.line, "field": r.field, "reason": r.reason} for r in rejects]
    return {**tally.facts(), "rejects": told, "warnings": tally.warnings()}


def sniffed(paths: list[Path]) -> str:
    """The format of the first file that a reader knows. UsageError if none does."""
    named = sources.files(paths)
    for _, file in named:
        for name, reader in READERS.items():
            if reader.sniff(file):
                return name
    raise UsageError(
        "no reader knows this format",
        seen=", ".join(name for name, _ in named[:5]),
        expected=f"one of {', '.join(READERS)}",
        hint="name it with --format, or parse.format in the recipe, to see what is wrong with each line",
    )


def split_of(group: str, valid: float, test: float, salt: str = "") -> Split:
    """A group's split, from its identity alone: further groups move none, nor does a change of `valid` move test."""
    place = int(digest([salt, group])[:13], 16) / 16**13
    if place < test:
        return "test"
    return "valid" if place < test + valid else "train"


class _Tally:
    """Counts over a stream of questions and rejects that passes by."""

    def __init__(self, format: str) -> None:
        self.format = format
        self.questions = self.answered = self.rejected = 0
        self._oddities = Oddities(number=_reader(format).number)

    def watch(self, items: Iterator[Question | Rejected]) -> Iterator[Question | Rejected]:
        for item in items:
            self._oddities.see(item)
            if isinstance(item, Rejected):
                self.rejected += 1
            else:
                self.questions += 1
                self.answered += item.answer is not None
            yield item

    def facts(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "groups": self._oddities.groups,
            "questions": self.questions,
            "answered": self.answered,
            "rejected": self.rejected,
        }

    def warnings(self) -> list[dict[str, Any]]:
        return self._oddities.warnings()


def _work(shop: Workshop, spec: ParseSpec, source: Source) -> Result:
    paths = list(source.paths)
    tally = _Tally(spec.format or sniffed(paths))
    items = tally.watch(_reader(tally.format).read(paths))
    if spec.strict:
        items = _strict(items)
    identity, facts = questions.write(
        shop.folder,
        items,
        lambda group: split_of(group, spec.valid, spec.test, spec.salt),
        Rules(spec.near, spec.overlap),
        _evaluation(spec),
    )
    return Result({**tally.facts(), **facts, "warnings": tally.warnings()}, identity)


def _evaluation_sets(spec: ParseSpec) -> dict[str, str]:
    paths = [Path(path).expanduser() for path in spec.against]
    return {"against": sources.fingerprint(sources.files(paths))} if paths else {}


def _evaluation(spec: ParseSpec) -> Iterator[Question]:
    """The questions of the evaluation sets; each may be of another format."""
    for path in (Path(path).expanduser() for path in spec.against):
        for item in _reader(sniffed([path])).read([path]):
            if isinstance(item, Question):
                yield item


def _strict(items: Iterator[Question | Rejected]) -> Iterator[Question | Rejected]:
    """Pass everything on; at the end, any reject is an error."""
    told: list[str] = []
    count = 0
    for item in items:
        if isinstance(item, Rejected):
            count += 1
            if len(told) < _TOLD:
                told.append(f"{item.file}:{item.line} {item.field}: {item.reason}")
        yield item
    if count:
        more = [f"and {count - _TOLD} more"] if count > _TOLD else []
        raise UsageError(
            f"{count} rows are rejected, and --strict is on",
            seen="\n            ".join(told + more),
            hint="mend these rows, or leave --strict out: they are then counted and kept apart",
        )


def _reader(format: str) -> ModuleType:
    if format not in READERS:
        raise UsageError("there is no such format", seen=format, expected=f"one of {', '.join(READERS)}")
    return READERS[format]
