"""What replies cost: cached prompts, a file of prices, and what is unknown."""

from pathlib import Path

import pytest

from flows.recipe import load
from storage.ledger import Tokens
from storage.records import UsageError
from tasks.teachers.spec import AskSpec, Price

TOKENS = Tokens(sent=1_000_000, out=500_000, reasoning=100_000, cached=400_000)


def test_cached_tokens_have_their_own_price_where_one_is_given() -> None:
    assert Price(sent=2, out=8).of(TOKENS) == pytest.approx(2 + 4)
    assert Price(sent=2, out=8, cached=0.5).of(TOKENS) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 4)
    assert Price(sent=2, out=8, cached=0).of(TOKENS) == pytest.approx(1.2 + 4)


def test_a_price_of_the_recipe_comes_before_the_file_s_and_none_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('["a/b-1.5"]\nin = 1\nout = 2\n[m]\nin = 3\nout = 4\ncached = 0.3\n')
    own = {"m": Price(sent=9, out=9)}

    assert AskSpec(model="a/b-1.5", price_file=file).price == Price(sent=1, out=2)
    assert AskSpec(model="m", price_file=file).price == Price(sent=3, out=4, cached=0.3)
    assert AskSpec(model="m", price_file=file, prices=own).price == own["m"]
    assert AskSpec(model="other", price_file=file).price is None


@pytest.mark.parametrize(
    "text", [None, "in = 1", "[m]\nin = 1", "[m]\nin = -1\nout = 2", "[m", "[m]\nin=1\nout=2\nx=3"]
)
def test_a_file_that_holds_no_prices_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "prices.toml"
    if text is not None:
        file.write_text(text)

    with pytest.raises(UsageError, match=r"price file .*prices\.toml cannot be read"):
        _ = AskSpec(model="m", price_file=file).price


def test_a_recipe_names_the_file_relative_to_itself(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        'name = "r"\n[parse]\npath = "d.jsonl"\n[reason]\nmodel = "m"\nprice_file = "prices.toml"\n'
        '[train]\nbase_model = "org/model"\n'
    )

    assert load(tmp_path / "r.toml").reason.price_file == tmp_path / "prices.toml"
