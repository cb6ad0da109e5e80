"""Does an adapter fit a base model? Held against the headers of the base's weights; nothing is loaded.

    misfit(look("somewhere/adapter"), Path("recipes/demo_base"))    None, or what does not fit, as a Misfit

The modules that it has matrices for must be those that its configuration names in this base, each matrix of the
layer's size, and every further tensor must stand for one of the base's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import orjson

from storage.adapters.peft_config import targets
from storage.adapters.peft_folder import EXPERTS, Peft, shapes_of

_EXPERT = re.compile(r"(?P<experts>.*\.experts)\.(?P<number>\d+)\.(?P<part>[^.]+)")
_NUMBER = re.compile(r"\.(\d+)\.")
_OTHER_TOWERS = re.compile(r"(^|\.)(vision|visual|audio|image|mtp)[^.]*\.")


class Misfit(NamedTuple):
    """What does not fit: the tensor or module, what was seen of it, what was expected."""

    what: str
    seen: str
    expected: str


class Layers:
    """A base model's tensors by name, as its files have them. A head that is not saved is the embedding, turned."""

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.glob("*.safetensors"))
        self.shapes = {name: shape for file in files for name, shape in shapes_of(file).items()}
        config = orjson.loads((folder / "config.json").read_bytes())
        self.count = {**config, **(config.get("text_config") or {})}.get("num_hidden_layers")

    def shape(self, tensor: str) -> tuple[int, ...] | None:
        """The size of a tensor by the name that a loaded model has for it; the file's prefix may be another."""
        if (exact := self.shapes.get(tensor)) is not None:
            return exact
        ends = [n for n in self._by_end.get(_tail(tensor), []) if tensor.endswith(f".{n}") or n.endswith(f".{tensor}")]
        if not ends and tensor.endswith("lm_head.weight"):
            return self.embedding
        return self.shapes[ends[0]] if len(ends) == 1 else None

    @property
    def embedding(self) -> tuple[int, ...] | None:
        """Rows and width of the embeddings."""
        names = (
            "embed_tokens.weight",
            "wte.weight",
            "word_embeddings.weight",
            "embed_in.weight",
            "tok_embeddings.weight",
        )
        return next((shape for name, shape in self.shapes.items() if name.endswith(names)), None)

    @property
    def modules(self) -> Iterator[str]:
        """The layers that matrices can stand on, by their names in the files; none beyond the model's depth."""
        for name, shape in self.shapes.items():
            number = _NUMBER.search(name)
            deeper = number and self.count and int(number[1]) >= int(self.count)
            if len(shape) == 2 and name.endswith(".weight") and not deeper:
                yield name.removesuffix(".weight")

    @property
    def named(self) -> set[str]:
        """All modules with weights of two dimensions, and the fused ones that experts become when they are loaded."""
        fused = {f"{holder}.{part}" for holder in self.experts for part in ("gate_up_proj", "down_proj")}
        return {*self.modules, *fused}

    @cached_property
    def experts(self) -> dict[str, tuple[int, list[frozenset[int]]]]:
        """By the module that holds them: how many experts, and the sizes that their matrices have once put together."""
        found: dict[str, tuple[int, list[frozenset[int]]]] = {}
        for name, shape in self.shapes.items():
            if match := _EXPERT.fullmatch(name.removesuffix(".weight")):
                count, sizes = found.get(match["experts"], (0, []))
                doubled = frozenset((2 * shape[0], shape[-1]))  # gate and up lie in one
                found[match["experts"]] = max(count, int(match["number"]) + 1), [*sizes, frozenset(shape), doubled]
            elif ".experts." in name and len(shape) == 3:
                holder = name.rpartition(".")[0]
                found[holder] = shape[0], [*found.get(holder, (0, []))[1], frozenset(shape[1:])]
        return found

    @cached_property
    def _by_end(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.shapes:
            found.setdefault(_tail(name), []).append(name)
        return found


def misfit(peft: Peft, base: Path) -> Misfit | None:
    """The first thing about an adapter that does not fit the base in this folder; None if all of it does."""
    layers = Layers(base)
    found = (_matrices(peft, layers), _further(peft, layers), _lacking(peft, layers))
    return next((one for some in found for one in some), None)


def _matrices(peft: Peft, layers: Layers) -> Iterator[Misfit]:
    for module, (a, b) in peft.matrices.items():
        seen = f"A {list(a)}, B {list(b)}"
        if EXPERTS.search(module):
            yield from _fused(module, a, b, layers)
            continue
        layer = layers.shape(f"{module}.weight")
        turned = module in peft.embeddings or bool(peft.config.get("fan_in_fan_out"))
        if layer != ((a[1], b[0]) if turned else (b[0], a[1])):
            yield Misfit(module, seen, f"a layer of {list(layer)}" if layer else "a layer of that name")
        if module in peft.biased and layers.shape(f"{module}.bias") is None:
            yield Misfit(
                f"{module}.lora_B.bias", "lora_bias", "a layer with a bias: nothing merges it into one without"
            )


def _fused(module: str, a: tuple[int, ...], b: tuple[int, ...], layers: Layers) -> Iterator[Misfit]:
    holder = module.removesuffix(".base_layer")
    ends = [known for known in layers.experts if known == holder or holder.endswith(f".{known}")]
    if not ends:
        yield Misfit(module, f"A {list(a)}, B {list(b)}", "a layer of experts of that name")
        return
    count, sizes = layers.experts[ends[0]]
    if a[0] % count or frozenset((a[1], b[0])) not in sizes:
        expected = f"rank times {count} experts, and " + " or ".join(str(sorted(size)) for size in {*sizes})
        yield Misfit(module, f"A {list(a)}, B {list(b)}", expected)


def _further(peft: Peft, layers: Layers) -> Iterator[Misfit]:
    for name, size in peft.further.items():
        plain = name.replace(".base_layer.", ".").replace(".modules_to_save.", ".").replace(".original_module.", ".")
        if name.endswith("trainable_tokens_delta"):
            wide = (layers.embedding or (0, size[-1]))[1]
            if size[-1] != wide:
                yield Misfit(name, str(list(size)), f"rows of {wide}")
            continue
        module, _, _ = plain.partition(".lora_magnitude_vector")
        if module != plain:
            layer = layers.shape(f"{module}.weight")
            if layer is None or size[-1] not in layer:
                yield Misfit(name, str(list(size)), f"lengths for {list(layer)}" if layer else "a layer of that name")
            continue
        known = layers.shape(plain)
        if known != size:
            yield Misfit(name, str(list(size)), f"the base's {list(known)}" if known else "a tensor that the base has")


def _lacking(peft: Peft, layers: Layers) -> Iterator[Misfit]:
    """Modules that the configuration names in this base and the file has nothing for, and the other way about."""
    config, has = peft.config, set(peft.matrices)
    # a tied end that PEFT adapted as well, the experts, and what else target_parameters means, is named by no module
    beside = config.get("target_parameters") or config.get("ensure_weight_tying")
    for module in () if beside else has:
        if not targets(config, module) and not _EXPERT.fullmatch(module) and not EXPERTS.search(module):
            yield Misfit(f"matrices for {module}", "a module that target_modules does not name", str(_wish(config)))
    fused = {module for module in has if EXPERTS.search(module)}
    for end in {module.rpartition(".experts")[2] for module in fused}:
        lack = [h for h in layers.experts if not _there(h + end, fused, {*map(_tail, fused)})]
        if lack:
            yield Misfit(f"{lack[0]} has no matrices", f"{len(lack)} layers of experts without", "all of them, or none")
    towers = any(_OTHER_TOWERS.search(module) for module in has)
    tails = {_tail(module) for module in has}
    named = [m for m in layers.modules if targets(config, m) and (towers or not _OTHER_TOWERS.search(m))]
    lack = [m for m in named if not _there(m, has, tails) and not (fused and _EXPERT.fullmatch(m))]
    if lack:
        yield Misfit(f"{lack[0]} has no matrices", f"{len(lack)} of {len(named)} modules without", str(_wish(config)))
    for whole in config.get("modules_to_save") or []:
        if not any(re.search(rf"{re.escape(whole)}(\.|$)", name) for name in peft.further):
            yield Misfit(f"{whole} is not in the file", "modules_to_save names it", "its whole weights")
    if config.get("trainable_token_indices") and not any("trainable_tokens" in name for name in peft.further):
        yield Misfit("the tokens' rows are not in the file", "trainable_token_indices names them", "their rows")


def _there(module: str, has: set[str], tails: set[str]) -> bool:
    if module in has:
        return True
    return _tail(module) in tails and any(m.endswith(f".{module}") or module.endswith(f".{m}") for m in has)


def _wish(config: Mapping[str, object]) -> str:
    said = {name: config.get(name) for name in ("target_modules", "exclude_modules", "layers_to_transform")}
    return "the modules of " + ", ".join(f"{name} {value}" for name, value in said.items() if value)


def _tail(name: str) -> str:
    """The last three parts of a name: no prefix reaches so far."""
    return ".".join(name.split(".")[-3:])
