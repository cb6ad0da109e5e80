"""Environments with proxies, as companies set them: each library reaches this machine, and the rest is told."""

import asyncio
import contextlib
import os
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import httpx
import httpx2
import pytest
import requests

from storage.records import UsageError
from tasks.clients import proxies
from tasks.clients.faults import NoAnswer, TeacherError
from tasks.engines.interface import Loading
from tasks.engines.openai import OpenAIEngine
from tasks.teachers.build import TeacherSpec, teacher
from tests.fakes_answers import Answer, AnswerServer, chat

DEAD = "127.0.0.1:9"  # the port of discard: nobody listens
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "http": {"HTTP_PROXY": f"http://{DEAD}", "HTTPS_PROXY": f"http://{DEAD}"},
    "lower case": {"http_proxy": f"http://{DEAD}", "https_proxy": f"http://{DEAD}", "all_proxy": f"http://{DEAD}"},
    "no scheme": {"HTTP_PROXY": DEAD},
    "blanks around": {"HTTP_PROXY": f" http://{DEAD} \n"},
    "a blank": {"HTTP_PROXY": " ", "ALL_PROXY": ""},
    "socks5": {"ALL_PROXY": f"socks5://{DEAD}"},
    "socks5h": {"all_proxy": f"socks5h://{DEAD}", "http_proxy": f"socks5h://{DEAD}"},
    "GNOME's socks": {"ALL_PROXY": f"socks://{DEAD}", "all_proxy": f"socks://{DEAD}"},
    "no address": {"HTTP_PROXY": "http://host:port", "ALL_PROXY": '"http://h:1"'},
    "exceptions of all forms": {
        "HTTP_PROXY": f"http://{DEAD}",
        "NO_PROXY": "[::1], [::1]:80,fe80::/10 ,::1/128,10.0.0.0/8,.corp,*.corp,é.de,xn--9ca.de,host:80,[,<local>,",
    },
    "lower case exceptions": {"HTTP_PROXY": f"http://{DEAD}", "NO_PROXY": "x", "no_proxy": "[::1]"},
    "all excepted": {"HTTP_PROXY": f"http://{DEAD}", "NO_PROXY": "*"},
    "exceptions alone": {"NO_PROXY": "[::1],fe80::/10"},
}


def aiohttp_status(url: str) -> int:
    import aiohttp

    async def get() -> int:
        async with aiohttp.ClientSession(trust_env=True) as session, session.get(url) as response:
            return response.status

    return asyncio.run(get())


def opened(url: str) -> int:
    with urllib.request.build_opener().open(url, timeout=5) as response:  # urlopen keeps the first one's proxies
        return int(response.status)


LIBRARIES: dict[str, Callable[[str], int]] = {
    "httpx": lambda url: httpx.Client().get(url).status_code,
    "httpx2": lambda url: httpx2.Client().get(url).status_code,
    "requests": lambda url: requests.get(url, timeout=5).status_code,
    "urllib": opened,
    "aiohttp": aiohttp_status,
}


