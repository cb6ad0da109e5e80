"""Source files as they come: which they are, and what they hold.

files([Path("data")])         data/ -> every data file in it, named relative to their common folder
hashed(files)                 each file's name, SHA-256 and size
fingerprint(files)            one digest of names and bytes
local("s3://…", cache)        what is elsewhere, brought here
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from storage import remote
from storage.artifacts import MANIFEST, sha256
from storage.records import UsageError, digest
from storage.sources.tool_catalogs import CATALOGUE, Catalogue, Description, Named, catalogue_of

TEXT = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")
SUFFIXES = (
    *TEXT,
    *(f"{suffix}{packed}" for suffix in TEXT for packed in (".gz", ".zst")),
    ".parquet",
    ".arrow",
    ".zip",
)
# schemas of databases, read along with the rows beside them
COMPANIONS = ("tables.json", "db_schema.json", "dev_tables.json", "train_tables.json", "test_tables.json")
WIKISQL = ".tables.jsonl"  # as well, beside a file of that stem
# what is no container of rows here, and what to do
_OTHERS = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "a spreadsheet: save the sheet as CSV, in UTF-8"),
    **dict.fromkeys((".pdf", ".docx", ".doc", ".epub", ".html", ".xml"), "a document: write its texts as JSON lines"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".duckdb"), "a database: write the query's rows as CSV or parquet"),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".npy", ".npz", ".h5"), "objects of Python: write them as JSON lines"),
    **dict.fromkeys(
        (".tar", ".tgz", ".rar", ".7z", ".bz2", ".xz"), "packed: unpack it, or pack it as .zip, .gz or .zst"
    ),
}
_PLAIN_TEXT = (".txt", ".txt.gz", ".txt.zst")
_SAVED = ("dataset_dict.json", CATALOGUE, "state.json", MANIFEST)  # what `datasets` and we write beside rows
_LISTED = 5  # names of a folder that an error tells
_HUB = re.compile(r"hf://(?:datasets/)?(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/]+))?(?:/(?P<below>.+))?")


def local(name: str, cache: Path) -> Path:
    """Where `name` lies on this machine: a path is itself, a URL is fetched below `cache`.

    A hub's dataset, `hf://ORG/NAME[@REVISION][/PATH]`, goes to the hub client's own cache, and is found
    there again without a network. UsageError where it cannot be had.
    """
    if not remote.is_url(name):
        return Path(os.path.expanduser(name))  # of no such user it stays, where pathlib raises
    if not name.startswith("hf://"):
        return remote.here(name, cache)
    hit = _HUB.fullmatch(name)
    if not hit:
        raise UsageError("no such hub dataset", seen=name, expected="hf://ORG/NAME or hf://ORG/NAME@REVISION/PATH")
    try:
        import huggingface_hub
    except ImportError:
        raise UsageError(f"{name} needs the hub's client", hint="pip install huggingface_hub") from None
    below = (hit["below"] or "").rstrip("/")
    wanted = [below, f"{below}/*"] if below else [f"*{suffix}" for suffix in SUFFIXES]
    try:
        folder = huggingface_hub.snapshot_download(
            hit["name"], repo_type="dataset", revision=hit["revision"], allow_patterns=wanted
        )
    except Exception as error:  # of the client, of HTTP, of the disk: all mean that it is not here
        raise UsageError(
            f"{name} was not to be had",
            seen=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            hint="check the name, the network, and HF_TOKEN if it is private",
        ) from None
    return Path(folder) / below


def elsewhere(paths: Sequence[Path]) -> list[str]:
    """What the catalogues at `paths` name that is not read, each with its reason."""
    missing: list[str] = []
    for path in paths:
        catalogue = catalogue_of(path) if path.exists() and not (path / "state.json").exists() else None
        if catalogue is not None:
            beside = [file for file in _inside(path) if file not in catalogue.files] if path.is_dir() else []
            missing += [*catalogue.elsewhere, *(f"{file.name} (the catalogue does not name it)" for file in beside)]
            missing += [remark for description in catalogue.files.values() for remark in description.remarks]
    return missing


def files(paths: Sequence[Path]) -> list[Named]:
    """The files at `paths`, each once, as (name, path); a folder stands for the data files in it.

    Of a folder count: the parts of a saved `datasets` folder; else what a catalogue in it describes, such as
    LLaMA-Factory's (see `described`; a YAML of axolotl stands for what it names); else what ends in one of
    SUFFIXES, plain text only where nothing else does; else what its subfolders hold. A name is relative to
    the folder that all files share, so that it holds on another machine. UsageError if a path is missing,
    cannot be read, or is a folder without data.
    """
    found: dict[Path, tuple[Path, Description | None]] = {}
    for path in paths:
        for file, description in _below(path):
            # links lose their name when resolved, and the hub's cache is made of them
            found.setdefault(file.resolve(), (Path(os.path.abspath(file)), description))
    if not found:
        raise UsageError("no source is named", expected="a file, a folder or a list of them", hint="set parse.path")
    common = Path(os.path.commonpath([file.parent for file, _ in found.values()]))
    return [Named.of(file.relative_to(common).as_posix(), file, described) for file, described in found.values()]


@dataclass(frozen=True, slots=True)
class Hashed:
    """A source file as it was read: its name, 64 hex digits over its bytes, their number."""

    name: str
    sha256: str
    bytes: int
    companion: bool = False


def hashed(named: Sequence[Named]) -> list[Hashed]:
    """The files, and after them the companions that are there."""
    catalogues = {file.description.catalogue for file in named if isinstance(file, Named) and file.description}
    others = {other for _, path in named for other in companions(path)} | catalogues
    beside = sorted(others - {path for _, path in named})
    found = [Hashed(name, sha256(path), path.stat().st_size) for name, path in named]
    return found + [Hashed(p.name, sha256(p), p.stat().st_size, companion=True) for p in beside if p.is_file()]


def companions(path: Path) -> list[Path]:
    """What is read along with the file at `path`, if it is there."""
    stem = path.name.removesuffix("".join(path.suffixes))
    return [*(path.parent / name for name in COMPANIONS), path.parent / f"{stem}{WIKISQL}"]


def fingerprint(files: Sequence[Hashed]) -> str:
    """64 hex digits over names and bytes of files and bytes of their companions; their order does not matter."""
    said = [[file.name, file.sha256] for file in files if not file.companion]
    return digest(sorted(said) + sorted(["", file.sha256] for file in files if file.companion))


def _below(path: Path) -> list[tuple[Path, Description | None]]:
    if not path.exists():
        raise UsageError("a source file is missing", seen=path, hint=_near(path))
    if path.is_file() and (other := _OTHERS.get(path.suffix.lower()) or _OTHERS.get("".join(path.suffixes[-2:-1]))):
        kinds = ".jsonl, .json, .csv, .tsv, .txt, .parquet, .arrow, or these as .gz, .zst, .zip"
        raise UsageError(f"{path.name} is no file of rows", seen=other, expected=kinds)
    catalogue = None if (path / "state.json").exists() else catalogue_of(path)
    if catalogue is not None:
        return _catalogued(catalogue)
    inside = _inside(path) if path.is_dir() else [path]
    if not inside:
        raise UsageError(
            "a source folder has nothing to read", seen=path, expected=f"files that end in {', '.join(SUFFIXES)}"
        )
    beside = catalogue_of(path.parent) if path.is_file() else None
    for file in inside:
        if not os.access(file, os.R_OK):
            raise UsageError("a source file cannot be read", seen=file, hint="is it there, and are you permitted?")
    return [(file, beside.files.get(file) if beside else None) for file in inside]


def _catalogued(catalogue: Catalogue) -> list[tuple[Path, Description | None]]:
    """The files that a catalogue describes; those in a folder that it names share one description."""
    found = [
        (inner, description)
        for file, description in catalogue.files.items()
        for inner in (_inside(file) if file.is_dir() else [file])
    ]
    if not found:
        raise UsageError(
            f"no file that {catalogue.path.name} names is here",
            seen="; ".join(catalogue.elsewhere[:5]),
            expected="files beside it",
            hint="a set of the hub is read by its name: hf://ORG/NAME",
        )
    return [*found]


def _near(path: Path) -> str:
    """What a path that is not there may have meant, by the names that are there."""
    folder = path.parent
    names = [one.name for one in folder.iterdir() if not one.name.startswith(".")] if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=3)
    listed = ", ".join(sorted(names)[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    where = f"{folder.resolve()} holds {listed}" if names else f"there is nothing in {folder.resolve()}"
    return f"did you mean {' or '.join(str(folder / name) for name in close)}?" if close else where


def _inside(folder: Path) -> list[Path]:
    if (folder / "state.json").exists():
        return _saved(folder)
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    here = [e for e in entries if e.is_file() and e.name.endswith(SUFFIXES) and not _beside(e.name)]
    rows = [file for file in here if not file.name.endswith(_PLAIN_TEXT)]
    folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
    return rows or here or [file for below in folders for file in _inside(below)]


def _beside(name: str) -> bool:
    return name in (*_SAVED, *COMPANIONS) or name.endswith(WIKISQL)


def _saved(folder: Path) -> list[Path]:
    """The parts that a saved dataset's state names, in its order."""
    try:
        return [folder / part["filename"] for part in orjson.loads((folder / "state.json").read_bytes())["_data_files"]]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise UsageError(
            "a datasets folder is damaged", seen=f"{folder / 'state.json'}: {error}", expected="what save_to_disk wrote"
        ) from None
