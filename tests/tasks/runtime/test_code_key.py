"""What counts in the key of each step: the code and data files that shape its result, and nothing else."""

import ast
import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from storage.records import Receipt, digest
from tasks.assemble import step as assemble
from tasks.evaluate import step as evaluate
from tasks.evaluate.candidates import Base, Candidate
from tasks.evaluate.spec import EvaluateSpec
from tasks.parse import step as parse
from tasks.prefer import sample
from tasks.prefer import step as prefer
from tasks.prefer.spec import PreferSpec
from tasks.puzzles import step as puzzles
from tasks.reason import step as reason
from tasks.report import step as report
from tasks.runtime import code_key
from tasks.runtime.code_key import DATA, ROOMS, reached
from tasks.runtime.plumbing import BY_SETTINGS, DECLARED, PLUMBING
from tasks.runtime.step import Step
from tasks.train import step as train
from tasks.train.spec import TrainSpec
from tasks.tune import grpo_step as grpo
from tasks.tune import step as tune
from tasks.tune.grpo_spec import GrpoSpec
from tasks.tune.spec import TuneSpec

ROOT = Path(__file__).resolve().parents[3]
DEMO = str(ROOT / "recipes" / "demo_base")
# a module or a data file, or with .* or /* what a folder holds
COUNTS = {
    "puzzles": "puzzles.* storage.records tasks.puzzles.step",
    "parse": "storage.sources.json_array storage.cleaning.* storage.cleaning/* storage.tables.dialogue_files storage.dialogues "
    "storage.sources.formats.* storage.sources.source_warnings storage.tables.parsed storage.tables.questions storage.sources.readers storage.records storage.sources.rows "
    "storage.sources.source storage.sqlfiles tasks.parse.corrected tasks.parse.step tasks.parse.tally",
    "reason": "evals.report.rationale_facts evals.report.rationales evals.stats evals.vote prompts.* storage.dialogues "
    "storage.ledger storage.tables.parsed storage.tables.questions storage.records storage.tables.doubted_keys tasks.clients.* "
    "tasks.engines.* tasks.models.base_models tasks.reason.rationales tasks.reason.step tasks.reason.selection tasks.teachers.* tasks.tokenizing.*",
    "assemble": "evals.report.card_facts prompts.* storage.tables.card_sql storage.tables.dialogue_files storage.dialogues "
    "storage.tables.parsed storage.tables.questions storage.records storage.duckdb_rows storage.tables.snapshot_sql/* storage.tables.snapshots "
    "storage.sqlfiles tasks.assemble.step tasks.assemble.card tasks.kinds.registry tasks.models.base_models",
    "train": "prompts.rendering storage.adapters.versions storage.tables.examples storage.adapters.peft_folder storage.records tasks.models.base_models "
    "tasks.train.step tasks.train.trainer_main tasks.train.* tasks.tokenizing.*",
    "evaluate": "evals.adaptive evals.calibration evals.evaluation evals.sides evals.slices evals.stats evals.summary "
    "evals.verdict evals.vote evals.vote_weights prompts.* storage.adapters.versions storage.tables.dialogue_files storage.dialogues "
    "storage.ledger storage.tables.parsed storage.tables.questions storage.records storage.tables.samples storage.tables.scores tasks.evaluate.candidates "
    "tasks.clients.* tasks.engines.* tasks.evaluate.step tasks.kinds.registry tasks.models.base_models tasks.evaluate.sampler_main tasks.evaluate.* tasks.tokenizing.*",
    "report": "evals.report.alone_page evals.report.packed evals.report.facts evals.report.markdown evals.evaluation evals.report.page evals.report.plots evals.report.text "
    "evals.report.rationales evals.report.scored_page evals.stats evals.report.templates evals.vote evals.report.voted_page evals/report/* prompts.* storage.adapters.folder "
    "storage.tables.dialogue_files storage.dialogues storage.tables.parsed storage.tables.questions storage.records storage.tables.samples "
    "storage.tables.scores storage.tables.doubted_keys tasks.report.step tasks.report.questions tasks.kinds.choice tasks.report.gather",
}
COUNTS["sample"] = (
    "evals.vote prompts.* storage.tables.questions storage.tables.samples tasks.engines.* tasks.prefer.sample tasks.evaluate.sampler_main tasks.evaluate.*"
)
COUNTS["prefer"] = (
    "evals.vote prompts.* storage.tables.preferences storage.tables.questions tasks.prefer.pairs tasks.prefer.step"
)
COUNTS["tune"] = "prompts.rendering storage.tables.preferences tasks.models.base_models tasks.tokenizing.* tasks.tune.*"
COUNTS["grpo"] = (
    "evals.vote prompts.* storage.tables.questions tasks.models.base_models tasks.tokenizing.* tasks.tune.*"
)
COUNTS["evaluate dialogues"] = COUNTS["evaluate"] + (
    " evals.scored evals.scorers.* tasks.evaluate.pairwise tasks.evaluate.judging tasks.evaluate.loss_main tasks.sandbox.* tasks.evaluate.scoring tasks.teachers.*"
)


