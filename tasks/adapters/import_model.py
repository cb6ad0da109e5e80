"""import: a GGUF file -> a base model in the home, `models/NAME/`, converted once.

import_model(Path("SmolLM2-135M.Q4_1.gguf"), home, name="smollm2")     the folder
base("model.gguf", home)                                               what a recipe's base_model means in this home
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from storage import base_models
from storage.artifacts import write_json
from storage.home import Home
from storage.records import UsageError
from tasks.models import base_models as models
from tasks.runtime import process

Dtype = Literal["float32", "bfloat16"]
Report = Callable[[str], None]


def import_model(
    file: Path, home: Home, *, name: str, tokenizer: Path | None = None, dtype: Dtype = "float32",
    report: Report = lambda line: None,
) -> Path:  # fmt: skip
    """The folder of the model; made only once for a file, whatever the file is called.

    `tokenizer` is a folder with the model's own tokenizer.json, for a file whose rule is not known here. UsageError if
    no base can be made of the file, if another model has that name, or if there is no room for it.
    """
    if not file.is_file():
        raise UsageError(f"there is no file {file}", expected="a GGUF file")
    place, identity = base_models.folder(home, name), models.fingerprint(file)
    with home.lock(f"model-{name}"):
        if known := base_models.described(place):
            if known["file_identity"] == identity and known["dtype"] == dtype:
                return place
            raise UsageError(
                f"model {name!r} is there already",
                seen=f"{known['file']} in {known['dtype']}",
                expected=f"{file.name} in {dtype}",
                hint="choose another --name",
            )
        _enough_room(file, home, dtype)
        _convert(file, place, identity, tokenizer, dtype, report)
    return place


def base(base_model: str, home: Home, report: Report = lambda line: None) -> str:
    """The folder that a GGUF file or an imported model's name stands for, imported if need be; all else as given."""
    if base_model.lower().endswith(".gguf"):
        file = Path(os.path.expanduser(base_model))
        if not file.is_file():
            raise UsageError(f"base model {base_model!r} is not there", seen=f"no file {file.absolute()}")
        return str(import_model(file, home, name=_name(file, home), report=report))
    if base_model in base_models.names(home) and not Path(base_model).is_dir():
        return str(base_models.folder(home, base_model))
    return base_model


def _name(file: Path, home: Home) -> str:
    """The name under which this very file was imported; else one made of the file's, free in this home."""
    identity = models.fingerprint(file)
    for name in base_models.names(home):
        if base_models.about(home, name)["file_identity"] == identity:
            return name
    plain = re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("-._")[:50] or "model"
    return f"{plain}-{identity[:8]}" if plain in base_models.names(home) else plain


def _convert(
    file: Path, place: Path, identity: str, tokenizer: Path | None, dtype: Dtype, report: Report
) -> None:  # fmt: skip
    aside = place.with_name(f".{place.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    order = aside / "order.json"
    about: dict[str, Any] = {}

    def on_message(message: dict[str, Any]) -> None:
        about.update(message.get("about", {}))
        if line := message.get("say"):
            report(str(line))

    write_json(order, {
        "file": str(file.resolve()), "out": str(aside / "model"), "dtype": dtype,
        "tokenizer": str(tokenizer.resolve()) if tokenizer else None,
    })  # fmt: skip
    try:
        process.run(
            [sys.executable, "-m", "tasks.gguf.convert", str(order)],
            log=aside / "log.txt",
            hear=on_message,
            what="the import",
            relief="take --dtype bfloat16",
        )
        about |= {"name": place.name, "file": file.name, "file_identity": identity}
        about |= {"transformers": version("transformers"), "at": datetime.now(UTC).isoformat(timespec="seconds")}
        write_json(aside / "model" / base_models.ABOUT, about)
        (aside / "model").rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _enough_room(file: Path, home: Home, dtype: Dtype) -> None:
    from tasks.gguf.header import read

    needed = read(file).parameters * (4 if dtype == "float32" else 2)
    home.models.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home.models).free
    if needed > free:
        raise UsageError(
            f"there is no room for {file.name} as {dtype}",
            seen=f"{free / 1e9:.1f} GB free in {home.models}",
            expected=f"{needed / 1e9:.1f} GB",
            hint="free some space, take --dtype bfloat16, or set PONENS_HOME",
        )