class Socks:
    """A SOCKS5 proxy that remembers which hosts it was asked for, and brings each to one server here."""

    def __init__(self, target: AnswerServer) -> None:
        self.asked: list[str] = []
        self._to = ("127.0.0.1", int(target.url.rpartition(":")[2]))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"socks5h://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._bring, args=(client,), daemon=True).start()

    def _bring(self, client: socket.socket) -> None:
        client.recv(client.recv(2)[1])
        client.sendall(b"\x05\x00")
        client.recv(4)
        self.asked.append(client.recv(client.recv(1)[0]).decode())
        client.recv(2)
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        with socket.create_connection(self._to) as there:
            threading.Thread(target=self._pass, args=(client, there), daemon=True).start()
            self._pass(there, client)

    @staticmethod
    def _pass(source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                to.sendall(piece)
            to.shutdown(socket.SHUT_WR)


@pytest.fixture(autouse=True)
def none_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.setenv("DASHSCOPE_API_KEY", "any")


def settle(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in (environment | proxies.settled(environment)).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def here() -> Iterator[AnswerServer]:
    with AnswerServer([chat()]) as server:
        yield server


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_library_reaches_this_machine_straight(
    here: AnswerServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch, ENVIRONMENTS[name])

    for library, get in LIBRARIES.items():
        for url in (here.url, here.url.replace("127.0.0.1", "localhost")):
            assert get(url) == 200, library


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_settling_twice_changes_nothing_more(name: str) -> None:
    once = ENVIRONMENTS[name] | proxies.settled(ENVIRONMENTS[name])

    assert once == once | proxies.settled(once)


def test_without_proxies_nothing_is_set() -> None:
    assert {} == proxies.settled({"PATH": "/bin"})


def test_what_is_excepted_stays_so() -> None:
    made = proxies.settled({"HTTPS_PROXY": "http://h:1", "NO_PROXY": ".corp; 10.0.0.0/8 [fd00::1]:80,fe80::/10"})

    assert ".corp,10.0.0.0/8,fd00::1,localhost,127.0.0.1,::1,0.0.0.0" == made["NO_PROXY"] == made["no_proxy"]
    assert ["fe80::/10"] == proxies.exceptions({"NO_PROXY": "fe80::/10"})[1]


@pytest.mark.parametrize("make", [
    lambda url: teacher(TeacherSpec(model="m", base_url=url)),
    lambda url: teacher(TeacherSpec(teacher="dashscope", model="m", base_url=url)),
    lambda url: OpenAIEngine(Loading("m", server={"base_url": url, "models": {"base": "m"}})),
], ids=["openai", "dashscope", "engine"])  # fmt: skip
@pytest.mark.parametrize(("value", "why"), [
    ("socks5://me:word@corp:1080", "SOCKS needs the package"),
    ("socks://corp:1080", "socks:// is no proxy that is known here"),
])  # fmt: skip
def test_a_proxy_that_cannot_be_used_is_told_only_where_it_is_needed(
    here: AnswerServer, make: Callable[[str], object], value: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch, {"ALL_PROXY": value, "NO_PROXY": "inside.corp"})
    make(here.openai_url)
    make("https://inside.corp/v1")
    with pytest.raises(UsageError, match="through a proxy that cannot be used") as caught:
        make("https://api.openai.com/v1")

    assert f"ALL_PROXY={value.replace('me:word', '…')}: {why}" in str(caught.value)
    assert "word" not in str(caught.value)


def test_one_of_two_packages_for_socks_is_told_to_be_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """requests goes through SOCKS by PySocks, but without socksio a proxy is put aside for every library."""
    there: dict[str, object] = {"socks": object()}
    monkeypatch.setattr(proxies.importlib.util, "find_spec", there.get)
    settle(monkeypatch, {"ALL_PROXY": "socks5://corp:1080"})
    with pytest.raises(UsageError, match="SOCKS needs the package socksio"):
        proxies.check("https://dashscope.aliyuncs.com/api/v1", "socks")

    there["socksio"] = there.pop("socks")
    settle(monkeypatch, {"ALL_PROXY": "socks5://corp:1080", proxies.ASIDE: ""})
    proxies.check("https://api.openai.com/v1")
    with pytest.raises(UsageError, match="SOCKS needs the package PySocks"):
        proxies.check("https://dashscope.aliyuncs.com/api/v1", "socks")


def test_dashscope_s_deadline_holds_in_pools_of_any_proxy_and_leaves_them_their_own() -> None:
    from urllib3.connection import HTTPConnection
    from urllib3.connectionpool import HTTPConnectionPool

    from tasks.teachers.dashscope import timed

    class Through(HTTPConnection):
        def __init__(self, _socks_options: dict[str, str], *args: object, **kwargs: object) -> None:
            self.through = _socks_options
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    class Pool(HTTPConnectionPool):
        ConnectionCls = Through

    made = timed(Pool)
    assert {"a": "b"} == made.ConnectionCls(_socks_options={"a": "b"}, host="h").through
    assert made.ConnectionCls.response_class is not Through.response_class
    assert timed(made) is made, "a manager that is asked for twice is timed once"


@pytest.mark.parametrize("name", ["openai", "dashscope"])
def test_a_teacher_is_asked_through_socks_where_its_packages_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("socksio", reason="socksio is not installed")
    pytest.importorskip("socks", reason="PySocks is not installed")
    with AnswerServer([chat()]) as real, Socks(real) as through:
        settle(monkeypatch, {"ALL_PROXY": through.url})
        spec = TeacherSpec(teacher=name, model="m", base_url="http://teacher.invalid/v1")  # type: ignore[arg-type]
        with contextlib.suppress(TeacherError, NoAnswer):  # a chat in OpenAI's form is none in DashScope's
            teacher(spec).invoke("Which?")

    assert ["teacher.invalid"] == through.asked


def test_what_must_not_go_round_a_proxy_fails_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, {"ALL_PROXY": f"socks5://{DEAD}"})

    for library in ("httpx", "httpx2", "requests"):
        with pytest.raises(Exception, match=r"(?i)name|resol") as caught:
            LIBRARIES[library]("http://192.0.2.1/")
        assert (
            "put-aside" in str(caught.value) or "Name or service" in str(caught.value) or "resol" in str(caught.value)
        )


@pytest.mark.parametrize("name", ["openai", "dashscope"])
def test_a_teacher_behind_a_proxy_that_is_down_names_the_proxy(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.records import PonensError
    from tests.tasks.asking import run, spec_for
    from tests.tasks.runs import questions

    settle(monkeypatch, {"HTTP_PROXY": f"http://{DEAD}"})
    spec = spec_for(AnswerServer([]), name, base_url="http://teacher.invalid/v1")  # type: ignore[arg-type]
    with pytest.raises(PonensError, match=f"http://teacher.invalid/v1, through the proxy http://{DEAD}"):
        run(tmp_path, spec, questions(1))


def test_a_teacher_is_asked_through_the_proxy_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with AnswerServer([chat()]) as proxy:
        settle(monkeypatch, {"HTTP_PROXY": proxy.url})
        teacher(TeacherSpec(model="m", base_url="http://teacher.invalid/v1")).invoke("Which?")

    assert 1 == proxy.requests


def test_loopback_is_known_in_all_its_forms() -> None:
    assert all(map(proxies.loopback, ("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]", "0.0.0.0")))  # fmt: skip
    assert not any(map(proxies.loopback, ("", "local", "10.0.0.1", "2001:db8::1", "localhost.corp")))


def test_the_house_s_own_way_to_this_machine_knows_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{DEAD}")
    with AnswerServer([Answer(b"{}")]) as server, proxies.opener(server.url).open(server.url, timeout=5) as response:
        assert 200 == response.status


def test_ipv6_loopback_is_reached_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        door = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    settle(monkeypatch, {"HTTP_PROXY": f"http://{DEAD}", "NO_PROXY": "[::1]"})

    def answer() -> None:
        for _ in range(2):
            line, _ = door.accept()
            line.recv(4096)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            line.close()

    threading.Thread(target=answer, daemon=True).start()
    with door:
        for library in ("httpx", "requests"):
            assert LIBRARIES[library](f"http://[::1]:{door.getsockname()[1]}/") == 200
