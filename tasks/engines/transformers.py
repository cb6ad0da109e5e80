"""transformers, batched: the same work wherever vLLM does not install.

Prompts are sorted by length and padded on the left; each batch holds as many rows as fit a budget of
tokens. Adapters are merged, one subject after the other. Each row draws from its own generator, so a
vote depends on its seed and not on the batch it fell into.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from tasks.engines import weights
from tasks.engines.interface import Completion, Encoded, Loading, Reader, Request, overflow

_BUDGET = {"cpu": 1 << 16, "cuda": 1 << 17, "mps": 1 << 15}  # rows times (prompt + new tokens)
_ROWS = 512


class TransformersEngine:
    """`generate` in batches, on a GPU where there is one."""

    together = False

    def __init__(self, loading: Loading) -> None:
        import torch
        import transformers

        self.loading = loading
        self.device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        if loading.small and self.device == "cpu":
            torch.set_num_threads(1)
        length = weights.context(loading)
        self.readers = weights.readers(loading, length)
        self._subject, self._model = "base", weights.load(loading, None, self.device)
        self.facts: dict[str, Any] = {
            "engine": "transformers",
            "version": transformers.__version__,
            "device": self.device,
            "applied": "merged" if loading.adapters else "none",
            "dtype": weights.dtype(loading),
            "threads": torch.get_num_threads(),
            "max_model_len": length,
        }

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """One subject after the other; completions come batch by batch."""
        for subject in dict.fromkeys(r.subject for r in requests):
            self._become(subject)
            encoded = self.reader.encode([r for r in requests if r.subject == subject])
            yield from (overflow(e) for e in encoded if e.room < 1)
            fitting = sorted((e for e in encoded if e.room >= 1), key=lambda e: (e.allowed is None, -len(e.ids)))
            for forced, rows in groupby(fitting, key=lambda e: e.allowed is not None):
                for batch in self._batches(list(rows)):
                    yield from self._letters(batch) if forced else self._replies(batch)

    def _batches(self, rows: Sequence[Encoded]) -> Iterator[list[Encoded]]:
        batch: list[Encoded] = []
        for row in rows:
            width = len((batch or [row])[0].ids) + max(e.room for e in [*batch[:1], row])
            if batch and (len(batch) >= _ROWS or width * (len(batch) + 1) > _BUDGET[self.device]):
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch

    def _padded(self, batch: Sequence[Encoded]) -> dict[str, Any]:
        import torch

        width = max(len(e.ids) for e in batch)
        ids = [[self._pad] * (width - len(e.ids)) + e.ids for e in batch]
        mask = [[0] * (width - len(e.ids)) + [1] * len(e.ids) for e in batch]
        return {
            "input_ids": torch.tensor(ids, device=self.device),
            "attention_mask": torch.tensor(mask, device=self.device),
        }

    @property
    def reader(self) -> Reader:
        """The reader of the subject whose weights are loaded."""
        return self.readers[self._subject]

    @property
    def _pad(self) -> int:
        pad = self.reader.tokenizer.pad_token_id
        return int(self.reader.stops[0] if pad is None else pad)

    def _letters(self, batch: Sequence[Encoded]) -> Iterator[Completion]:
        import torch

        inputs = self._padded(batch)
        positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        with torch.inference_mode():
            logits = self._model(**inputs, position_ids=positions, use_cache=False).logits[:, -1].float().cpu()
        for encoded, row in zip(batch, logits, strict=True):
            yield self.reader.completion(encoded, [max(encoded.allowed or {}, key=lambda token: float(row[token]))])

    def _replies(self, batch: Sequence[Encoded]) -> Iterator[Completion]:
        import torch
        from transformers import GenerationConfig

        inputs = self._padded(batch)
        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=max(e.room for e in batch),
            eos_token_id=self.reader.stops,
            pad_token_id=self._pad,
        )
        # what the folder's own generation_config says (top_k, penalties) is not what was asked for
        self._model.generation_config = settings
        draw = _Draw(batch, self.device)
        with torch.inference_mode():
            out = self._model.generate(**inputs, generation_config=settings, logits_processor=[draw])
        stops, rows = set(self.reader.stops), out[:, inputs["input_ids"].shape[1] :].tolist()
        for encoded, row, logprobs in zip(batch, rows, draw.logprobs(), strict=True):
            end = min(next((i + 1 for i, token in enumerate(row) if token in stops), len(row)), encoded.room)
            yield self.reader.completion(encoded, row[:end], sum(logprobs[:end]))

    def _become(self, subject: str) -> None:
        if subject != self._subject:
            adapter = None if subject == "base" else self.loading.adapters[subject]
            self._model = None  # two models at once may not fit
            self._model = weights.load(self.loading, adapter, self.device)
            self._subject = subject

    def close(self) -> None:
        """Let the model go."""
        self._model = None


class _Draw:
    """Turns greedy decoding into sampling: the largest of log-probability plus Gumbel noise is a fair draw.

    The noise of a row comes from the row's own seed; a row of temperature 0 is left as it is. What is drawn is
    known here, before it is taken, and with it its log-probability at temperature 1.
    """

    def __init__(self, batch: Sequence[Encoded], device: str) -> None:
        import torch

        self.requests = [e.request for e in batch]
        self.hot = [i for i, r in enumerate(self.requests) if r.temperature > 0]
        kind = "cpu" if device == "mps" else device
        self.generators = [torch.Generator(kind).manual_seed(self.requests[i].seed) for i in self.hot]
        self.kind = kind
        self._logprobs: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores of the next token, noise added where it is to be drawn."""
        drawn = self._noisy(scores) if self.hot else scores
        chosen = scores.gather(-1, drawn.argmax(-1, keepdim=True))[:, 0].float()
        self._logprobs.append(chosen - scores.float().logsumexp(-1))
        return drawn

    def logprobs(self) -> list[list[float]]:
        """By row, the log-probability of each token drawn so far."""
        import torch

        rows: list[list[float]] = torch.stack(self._logprobs, dim=-1).tolist()
        return rows

    def _noisy(self, scores: Any) -> Any:
        import torch

        heat = torch.tensor([[self.requests[i].temperature] for i in self.hot], device=scores.device)
        logits = scores[self.hot].float() / heat
        kept = torch.tensor([[self.requests[i].top_p] for i in self.hot], device=scores.device)
        if bool((kept < 1).any()):
            logits = _nucleus(logits, kept)
        noise = torch.empty(logits.shape, device=self.kind)
        for row, generator in zip(noise, self.generators, strict=True):
            row.exponential_(generator=generator)
        drawn = scores.float().clone()
        drawn[self.hot] = logits - noise.to(scores.device).log()
        return drawn


def _nucleus(logits: Any, kept: Any) -> Any:
    """Only the likeliest tokens that together hold the share `kept`; the likeliest always stays."""
    import torch

    ordered, order = logits.sort(dim=-1, descending=True)
    shares = ordered.softmax(-1)
    dropped = shares.cumsum(-1) - shares >= kept
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), float("-inf"))
