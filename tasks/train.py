"""train: snapshot + base model -> LoRA adapter NAME/N (a PEFT folder, and adapter.json for people).

    step(TrainSpec(base_model="recipes/demo_base"), "logic", snapshot, home)

The work runs in a child process, `accelerate launch -m tasks.trainer`: memory is given back, several
devices are a setting, and a kill is clean. Its checkpoints stay in the work folder until the adapter
is whole, so the same command goes on from the newest of them.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from storage import adapters as registry
from storage.adapters import ABOUT, SERVABLE_RANKS, check_name
from storage.artifacts import read_manifest, sha256, write_json
from storage.home import Home
from storage.records import Receipt, UsageError, digest
from tasks import child, models
from tasks.step import Result, Step, Tick, Workshop, of
from tasks.training import estimate as sizes
from tasks.training import launch, presets, tokens, tracking

if TYPE_CHECKING:
    from tasks import trainer as _  # noqa: F401  # never imported here, but its code is part of the step's key

log = logging.getLogger("ponens")

SCRATCH = "scratch"
# of the spec, what leaves the adapter as it is
_SHAPELESS = {
    "preset", "save_steps", "gradient_checkpointing", "max_truncated_share", "packing", "offload", "report_to",
}  # fmt: skip


class TrainSpec(BaseModel):
    """Settings of a training run; the defaults suit a 7B model on one 24 GB GPU.

    What the user leaves out is filled in by the preset, then by the method (`tasks.training.presets`), so that the
    resolved recipe shows every value that was used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Literal["8gb", "24gb", "80gb"] | None = Field(
        None, description="Memory of one GPU: sets what you leave out, for a model of 7B parameters."
    )

    base_model: str = Field(description="Folder or hub name of the base model, spelled as it will be served.")
    revision: str | None = Field(None, description="Commit or tag of a hub's model; pin it to be sure of the weights.")
    method: Literal["lora", "qlora", "full"] = Field(
        "lora", description="How: an adapter, an adapter on a base held in 4 bits, or all weights."
    )
    rank: int = Field(16, ge=1, description="Rank of the adapter's matrices; one of those that vLLM serves.")
    alpha: float | None = Field(None, gt=0, description="Scale of the adapter, over rank; twice the rank if not given.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout before the adapter's matrices.")
    use_rslora: bool = Field(False, description="Scale by alpha over the root of the rank (rsLoRA).")
    use_dora: bool = Field(False, description="Learn the columns' lengths apart from their directions (DoRA).")
    target_modules: Literal["all-linear"] | list[str] = Field(
        "all-linear", description="Layers to adapt: all linear ones but the head, or names such as q_proj."
    )
    modules_to_save: list[str] = Field(
        [], description="Modules trained whole and saved with the adapter, such as lm_head."
    )
    neftune_alpha: float | None = Field(None, gt=0, description="Noise on the embeddings while training (NEFTune).")
    loss: Literal["completion"] = Field("completion", description="Which tokens teach: those of the completion.")
    epochs: float = Field(3, gt=0, description="Passes over the snapshot.")
    max_steps: int | None = Field(None, ge=1, description="Stop after so many optimizer steps, whatever the epochs.")
    learning_rate: float = Field(2e-4, gt=0, description="Highest learning rate; 2e-5 by default for all weights.")
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        "cosine", description="Course of the learning rate after the warm-up."
    )
    warmup: float = Field(0.03, ge=0, description="Warm-up: below 1 a share of all steps, else a number of steps.")
    batch_size: int = Field(4, ge=1, description="Rows a device takes at once.")
    gradient_accumulation: int = Field(4, ge=1, description="Batches added up before each optimizer step.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of AdamW.")
    adam_beta2: float = Field(0.999, gt=0, lt=1, description="Second beta of AdamW.")
    max_grad_norm: float = Field(1.0, ge=0, description="Gradients are clipped to this norm; 0 is no clipping.")
    max_length: int = Field(2048, ge=8, description="Tokens of prompt and completion; a longer row is cut.")
    max_truncated_share: float = Field(0.05, ge=0, le=1, description="Fail if a larger share of rows is cut.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Numbers of the base model; auto is bfloat16 on a GPU that has it, else float32."
    )
    attn_implementation: Literal["auto", "flash_attention_2", "sdpa", "eager"] = Field(
        "auto", description="Attention; auto is FlashAttention where it is installed, else the model's default."
    )
    packing: bool = Field(
        True, description="Lay a step's rows side by side instead of padding them; each still sees itself alone."
    )
    optimizer: Literal["auto", "adamw_torch", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit"] = Field(
        "auto", description="AdamW; auto is paged and in 8 bits for qlora on a GPU, else plain."
    )
    gradient_checkpointing: bool | None = Field(
        None, description="Less memory for more time; if not given, on where the estimate says that it must be."
    )
    seed: int = Field(0, ge=0, description="Seed of the adapter's start, the order of rows and dropout.")
    save_steps: int = Field(200, ge=1, description="Steps between checkpoints.")
    eval_steps: int | None = Field(None, ge=1, description="Steps between looks at the validation loss; none if unset.")
    keep_best: bool = Field(False, description="Keep the weights of the lowest validation loss, not the last ones.")
    patience: int | None = Field(
        None, ge=1, description="Stop after so many looks at the validation loss without a lower one."
    )
    processes: int = Field(1, ge=1, description="Processes of accelerate launch, one a device.")
    report_to: list[tracking.Tracker] = Field(
        ["mlflow"], description="Who is told of the training: mlflow, wandb, tensorboard; none tells nobody."
    )
    strategy: Literal["ddp", "fsdp2", "zero2", "zero3"] = Field(
        "ddp", description="What several processes share: nothing, or (fsdp2, zero3) weights and optimizer."
    )
    offload: bool = Field(False, description="Keep shards in main memory: slower, for models that fit no other way.")

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        return presets.fill(given) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _fitting(self) -> TrainSpec:
        if wrong := presets.conflict(self):
            raise ValueError(wrong)
        return self


