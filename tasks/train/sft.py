"""Supervised fine-tuning with TRL and PEFT; heavy, runs in the child process only.

order (tasks.train.step) -> rows -> tokens -> trainer -> canary -> PEFT folder or model folder, adapter.json last
"""

from __future__ import annotations

import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors import SafetensorError
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from prompts.rendering import unmarked_thoughts
from storage.adapters.folder import ABOUT, AdapterFolder
from storage.artifacts import write_json
from storage.records import PonensError
from storage.tables.examples import read
from tasks.models import vocabulary  # fmt: skip
from tasks.runtime import worker
from tasks.tokenizing import encoding
from tasks.tokenizing import renderer as render
from tasks.tokenizing.masks import Teaching
from tasks.train import checkpoints, estimate, full_model, history, launch, loading, settings, stopping, verify_adapter
from tasks.train import trainer as loop
from tasks.train.order import TrainOrder
from tasks.train.spec import TrainSpec

_PROBES = 32
_SPACED = "two  spaces,\n    four before a line"


def train(order: TrainOrder) -> None:
    """Train as the order says and leave a whole adapter in its folder; adapter.json is written last."""
    spec, folder, start, place = order.spec, order.folder, time.monotonic(), order.base
    rows = read(order.train)
    if not rows:
        raise PonensError("the snapshot has no row to train on", seen=order.train, hint="see what assemble dropped")
    renderer = render.fit(render.load(place, spec.revision), spec.wish)
    tokenizer, rendering = renderer.tokenizer, renderer.rendering
    probes = verify_adapter.texts(rows[:_PROBES], renderer)
    plain = [vocabulary.without(rendering.added, text) for text in probes]
    verify_adapter.check_tokenizer(tokenizer, order.base_folder, plain, "that the base model's folder holds")
    if order.base_folder:
        words = [m["content"] for row in rows[:_PROBES] for m in (*row["prompt"], *row["completion"])]
        encoding.check_pieces([_SPACED, *words], tokenizer, Path(order.base_folder))
    teaching = Teaching(spec.loss, spec.learn_thinking)
    stops = stopping.tokens(place, spec, renderer)
    encode = partial(encoding.encode, leave_out=spec.long_prompts == "leave_out")
    encoded = encode(rows, renderer, spec.max_length, teaching)
    encoding.check_ends(encoded, stops, tokenizer)
    if not encoded.ids:
        raise PonensError("no row is left to train on", seen=f"{encoded.left_out} with prompts of max_length and more")
    encoding.check_share(encoded.truncated, len(encoded.ids), spec.max_truncated_share, spec.max_length)
    held_out, none = read(order.valid), encoding.Encoded([], [], 0, 0)
    valid = encode(held_out, renderer, spec.max_length, teaching) if held_out else none
    if thinking := unmarked_thoughts(rows, rendering.text):
        worker.say({"warn": f"{thinking} rows hold <think> tags, unknown to the template: they are learnt as words"})
    if encoded.left_out or valid.left_out:
        many = f"{encoded.left_out} rows, and {valid.left_out} to validate on, are left out"
        worker.say({"warn": f"{many}: their prompts alone fill max_length {spec.max_length}"})
    worker.say({"say": f"{len(encoded.ids)} rows, {encoded.trained} tokens to learn, {encoded.truncated} rows cut"})

    model = _load(order)  # only now: whatever is wrong with the rows is known
    parameters = model.num_parameters()  # before the adapter's are added
    added = tokenizer.convert_tokens_to_ids(list(rendering.added))
    vocabulary.make_room(model, added)
    trainer = make(spec, folder, tokenizer, model, encoded, valid, added)
    before = full_model.logits(trainer.model, tokenizer, probes) if spec.method == "full" else None
    done = loop.run(trainer, spec.patience)
    losses = _losses(trainer)
    valid_loss = trainer.evaluate()["eval_loss"] if valid.ids else None
    try:
        changed = _save(trainer, tokenizer, probes, order, before)
    except (OSError, SafetensorError) as error:
        raise checkpoints.unwritable(Path(trainer.args.output_dir), error) from error
    if not trainer.is_world_process_zero():
        return
    state = trainer.state
    trained = round(encoded.trained * state.epoch)
    facts = {
        "steps": state.global_step,
        "epochs": round(state.epoch, 4),
        "rows": len(encoded.ids),
        "left_out": encoded.left_out,
        "valid_rows": len(valid.ids),
        "truncated": encoded.truncated,
        "trained_tokens": trained,
        "loss": losses,
        "loss_first": losses[0]["loss"],
        "loss_last": losses[-1]["loss"],
        "valid_loss": valid_loss,
        "valid_losses": [{"step": e["step"], "loss": e["eval_loss"]} for e in state.log_history if "eval_loss" in e],
        "best_step": state.best_global_step if spec.keep_best else None,
        "trainable": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "parameters": parameters,
        "canary": changed,
        "tokens_per_second": round(trained / state.global_step * done.metrics["train_steps_per_second"]),
        "peak_memory": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
        "seconds": round(time.monotonic() - start, 1),
        "device": str(trainer.args.device),
        "machine": estimate.machine(),
    }
    libraries = {name: version(name) for name in ("torch", "transformers", "trl", "peft", "accelerate")}
    ends = [tokenizer.decode([i]) for i in sorted(stops)]
    about = order.about | {"rendering": rendering.dict()}
    about["inference"] = (about.get("inference") or {}) | {"stops": ends}
    stopping.note(folder, place, stops)
    told = {**about, "facts": facts, "history": history.rows(state), "libraries": libraries}
    write_json(folder / ABOUT, told)


