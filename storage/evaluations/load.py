"""An evaluation of any known tool, by a path: a file, a folder, or several files of one subject joined by "+".

    load("lm-eval/mock-a", Choice(filter="maj3"))     tool, model and tasks with their items

A folder may hold several tasks of one subject. Of a task that was evaluated more than once the newest counts, and it
is told; several subjects in one folder are an error that names them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from storage.evaluations import (
    batches,
    evalscope,
    inspect_log,
    lighteval,
    lm_eval,
    opencompass,
    predicted,
    refused,
    tables,
)
from storage.evaluations.files import Opened
from storage.evaluations.items import Choice, Evaluation, Item, Task, text
from storage.records import UsageError

_SUFFIXES = {".jsonl", ".json", ".ndjson", ".eval", ".parquet", ".csv", ".tsv", ".arrow", ".gz", ".zst"}
_MOST = 20_000  # files in a folder
_TIME = re.compile(r"\d{4}-?\d\d-?\d\d[T_-]?\d\d[-:.]?\d\d[-:.]?\d\d[\d.+-]*")


class _Form(NamedTuple):
    """A tool: how its file is known and read, what its task and its subject are called."""

    tool: str
    is_it: Callable[[Opened], bool]
    read: Callable[[Opened, Choice], Task]
    model: Callable[[Opened], str]


def _named_after_file(read: Callable[[Opened, Choice], Task]) -> Callable[[Opened, Choice], Task]:
    def named(file: Opened, choice: Choice) -> Task:
        task = read(file, choice)
        return replace(task, name=task.name or tables.task_of(file.path))

    return named


def _joined(file: Opened, choice: Choice) -> Task:
    return opencompass.read([file], choice)


_FORMS = (
    _Form(lm_eval.TOOL, lm_eval.is_it, lm_eval.read, lambda file: lm_eval.model_of(file.path)),
    _Form(inspect_log.TOOL, inspect_log.is_it, inspect_log.read, inspect_log.model_of),
    _Form(evalscope.TOOL, evalscope.is_it, evalscope.read, lambda file: evalscope.model_of(file.path)),
    _Form(lighteval.TOOL, lighteval.is_it, lighteval.read, lambda file: lighteval.model_of(file.path)),
    _Form(batches.TOOL, batches.is_it, lambda file, choice: batches.read([file], choice), lambda file: ""),
    _Form(
        "llama-factory", predicted.is_llama_factory, _named_after_file(predicted.read_llama_factory), lambda file: ""
    ),
    _Form("ms-swift", predicted.is_swift, _named_after_file(predicted.read_swift), lambda file: ""),
    _Form(opencompass.TOOL, opencompass.is_it, _joined, lambda file: opencompass.model_of(file.path)),
    _Form(tables.TOOL, tables.is_it, _named_after_file(tables.read), lambda file: ""),
)


def load(path: str, choice: Choice | None = None) -> Evaluation:
    """The evaluation at a path. UsageError where there is none that can be read whole."""
    choice = choice or Choice()
    parts = [Path(path)] if Path(path).exists() or "+" not in path else [Path(part) for part in path.split("+")]
    for part in parts:
        if not part.exists():
            raise UsageError(
                f"{part} is not there",
                seen=f"no file or folder of this name in {Path.cwd()}",
                expected="a file or folder of results, or a run",
            )
    files = [file for part in parts for file in (_inside(part) if part.is_dir() else [Opened(part)])]
    single = len(files) == 1 and not parts[0].is_dir()
    known = [(form, file) for file in files if (form := _form(file, single=single))]
    if not known:
        raise _unknown(path, files)
    known = _preferred(known)
    tools = list(dict.fromkeys(form.tool for form, _ in known))
    if len(tools) > 1:
        raise UsageError(
            f"{path} has results of several tools",
            seen=", ".join(tools),
            expected="those of one",
            hint="name the file, or the folder below",
        )
    form, chosen = known[0][0], [file for _, file in known]
    if form.tool == batches.TOOL:
        tasks, notes = [batches.read(chosen, choice)], list(_errors_beside(chosen))
    else:
        chosen, notes = _one_subject(path, form, chosen)
        if form.tool == opencompass.TOOL:
            tasks = [opencompass.read(shards, choice) for shards in opencompass.shards(chosen)]
        else:
            tasks = [form.read(file, choice) for file in chosen]
    found = Evaluation(
        path, form.tool, form.model(chosen[0]), tasks, notes + [note for task in tasks for note in task.notes]
    )
    _must_have_items(found)
    return _keyed(found, choice) if choice.keys else found


def _inside(folder: Path) -> list[Opened]:
    paths = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in _SUFFIXES and not hidden and path.is_file():
            paths.append(path)
        if len(paths) > _MOST:
            raise UsageError(
                f"{folder} has more than {_MOST:,} files", expected="a folder of results", hint="name the folder below"
            )
    return [Opened(path) for path in paths]


def _form(file: Opened, *, single: bool) -> _Form | None:
    """The form of a file; in a folder what lies beside results is passed over, by itself it is refused."""
    if file.is_empty:
        return None
    if refusal := refused.refusal(file):
        if single:
            raise _refused(file, refusal)
        return None
    if not single and not file.is_zip and file.document is not None and not isinstance(file.document, list):
        return next((form for form in _FORMS[:-1] if form.is_it(file)), None)
    return next((form for form in _FORMS if form.is_it(file)), None)


def _preferred(known: Sequence[tuple[_Form, Opened]]) -> list[tuple[_Form, Opened]]:
    """Of OpenCompass results before predictions of the same task; tables only where nothing else is there."""
    tools = {form.tool for form, _ in known}
    kept = [(form, file) for form, file in known if form.tool != tables.TOOL] if len(tools) > 1 else list(known)
    judged = {
        opencompass.task_of(file.path)
        for form, file in kept
        if form.tool == opencompass.TOOL and opencompass.is_result(file)
    }
    return [
        (form, file)
        for form, file in kept
        if form.tool != opencompass.TOOL or opencompass.is_result(file) or not opencompass.is_judged(file.path, judged)
    ]


def _one_subject(path: str, form: _Form, files: Sequence[Opened]) -> tuple[list[Opened], list[str]]:
    """The newest file of each task, and a word on the older ones."""
    models = list(dict.fromkeys(form.model(file) for file in files))
    if form.tool != tables.TOOL and len(models) > 1:
        raise UsageError(
            f"{path} has results of several models",
            seen=", ".join(models),
            expected="those of one",
            hint="name the folder of one of them",
        )
    newest: dict[str, Opened] = {}
    older = 0
    for file in sorted(files, key=_when):
        name = _without_time(file.path)
        older += name in newest
        newest[name] = file
    notes = [f"{path}: {older} older files of the same tasks were passed over"] if older else []
    return [file for file in files if file in newest.values()], notes


def _errors_beside(files: Sequence[Opened]) -> Iterator[str]:
    """A word on a file of failed requests that lies beside an output and was not given with it."""
    given = {file.path for file in files}
    for path in sorted(given):
        name = path.stem.replace("output", "error")
        for beside in (path.with_name(f"{name}{end}{path.suffix}") for end in ("", "s")):
            if name != path.stem and beside not in given and beside.is_file():
                yield f"{beside.name} lies beside {path.name}: {path}+{beside} counts its requests as without an answer"


def _when(file: Opened) -> tuple[str, str]:
    times = _TIME.findall(str(file.path))
    return (times[-1] if times else "", str(file.path))


def _without_time(path: Path) -> str:
    return _TIME.sub("", path.name) if _TIME.sub("", path.stem).strip("._-") else path.suffix


def _refused(file: Opened, refusal: refused.Refusal) -> UsageError:
    return UsageError(
        f"{file.path} cannot be compared",
        seen=refusal.what,
        expected="right or wrong for each question",
        hint=refusal.instead,
    )


def _unknown(path: str, files: Sequence[Opened]) -> UsageError:
    for file in files:
        if refusal := refused.refusal(file):
            return _refused(file, refusal)
    seen = ", ".join(file.path.name for file in files[:5]) or "no file"
    if files and all(file.is_empty for file in files):
        seen = f"{seen}: empty"
    elif len(files) == 1:
        first = files[0].first
        fields = ", ".join(map(str, list(first)[:8])) if isinstance(first, dict) else f"{str(first)[:60]}"
        seen = f"{seen} with {fields}"
    return UsageError(
        f"{path} has no results that are known",
        seen=seen,
        expected="samples of lm-eval, a log of Inspect, reviews of EvalScope, predictions or results of OpenCompass, "
        "details of lighteval, results of LLaMA-Factory or ms-swift, outputs of a batch, a table with keys and answers",
    )


def _must_have_items(found: Evaluation) -> None:
    for task in found.tasks:
        if not task.items:
            raise UsageError(
                f"{found.path} has no questions", seen=f"task {task.name!r} is empty", expected="a question or more"
            )


def _keyed(found: Evaluation, choice: Choice) -> Evaluation:
    """The evaluation with keys, groups and options from a file of keys."""
    assert choice.keys is not None
    rows = tables.keys(Opened(choice.keys), choice)
    for task in found.tasks:
        missing = [one for one in task.items if one.id not in rows]
        if missing:
            raise UsageError(
                f"{choice.keys} has no key for {len(missing)} of {len(task.items)} questions of {found.path}",
                seen=f"the first {missing[0].id!r}",
                expected="a key for each",
            )
        task.items = [_with_key(one, rows[one.id]) for one in task.items]
    return found


def _with_key(one: Item, row: Mapping[str, Any]) -> Item:
    options = next((row[name] for name in ("options", "choices") if isinstance(row.get(name), list)), one.options)
    return replace(
        one,
        key=row["gold"],
        fields={**one.fields, **row},
        options=options,
        prompt=one.prompt or text(row.get("question", row.get("prompt"))),
    )
