"""Preference tuning with TRL and PEFT; heavy, runs in the child process only.

order (tasks.tune.step) -> rows -> tokens -> supervised adapter on its base -> trainer -> canary -> adapter.json last
"""

from __future__ import annotations

import time
from typing import Any

import torch
from peft import PeftModel

from storage.records import PonensError
from storage.tables.preferences import read
from tasks.models import vocabulary
from tasks.runtime import worker
from tasks.tokenizing import renderer as render
from tasks.tokenizing.encoding import Encoded, check_ends, check_share
from tasks.train import estimate, full_model, history, settings, stopping, verify_adapter
from tasks.train import trainer as loop
from tasks.tune import encode, finish, trainers
from tasks.tune.order import TuneOrder
from tasks.tune.plan import dealt
from tasks.tune.spec import REFERENCED

_PROBES = 32


def tune(order: TuneOrder) -> None:
    """Tune as the order says and leave a whole adapter in its folder; adapter.json is written last."""
    spec, start = order.spec, time.monotonic()
    found = read(order.train)
    if not found:
        raise PonensError("there is no preference to train on", seen=order.train, hint="see what prefer dropped")
    renderer = render.fit(render.load(order.base, spec.revision), spec.wish)
    tokenizer = renderer.tokenizer
    probes = verify_adapter.texts([_said(row) for row in found[:_PROBES]], renderer)
    stops = stopping.tokens(order.base, spec, renderer)
    encoded = _encoded(order, found, renderer)
    check_ends(Encoded([], [], 0, 0, ends=encoded.ends), stops, tokenizer)
    valid = _encoded(order, read(order.valid), renderer)
    worker.say({"say": f"{len(encoded.rows)} preferences, {encoded.trained} tokens, {encoded.truncated} replies cut"})

    trainer, parameters = make(order, tokenizer, encoded, valid)
    before = full_model.logits(trainer.model, tokenizer, probes)
    if order.tune.method in REFERENCED:
        trainers.refer(trainer, order.tune.reference)
    done = loop.run(trainer)
    valid_loss = trainer.evaluate()["eval_loss"] if valid.rows else None
    state = trainer.state
    trained = round(encoded.trained * state.epoch)
    facts = {
        "method": order.tune.method,
        "rows": len(encoded.rows),
        "valid_rows": len(valid.rows),
        "left_out": encoded.left_out,
        "alike": encoded.alike,
        "truncated": encoded.truncated,
        "trained_tokens": trained,
        "valid_loss": valid_loss,
        "rewards": rewards(history.rows(state)),
        "parameters": parameters,
        "tokens_per_second": round(trained / state.global_step * done.metrics["train_steps_per_second"]),
    }
    finish.save(trainer, order, renderer, probes, stops, before, facts, start)


def make(order: TuneOrder, tokenizer: Any, encoded: encode.Encoded, valid: encode.Encoded) -> tuple[Any, int]:
    """The trainer of these preferences over the supervised adapter, ready to start; the base's parameters."""
    spec, tune = order.spec, order.tune
    base = finish.base(order)
    parameters = base.num_parameters()
    settings.threads(parameters, 1)
    made = _plan(order, base, encoded)
    kind, configuration = trainers.kind_of(tune.method)
    config = settings.arguments(spec, order.folder, made, bool(valid.rows), configuration, trainers.own(tune))
    model = PeftModel.from_pretrained(base, str(order.adapter), is_trainable=True)
    vocabulary.show_bias(model)
    scratch = order.folder / "scratch" / history.FILE
    trainer = kind(
        model=model,
        args=config,
        train_dataset=trainers.rows(tune, encoded.rows, made.rows),
        eval_dataset=trainers.rows(tune, valid.rows, spec.batch_size) if valid.rows else None,
        processing_class=tokenizer,
        callbacks=[
            loop.Telling(),
            trainers.Watch(tune.first_loss),
            *history.callbacks(spec, scratch, encoded.trained),
        ],
    )
    trainers.drop_copy(trainer.model)
    if spec.method == "qlora":
        for weights in trainer.model.parameters():
            if weights.requires_grad:  # TRL halves them; small updates would round away
                weights.data = weights.data.float()
    return trainer, parameters


def rewards(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """What the rewards were at the first and the last step that was logged, by their names."""
    names = sorted({name for row in rows for name in row if name.startswith(("reward", "margin", "kl"))})
    series = {name: [row[name] for row in rows if name in row] for name in names}
    return {name: [values[0], values[-1]] for name, values in series.items()}


def _encoded(order: TuneOrder, rows: list[dict[str, Any]], renderer: render.Renderer) -> encode.Encoded:
    spec = order.spec
    found = encode.encode(rows, renderer, spec.max_length, leave_out=spec.long_prompts == "leave_out")
    if rows and not found.rows:
        raise PonensError(
            "no preference is left to train on",
            seen=f"{found.left_out} with prompts of max_length and more, {found.alike} alike within max_length",
            hint="set [tune] max_length higher",
        )
    check_share(found.truncated, found.replies, spec.max_truncated_share, spec.max_length)
    for count, why in (
        (found.left_out, f"their prompts alone fill max_length {spec.max_length}"),
        (found.alike, "their two replies are alike up to max_length"),
    ):
        if count:
            worker.say({"warn": f"{count} preferences are left out: {why}"})
    return found


def _plan(order: TuneOrder, base: Any, encoded: encode.Encoded) -> settings.Plan:
    told = dealt(order.spec, encoded)
    largest = estimate.Pass(told["cells"], told["cells"], torch.cuda.is_available())
    twice = settings.recomputes(order.spec, base, largest)
    return settings.Plan(order.spec.batch_size, told["passes_a_step"], told["steps"], twice)


def _said(row: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": row["prompt"], "completion": row["chosen"] or row["rejected"]}
