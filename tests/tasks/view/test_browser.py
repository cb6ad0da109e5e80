"""The pages in a real browser: by keyboard alone, at both widths, while a run is under way."""

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from storage.home import Home
from storage.progress import RunProgress
from storage.runs import going
from tasks.view.app import application
from tests.evaluations import ASKED, ran

pytestmark = pytest.mark.process
FIRST = "20261122-080000-aaaa"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("view") / "home")
    ran(home, FIRST, [q.answer if n % 2 else None for n, q in enumerate(ASKED)])
    ran(home, "20261123-090000-bbbb", [q.answer for q in ASKED], "logic/2", train={"base_model": "toy", "rank": 32})
    return home


@pytest.fixture(scope="module")
def site(home: Home) -> Iterator[str]:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        config = uvicorn.Config(application(home), log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([door],))
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser: Any, address: str, width: int = 1440, scheme: str = "light") -> Any:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(30_000)
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(address)
    return page


def test_from_the_list_of_runs_to_a_reply_by_keyboard_alone(browser: Any, site: str) -> None:
    page = opened(browser, site)
    page.keyboard.press("/")
    page.keyboard.type("logic/1")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=logic%2F1*")
    assert "q=logic%2F1" == page.url.partition("?")[2], "empty fields are no part of the address"
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{FIRST}")

    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url("**/questions")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_text("greedy").first.wait_for()

    assert 1 == page.locator("details.example[open]").count()
    assert 8 == page.locator("details.example[open] .every li").count(), "three votes and the greedy reply of each"
    assert [] == page.complaints


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_window_or_complains(width: int, scheme: str, browser: Any, site: str) -> None:
    page = opened(browser, site, width, scheme)
    for address in ("/", f"/runs/{FIRST}", "/questions?change=fixed", "/reports", "/adapters", "/snapshots", "/data"):
        page.goto(site + address)
        assert width >= page.evaluate("document.documentElement.scrollWidth"), address
        lightness = page.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
        assert (lightness > 128) == (scheme == "light")
    assert [] == page.complaints


def test_a_run_under_way_moves_on_the_page_and_ends_there(browser: Any, site: str, home: Home) -> None:
    id = "20261125-090000-eeee"
    with going(home, id, '{"name": "logic"}') as folder:
        progress = RunProgress(folder, lambda text: text)
        progress.begin("train", "f" * 64)
        progress.tick(1, 40, "steps", "")
        page = opened(browser, f"{site}/runs/{id}")
        page.get_by_text("1 of 40 steps").wait_for()
        progress.tick(40, 40, "steps", "")
        page.get_by_text("40 of 40 steps").wait_for()
        (Path(folder) / "outcome.json").write_text('{"outcome": "done", "recipe": "logic"}')

    page.locator(".state.done").wait_for()
    assert [] == page.complaints
