"""The loss of references under real subjects: transformers' own figure, whatever the batch, and none computed twice."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from storage.artifacts import write_json
from tasks.evaluate.generation import Decoding, Order, Subject
from tasks.evaluate.loss_main import LOSSES, Loss, load
from tasks.runtime import process
from tests.tiny import tiny_base

pytestmark = pytest.mark.heavy
ROWS = [
    {
        "id": str(n),
        "prompt": [{"role": "user", "content": f"The robot turns left {n} times. " * (n + 1)}],
        "completion": [{"role": "assistant", "content": "So it looks north. " * (4 - n % 4)}],
    }
    for n in range(7)
]
TOO_LONG = {**ROWS[0], "id": "long", "prompt": [{"role": "user", "content": "left " * 3000}]}

DECODING = Decoding(1, 0.0, 1.0, 8, 0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("tiny")
    base = tiny_base(root / "base")
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(root / "adapter")
    return SimpleNamespace(base=str(base), adapter=str(root / "adapter"))


def measured(
    folder: Path, tiny: SimpleNamespace, rows: list[dict] = ROWS
) -> tuple[dict[tuple[str, str], Loss], list[str]]:
    order = Order("", {"model": tiny.base}, [Subject("base", "b"), Subject("x/1", "a", tiny.adapter)], [], DECODING)
    told = order.told("loading", "subjects", "rendering", "on_mismatch")
    write_json(folder / "order.json", told | {"rows": rows})
    said: list[str] = []
    process.run(
        [sys.executable, "-m", "tasks.evaluate.loss_main", str(folder / "order.json")],
        log=folder / "log",
        hear=lambda message: said.append(message.get("say", "")),
        what="losses",
    )
    return {(loss.subject, loss.row): loss for loss in load(folder / LOSSES)}, said


def test_the_loss_is_transformers_own(tiny: SimpleNamespace, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found, _ = measured(tmp_path, tiny)
    tokenizer = AutoTokenizer.from_pretrained(tiny.base)
    base, other = (AutoModelForCausalLM.from_pretrained(tiny.base).eval() for _ in range(2))
    for name, model in (("base", base), ("x/1", PeftModel.from_pretrained(other, tiny.adapter).eval())):
        for row in ROWS:
            prompt = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
            whole = tokenizer.apply_chat_template([*row["prompt"], *row["completion"]], tokenize=False)
            head, ids = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, whole))
            labels = [-100] * len(head) + ids[len(head) :]
            with torch.inference_mode():
                expected = float(model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss)

            assert found[name, row["id"]].loss == pytest.approx(expected, abs=1e-4)
            assert len(ids) - len(head) == found[name, row["id"]].tokens


def test_what_is_written_is_not_computed_again_and_a_torn_line_is(tiny: SimpleNamespace, tmp_path: Path) -> None:
    first, _ = measured(tmp_path, tiny)
    whole = (tmp_path / LOSSES).read_bytes()
    (tmp_path / LOSSES).write_bytes(whole.replace(str(first["base", "0"].loss).encode(), b"7.5")[:-9])
    again, said = measured(tmp_path, tiny)

    assert first.keys() == again.keys()
    assert 7.5 == again["base", "0"].loss
    assert "references under base" not in said


def test_a_reference_that_does_not_fit_has_a_reason_instead(tiny: SimpleNamespace, tmp_path: Path) -> None:
    found, _ = measured(tmp_path, tiny, [TOO_LONG, ROWS[1]])

    assert found["base", "long"].loss is None
    assert "no token to learn" in found["base", "long"].reason
    assert found["base", "1"].loss is not None
