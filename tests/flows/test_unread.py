"""What a recipe says must do something: settings that nothing would read are refused, with the ways out."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from flows import unread
from flows.recipe import Recipe, load
from flows.recipe_errors import paths
from storage.dialogues import Kind
from storage.records import UsageError
from tasks.adapters.promote import PromoteSpec
from tasks.adapters.reeval import ReevalSpec
from tasks.evaluate.judging import JudgeSpec
from tasks.prefer.spec import PreferSpec
from tasks.puzzles.step import PuzzlesSpec
from tasks.tune.grpo_spec import GrpoSpec
from tasks.tune.spec import TuneSpec

TEXT = 'name = "small"\n[parse]\npath = "data.jsonl"\n[train]\nbase_model = "org/model"\n'
SETTINGS = [path for path, _ in paths(Recipe)]
TABLES = {"evaluate.judge": JudgeSpec(), "puzzles": PuzzlesSpec(), "promote": PromoteSpec(), "reeval": ReevalSpec()}
TABLES |= {"prefer": PreferSpec(), "tune": TuneSpec(), "grpo": GrpoSpec()}
# what only some kinds of work read; all else is read by every kind
OF_KINDS = {
    ("choice",): ("grpo.",) + ("parse.corrections", "prompt.answer_line", "prompt.closed_world", "reason.", "assemble.bare")
    + ("assemble.shuffle", "evaluate.adaptive", "evaluate.confidence")
    + ("prefer.ledger", "prefer.most", "prefer.samples", "prefer.questions", "prefer.temperature", "prefer.top_p")
    + ("prefer.max_tokens", "prefer.seed")
    + ("evaluate.window", "evaluate.weighting", "evaluate.shuffles"),
    ("choice", "sql"): ("puzzles.",),
    ("choice", "sql", "proof", "assignment"): ("prompt.instruction", "prompt.few_shot", "prompt.file"),
    ("sql",): ("parse.descriptions", "parse.evidence", "evaluate.databases", "evaluate.dialect", "evaluate.metric"),
    ("sql", "proof", "assignment", "instruction"): ("evaluate.scorer",),
    ("proof",): ("evaluate.lean",),
    ("chat",): ("evaluate.judge.",),
    ("choice", "sql", "proof", "assignment", "instruction"): ("evaluate.votes", "evaluate.temperature")
    + ("evaluate.top_p", "evaluate.seed"),
}  # fmt: skip


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    return path


def changed(recipe: BaseModel, path: str, value: Any) -> Any:
    """A copy with another value at a dotted path; nothing is validated."""
    name, _, rest = path.partition(".")
    inner = getattr(recipe, name)
    return recipe.model_copy(update={name: changed(inner, rest, value) if rest else value})


def with_table(recipe: Recipe, path: str) -> Recipe:
    """The recipe with the table that holds a setting, where it is one that may be left out."""
    for table, spec in TABLES.items():
        if path.startswith(f"{table}."):
            recipe = changed(recipe, table, spec)
    return recipe


@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_setting_is_read_or_refused_by_each_kind(small: Path, kind: str) -> None:
    plain = changed(load(small), "kind", kind)
    refused = set()
    for path in SETTINGS:
        if path in ("kind", "name"):
            continue
        for rule in unread.READ:
            given = list(unread.given_at(changed(with_table(plain, path), path, "other"), path))
            if rule.by == "kind" and given and any(path == s or path.startswith(f"{s}.") for s in rule.settings):
                refused |= set() if rule.holds(plain) else {path}

    def read(path: str) -> bool:
        owners = [kinds for kinds, names in OF_KINDS.items() if path.startswith(names)]
        return all(kind in kinds for kinds in owners)

    assert {path for path in SETTINGS if not read(path)} == refused


@pytest.mark.parametrize("rule", unread.READ, ids=lambda rule: f"{rule.settings[0]} by {rule.by}")
def test_each_rule_names_settings_that_are_there(rule: unread.Read) -> None:
    tables = {path.rpartition(".")[0] for path in SETTINGS}

    assert [name for name in rule.settings if name not in SETTINGS and name not in tables] == []


REFUSED = [
    (['kind="sql"', "evaluate.adaptive=exact"], '[evaluate] adaptive would not be read with kind = "sql"'),
    (['kind="sql"', "evaluate.weighting=logprob", "evaluate.shuffles=2"], "[evaluate] weighting, [evaluate] shuffles"),
    (['kind="chat"', "reason.samples=3"], "[reason] samples"),
    (['kind="chat"', "evaluate.votes=7"], "[evaluate] votes"),
    (['kind="proof"', "evaluate.databases=9"], "[evaluate] databases"),
    (['kind="sql"', "evaluate.judge.model=m"], "[evaluate.judge] model"),
    (["evaluate.lean=['lake']"], "[evaluate] lean"),
    (["evaluate.adaptive=exact", "evaluate.confidence=0.9"], "[evaluate] confidence"),
    (["evaluate.adaptive=beta", "evaluate.window=9"], "[evaluate] window"),
    (["reason.teacher=embedded", "reason.model=m"], "[reason] model"),
    (["reason.teacher=vllm", "reason.model=m", "reason.max_cost=3"], "[reason] max_cost"),
    (["reason.model=m", "reason.revision=main"], "[reason] revision"),
    (["reason.model=m", "reason.thinking_budget=64"], "[reason] thinking_budget"),
    (["reason.model=m", "reason.prompt=solve", "reason.hints=2"], "[reason] hints"),
    (["evaluate.engine=transformers", "evaluate.tensor_parallel=2"], "[evaluate] tensor_parallel"),
    (["evaluate.engine=openai", "evaluate.dtype=float32"], "[evaluate] dtype"),
    (['evaluate.server.base_url="http://h/v1"'], "[evaluate.server] base_url"),
    (["train.method=full", "train.rank=8"], "[train] rank"),
    (["train.scheduler=constant", "train.warmup=9"], "[train] warmup"),
    (["train.patience=2"], "eval_steps"),
    (["shards=4"], 'shards would not be read with runner = "local"'),
    (['reeval.timezone="Asia/Tokyo"'], "[reeval] timezone"),
    (["serve.engine=transformers", "serve.max_loras=2"], "[serve] max_loras"),
    (["evaluate.revision=main"], "[evaluate] revision"),
    (["grpo.max_steps=9", "grpo.length_target=9"], "[grpo] length_target"),
    (["prefer.samples=0", "prefer.temperature=0.5"], "[prefer] temperature"),
    (['kind="chat"', "prefer.samples=3"], "[prefer] samples"),
    (["tune.method=orpo", "tune.reference=base"], "[tune] reference"),
    (["tune.method=kto", "tune.loss=ipo"], "[tune] loss"),
    (["tune.loss=ipo", "tune.label_smoothing=0.1"], "[tune] label_smoothing"),
    (["tune.gamma=1"], '[tune] gamma would not be read with [tune] method = "dpo"'),
    (["tune.desirable_weight=2"], "[tune] desirable_weight"),
    (["tune.method=kto", "prefer.length_ratio=3"], "[prefer] length_ratio"),
]


@pytest.mark.parametrize(("changes", "says"), REFUSED, ids=lambda value: value[-1] if isinstance(value, list) else "")
def test_what_nothing_reads_is_refused_and_who_would_read_it_is_named(
    small: Path, changes: list[str], says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(small, changes)

    assert says in str(caught.value)
    assert says == "eval_steps" or "or set " in caught.value.hint


@pytest.mark.parametrize("table", ["[promote]\n", '[promote]\ngate = "gate.jsonl"\n'])
def test_a_recipe_that_trains_nothing_promotes_nothing(tmp_path: Path, table: str) -> None:
    recipe = tmp_path / "measure.toml"
    recipe.write_text(f'name = "m"\n[parse]\npath = "q.jsonl"\n[evaluate]\nbase_model = "me/base"\n{table}')

    with pytest.raises(UsageError, match="would not be read without"):
        load(recipe)


READ = [
    ['kind="sql"', "evaluate.databases=9", "evaluate.votes=7"],
    ["evaluate.confidence=0.9"],
    ["evaluate.adaptive=window", "evaluate.window=9"],
    ["reason.teacher=vllm", "reason.model=m", "reason.revision=main"],
    ["reason.model=m", "reason.thinking=true", "reason.thinking_budget=64"],
    ["train.method=full", "train.preset=80gb"],  # the preset gives the rank, not the user
    ["evaluate.engine=openai", 'evaluate.server.base_url="http://h/v1"'],
    ["runner=ray", "shards=4"],
]


@pytest.mark.parametrize("changes", READ, ids=lambda value: value[-1])
def test_what_is_read_is_taken(small: Path, changes: list[str]) -> None:
    load(small, changes)


WRONG = [
    ("votes=3", "unknown key 'votes'; did you mean evaluate.votes?"),
    ("train.rnak=8", "unknown key 'train.rnak'; did you mean train.rank?"),
    ('train.rank="eight"', "expected: a whole number"),
    ("train.rank=0", "expected: at least 1"),
    ("parse.near=high", "expected: a number"),
    ("parse.strict=perhaps", "expected: true or false"),
    ("parse.path=3", """expected: text, such as "words in quotes" or a list, such as ["a", "b"]"""),
    ("evaluate.engine=vlm", "expected: one of 'auto', 'vllm', 'transformers', 'openai'"),
    ("train=3", "expected: a table of keys and values"),
]


@pytest.mark.parametrize(("change", "says"), WRONG, ids=[change for change, _ in WRONG])
def test_what_is_wrong_is_said_in_the_reader_s_words(small: Path, change: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(small, [change])

    assert says in str(caught.value)
    assert "Input should" not in str(caught.value)