_PAGES = "evals.report.page evals.report.*_page evals.report.templates evals.report.plots evals.report.packed evals.report.card evals.report.model_card evals.report.trend evals/report/*"
_SOURCES = "storage.sources.formats.* storage.sources.readers storage.sources.rows storage.sources.source storage.cleaning.* storage.cleaning/*"
_MODELS = "tasks.clients.* tasks.engines.* tasks.teachers.* tasks.train.* tasks.tokenizing.* tasks.evaluate.sampler_main tasks.models.base_models tasks.evaluate.loss_main tasks.sandbox.*"
NEVER = {
    "puzzles": f"evals.* prompts.* storage.sources.formats.* storage.cleaning.* {_PAGES} {_MODELS}",
    "parse": f"puzzles.* tasks.runtime.step {_PAGES} {_MODELS}",
    "reason": f"puzzles.* evals.scorers.* {_PAGES} {_SOURCES} tasks.train.sft tasks.evaluate.scoring tasks.sandbox.*",
    "assemble": f"puzzles.* evals.scorers.* evals.verdict tasks.clients.* tasks.engines.* tasks.teachers.* {_PAGES} {_SOURCES}",
    "train": f"puzzles.* evals.* tasks.clients.* tasks.engines.* tasks.teachers.* tasks.sandbox.* storage.tables.snapshots {_PAGES} {_SOURCES}",
    "sample": f"puzzles.* evals.scorers.* tasks.evaluate.scoring tasks.evaluate.judging tasks.teachers.* tasks.sandbox.* {_PAGES} {_SOURCES}",
    "prefer": f"puzzles.* evals.scorers.* tasks.teachers.* tasks.sandbox.* {_PAGES} {_SOURCES} evals.report.preference_card",
    "grpo": f"puzzles.* evals.scorers.* tasks.engines.* tasks.teachers.* tasks.sandbox.* tasks.prefer.* {_PAGES} {_SOURCES}",
    "tune": f"puzzles.* evals.* tasks.engines.* tasks.teachers.* tasks.sandbox.* tasks.prefer.* {_PAGES} {_SOURCES}",
    "evaluate": f"puzzles.* evals.scorers.* tasks.evaluate.scoring tasks.evaluate.judging tasks.teachers.* tasks.sandbox.* {_PAGES} {_SOURCES}",
    "evaluate dialogues": f"puzzles.* tasks.train.sft {_PAGES} {_SOURCES}",
    "report": f"puzzles.* evals.scorers.* evals.verdict {_SOURCES} {_MODELS}",
}


def steps() -> dict[str, Step]:
    """Every step that there is, over receipts of nothing."""

    def left(name: str) -> Receipt:
        return Receipt(name, "k", "d", name, {}, {}, 0.0, "")

    spec, base, adapter = TrainSpec(base_model=DEMO), Base(DEMO), Candidate("demo/1", "adapters/demo/1", "d")
    return {
        "puzzles": puzzles.step(puzzles.PuzzlesSpec()),
        "parse": parse.step(parse.ParseSpec(path="x"), parse.Source((), "d")),
        "reason": reason.step(reason.ReasonSpec(teacher="embedded"), left("parse")),
        "assemble": assemble.step(assemble.AssembleSpec(), left("parse"), left("reason")),
        "train": train.step(spec, "demo", left("assemble")),
        "evaluate": evaluate.step(EvaluateSpec(engine="transformers"), base, left("parse"), adapter),
        "evaluate dialogues": evaluate.step(
            EvaluateSpec(engine="transformers"), base, left("parse"), adapter, kind="sql"
        ),
        "sample": sample.step(PreferSpec(), base, left("parse"), adapter, "transformers", {}, spec.wish),
        "prefer": prefer.step(PreferSpec(), left("parse"), left("reason"), left("sample"), "choice", recipe="demo"),
        "tune": tune.step(TuneSpec(), spec, "demo", left("prefer"), left("adapters/demo/1")),
        "grpo": grpo.step(GrpoSpec(), spec, "demo", left("parse"), left("adapters/demo/1")),
        "report": report.step(report.ReportSpec(), "{}", [left("parse"), left("evaluate")]),
    }


