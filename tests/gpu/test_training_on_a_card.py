"""Training on the card: its own numbers, a loss that falls, and a canary that judges as it does on a CPU."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.records import PonensError
from tests.tasks.train.test_verify_adapter import after_saving, configured, loader, trained
from tests.tasks.trainings import facts, order
from tests.tiny import tiny_base

pytestmark = [pytest.mark.gpu, pytest.mark.heavy, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("models") / "base")


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({}, "bfloat16"),
        ({"dtype": "float32"}, "float32"),
        ({"use_dora": True}, "bfloat16"),
        ({"method": "qlora"}, "bfloat16"),
        ({"method": "full"}, "float32"),  # updates that bfloat16 would round away
    ],
    ids=lambda given: "-".join(map(str, given.values())) or "lora" if isinstance(given, dict) else given,
)
def test_the_loss_falls_in_the_numbers_of_the_card(
    settings: dict[str, Any], numbers: str, device: str, base: Path, tmp_path: Path
) -> None:
    from tasks.train import loading, sft

    given = order(base, tmp_path, epochs=6, **settings)
    sft.train(given)
    found = facts(given)

    assert device == found["device"].partition(":")[0]
    assert (numbers if device == "cuda" else "float32") == str(loading.number(given.spec)).removeprefix("torch.")
    assert (device == "cuda") == bool(found["peak_memory"])
    assert found["loss_last"] < 0.85 * found["loss_first"]
    assert found["canary"]["changes"] > 0


def verdict(base: Path, kind: str, folder: Path, device: str) -> str:
    """What the canary says of an adapter that was trained on this device."""
    from prompts.rendering import Wish
    from tasks.tokenizing import renderer as render
    from tasks.train import verify_adapter
    from tasks.train.spec import TrainSpec

    renderer = render.fit(render.load(str(base), None), Wish())
    said = {"prompt": [{"role": "user", "content": "where?"}], "completion": [{"role": "assistant", "content": "B"}]}
    probes, model = verify_adapter.texts([said], renderer), trained(base, kind).to(device)
    spec = TrainSpec(base_model=str(base))
    try:
        verify_adapter.save_and_check(model, renderer.tokenizer, probes, folder, spec, loader(base, kind))
    except PonensError as error:
        return str(error.thing)
    return "sound"


@pytest.mark.parametrize("kind", ["lora", "rslora", "dora", "head", "tokens"])
@pytest.mark.parametrize(
    ("harm", "word"),
    [(None, "sound"), (configured(lora_alpha=1), "the adapter after reload is not the trained one")],
    ids=["sound", "harmed"],
)
def test_the_canary_says_of_an_adapter_on_the_card_what_it_says_on_a_cpu(
    kind: str,
    harm: Callable[[Path], None] | None,
    word: str,
    device: str,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kind == "tokens" and harm:
        pytest.skip("an adapter of tokens beside low ranks: its scale is tried by the other kinds")
    if harm:
        after_saving(monkeypatch, harm)

    assert [word, word] == [verdict(base, kind, tmp_path / place, place) for place in ("cpu", device)]
