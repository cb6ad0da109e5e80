"""vLLM in this process: one engine load for the base and all adapters.

On a GPU adapters are applied on the fly, so that all subjects are in flight together. On a CPU that
costs three times the whole generation, while changing the loaded weights in place costs hundredths
of a second: there each adapter is merged once and the subjects take turns in the same engine. After
each change the engine is asked whether it holds what it was given (`tasks.engines.weight_check`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from storage.adapters.folder import AdapterFolder
from storage.adapters.peft_config import SERVABLE_RANKS
from storage.records import PonensError
from tasks.engines import weight_check, weights
from tasks.engines.interface import Completion, Encoded, Loading, Request, overflow
from tasks.tokenizing.encoding import check_same_ids

_BLOCK = 32  # the CPU kernel's smallest: short prompts share their whole blocks
_BATCHED = 8192
_SEQUENCES = 1024  # in flight, of a small model on a CPU: its steps cost more than its rows
_LORAS = 16  # adapters in one batch: each takes its room on the device; further ones wait in memory
# the only ranks that vLLM takes as max_lora_rank


class VllmEngine:
    """`LLM` without its server processes, whose start is ten times as long."""

    def __init__(self, loading: Loading) -> None:
        import torch
        import vllm

        self.loading = loading
        cuda = torch.cuda.is_available()
        self._known = weights.vocabulary_rows(loading)
        self._own = {name: self._brought(name, folder) for name, folder in loading.adapters.items()}
        self._rows = max([self._known, *self._own.values()])
        # once a subject's head is another tensor than its embeddings, all subjects' must be
        folders, self._tied = loading.adapters.values(), weights.is_tied(loading)
        self._apart = self._tied and any(weights.unties(loading, folder) for folder in folders)
        self.together = bool(loading.adapters) and self._applied(cuda) == "on_the_fly"
        length = weights.context(loading)
        self._base = self._roomy()
        self._llm = vllm.LLM(model=self._base, tokenizer=loading.model, **self._options(length, cuda))
        self.readers = weights.readers(loading, length)
        self._checked = False
        self._loras = self._requests() if self.together else {}
        self._subject, self._first = "base", [] if self.together or not loading.adapters else self._ask()
        self.facts = {
            "engine": "vllm",
            "version": vllm.__version__,
            "device": "cuda" if cuda else "cpu",
            "applied": ("on_the_fly" if self.together else "merged") if loading.adapters else "none",
            "dtype": weights.dtype(loading),
            "threads": torch.get_num_threads(),
            "max_model_len": length,
        }

    def _brought(self, name: str, folder: Path) -> int:
        """The rows of embeddings that an adapter needs beyond the base's; 0 if it needs none."""
        own = AdapterFolder(folder)
        if not own.is_full_model:
            return own.rows_needed
        rows = weights.vocabulary_rows(self.loading, name)
        return rows if rows > self._known else 0

    def _applied(self, cuda: bool) -> str:
        """How adapters are applied; vLLM adds low ranks to known layers on the fly, and nothing else."""
        loading = self.loading
        merged = {name: why for name, at in loading.adapters.items() if (why := AdapterFolder(at).not_on_the_fly)}
        if merged and loading.applied == "on_the_fly":
            raise PonensError(
                f"vLLM cannot apply {', '.join(merged)} on the fly",
                seen="; ".join(f"{name}: {', '.join(why)}" for name, why in merged.items()),
                expected='[evaluate] adapters = "auto" or "merged"',
                hint="leave it out: the adapter is then merged into the loaded weights",
            )
        return "merged" if merged else loading.applied or ("on_the_fly" if cuda else "merged")

    def _roomy(self) -> str:
        """The base model, in a copy with rows for every adapter's tokens and a head apart where it lacks them.

        Weights change in place: no subject may have a tensor that the base has not.
        """
        if self.together or (self._rows == self._known and not self._apart):
            return self.loading.model
        return str(weights.save_merged(self.loading, None, self._merged("base"), self._rows, apart=self._apart))

    def _options(self, length: int, cuda: bool) -> dict[str, Any]:
        loading = self.loading
        options: dict[str, Any] = {
            "revision": loading.revision,
            "tokenizer_revision": loading.revision,
            "dtype": weights.dtype(loading),
            "max_model_len": length,
            "enable_prefix_caching": True,
            "disable_log_stats": True,
            "generation_config": "vllm",
            "tensor_parallel_size": loading.tensor_parallel,
            "gpu_memory_utilization": loading.gpu_memory_utilization or (0.85 if cuda else 0.3),
        }
        if not cuda:
            options |= {
                "enforce_eager": True,
                "block_size": _BLOCK,
                # a seeded request whose prompt is cut in two crashes the engine: "CPU Generator does not use offset"
                "enable_chunked_prefill": False,
                "max_num_batched_tokens": max(_BATCHED, length),
            }
        if not cuda and loading.small:
            options["max_num_seqs"] = _SEQUENCES
        if self.together:
            rank = max(AdapterFolder(folder).rank for folder in loading.adapters.values())
            options |= {
                "enable_lora": True,
                # the CPU's kernel reads "no adapter" as the last slot: one more than can be filled keeps it empty
                "max_loras": min(len(loading.adapters), _LORAS) if cuda else len(loading.adapters) + 1,
                "max_cpu_loras": len(loading.adapters) + 1,
                "max_lora_rank": next((r for r in SERVABLE_RANKS if r >= rank), rank),
            }
        return options

    def _requests(self) -> dict[str, Any]:
        from vllm.lora.request import LoRARequest

        return {
            name: LoRARequest(name, number, str(folder))
            for number, (name, folder) in enumerate(self.loading.adapters.items(), 1)
        }

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """All requests in flight at once; where weights are merged, one subject after the other."""
        subjects = [None] if self.together else list(dict.fromkeys(r.subject for r in requests))
        for subject in subjects:
            if subject is not None:
                self._become(subject)
            yield from self._drain([r for r in requests if subject in (None, r.subject)])

    def _drain(self, requests: Sequence[Request]) -> Iterator[Completion]:
        waiting: dict[str, Encoded] = {}
        self._check([r for r in requests if not self._own.get(r.subject)][:8])
        for subject in dict.fromkeys(r.subject for r in requests):
            for encoded in self.readers[subject].encode([r for r in requests if r.subject == subject]):
                if encoded.room < 1:
                    yield overflow(encoded)
                    continue
                number = str(len(waiting))
                waiting[number] = encoded
                self.begin(number, encoded)
        while waiting:
            for finished, ids, total in self.step():
                encoded = waiting.pop(finished)
                yield self.readers[encoded.request.subject].completion(encoded, ids, total)

    def begin(self, number: str, encoded: Encoded) -> None:
        """Put a request in flight, beside those that are. It must have room."""
        self._llm.llm_engine.add_request(
            number,
            {"prompt_token_ids": encoded.ids},
            self._sampling(encoded),
            lora_request=self._loras.get(encoded.request.subject),
        )

    def step(self) -> Iterator[tuple[str, list[int], float | None]]:
        """Compute a token more for what is in flight; what that finished, in tokens, and their log-probability."""
        for output in self._llm.llm_engine.step():
            if output.finished:
                said = output.outputs[0]
                yield output.request_id, list(said.token_ids), said.cumulative_logprob

    def abort(self, number: str) -> None:
        """Take a request out of flight."""
        self._llm.llm_engine.abort_request([number])

    def _check(self, requests: list[Request]) -> None:
        """PonensError if vLLM's own tokenizer, which a server would use, gives other tokens than training's."""
        for request in [] if self._checked else requests:
            reader = self.readers[request.subject]
            check_same_ids([request.prompt], reader.tokenizer, self._llm.get_tokenizer(), "of vLLM")
            self._checked = True

    def _sampling(self, encoded: Encoded) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        request = encoded.request
        if encoded.allowed is not None:
            return SamplingParams(
                temperature=0, max_tokens=1, allowed_token_ids=list(encoded.allowed), detokenize=False
            )
        sampled = request.temperature > 0
        return SamplingParams(
            temperature=request.temperature,
            top_p=request.top_p if sampled else 1.0,
            # costs nothing measurable, and makes a vote independent of its neighbours in the batch
            seed=request.seed if sampled else None,
            max_tokens=encoded.room,
            stop_token_ids=self.readers[request.subject].stops,
            # rows that are there for another adapter's tokens
            logit_bias=dict.fromkeys(range(max(self._known, self._own.get(request.subject, 0)), self._rows), -100.0)
            or None,
            detokenize=False,
            logprobs=0,  # of the drawn token alone
            flat_logprobs=True,
            output_kind=RequestOutputKind.FINAL_ONLY,  # else an output is made for every token
        )

    def _become(self, subject: str) -> None:
        """Change the loaded weights to the subject's."""
        if subject == self._subject:
            return
        adapter = self.loading.adapters.get(subject)
        if adapter is None and subject != "base":
            raise PonensError(f"no adapter {subject!r} was loaded", expected=", ".join(self.loading.adapters))
        path, noted = self._base, self._merged(subject)
        if adapter is not None:
            apart = self._apart or not self._tied
            path = str(weights.save_merged(self.loading, adapter, noted, self._rows, apart=apart))
        self._llm.collective_rpc("reload_weights", kwargs={"weights_path": path})
        if self.facts["device"] == "cpu":
            self._llm.collective_rpc(_repack)
        self._llm.reset_prefix_cache()
        self._subject = subject
        if adapter is not None:
            weight_check.check(noted, self._ask, subject, self.facts["dtype"])
        else:
            weight_check.compare(self._first, self._ask(), subject, self.facts["dtype"])

    def _ask(self, asked: Sequence[Sequence[int]] = ()) -> list[dict[int, float]]:
        """What the engine finds likely after each of these prompts, or after those of the check."""
        from vllm import SamplingParams

        prompts = asked or weight_check.prompts(self.readers["base"].tokenizer)
        found = self._llm.generate(
            [{"prompt_token_ids": list(ids)} for ids in prompts],
            SamplingParams(temperature=0, max_tokens=1, logprobs=weight_check.SEEN, detokenize=False),
            use_tqdm=False,
        )
        return [{i: p.logprob for i, p in one.outputs[0].logprobs[0].items()} for one in found]

    def _merged(self, subject: str) -> Path:
        number = ["base", *self.loading.adapters].index(subject)
        return self.loading.scratch / f"merged-{os.getpid()}-{number}"

    def close(self) -> None:
        """Remove merged weights; the engine's memory goes with the process."""
        for folder in self.loading.scratch.glob(f"merged-{os.getpid()}-*"):
            shutil.rmtree(folder, ignore_errors=True)


def _repack(worker: Any) -> None:
    """On a CPU the head multiplies by a packed copy of its weights, which reloading leaves as it was."""
    head = worker.model_runner.model.lm_head
    head.quant_method.process_weights_after_loading(head)