def counted(step: Step) -> set[str]:
    return {name for name in reached(step.code, step.apart) if name not in ROOMS}  # a room's own file is a docstring


@pytest.mark.parametrize("name", COUNTS)
def test_what_counts_in_the_key_of(name: str) -> None:
    """One too few serves what another code made. What comes anew counts by default: it needs no line here."""
    found = counted(steps()[name])

    assert [what for what in COUNTS[name].split() if not any(_fits(one, what) for one in found)] == []


@pytest.mark.parametrize("name", COUNTS)
def test_what_counts_nowhere_in_the_key_of(name: str) -> None:
    """One too many works again for nothing: a new module that brings such a thing along is to be cut, or split."""
    found, never = counted(steps()[name]), (*NEVER[name].split(), *PLUMBING)

    assert [one for one in sorted(found) if any(_fits(one, what) for what in never)] == []


def _fits(name: str, pattern: str) -> bool:
    if "/" in pattern:
        return fnmatchcase(name, pattern.replace(".", "/"))
    return "/" not in name and (fnmatchcase(name, pattern) or name == pattern.removesuffix(".*"))


def test_every_name_that_is_left_out_is_there() -> None:
    left_out = {*PLUMBING, *DECLARED}

    assert {name for name in left_out if code_key._source(name) is None} == set()


def test_every_module_that_is_started_by_its_name_counts_somewhere_or_is_known_to_shape_nothing() -> None:
    """Nobody imports such a module, so only a step that declares it has it in its key."""
    # a server; who is told of a training; an import, whose folder counts by its content
    served = ("tasks.serve", "tasks.train.mlflow_run", "tasks.train.mlflow_registry", "tasks.gguf")
    all_counted = set().union(*(counted(step) for step in steps().values()))
    started = {
        node.value
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("tasks.")
        and (source := code_key._source(node.value)) and source.name != "__init__.py"
    }  # fmt: skip
    left_out = (*PLUMBING, *DECLARED, *served)

    assert len(started) > 4
    assert {name for name in started - all_counted if not any(_fits(name, f"{part}.*") for part in left_out)} == set()


def test_every_data_file_of_the_rooms_is_named_by_some_code() -> None:
    """A file that is named in no way that is understood would count nowhere."""
    modules = [path.relative_to(ROOT).with_suffix("") for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    known = set(reached([".".join(path.parts).removesuffix(".__init__") for path in modules]))
    data = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.suffix[1:] in DATA and path.parent.name != "__pycache__"
    }

    assert {name for name in data - known if str(Path(name).parent) not in BY_SETTINGS} == set()


