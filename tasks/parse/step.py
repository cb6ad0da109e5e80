"""Source files -> clean records of one kind of work, rejects and drops, each record's split with it.

questions.parquet   multiple choice: one row a distinct question, train, valid or test by a hash of its problem
dialogues.parquet   any other kind: one row a distinct dialogue, its side by a hash of its topic or first user's turn
rejects.parquet     one row a reject: file, line, field, reason
drops.parquet       one row a record that repeats another, or one of an evaluation set: why, and which
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, Field, model_validator

from storage.cleaning.clean import Rules
from storage.corrections import Corrections
from storage.dialogues import TAKES, Dialogue, Kind, Preference, Record
from storage.records import Question, Receipt, Rejected, Split, UsageError
from storage.sources import readers
from storage.sources import source as sources
from storage.sources.evaluation_sets import EvaluationSets, fitting
from storage.sources.mapping import Columns
from storage.tables import dialogue_files, parsed, questions
from tasks.kinds.registry import KINDS
from tasks.kinds.text_to_sql import SQLITE, SqlSpec
from tasks.parse import reference_queries, splits
from tasks.parse.corrected import Overlay
from tasks.parse.evidence import BesideSpec, Described
from tasks.parse.tally import Tally, elsewhere, purpose
from tasks.runtime.step import Result, Step, Workshop, of

R = TypeVar("R", Question, Dialogue)
_TOLD = 5  # rejects that a strict run's error names


class ParseSpec(BesideSpec):
    """What to read and how to share it out: `valid` and `test` are shares of problems or topics, not of rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | list[str] | None = Field(
        None, description="File, folder, hf://ORG/NAME or list of them, relative to the recipe."
    )
    origin: str | None = Field(None, description="Where one gets the files; said when they are not there.")
    format: str | None = Field(None, description="Format of the files; by default each is looked at.")
    columns: dict[str, str | list[str]] = Field(
        {},
        description='Your columns for a format\'s, such as {question = "stem", options = ["a", "b"]}; '
        "docs/formats.md has the ways into objects and lists.",
    )
    first: Literal[0, 1] | None = Field(
        None, description="What keys that are numbers count from; by default the set or the file says it."
    )
    strict: bool = Field(False, description="Fail if any row is rejected.")
    valid: float = Field(0.05, ge=0, lt=1, description="Share of problems, or of topics, to watch training with.")
    test: float = Field(0.2, ge=0, le=1, description="Share of problems, or of topics, to evaluate on.")
    salt: str = Field("", description="Another salt shares the problems out anew.")
    near: float = Field(
        0.95, ge=0.8, le=1, description="Similarity from which on a row repeats another; 1: only the same words."
    )
    against: list[str] = Field(
        [], description="Evaluation sets, in any format that is read: what they hold is not trained on."
    )
    overlap: float = Field(
        0.8, gt=0, le=1, description="Share of common n-grams from which on a row overlaps an evaluation set."
    )

    corrections: str | None = Field(
        None,
        description="What people said of keys (`ponens suspects`); by default corrections.jsonl beside the recipe.",
    )

    @model_validator(mode="after")
    def _shares(self) -> ParseSpec:
        if self.valid + self.test > 1:
            raise ValueError(f"valid + test is {self.valid + self.test:g}; expected at most 1")
        if self.format is not None and self.format not in readers.FORMATS:
            raise ValueError(f"format {self.format!r}; expected one of {', '.join(readers.FORMATS)}")
        return self


@dataclass(frozen=True, slots=True)
class Source:
    """Where the questions come from, and the digest of what is there (None: not made yet); `files` a user gave."""

    paths: tuple[Path, ...]
    digest: str | None
    files: tuple[sources.Hashed, ...] = ()


def source(spec: ParseSpec, base: Path = Path(), fetched: Path = Path()) -> Source:
    """The source that `spec.path` names, relative to `base`; a URL's files are fetched below `fetched`.

    UsageError if it is missing, with `spec.origin`.
    """
    named = [spec.path] if isinstance(spec.path, str) else spec.path or []
    paths = tuple(base / sources.local(path, fetched) for path in named)
    if spec.origin and not all(path.exists() for path in paths):
        raise UsageError(
            "the files of this recipe are not here",
            seen=", ".join(str(path) for path in paths if not path.exists()),
            expected=spec.origin,
            hint="get them there, or name their place: --set parse.path=/PATH/TO/THEM",
        )
    files = sources.hashed(sources.files(paths))
    return Source(paths, sources.fingerprint(files), tuple(files))


def whole(spec: ParseSpec, paths: Sequence[str], fetched: Path = Path()) -> ParseSpec:
    """How another set of files is read that is asked whole, such as a gate's: as the source where its columns are."""
    files = sources.files([sources.local(path, fetched) for path in paths])
    same = spec.model_dump(include={"first", "strict", *BesideSpec.model_fields})
    return ParseSpec(path=list(paths), valid=0.0, test=1.0, columns=fitting(files, spec.columns), **same)


def generated(receipt: Receipt, home: Path) -> Source:
    """The source that a step before this one makes, such as puzzles; `home` is the home's root."""
    return Source((home / receipt.artifact,), of(receipt))


