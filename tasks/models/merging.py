"""An adapter's weights added to its base's: a model that answers as PEFT's own, unmerged, would. Child process only.

    model = merged(base, Path("adapters/logic/3"))     PonensError if it is another model than PEFT makes of the two

A base whose head and embeddings are one tensor takes an adapter of either end for both: the head is given numbers of
its own first. Whatever else may go wrong in merging shows in the logits, which are compared each time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storage.records import PonensError

# largest difference between two ways to the same logits, as a share of the largest: sums taken in another order
# differ, and bfloat16 has eight bits of precision
_ROUNDING = {"float32": 1e-4, "bfloat16": 5e-2}
_OTHERWISE = 2e-2
_TOKENS = 16


def merged(model: Any, adapter: Path) -> Any:
    """The base `model`, which is changed, with the adapter's weights added to its own.

    PonensError if the folder's tensors are not those that its configuration names, if they do nothing, or if what
    comes of it answers otherwise than the adapter on its base.
    """
    from peft import PeftModel

    wrapped = PeftModel.from_pretrained(model, str(adapter)).eval()
    _check_whole(wrapped.load_adapter(str(adapter), "default"), adapter)
    check_alive(wrapped, adapter)
    right = _logits(wrapped)
    try:
        found = put_together(wrapped)
    except (RuntimeError, ValueError, NotImplementedError) as error:  # PEFT's words for what it cannot merge
        raise _unmergeable(adapter, str(error).strip().splitlines()[0]) from error
    apart = float((right - _logits(found)).abs().max())
    allowed = rounding(found.dtype) * float(right.abs().max())
    if not apart <= allowed:
        raise _unmergeable(adapter, f"logits differ by {apart:.3g}, at most {allowed:.3g} is rounding")
    return found.eval()


def rounding(dtype: Any) -> float:
    """How far apart, as a share of the largest logit, two ways to the same logits may lie in these numbers."""
    return _ROUNDING.get(str(dtype).removeprefix("torch."), _OTHERWISE)


def put_together(wrapped: Any) -> Any:
    """PEFT's merge, the head parted from the embeddings where an adapter changes one of them."""
    import torch

    base = wrapped.get_base_model()
    if any(_adapted(end) for end in (base.get_input_embeddings(), base.get_output_embeddings())):
        untie(base)
    whole = wrapped.merge_and_unload()
    inputs, outputs = whole.get_input_embeddings(), whole.get_output_embeddings()
    if outputs is None or outputs.weight is inputs.weight:
        return whole
    if tied(whole) and torch.equal(outputs.weight, inputs.weight):
        outputs.weight = inputs.weight  # both ends were changed alike: one tensor again
    else:
        _say_untied(whole)
    return whole


def untie(model: Any) -> None:
    """Give the head a tensor of its own, if it shares that of the embeddings."""
    import torch

    inputs, outputs = _bare(model.get_input_embeddings()), _bare(model.get_output_embeddings())
    if outputs is not None and outputs.weight is inputs.weight:
        outputs.weight = torch.nn.Parameter(outputs.weight.detach().clone(), requires_grad=False)


def part(model: Any) -> Any:
    """The model, its head apart from the embeddings and said to be so."""
    untie(model)
    _say_untied(model)
    return model


def tied(model: Any) -> bool:
    """Whether the model's configuration has head and embeddings share one tensor."""
    return bool(getattr(model.config, "tie_word_embeddings", False))


def check_alive(model: Any, adapter: Path) -> None:
    """PonensError if every B matrix is zero and nothing else came along: it would score as the base does."""
    ours = [(name, value) for name, value in model.named_parameters() if ".default" in name]
    matrices = [value for name, value in ours if "lora_B" in name]
    beside = any(".lora_" not in name for name, _ in ours) or any("lora_embedding" in name for name, _ in ours)
    if matrices and not beside and not any(bool(value.any()) for value in matrices):
        raise PonensError(f"adapter {adapter.name} changes nothing", seen="all its B matrices are zero")


def _check_whole(report: Any, adapter: Path) -> None:
    """PonensError if PEFT left a tensor of the file out, or found none for a module that it adapts."""
    for names, what in (
        (report.missing_keys, "has nothing in its file for"),
        (report.unexpected_keys, "has tensors for"),
    ):
        if names:
            raise PonensError(
                f"adapter {adapter.name} {what} {len(names)} parts of this base",
                seen=names[0].removeprefix("base_model.model."),
                expected="a tensor for each module that its configuration names, and for no other",
                hint="import it again from where it was trained, with its own base",
            )


def _unmergeable(adapter: Path, seen: str) -> PonensError:
    return PonensError(
        f"adapter {adapter.name} merged into its base is not what it is beside it",
        seen=seen,
        expected="equal logits, merged and unmerged",
        hint="serve it with PEFT itself, or train again without what this base cannot take",
    )


def _adapted(end: Any) -> bool:
    return end is not None and hasattr(end, "base_layer") and hasattr(end, "lora_A")


def _bare(end: Any) -> Any:
    while end is not None and hasattr(end, "base_layer"):
        end = end.base_layer
    return end


def _say_untied(model: Any) -> None:
    for config in {id(c): c for c in (model.config, model.config.get_text_config())}.values():
        config.tie_word_embeddings = False


def _logits(model: Any) -> Any:
    """Logits after a few tokens from all over the vocabulary, the last ones, which an adapter may bring, among them."""
    import torch

    rows = model.get_input_embeddings().weight.shape[0]
    ids = torch.linspace(0, rows - 1, _TOKENS, device=model.device).long()[None]
    with torch.inference_mode():
        return model(input_ids=ids, use_cache=False).logits.float().cpu()