def _load(order: TrainOrder, *, quantised: bool = True) -> Any:
    """The base as it is trained; of a base in 4 bits, unless `quantised`, the whole."""
    spec = order.spec if quantised else order.spec.model_copy(update={"method": "lora"})
    return loading.load(order.base, spec)


def _roomy(order: TrainOrder, adapter: Path, *, quantised: bool) -> Any:
    model = _load(order, quantised=quantised)
    vocabulary.grow(model, AdapterFolder(adapter).rows_needed)
    return model


def make(
    spec: TrainSpec,
    folder: Path,
    tokenizer: Any,
    model: Any,
    encoded: encoding.Encoded,
    valid: encoding.Encoded,
    added: list[int],
) -> loop.PackedTrainer:
    """The trainer of these rows, ready to start; `added` are the ids of tokens that the base did not know."""
    settings.threads(model.num_parameters(), spec.processes // spec.nodes)
    lengths = [len(ids) for ids in encoded.ids]
    plan = settings.plan(spec, model, lengths, encoded.trained / sum(lengths))
    config = settings.arguments(spec, folder, plan, bool(valid.ids))
    telling = loop.Telling(spec.patience)
    trainer = loop.PackedTrainer(
        packed=_collator(spec, model, tokenizer),
        model=model,
        args=config,
        data_collator=loop.Collator(tokenizer.pad_token_id, None),
        train_dataset=Dataset.from_dict({"input_ids": encoded.ids, "labels": encoded.labels}),
        eval_dataset=Dataset.from_dict({"input_ids": valid.ids, "labels": valid.labels}) if valid.ids else None,
        processing_class=tokenizer,
        peft_config=settings.lora(spec, vocabulary.trainable(model, added)),
        callbacks=[telling, *history.callbacks(spec, folder / "scratch" / history.FILE, encoded.trained)],
    )
    telling.wait = trainer.accelerator.wait_for_everyone
    if spec.method == "qlora":
        for weights in trainer.model.parameters():
            if weights.requires_grad:  # TRL halves them; small updates would round away
                weights.data = weights.data.float()
    vocabulary.show_bias(trainer.model)
    return trainer


def _collator(spec: TrainSpec, model: Any, tokenizer: Any) -> Any:
    if not spec.packing:
        return loop.Collator(tokenizer.pad_token_id, None)
    if model.config._attn_implementation == loading.FLASH:
        return DataCollatorForLanguageModeling(tokenizer.pad_token_id, padding_free=True)
    # of a shared-out model no process has all layers to try it with
    apart = launch.shards(spec.strategy) or loop.keeps_apart(model)
    if not apart:
        worker.say({"say": "rows are padded, not packed: this model's layers let packed rows see each other"})
    return loop.Collator(tokenizer.pad_token_id, settings.weight(model) if apart else None)


def _save(
    trainer: loop.PackedTrainer, tokenizer: Any, probes: list[str], order: TrainOrder, before: Any
) -> dict[str, float]:
    """Save what was trained, load it again and compare; nothing in processes other than the first."""
    spec, folder, model = order.spec, order.folder, trainer.model
    if launch.shards(spec.strategy):
        gathered = folder / "scratch" / "gathered"
        trainer.save_model(str(gathered))  # each process has a part
        if trainer.is_world_process_zero():
            model = full_model.gathered(gathered, order)
    if not trainer.is_world_process_zero():
        return {}
    if spec.method == "full":
        return full_model.save_and_check(model, tokenizer, probes, folder, order.base_folder, before)
    return verify_adapter.save_and_check(
        model, tokenizer, probes, folder, spec, lambda quantised: _roomy(order, folder, quantised=quantised)
    )


def _losses(trainer: loop.PackedTrainer) -> list[dict[str, float]]:
    losses = [{"step": e["step"], "loss": e["loss"]} for e in trainer.state.log_history if "loss" in e]
    if not losses or all(entry["loss"] == 0.0 for entry in losses):
        raise PonensError("the loss was 0 throughout: nothing was learnt", expected="a loss above 0 that falls")
    return losses