def step(spec: TrainSpec, name: str, snapshot: Receipt, recipe: str = "") -> Step:
    """The step that makes the next version of adapter `name`; `recipe`, resolved, is what trackers are told of it.

    UsageError, before anything is loaded, for a name or rank that cannot be served, or a base model that is not there.
    """
    check_name(name)
    if spec.method != "full" and spec.rank not in SERVABLE_RANKS:
        raise UsageError(
            "[train] rank cannot be served by vLLM",
            seen=spec.rank,
            expected=f"one of {', '.join(map(str, SERVABLE_RANKS))}",
        )
    settings = spec.model_dump(exclude=_SHAPELESS) | {
        "name": name,
        "alpha": spec.alpha or 2.0 * spec.rank,
        "base_model": models.spelling(spec.base_model),
    }
    base = models.identity(spec.base_model, spec.revision)
    return Step(
        name="train",
        module=__name__,
        settings=settings,
        inputs={"snapshot": of(snapshot), "base_model": base},
        work=lambda shop: _work(spec, settings, base, snapshot, recipe, shop),
        shelf=f"adapters/{name}",
        numbered=True,
    )


def estimate(spec: TrainSpec, home: Home, snapshot: Receipt) -> dict[str, Any]:
    """What training would take; only the tokenizer is loaded. UsageError if the base is not on this machine."""
    place = models.snapshot(spec.base_model, spec.revision)
    values = spec.model_dump()
    rows = pl.read_parquet(home.root / snapshot.artifact / "train.parquet", columns=["id", "prompt", "completion"])
    encoded = tokens.encode(rows.to_dicts(), models.load_tokenizer(place), spec.max_length)
    lengths = [len(ids) for ids in encoded.ids]
    told, shape, (device, room) = sizes.steps(lengths, values), sizes.read(place), sizes.device()
    cells = told.pop("cells")
    largest = sizes.Pass(cells, math.ceil(cells * encoded.trained / sum(lengths)), device != "CPU")
    twice = spec.gradient_checkpointing
    if twice is None:
        twice = room is not None and sizes.needs_checkpointing(shape, values, largest, room)
    memory = sizes.memory(shape, values, largest, checkpointing=twice)
    learnt = round(encoded.trained * told["steps"] * told["rows_a_step"] / len(lengths))
    earlier = [f"{name}/{number}" for name in registry.names(home) for number in registry.versions(home, name)]
    past = [registry.about(registry.resolve(home, reference)) for reference in earlier]
    known = sizes.speed(past, models.identity(spec.base_model, spec.revision), values)
    return {
        "base_model": models.spelling(spec.base_model),
        "method": spec.method,
        "device": device,
        "room": room,
        "fits": None if room is None else memory["total"] <= room,
        "memory": memory,
        "parameters": shape.parameters,
        "trainable": shape.parameters if spec.method == "full" else sizes.adapter(shape, values),
        "gradient_checkpointing": twice,
        **told,
        "rows": len(lengths),
        "truncated": encoded.truncated,
        "tokens": sum(lengths),
        "trained_tokens": learnt,
        "seconds": round(learnt / known[0]) if known else None,
        "measured_by": known[1] if known else None,
    }


