"""What tuning sees of preferences: prompt and both replies in tokens, cut, left out and counted; and what it takes."""

from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from storage.records import Message, PonensError
from storage.tables.preferences import Preference
from tasks.tokenizing import renderer as render
from tasks.tune.encode import Encoded, encode
from tasks.tune.plan import estimate
from tasks.tune.preview import preview
from tasks.tune.spec import TuneSpec
from tests.tasks.train.test_whole_training import spec
from tests.tasks.tunings import TUNE, pairs, preferred
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("models") / "base", hidden=32, layers=1)


@pytest.fixture(scope="module")
def renderer(base: Path) -> render.Renderer:
    return render.fit(render.load(str(base), None), spec(base).wish)


def rows(*replies: tuple[str, str | None, str | None]) -> list[dict[str, Any]]:
    """Rows of prompt, chosen and rejected."""
    return [
        Preference("q", "g", "train", "votes", (Message("user", asked),), chosen, rejected).row()
        for asked, chosen, rejected in replies
    ]


def encoded(renderer: render.Renderer, given: list[dict[str, Any]], length: int = 100, **how: Any) -> Encoded:
    return encode(given, renderer, length, **how)


def test_both_replies_follow_the_prompt_that_a_model_is_asked_with_and_end_as_replies_do(
    renderer: render.Renderer,
) -> None:
    asked = "Which lamp?"
    (row,) = encoded(renderer, rows((asked, "red", "the green one"))).rows

    assert renderer.prompt([{"role": "user", "content": asked}]) == renderer.tokenizer.decode(row.prompt)
    assert ["red<|im_end|>\n", "the green one<|im_end|>\n"] == [
        renderer.tokenizer.decode(ids) for ids in (row.chosen, row.rejected)
    ]


def test_an_unpaired_reply_has_one_side(renderer: render.Renderer) -> None:
    chosen, rejected = encoded(renderer, rows(("a?", "red", None), ("a?", None, "green"))).rows

    assert (True, False) == (chosen.chosen is not None, chosen.rejected is not None)
    assert (False, True) == (rejected.chosen is not None, rejected.rejected is not None)


def test_replies_that_are_alike_up_to_the_cut_are_left_out_and_counted(renderer: render.Renderer) -> None:
    given = rows(("a?", "so it is, so it is, B", "so it is, so it is, C"), ("a?", "red", "green"))
    prompt = len(encoded(renderer, given).rows[0].prompt)

    found = encoded(renderer, given, prompt + 4)

    assert (1, 1) == (len(found.rows), found.alike)
    assert 0 == encoded(renderer, given).alike


def test_a_prompt_that_fills_max_length_is_refused_or_left_out(renderer: render.Renderer) -> None:
    given = rows(("north " * 40, "red", "green"), ("a?", "red", "green"))

    with pytest.raises(PonensError, match="its prompt alone fills max_length"):
        encoded(renderer, given, 40)
    found = encoded(renderer, given, 40, leave_out=True)
    assert (1, 1) == (len(found.rows), found.left_out)


def test_a_preview_shows_both_replies_with_what_is_compared(base: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    source = home.root / preferred(home, pairs(8)).artifact

    found = preview(TuneSpec.model_validate(TUNE), spec(base), source, 2)

    assert ["chosen", "rejected"] * 2 == [one["side"] for one in found["shown"]]
    said = "".join(token["text"] for token in found["shown"][0]["tokens"] if token["trained"])
    assert said.endswith("Answer: B<|im_end|>\n")
    asked = "".join(token["text"] for token in found["shown"][0]["tokens"] if not token["trained"])
    assert asked.endswith("assistant\n")
    assert (7, 14, 0) == (found["rows"], found["replies"], found["truncated"])


def test_an_estimate_counts_steps_tokens_and_memory_and_knows_no_time_that_was_not_measured(
    base: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path)

    found = estimate(TuneSpec.model_validate(TUNE), spec(base), home, preferred(home, pairs(16)))

    # 14 pairs, 4 a step, twice
    assert (14, 8, 4) == (found["rows"], found["steps"], found["rows_a_step"])
    assert found["memory"]["total"] > 0
    assert (None, None, "sft") == (found["seconds"], found["measured_by"], found["reference"])
