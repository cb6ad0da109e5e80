"""Proxies of the environment: none to this very machine, and one that cannot be used is told of before it is needed.

    os.environ.update(settled(os.environ))     # `flows.offline`, before any library reads them; children inherit it
    check("https://api.openai.com/v1")         # UsageError if that goes through a proxy that cannot be used

HTTP libraries agree on little here. Most send requests to 127.0.0.1 through a proxy unless NO_PROXY says otherwise;
httpx refuses to make any client at all where a SOCKS proxy is set and `socksio` is missing, or where NO_PROXY holds an
IPv6 address in brackets. So a proxy that cannot be used is put aside: in its place stands one that does not exist, and
what must not go round the proxy fails, while what needs no proxy works.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from storage.records import UsageError
from storage.remote import public

if TYPE_CHECKING:  # every command settles its proxies, few call an address
    import urllib.request

HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
ASIDE = "PONENS_PROXIES_ASIDE"  # the variables that were put aside, with their values, a line each
_NOWHERE = "http://put-aside-by-ponens.invalid:9"
_PROXIED = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy")


class Setting(NamedTuple):
    """One variable as it was set, and what is wrong with it, "" if nothing is."""

    name: str
    value: str
    wrong: str


def settled(environment: Mapping[str, str]) -> dict[str, str]:
    """What to set so that every library reaches this machine straight, and can read what else is set."""
    blank = (name for name, value in environment.items() if name.lower() in _PROXIED and value and not value.strip())
    changed: dict[str, str] = dict.fromkeys(blank, "")
    aside = []
    for name, value, wrong in settings(environment):
        if wrong:
            changed[name] = _NOWHERE
            aside.append(f"{name}={value}")
        elif value != environment[name]:
            changed[name] = value
    entries, _ = exceptions(environment)
    if entries == ["*"]:
        changed |= {"NO_PROXY": "*", "no_proxy": "*"}
    elif entries or _set(environment):
        whole = ",".join(dict.fromkeys([*entries, *(HERE if _set(environment) else ())]))
        changed |= {"NO_PROXY": whole, "no_proxy": whole}
    return changed | ({ASIDE: "\n".join(aside)} if aside else {})


def settings(environment: Mapping[str, str], package: str = "socksio") -> list[Setting]:
    """The proxies that are set, those that were put aside as they were. `package` is what SOCKS needs."""
    before = dict(line.split("=", 1) for line in environment.get(ASIDE, "").splitlines() if "=" in line)
    found = []
    for name in sorted(_set(environment)):
        value = before.get(name, environment[name]).strip()
        found.append(Setting(name, value, _wrong(value, package)))
    return found


def exceptions(environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The entries of NO_PROXY in the form that all libraries read, and those that some cannot."""
    told = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    kept, lost = [], []
    for entry in filter(None, re.split(r"[,;\s]+", told)):
        form = _entry(entry)
        kept.append(form) if form else lost.append(entry)
    return list(dict.fromkeys(kept)), lost


def proxy_for(url: str) -> str | None:
    """The proxy that a request to this address goes through; None if it goes straight."""
    import urllib.request

    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = {name: value for name, value in urllib.request.getproxies().items() if value.strip()}
    if loopback(host) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def check(url: str, package: str = "socksio") -> None:
    """UsageError if this address is behind a proxy that cannot be used; `package` is what SOCKS needs."""
    if (through := proxy_for(url)) is None:
        return
    scheme = urlsplit(url).scheme
    named = {s.name.lower(): s for s in settings(os.environ)}
    setting = named.get(f"{scheme}_proxy") or named.get("all_proxy")
    # without socksio SOCKS was put aside for this whole process, whatever else is there
    wrong = (setting.wrong if setting else "") or _wrong(setting.value if setting else through, package)
    if wrong:
        name, value = (setting.name, setting.value) if setting else ("a proxy", through)
        raise UsageError(
            f"{public(url)} is to be reached through a proxy that cannot be used",
            seen=f"{name}={public(value)}: {wrong}",
            expected="http://HOST:PORT, or socks5://HOST:PORT with that package",
            hint=f"set {name} right, or put {urlsplit(url).hostname} into NO_PROXY",
        )


def loopback(host: str) -> bool:
    """Whether a host's name or address is this very machine's."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def opener(url: str) -> urllib.request.OpenerDirector:
    """The standard library's way to this address, past every proxy if it is on this machine."""
    import urllib.request

    straight = [urllib.request.ProxyHandler({})] if loopback(urlsplit(url).hostname or "") else []
    return urllib.request.build_opener(*straight)


def _set(environment: Mapping[str, str]) -> list[str]:
    return [name for name, value in environment.items() if name.lower() in _PROXIED and value.strip()]


def _wrong(value: str, package: str) -> str:
    """Why a proxy cannot be used, "" if it can."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        known = bool(parts.hostname) and (parts.port or True)
    except ValueError as error:
        return str(error)
    if not known or not value.isprintable():
        return "it is no address"
    if parts.scheme in ("http", "https"):
        return ""
    if parts.scheme not in ("socks5", "socks5h"):
        return f"{parts.scheme}:// is no proxy that is known here"
    return "" if importlib.util.find_spec(package) else f"SOCKS needs the package {_PACKAGES[package]}"


_PACKAGES = {"socksio": "socksio (pip install socksio)", "socks": "PySocks (pip install pysocks)"}


def _entry(entry: str) -> str:
    """An entry of NO_PROXY without brackets; "" for what httpx stumbles over."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::\d+)?", entry)
    plain = bracketed[1] if bracketed else entry
    try:
        return str(ipaddress.IPv6Address(plain))
    except ValueError:
        pass
    ranges = plain.count(":") > 1 and "://" not in plain  # of IPv6 addresses
    return "" if ranges or "[" in plain or "xn--" in plain or not plain.isascii() else plain
