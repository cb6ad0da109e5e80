"""Files in one .tar.zst, with their sizes and digests listed at its end: whole, or not an archive.

    with creating("s3://bucket/x.tar.zst") as sink: index = pack(sink, [(name, path), …], {"made_at": …})
    with opening("x.tar.zst") as source:            index = unpack(source, folder, "x.tar.zst")

Both stream: memory does not grow with the files, and nothing but the archive itself is written. tar and zstd read it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

import orjson
import pyarrow as pa

from storage import remote
from storage.records import PonensError, UsageError

SUFFIX = ".tar.zst"
INDEX = "ponens-archive.json"
Index = dict[str, Any]  # "files": {name: {"bytes", "sha256"}}, and whatever was said about them


def pack(sink: IO[bytes], members: Iterable[tuple[str, Path]], about: Mapping[str, Any]) -> Index:
    """Write files under their names, as much of each as it holds when its turn comes; the index that ends the archive.

    A file that is gone by then is left out. OSError as `sink` raises it.
    """
    files: dict[str, Any] = {}
    with (
        pa.CompressedOutputStream(pa.PythonFile(_Lent(sink), mode="w"), "zstd") as packed,
        closing(tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT)) as archive,
    ):
        for name, path in members:
            with suppress(FileNotFoundError), path.open("rb") as file:
                files[name] = _add(archive, name, file, os.fstat(file.fileno()))
        index = {**about, "files": files}
        text = orjson.dumps(index)
        last = tarfile.TarInfo(INDEX)
        last.size = len(text)
        archive.addfile(last, io.BytesIO(text))
    return index


def unpack(source: IO[bytes], folder: Path, name: str) -> Index:
    """Every file of an archive below `folder`, held against the index, which is returned; `name` is for messages.

    PonensError for an archive that is torn or damaged, or that would write elsewhere; OSError for a full disk.
    """
    found: dict[str, Any] = {}
    index: Index | None = None
    try:
        with (
            pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd") as packed,
            closing(tarfile.open(fileobj=packed, mode="r|")) as archive,
        ):
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is None or not _inside(member.name):
                    raise _damaged(name, f"{member.name!r}", "plain files, inside the folder")
                if member.name == INDEX:
                    index = orjson.loads(content.read())
                else:
                    found[member.name] = _write(content, member, folder / member.name)
    except (tarfile.TarError, pa.ArrowException, EOFError, orjson.JSONDecodeError) as error:
        raise _damaged(name, error) from None
    except OSError as error:
        if error.errno is not None:  # the disk's word; Arrow's on a torn stream has none
            raise
        raise _damaged(name, error) from None
    if index is None:
        raise _damaged(name, f"{len(found)} files, and no list of them at the end")
    listed = index["files"]
    if wrong := [file for file in {**listed, **found} if listed.get(file) != found.get(file)]:
        raise _damaged(name, f"{len(wrong)} files are not what they were, the first {wrong[0]}")
    return index


@contextmanager
def creating(place: str) -> Iterator[IO[bytes]]:
    """A new file at a path or URL, under another name until the block has ended well.

    UsageError if there is one already, PonensError if the disk is full or the store refuses.
    """
    if remote.is_url(place):
        with _stored(place) as sink:
            yield sink
        return
    path = Path(place)
    if path.exists():
        raise _taken(place)
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    except OSError as error:
        raise refused(f"{path} cannot be written", error, path.parent) from None
    finally:
        with suppress(OSError):
            aside.unlink()


@contextmanager
def opening(place: str) -> Iterator[IO[bytes]]:
    """The file at a path or URL. UsageError if there is none, PonensError if the store cannot be reached."""
    try:
        if not remote.is_url(place):
            with open(place, "rb") as file:
                yield file
            return
        store, path = remote.opened(place)
        with store.open(path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise UsageError("there is no such archive", seen=remote.public(place)) from None


def refused(thing: str, error: OSError, folder: Path) -> PonensError:
    """What a disk did not do, and how much room there is in `folder`."""
    room = f"; {shutil.disk_usage(folder).free >> 20:,} MiB free in {folder}" if folder.exists() else ""
    full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
    hint = "make room and run the same command" if full else "nothing was changed"
    return PonensError(thing, seen=f"{error}{room}", hint=hint)


@contextmanager
def _stored(url: str) -> Iterator[IO[bytes]]:
    store, path = remote.opened(url)
    aside = f"{path}.part"
    try:
        if store.exists(path):
            raise _taken(remote.public(url))
        store.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            with store.open(aside, "wb") as file:
                yield file
            store.mv(aside, path)
        except BaseException:
            with suppress(OSError):
                store.rm(aside)
            raise
    except OSError as error:
        raise remote.unreachable(url, error) from None


def _taken(place: str) -> UsageError:
    return UsageError(f"{place} is there already", expected="a new file, or a folder", hint="give another name")


def _add(archive: tarfile.TarFile, name: str, file: IO[bytes], stat: os.stat_result) -> dict[str, Any]:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = stat.st_size, stat.st_mtime, stat.st_mode & 0o777
    reader = _Hashed(file)
    archive.addfile(member, reader)
    return {"bytes": member.size, "sha256": reader.digest.hexdigest()}


def _write(content: IO[bytes], member: tarfile.TarInfo, path: Path) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    reader = _Hashed(content)
    with path.open("xb") as file:
        shutil.copyfileobj(reader, file, 1 << 20)
    path.chmod(member.mode & 0o777)
    os.utime(path, (member.mtime, member.mtime))
    return {"bytes": member.size, "sha256": reader.digest.hexdigest()}


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _damaged(name: str, seen: object, expected: str = "a whole archive") -> PonensError:
    hint = "name what `ponens backup` wrote, or take another backup"
    return PonensError(f"{name} is torn or damaged, or no archive", seen=seen, expected=expected, hint=hint)


class _Lent:
    """A file to write to that is not closed by whoever it is lent to."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.write, self.flush = file.write, file.flush

    def close(self) -> None:
        pass


class _Hashed:
    """Passes on what is read, and takes its SHA-256."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block
