"""How unlikely each subject finds the references: `python -m tasks.evaluate.loss_main ORDER.json`, a process.

    order (loading, subjects, rows) ──▶ losses.jsonl beside the order: subject, row, tokens, loss

Rows are rendered and masked as for training, so that this is the loss training would see: the mean negative
log-likelihood of a reference's tokens, in nats. transformers computes it for every engine: vLLM's
`prompt_logprobs` gives the same figures but neither with its prefix cache nor with weights merged in place.
What is written already is not computed again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from prompts.rendering import Wish
from storage.records import PonensError, failure
from tasks.engines.interface import Loading
from tasks.engines.open import surroundings
from tasks.runtime import worker

LOSSES = "losses.jsonl"
_BUDGET = {"cpu": 1 << 11, "cuda": 1 << 13, "mps": 1 << 11}  # tokens at once: each has a logit a word


class Loss(NamedTuple):
    """One reference under one subject: the loss of its `tokens`; None, with the reason, where it cannot be had."""

    subject: str
    row: str
    tokens: int
    loss: float | None
    reason: str = ""


def load(file: Path) -> list[Loss]:
    """What is written already; a last line that a kill cut short is removed."""
    if not file.exists():
        return []
    whole = file.read_bytes().rpartition(b"\n")[0]
    file.write_bytes(whole + b"\n" if whole else b"")
    return [Loss(*orjson.loads(line)) for line in whole.splitlines()]


def measure(order: Path) -> None:
    """Do what the order file says."""
    given = orjson.loads(order.read_bytes())
    folders = {s["name"]: s["folder"] for s in given["subjects"]}
    adapters = {name: Path(folder) for name, folder in folders.items() if folder}
    loading = Loading(**given["loading"], adapters=adapters, scratch=order.parent)
    file = order.parent / LOSSES
    done = {(loss.subject, loss.row) for loss in load(file)}
    if all((name, row["id"]) in done for name in folders for row in given["rows"]):
        return
    surroundings(loading)
    from tasks.engines import weights
    from tasks.engines.chat_rendering import renderers

    identities = {s["name"]: s["rendering"] for s in given["subjects"] if s["folder"]}
    wish = Wish(**given["rendering"]) if given["rendering"] else None
    found, _ = renderers(loading, identities, wish, refuse=given["on_mismatch"] == "refuse")
    length = weights.context(loading)
    total = len(folders) * len(given["rows"])
    count = len(done)
    with file.open("ab") as out:
        for name, folder in folders.items():
            left = [row for row in given["rows"] if (name, row["id"]) not in done]
            if not left:
                continue
            worker.say({"say": f"references under {name}"})
            for loss in _losses(loading, name, Path(folder) if folder else None, left, found[name], length):
                out.write(orjson.dumps(list(loss)) + b"\n")
                out.flush()
                count += 1
                worker.say({"done": count, "total": total})


def _losses(
    loading: Loading, name: str, folder: Path | None, rows: Sequence[Any], renderer: Any, length: int
) -> Iterator[Loss]:
    import torch

    from tasks.engines import weights
    from tasks.tokenizing.encoding import encode
    from tasks.tokenizing.masks import IGNORED, Teaching

    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if loading.small and device == "cpu":
        torch.set_num_threads(1)
    fitting: list[tuple[str, list[int], list[int]]] = []
    for row in rows:
        try:
            encoded = encode([row], renderer, length, Teaching())
        except Exception as error:  # no reference may end an evaluation
            yield Loss(name, row["id"], 0, None, error.thing if isinstance(error, PonensError) else failure(error))
            continue
        if encoded.truncated:
            yield Loss(name, row["id"], 0, None, f"longer than the context of {length} tokens")
        else:
            fitting.append((row["id"], encoded.ids[0], encoded.labels[0]))
    model = weights.load(loading, folder, device) if fitting else None
    for batch in _batches(sorted(fitting, key=lambda one: -len(one[1])), _BUDGET[device]):
        width = len(batch[0][1])
        ids, labels, mask = (
            torch.tensor([row + [fill] * (width - len(row)) for row in rows], device=device)
            for rows, fill in (
                ([ids for _, ids, _ in batch], 0),
                ([labels for _, _, labels in batch], IGNORED),
                ([[1] * len(ids) for _, ids, _ in batch], 0),
            )
        )
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()  # type: ignore[misc]
        wanted = labels[:, 1:]
        learnt = wanted != IGNORED
        chosen = logits.gather(-1, wanted.clamp(min=0)[..., None])[..., 0]
        sums = ((logits.logsumexp(-1) - chosen) * learnt).sum(-1).tolist()
        for (id, _, _), total, tokens in zip(batch, sums, learnt.sum(-1).tolist(), strict=True):
            yield Loss(name, id, tokens, total / tokens)


def _batches(rows: Sequence[Any], budget: int) -> Iterator[list[Any]]:
    """Neighbours that fill at most `budget` tokens, padded to the first, which is the longest."""
    batch: list[Any] = []
    for row in rows:
        if batch and len(batch[0][1]) * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


if __name__ == "__main__":
    sys.exit(worker.work(measure, Path(sys.argv[1])))