def _work(
    spec: TrainSpec, settings: Mapping[str, Any], base: str, snapshot: Receipt, recipe: str, shop: Workshop
) -> Result:
    tracking.check(spec.report_to)
    about = shop.folder / ABOUT
    order = _order(spec, settings, base, snapshot, shop)
    followed = _followed(order, snapshot, recipe, shop)
    with tracking.following(spec.report_to, followed, shop.folder / SCRATCH / "mlflow", shop.home) as told:
        if not about.exists():  # else a kill came between the training's end and the publishing
            _train(spec, order, shop)
    if run := told.get("run_id"):
        write_json(
            about, orjson.loads(about.read_bytes()) | {"mlflow": {"run_id": run, "uri": tracking.store(shop.home)}}
        )
    shutil.rmtree(shop.folder / SCRATCH, ignore_errors=True)
    facts: dict[str, Any] = orjson.loads(about.read_bytes())["facts"]
    return Result(facts, identity=content(shop.folder))


def content(adapter: Path) -> str:
    """Digest of what an adapter does: weights, configuration, tokenizer and template, not times or notes."""
    apart = {ABOUT, "manifest.json", "README.md"}
    return digest({p.name: sha256(p) for p in sorted(adapter.iterdir()) if p.is_file() and p.name not in apart})


def _order(
    spec: TrainSpec, settings: Mapping[str, Any], base: str, snapshot: Receipt, shop: Workshop
) -> dict[str, Any]:
    source = shop.home.root / snapshot.artifact
    told = read_manifest(source).get("facts", {})
    return {
        "spec": spec.model_dump() | {"alpha": settings["alpha"], "base_model": settings["base_model"]},
        "base_folder": str(models.folder(spec.base_model) or ""),
        "train": str(source / "train.parquet"),
        "valid": str(source / "valid.parquet"),
        "folder": str(shop.folder),
        "about": {
            "base_model": settings["base_model"],
            "revision": spec.revision,
            "base_identity": base,
            "snapshot": snapshot.digest,
            "prompt": told.get("prompt"),
            "settings": dict(settings),
            # greedy, and no longer than anything that was learnt
            "inference": {
                "question": told.get("question_template"),
                "temperature": 0.0,
                "top_p": 1.0,
                "max_new_tokens": spec.max_length,
                "seed": 0,
            },
        },
    }


def _followed(order: Mapping[str, Any], snapshot: Receipt, recipe: str, shop: Workshop) -> dict[str, Any]:
    about = order["about"]
    name = about["settings"]["name"]
    key = shop.folder.name.rpartition("-")[2]
    rows = (snapshot.facts.get("rows") or {}).get("train", 0)
    return {
        "experiment": name,
        "run_name": f"{name}-{key[:8]}",
        "key": key,
        "params": tracking.public(about["settings"]) | {"base_identity": about["base_identity"]},
        "recipe": tracking.public(orjson.loads(recipe)) if recipe else None,
        "dataset": {"name": name, "digest": snapshot.digest, "path": str(Path(order["train"]).parent), "rows": rows},
        "history": str(shop.folder / SCRATCH / "history.json"),
        "adapter": str(shop.folder),
        "base_folder": order["base_folder"],
    }


def _train(spec: TrainSpec, order: Mapping[str, Any], shop: Workshop) -> None:
    scratch = shop.folder / SCRATCH
    write_json(scratch / "order.json", order)

    def hear(message: dict[str, Any]) -> None:
        if text := message.get("say"):
            log.info("train: %s", text)
        if text := message.get("warn"):
            log.warning("train: %s", text)
        if "step" in message:
            loss = message.get("loss")
            note = f"loss {loss:.3f}" if isinstance(loss, float) and math.isfinite(loss) else ""
            shop.progress(Tick(message["step"], message["total"], "steps", note))

    child.run(
        launch.command(spec, scratch / "order.json"),
        log=scratch / "train.log",
        hear=hear,
        what="training",
        relief="set a smaller batch_size or max_length, or gradient_checkpointing",
        environment=({"HF_HUB_OFFLINE": "1"} if order["base_folder"] else {})
        | tracking.surroundings(shop.home, order["about"]["settings"]["name"], shop.folder.name.rpartition("-")[2]),
    )
