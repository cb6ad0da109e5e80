"""What doctor finds of what a shell, a company or a container sets: proxies, encoding, terminal, clock."""

from __future__ import annotations

import locale
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from storage.housekeeping.checkup import Finding
from storage.records import UsageError
from storage.remote import public
from tasks.clients import proxies

_NARROW = 60  # columns; tables of fewer wrap their words
_EPOCH = 1_735_689_600  # 2025: a clock before that was never set


def examine(environment: Mapping[str, str]) -> list[Finding]:
    """Findings about the environment; nothing is changed, and no address is called."""
    return [*_proxies(environment), _encoding(), *_terminal(), *_clock(), *_places(environment)]


def _proxies(environment: Mapping[str, str]) -> Iterator[Finding]:
    kept, lost = proxies.exceptions(environment)
    for setting in proxies.settings(environment):
        told = f"{setting.name}={public(setting.value)}"
        if setting.wrong:
            mend = f"set {setting.name} right; until then only this machine and NO_PROXY's addresses are reached"
            yield Finding("proxy", False, f"{told}: {setting.wrong}", mend)
        else:
            yield Finding("proxy", True, f"{told}; this machine is reached past it")
    if lost:
        mend = "write each host or address by itself: no range of IPv6 addresses, no letters beyond ASCII"
        yield Finding("proxy", True, f"NO_PROXY: {', '.join(lost)} cannot be read and is left out", mend)
    elif kept and proxies.settings(environment):
        yield Finding("proxy", True, f"NO_PROXY={','.join(kept)}")


def _encoding() -> Finding:
    """Files are read and written as UTF-8 in any locale; what is printed goes out as the terminal takes it."""
    out = (getattr(sys.stdout, "encoding", None) or "none").lower()
    found = f"terminal {out}, locale {locale.getpreferredencoding(False).lower()}, files utf-8"
    mend = "" if "utf" in out else "export PYTHONUTF8=1, or a UTF-8 locale: signs that the terminal lacks show as ?"
    return Finding("encoding", True, found, mend)


def _terminal() -> Iterator[Finding]:
    if sys.stdout.isatty() and (width := shutil.get_terminal_size().columns) < _NARROW:
        yield Finding("terminal", True, f"{width} columns", f"tables are easier to read from {_NARROW} columns on")


def _clock() -> Iterator[Finding]:
    if time.time() < _EPOCH:
        yield Finding("clock", False, time.strftime("%Y-%m-%d", time.gmtime()), "set the clock: TLS and limits need it")


def _places(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Folders that libraries write to whatever they are used for."""
    if not writable(place := prefect_home(environment)):
        yield Finding("prefect's home", False, f"{place} cannot be written", "set PREFECT_HOME to a folder that can")


def prefect_home(environment: Mapping[str, str]) -> Path:
    """Where Prefect keeps its database."""
    return Path(environment.get("PREFECT_HOME") or os.path.expanduser("~/.prefect")).absolute()


def writable(folder: Path) -> bool:
    """Whether a folder, or where it would be made, can be written to."""
    place = next(p for p in (folder, *folder.parents) if p.exists())
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def require(home: Path) -> None:
    """UsageError, before a server is started, unless a home can be written to."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        well = writable(home)
    except OSError:
        well = False
    if not well:
        raise UsageError("the home cannot be written", seen=home, hint="set PONENS_HOME to a folder that can be")