class House:
    """A copy of the rooms, to be edited."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for room in ROOMS:
            shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))

    def versions(self) -> dict[str, str]:
        code_key._read.cache_clear()
        code_key._data.cache_clear()
        return {name: digest(reached(step.code, step.apart)) for name, step in STEPS.items()}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        code_key._source.cache_clear()
        patch.setattr(code_key, "_HOUSE", tmp_path_factory.mktemp("house"))
        yield House(code_key._HOUSE)
    for cache in (code_key._source, code_key._read, code_key._data):
        cache.cache_clear()


@pytest.fixture(scope="module")
def before(house: House) -> dict[str, str]:
    return house.versions()


STEPS = steps()
EVALUATED = {"evaluate", "evaluate dialogues"}
PREFERRED = {"sample", "prefer", "grpo"}
EDITS = [
    ("storage/warehouse.py", "PATIENCE_S = 300.0", "PATIENCE_S = 200.0", set()),
    ("storage/shared_store.py", "log.warning(", "log.info(", set()),
    ("storage/shared_locks.py", "_PAUSE_S = 0.02", "_PAUSE_S = 0.05", set()),
    ("storage/journal.py", "def rows(", "X = 1\n\n\ndef rows(", set()),
    ("tasks/runtime/step.py", "class Workshop", "X = 1\n\n\nclass Workshop", set()),
    ("tasks/clients/rate_limit.py", "BURST_S = 1.0", "BURST_S = 2.0", set()),
    ("tasks/train/run.py", 'log.info("train: %s"', 'log.info("training says: %s"', set()),
    ("tasks/train/step.py", "rank cannot be served by vLLM", "rank is too high", set()),
    (
        "tasks/train/step.py",
        "    check_name(name)\n",
        '    check_name(name)\n    log.info("a name: %s", name)\n',
        set(),
    ),
    ("tasks/assemble/step.py", "mend what fell out, or accept it", "accept it", set()),
    ("tasks/assemble/step.py", 'None, "questions")', 'None, "of them")', set()),
    ("evals/report/layout.html.j2", "<main", "<main id=x", {"report"}),
    ("evals/report/report.css", "", "/* wider */", {"report"}),
    ("evals/report/walk.js", "", "// faster", {"report"}),
    ("evals/report/measured.html.j2", "", "<p>", {"report"}),
    ("evals/report/card.html.j2", "", "<p>", set()),
    ("evals/report/rationales.html.j2", "", "<p>", set()),
    ("prompts/templates/chatml.jinja", "", " ", set()),  # a recipe that chooses it has its text among the settings
    ("prompts/choice.py", "", "X = 1", {"reason", "assemble", "report", *PREFERRED, *EVALUATED}),
    ("evals/scorers/sql.py", "", "X = 1", {"evaluate dialogues"}),
    ("tasks/sandbox/child.py", "", "X = 1", {"evaluate dialogues"}),
    ("tasks/evaluate/loss_main.py", "", "X = 1", {"evaluate dialogues"}),
    ("storage/sources/formats/labels.py", "", "X = 1", {"parse"}),
    ("storage/cleaning/sql/3_exact.sql", "", "-- x", {"parse"}),
    ("storage/tables/snapshot_sql/1_places.sql", "", "-- x", {"assemble"}),
    ("tasks/train/trainer.py", "", "X = 1", {"train", "tune", "grpo"}),
    (
        "tasks/tokenizing/masks.py",
        "",
        "X = 1",
        {"reason", "train", "tune", "grpo", "sample", *EVALUATED},
    ),  # the tokens that engines are given
    ("evals/verdict.py", "", "X = 1", EVALUATED),
    ("evals/stats.py", "", "X = 1", {"reason", "report", *PREFERRED, *EVALUATED}),
    ("tasks/engines/transformers.py", "", "X = 1", {"reason", "sample", *EVALUATED}),
    ("puzzles/families/boxes.py", "", "X = 1", {"puzzles"}),
]


@pytest.mark.parametrize(("file", "old", "new", "changed"), EDITS, ids=[f"{e[0]} {e[2][:12]!r}" for e in EDITS])
def test_an_edit_of(house: House, before: dict[str, str], file: str, old: str, new: str, changed: set[str]) -> None:
    """An edit of a copy of the house, and the steps whose keys it changes; without `old`, a line at the end."""
    path = house.root / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1) if old else f"{text}\n{new}\n", "utf-8")
    after = house.versions()
    path.write_text(text, "utf-8")

    assert changed == {name for name in before if before[name] != after[name]}


def test_a_new_module_counts_for_who_imports_it(house: House) -> None:
    another, summary = house.root / "evals" / "another.py", house.root / "evals" / "summary.py"
    text = summary.read_text("utf-8")
    another.write_text("X = 1\n")
    summary.write_text(f"{text}\nfrom evals.another import X\n", "utf-8")
    code_key._source.cache_clear()
    before = house.versions()
    another.write_text("X = 2\n")
    after = house.versions()
    summary.write_text(text, "utf-8")

    assert EVALUATED == {name for name in before if before[name] != after[name]}