def step(
    spec: ParseSpec,
    source: Source,
    fetched: Path = Path(),
    kind: Kind = "choice",
    sql: SqlSpec = SQLITE,
    corrections: Corrections | None = None,
) -> Step:
    """The step that reads `source` for a kind of work. The files' content is in the key, their place is not.

    Evaluation sets at a URL are fetched below `fetched`. Test references of text-to-SQL are tried as `sql` says.
    `corrections` are laid over the keys; what they change is in the key, who said it and why is not.
    """
    sets = [sources.local(path, fetched) for path in spec.against]
    against = {"against": sources.fingerprint(sources.hashed(sources.files(sets)))} if sets else {}
    overlaid = {"corrections": corrections.digest} if corrections and corrections.overlay else {}
    beside = {**sql.fingerprint(), **spec.fingerprint(sql.roots)} if KINDS[kind].databases else {}
    records = {"questions": questions.QUESTIONS} if KINDS[kind].letters else {"dialogues": dialogue_files.DIALOGUES}
    return Step(
        name="parse",
        code=(__name__, "storage.cleaning", *(reference_queries.CODE if KINDS[kind].databases else ())),
        settings={"kind": kind, **spec.model_dump(exclude={"path", "origin", "against", "corrections"})}
        | ({"dialect": sql.dialect} if KINDS[kind].databases else {}),
        inputs={"source": source.digest, **against, **beside, **overlaid},
        work=lambda shop: _work(shop, spec, source, sets, kind, sql, corrections),
        shelf=next(iter(records)),
        tables={**records, "rejects": parsed.REJECTS, "drops": parsed.DROPS},
        apart=("prompts",),  # what a kind takes shapes what is read, not how it asks
    )


def inspect(
    path: str | Path | Sequence[Path],
    format: str | None = None,
    columns: Columns | None = None,
    fetched: Path = Path(),
    first: int | None = None,
) -> dict[str, Any]:
    """What is in the files at `path`: counts, every reject, warnings. A URL is fetched below `fetched`.

    UsageError if a path is missing, or no reader knows the format.
    """
    paths = [sources.local(path, fetched)] if isinstance(path, str) else [path] if isinstance(path, Path) else path
    tally = Tally(sources.files(paths), format, columns or {}, first)
    rejects, queries = [], list[Dialogue]()
    for item in tally.items():
        if isinstance(item, Rejected):
            rejects.append(item)
        elif isinstance(item, Dialogue) and item.task == "sql" and len(queries) < reference_queries.FEW:
            queries.append(item)
    tried = reference_queries.of_source(paths, queries)
    told = [{"file": r.file, "line": r.line, "field": r.field, "reason": r.reason} for r in rejects]
    warnings = [*elsewhere(paths), *tally.warnings(), *reference_queries.warnings(tried)]
    return {**tally.facts(), "rejects": told, **({"references": tried} if tried else {}), "warnings": warnings}


def _work(
    shop: Workshop,
    spec: ParseSpec,
    source: Source,
    against: Sequence[Path],
    kind: Kind,
    sql: SqlSpec,
    corrections: Corrections | None,
) -> Result:
    tally = Tally(sources.files(source.paths), spec.format, spec.columns, spec.first)
    described = Described(sql.roots, spec.descriptions, spec.evidence)
    items = _fitting(tally.items(), kind)
    if spec.strict:
        items = _strict(items)

    def side(group: str) -> Split:
        return splits.split_of(group, spec.valid, spec.test, spec.salt)

    rules, held = Rules(spec.near, spec.overlap), EvaluationSets(against, spec.columns)
    if KINDS[kind].letters:
        overlay = Overlay(corrections, side)
        found = overlay.each(_only(Question, items))
        identity, facts = questions.write(shop.folder, found, side, rules, held.records(), overlay.left_out)
        facts |= overlay.facts(shop.folder)
    else:
        dialogues = described.each(_only(Dialogue, items))
        identity, facts = dialogue_files.write(shop.folder, dialogues, side, rules, held.records())
    if tally.rejects and not tally.facts()["questions"]:
        raise readers.nothing_read(", ".join(map(str, source.paths)), tally.rejects)
    facts["sources"] = [{"name": file.name, "sha256": file.sha256, "bytes": file.bytes} for file in source.files]
    if KINDS[kind].databases:
        facts["references"] = reference_queries.tried(sql, dialogue_files.read(shop.folder, "test"))
    odd = [
        *elsewhere(source.paths),
        *(tally.warnings() + splits.uneven(facts["splits"], spec.valid, spec.test)),
        *(held.warnings() + described.warnings()),
        *reference_queries.warnings(facts.get("references")),
    ]
    return Result({**tally.facts(), **facts, **described.facts(), "warnings": odd}, identity)


def _fitting(items: Iterator[Record | Rejected], kind: Kind) -> Iterator[Record | Rejected]:
    """Pass on what the kind of work takes, and rejects. UsageError at the first record that it does not take."""
    for item in items:
        if not isinstance(item, Rejected) and purpose(item) not in TAKES[kind]:
            raise _misfit(item, kind)
        yield item


def _misfit(record: Record, kind: Kind) -> UsageError:
    what = purpose(record)
    fits = [f'kind = "{other}"' for other, taken in TAKES.items() if what in taken]
    return UsageError(
        f"a recipe of kind {kind!r} does not take these rows",
        seen=f"{record.file}:{record.line} is for {what}",
        expected=f"rows for {', '.join(TAKES[kind])}",
        hint=f"set {' or '.join(fits)} in the recipe"
        if fits
        else "plain text has no answer to learn: write it as prompt and completion, or leave the file out",
    )


def _only(wanted: type[R], items: Iterator[Record | Rejected]) -> Iterator[R | Rejected]:
    """Records as the table has them: a preference is the dialogue that ends in the better answer."""
    for item in items:
        record = item.preferred() if isinstance(item, Preference) else item
        if isinstance(record, wanted | Rejected):
            yield record


def _strict(items: Iterator[Record | Rejected]) -> Iterator[Record | Rejected]:
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
