"""A model that somebody trained, from its GGUF file to an evaluated adapter: a few steps of what `make demo-real` does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.bases import local
from flows.chain import chain
from flows.recipe import load
from storage import base_models
from storage.home import Home
from storage.records import Receipt
from tasks.adapters import import_model
from tasks.runtime.step import Step, run_step
from tests.chains import follow
from tests.real_model import fetched

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ["puzzles.count=36", "train.max_steps=3", "train.batch_size=4", "train.warmup=0", 'train.report_to=["none"]']
SETTINGS += ['evaluate.engine="transformers"', "evaluate.limit=3", "evaluate.votes=1", "evaluate.max_tokens=24"]
CAPITAL = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    file, home = fetched(), Home(tmp_path_factory.mktemp("real") / "home")
    import_model.import_model(file, home, name="smollm2")
    yield home
    shutil.rmtree(home.root)  # half a gigabyte, which pytest would keep


@pytest.fixture(scope="module")
def base(home: Home) -> Path:
    return base_models.folder(home, "smollm2")


def test_the_card_says_what_the_file_says(home: Home) -> None:
    about = base_models.about(home, "smollm2")

    assert ("llama", "smollm", 8192, ["<|im_end|>"]) == tuple(
        about[key] for key in ("architecture", "pre_tokenizer", "context_length", "stops")
    )
    assert {"Q4_1", "Q8_0", "F32"} == {*about["quantization"]}
    assert 134_515_008 == about["parameters"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("In 2024, x_1 = 37", ["In", "Ġ", "2", "0", "2", "4", ",", "Ġx", "_", "1", "Ġ=", "Ġ", "3", "7"]),
        ("SELECT count(*) FROM t1", ["SELECT", "Ġcount", "(*", ")", "ĠFROM", "Ġt", "1"]),
        ("<|im_start|>user\n7<|im_end|>", ["<|im_start|>", "user", "Ċ", "7", "<|im_end|>"]),
    ],
)
def test_text_is_cut_as_the_model_learnt_it(base: Path, text: str, tokens: list[str]) -> None:
    from tasks.tokenizing import renderer

    tokenizer = renderer.load(str(base), None)

    assert tokens == tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_a_few_hundred_texts_come_back_from_their_tokens(base: Path) -> None:
    from tasks.tokenizing import renderer

    tokenizer = renderer.load(str(base), None)
    texts = [f"第{n}题：{n * 37}只猫, f({n}) == '{n:05d}';\n\tSELECT {n}  -- naïve ☃" for n in range(300)]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]

    assert texts == tokenizer.batch_decode(ids)
    digits = [token for row in ids for token in tokenizer.convert_ids_to_tokens(row) if any(c.isdigit() for c in token)]
    assert {*"0123456789"} == {*digits}, "no two digits share a token"


def test_the_capital_of_france(base: Path) -> None:
    from tasks.engines.interface import Loading, Request
    from tasks.engines.transformers import TransformersEngine

    engine = TransformersEngine(Loading(str(base)))
    asked = [Request("capital", "base", CAPITAL, 24), Request("cut", "base", CAPITAL, 3)]
    found = {completion.key: completion for completion in engine.generate(asked)}
    engine.close()

    assert ("The capital of France is Paris.", "stop") == (found["capital"].text.strip(), found["capital"].finish)
    assert "length" == found["cut"].finish


class Few:
    """What the first steps of a recipe come to."""

    def __init__(self, name: str, home: Home) -> None:
        self.home, self.receipts = home, dict[str, Receipt]()
        self.recipe = local(load(ROOT / "recipes" / "real" / f"{name}.toml", SETTINGS), home.root)
        follow(chain(self.recipe, home.root), self.do)

    def do(self, step: Step) -> Receipt:
        self.receipts[step.name], _ = run_step(step, self.home)
        return self.receipts[step.name]


@pytest.fixture(scope="module")
def few(home: Home) -> Few:
    return Few("sql", home)


def test_three_steps_of_the_recipe_end_in_a_report(few: Few) -> None:
    facts = few.receipts["train"].facts
    page = next((few.home.root / few.receipts["report"].artifact).glob("*.html"))

    assert ["puzzles", "parse", "assemble", "train", "evaluate", "report"] == list(few.receipts)
    assert (3, 0) == (facts["steps"], facts["truncated"])
    assert 5.0 > facts["loss_first"] > facts["loss_last"] > 0, "without its weights the first would be ln 49,152 = 10.8"
    assert "smollm2" in page.read_text("utf-8")
