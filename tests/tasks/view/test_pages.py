"""The pages of `ponens view` over small homes: what they show, what they refuse, and homes that are broken."""

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from storage import corrections
from storage.adapters.aliases import Move, append
from storage.artifacts import write_json
from storage.browse import pairs, tables
from storage.browse.evaluations import listed, subject
from storage.browse.files import Files
from storage.home import Home
from storage.progress import RunProgress
from storage.records import Receipt
from storage.runs import going
from storage.tables import doubted_keys
from storage.tables.lineage import following
from tasks.view.app import ROUTES, application
from tests.evaluations import ASKED, ran, scored

FIRST, SECOND = "20261122-080000-aaaa", "20261123-090000-bbbb"
KEYS = [q.answer for q in ASKED]
HALF = [answer if n % 2 else None for n, answer in enumerate(KEYS)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two runs of one recipe with two adapters; nothing in it is changed by a test."""
    home = Home(tmp_path_factory.mktemp("view") / "home")
    ran(home, FIRST, HALF)
    ran(home, SECOND, KEYS, "logic/2", train={"base_model": "toy", "rank": 32, "api_key": "sk-nobody-sees-this"})
    return home


@pytest.fixture
def own(home: Home, tmp_path: Path) -> Home:
    """A copy that a test may break."""
    return Home(Path(shutil.copytree(home.root, tmp_path / "home")))


@pytest.fixture(scope="module")
def site(home: Home) -> Iterator[TestClient]:
    yield client(home)


def client(home: Home) -> TestClient:
    return TestClient(application(home), base_url="http://127.0.0.1:4300", raise_server_exceptions=False)


def text(site: TestClient, address: str, code: int = 200) -> str:
    """The words of a page, without tags."""
    reply = site.get(address)
    assert code == reply.status_code, reply.text
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", reply.text)))


def asked(site: TestClient, address: str) -> list[str]:
    """The ids of the questions on a page, as the source calls them."""
    return re.findall(r'class="where">([^<]+)</span></summary>', site.get(address).text)


def adapter(home: Home, name: str, number: int, **about: Any) -> None:
    folder = home.adapters / name / str(number)
    write_json(
        folder / "manifest.json", {"digest": "d", "files": {}, "made_at": "2026-11-22T08:00:00+00:00", "key": "k"}
    )
    write_json(folder / "adapter.json", {"base_model": "toy", "settings": {"rank": 8, "method": "lora"}, **about})


def snapshot(home: Home, id: str, answers: list[str]) -> None:
    folder = home.root / "artifacts" / "snapshots" / id
    folder.mkdir(parents=True)
    rows = [
        {
            "id": f"{n}{answer}", "question": f"q{n}", "group": "g", "split": "train", "shuffle": 0,
            "prompt": [{"role": "user", "content": f"What is {n}?"}],
            "completion": [{"role": "assistant", "content": answer}],
        }
        for n, answer in enumerate(answers)
    ]  # fmt: skip
    pl.DataFrame(rows).write_parquet(folder / "examples.parquet")
    pl.DataFrame({"question": ["q9"], "reason": ["too long"]}).write_parquet(folder / "drops.parquet")
    facts = {"rows": {"train": len(rows)}, "dropped": {"too long": 1}}
    write_json(folder / "manifest.json", {"facts": facts, "made_at": "2026-11-22T08:00:00+00:00", "digest": id})


# what is shown


def test_the_runs_stand_newest_first_with_what_was_set_otherwise(site: TestClient) -> None:
    page = text(site, "/")

    assert page.index("logic logic/2") < page.index("logic logic/1")
    assert "train.rank=32" in page
    assert "33.3 % → 100.0 %" in page or "35.0 % → 100.0 %" in page


@pytest.mark.parametrize(
    "query, ids",
    [
        ("", [SECOND, FIRST]),
        ("?q=rank%3D32", [SECOND]),
        ("?q=logic%2F1", [FIRST]),
        ("?q=nothing", []),
        ("?state=done", [SECOND, FIRST]),
        ("?state=failed", []),
        ("?recipe=other", []),
        ("?verdict=better", [SECOND]),
        ("?sort=accuracy", [SECOND, FIRST]),
        ("?sort=accuracy&order=up", [FIRST, SECOND]),
        ("?sort=began&order=up", [FIRST, SECOND]),
        ("?sort=nonsense&page=99999999999999999999", [SECOND, FIRST]),
    ],
)
def test_runs_are_filtered_and_sorted(query: str, ids: list[str], site: TestClient) -> None:
    assert ids == re.findall(r'scope="row"><a href="/runs/([^"]+)"', site.get(f"/{query}").text)


def test_a_run_says_its_steps_its_verdict_and_where_its_replies_are(site: TestClient) -> None:
    page = text(site, f"/runs/{SECOND}")

    assert "better" in page and "parse ran 1.0 s" in page
    assert f"/questions?evaluation={SECOND}" in site.get(f"/runs/{SECOND}").text


def test_no_secret_of_a_recipe_is_shown(site: TestClient) -> None:
    for address in ("/", f"/runs/{SECOND}"):
        assert "nobody-sees" not in site.get(address).text


FIXED = [q.source_id for n, q in enumerate(ASKED) if n % 2 and q.answer != "A"]


@pytest.mark.parametrize(
    "filter, expected",
    [
        ("", 40),
        ("&change=fixed", len(FIXED)),
        ("&change=broken", len([n for n in range(0, 40, 2) if n % 3 == 0])),
        ("&unread=yes", 20),
        ("&extractor=unreadable", 20),
        ("&extractor=answer-line", 40),
        ("&family=q", 40),
        ("&family=other", 0),
        ("&q=Q-7%20lamp", 1),
        ("&q=who%20KNOWS", 20),
        ("&q=lamp%27%3B%20drop", 0),
        ("&change=nonsense", 40),
    ],
)
def test_questions_are_filtered(filter: str, expected: int, site: TestClient) -> None:
    assert expected == len(asked(site, f"/questions?evaluation={FIRST}{filter}"))


def test_fixed_questions_are_those_that_the_base_got_wrong_and_the_adapter_right(site: TestClient) -> None:
    assert sorted(FIXED) == sorted(asked(site, f"/questions?evaluation={FIRST}&change=fixed"))


def test_a_question_shows_every_reply_of_both_with_the_place_it_was_read_from(site: TestClient) -> None:
    [id] = [row["id"] for row in rows(site, FIRST) if row["source_id"] == "q-1"]
    page = site.get(f"/questions?evaluation={FIRST}&id={id}").text

    assert 8 == page.count('<li>\n  <p class="small">'), "three votes and the greedy reply of each"
    assert "<mark>" in page
    assert "Which lamp, 1?" in page


def rows(site: TestClient, evaluation: str) -> list[dict[str, Any]]:
    found = site.get(f"/questions?evaluation={evaluation}").text
    parts = re.findall(r"<code>([0-9a-f]{16})</code>", found)
    return [
        {"id": id, "source_id": s}
        for id, s in zip(parts, asked(site, f"/questions?evaluation={evaluation}"), strict=True)
    ]


def test_subjects_of_two_evaluations_stand_side_by_side(site: TestClient) -> None:
    page = text(site, f"/questions?a={FIRST}:logic/1&b={SECOND}:logic/2&change=fixed")

    assert f"fixed {sum(n % 2 == 0 for n in range(40))}" in page
    assert 20 == len(asked(site, f"/questions?a={FIRST}:logic/1&b={SECOND}:logic/2&change=fixed"))


def test_what_only_one_of_two_was_asked_is_counted(own: Home) -> None:
    ran(own, "20261124-090000-cccc", KEYS[:10], "logic/3", asked=ASKED[:10])
    page = text(client(own), f"/questions?a={FIRST}:logic/1&b=20261124-090000-cccc:logic/3")

    assert "30 questions were asked of logic/1 alone, 0 of logic/3 alone" in page


def test_replies_to_dialogues_are_shown_with_their_outcomes(tmp_path: Path) -> None:
    home = Home(tmp_path)
    scored(
        home,
        "20261122-080000-dddd",
        "sql",
        {"base": ["wrong", "invalid"] * 20, "sql/1": ["right", "gold-invalid"] * 20},
    )
    site = client(home)

    assert "fixed 20" in text(site, "/questions") and "not judged 20" in text(site, "/questions")
    assert 20 == len(asked(site, "/questions?extractor=invalid"))


def test_an_adapter_shows_versions_champion_and_moves(own: Home) -> None:
    adapter(own, "logic", 1)
    adapter(own, "logic", 2, facts={"loss_last": 0.25}, history=[{"step": n, "loss": 1 / n} for n in range(1, 9)])
    append(own, Move("logic", "champion", None, 2, "2026-11-23T09:00:00+00:00", "it is better", "me@here", "gate"))
    site = client(own)

    page = text(site, "/adapters/logic")
    assert "logic/2 champion latest better 100.0 %" in page
    assert "champion new → 2" in page and "it is better" in page
    assert "logic/2" in text(site, "/adapters")
    assert '<svg class="curve"' in site.get("/adapters/logic/2").text
    assert "Where it came from" in text(site, "/adapters/logic/2")


def test_snapshots_and_what_changed_between_two(own: Home) -> None:
    snapshot(own, "a" * 16, ["x", "y", "z"])
    snapshot(own, "b" * 16, ["x", "why", "z", "new"])
    with following(own, "logic", "a" * 16, 3, {}):
        pass
    with following(own, "logic", "b" * 16, 4, {}):
        pass
    site = client(own)

    assert f"/snapshots/{'a' * 16}/diff/{'b' * 16}" in site.get("/snapshots").text
    assert "too long 1" in text(site, f"/snapshots/{'b' * 16}")
    assert "What is 1? why" in text(site, f"/snapshots/{'b' * 16}")
    page = text(site, f"/snapshots/{'a' * 16}/diff/{'b' * 16}")
    assert "2 rows are the same" in page and "came 1" in page and "changed 1" in page and "went 0" in page


def test_reports_are_listed_and_shown_as_they_lie_in_a_sandbox(own: Home) -> None:
    folder = own.root / "artifacts" / "reports" / "cccc"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<h1>An old build wrote this</h1><script>fetch('/')</script>")
    site = client(own)

    assert "what it is about is not known" in text(site, "/reports")
    reply = site.get("/pages/reports/cccc")
    assert "An old build" in reply.text
    assert reply.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert "same-origin" not in reply.headers["content-security-policy"]


def test_rejects_are_paged_filtered_and_sorted(own: Home) -> None:
    folder = own.root / "artifacts" / "questions" / FIRST
    lines = [
        {"file": "quiz.csv", "line": n, "field": "answer" if n % 2 else "options", "reason": f"no {n}"}
        for n in range(120)
    ]
    pl.DataFrame(lines).write_parquet(folder / "rejects.parquet")
    site = client(own)

    address = f"/data/rejects/{FIRST}"
    assert "120 rows" in text(site, address) and "page 1 of 3" in text(site, address)
    assert "quiz.csv 119 answer no 119" in text(site, f"{address}?page=3")
    assert "1 of 120 rows" in text(site, f"{address}?q=no%2077")
    assert "60 of 120 rows" in text(site, f"{address}?value=options")
    assert text(site, f"{address}?sort=line&order=down").index("no 119") < text(
        site, f"{address}?sort=line&order=down"
    ).index("no 118")
    assert "there is no such column" in text(site, f"{address}?sort=evil", 400)
    assert f'href="/data/rejects/{FIRST}">120</a>' in site.get("/data").text


# what is under way, killed, torn or of another build


def test_a_run_under_way_shows_its_step_its_loss_and_its_log(own: Home) -> None:
    id = "20261125-090000-eeee"
    with going(own, id, '{"name": "logic"}') as folder:
        progress = RunProgress(folder, lambda text: text)
        progress.end({"name": "parse", "status": "ran", "seconds": 2.0, "key": "k"})
        progress.begin("train", "f" * 64)
        progress.tick(3, 40, "steps", "loss 0.5")
        (folder / "log.txt").write_text("09:00:00 INFO parse: 40 questions\n")
        write_json(own.work("train", "f" * 64) / "scratch" / "history.json",
                   {"total": 40, "rows": [{"step": n, "loss": 2 / n} for n in (1, 2, 3)]})  # fmt: skip
        site = client(own)

        assert "under way" in text(site, "/") and "train" in text(site, "/")
        page = text(site, f"/runs/{id}")
        assert "under way" in page and "parse ran 2.0 s" in page and "parse: 40 questions" in page
        part = site.get(f"/runs/{id}/live").text
        assert f'data-live="/runs/{id}/live"' in part and '<svg class="curve"' in part
        progress.tick(40, 40, "steps", "")
        assert "40 of 40 steps" in text(site, f"/runs/{id}/live")

    assert "killed" in text(site, f"/runs/{id}")
    assert "data-ended" in site.get(f"/runs/{id}/live").text


def test_no_key_in_what_a_step_or_an_error_says_reaches_a_page(own: Home) -> None:
    key, id = "sk-planted0123456789", "20261125-090000-ffff"
    with going(own, id, '{"name": "logic"}') as folder:
        progress = RunProgress(folder, lambda text: text)
        progress.begin("reason", "f" * 64)
        progress.tick(1, 2, "requests", f"wrong key {key}")
        site = client(own)
        live, failed = site.get(f"/runs/{id}/live").text, site.get(f"/questions?a={key}:base&b=x:base").text

    assert "wrong key sk-***" in live
    assert key not in live + failed


@pytest.mark.parametrize(
    "outcome, said",
    [
        ("", "its outcome cannot be read"),
        ('{"outcome": "do', "its outcome cannot be read"),
        ("[]", "its outcome cannot be read"),
        ('{"outcome": "gone fishing"}', "none that this build knows"),
        ('{"outcome": "done", "steps": 7, "evaluation": "old", "reason": [], "adapter": 3}', "done"),
        ('{"outcome": "failed", "error": "a key sk-abcdefghij was wrong", "steps": [{}, 1, {"name": "parse"}]}', "a key sk-*** was wrong"),
        ('{"outcome": "done", "evaluation": {"base": 1, "adapter": {"accuracy": "x"}, "paired": [], "warnings": 2}}', "done"),
    ],
)  # fmt: skip
def test_a_torn_or_foreign_outcome_is_shown_as_what_it_is(outcome: str, said: str, own: Home) -> None:
    (own.run(FIRST) / "outcome.json").write_text(outcome)
    site = client(own)

    assert FIRST in site.get("/").text
    assert said in text(site, f"/runs/{FIRST}")


def test_a_home_that_is_not_there_has_empty_pages(tmp_path: Path) -> None:
    site = client(Home(tmp_path / "nowhere"))

    for address in ("/", "/questions", "/reports", "/adapters", "/snapshots", "/data"):
        assert 200 == site.get(address).status_code, address
    assert not (tmp_path / "nowhere").exists()


def test_a_broken_home_says_what_is_broken_and_shows_the_rest(own: Home) -> None:
    adapter(own, "logic", 1)
    adapter(own, "logic", 2)
    (own.adapters / "logic" / "2" / "manifest.json").write_text("{")
    (own.adapters / "logic" / "aliases.json").write_text("{")
    snapshot(own, "a" * 16, ["x"])
    (own.root / "artifacts" / "snapshots" / ("a" * 16) / "manifest.json").write_text("")
    (own.root / "artifacts" / "snapshots" / ("a" * 16) / "examples.parquet").write_bytes(b"PAR1")
    (own.root / "receipts" / "evaluate" / "torn.json").write_text('{"step":')
    (own.root / "artifacts" / "evaluations" / SECOND / "samples.parquet").write_bytes(b"PAR1 no more")
    site = client(own)

    assert "its manifest is torn" in text(site, "/adapters/logic")
    assert "the aliases of 'logic' cannot be read" in text(site, "/adapters")
    assert "its manifest is torn" in text(site, "/snapshots")
    assert "an artifact cannot be read" in text(site, f"/snapshots/{'a' * 16}", 500)
    assert "1 receipts of evaluations cannot be read" in text(site, f"/questions?evaluation={FIRST}")
    assert "an artifact cannot be read" in text(site, f"/questions?evaluation={SECOND}", 500)
    assert "logic" in text(site, f"/runs/{SECOND}")


def test_an_evaluation_whose_artifact_is_gone_is_said_to_be(own: Home) -> None:
    shutil.rmtree(own.root / "artifacts" / "evaluations" / SECOND)
    shutil.rmtree(own.root / "artifacts" / "questions" / FIRST)
    site = client(own)

    assert "are gone" in text(site, f"/questions?evaluation={SECOND}", 500)
    assert "What was asked is gone" in text(site, "/questions")


# who may ask


@pytest.mark.parametrize(
    "headers, code",
    [
        ({}, 200),
        ({"host": "localhost:4300"}, 200),
        ({"host": "evil.example"}, 400),
        ({"host": "127.0.0.1.evil.example"}, 400),
        ({"host": ""}, 400),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, 200),
    ],
)
def test_only_pages_of_this_machine_may_ask(headers: dict[str, str], code: int, site: TestClient) -> None:
    reply = site.get("/", headers=headers)

    assert code == reply.status_code
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(method: str, site: TestClient) -> None:
    assert 405 == site.request(method, "/").status_code


def test_every_page_forbids_frames_foreign_scripts_and_keeping(site: TestClient) -> None:
    for address in ("/", f"/runs/{FIRST}", "/nowhere", "/data"):
        headers = site.get(address).headers
        assert (
            "script-src 'self'" in headers["content-security-policy"]
            and "frame-ancestors 'none'" in headers["content-security-policy"]
        )
        assert "unsafe" not in headers["content-security-policy"]
        assert ("DENY", "nosniff", "same-origin", "no-store") == tuple(
            headers[n] for n in ("x-frame-options", "x-content-type-options", "cross-origin-resource-policy", "cache-control")
        )  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "/runs/..%2F..%2Fetc", "/runs/%2e%2e", "/runs/nobody", "/runs/..%2F..%2Fetc/log", "/adapters/..%2F..", "/adapters/no",
        "/adapters/logic/7", "/snapshots/%2e%2e%2fquestions", "/snapshots/a/diff/..%2F..", "/data/rejects/..%2F..",
        "/data/secrets/x", "/pages/reports/..%2F..%2Fquestions", "/pages/../x", "/pages/logs/x", "/static/..%2Fapp.py",
        "/static/app.py", "/nowhere",
    ],
)  # fmt: skip
def test_an_id_that_is_not_there_is_not_found_whatever_it_looks_like(address: str, site: TestClient) -> None:
    assert 404 == site.get(address).status_code


@pytest.mark.parametrize(
    "query", ["a=..:base&b=..:base", "a=x&b=y", "evaluation=..%2F..", f"a={FIRST}:base&b={FIRST}:nobody"]
)
def test_subjects_that_are_not_there_are_refused(query: str, site: TestClient) -> None:
    assert "expected:" in text(site, f"/questions?{query}", 400)


def test_texts_of_a_home_are_escaped(own: Home) -> None:
    evil = "<script>alert(1)</script>"
    write_json(own.run(FIRST) / "recipe.json", {"name": evil, "train": {"rank": evil}})
    outcome = {
        "outcome": "failed",
        "recipe": evil,
        "error": evil,
        "steps": [{"name": evil, "status": evil, "seconds": 1, "key": evil}],
    }
    write_json(own.run(FIRST) / "outcome.json", outcome)
    site = client(own)

    for address in ("/", f"/runs/{FIRST}", f"/?q={evil}", f"/questions?q={evil}", f"/data/{evil}/x"):
        assert "<script>alert" not in site.get(address).text, address


def test_a_receipt_that_points_out_of_the_home_is_not_followed(own: Home, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    pl.DataFrame({"file": ["secret"], "line": [1], "field": ["f"], "reason": ["r"]}).write_parquet(
        tmp_path / "outside" / "rejects.parquet"
    )
    receipt = own.receipt("parse", f"{FIRST}-parse")
    receipt.write_text(receipt.read_text().replace(f"artifacts/questions/{FIRST}", "../outside"))

    assert 404 == client(own).get("/data/rejects/outside").status_code


def test_no_page_opens_the_warehouse_or_writes_to_the_home(own: Home) -> None:
    before = {path: path.stat().st_mtime_ns for path in own.root.rglob("*")}
    site = client(own)
    for route in ROUTES:
        site.get(route.replace("{id}", FIRST).replace("{name}", "logic").replace("{number:int}", "1"))

    assert before == {path: path.stat().st_mtime_ns for path in own.root.rglob("*")}


def test_a_page_of_a_table_is_the_last_one_where_a_later_one_is_asked_for(tmp_path: Path) -> None:
    pl.DataFrame({"reason": [str(n) for n in range(60)]}).write_parquet(tmp_path / "drops.parquet")

    found = tables.page(tables.Duck(), tmp_path / "drops.parquet", tables.Wanted(page=9))

    assert (2, 2, 10) == (found.page, found.pages, len(found.rows))


def test_only_so_many_pairs_are_remembered(home: Home) -> None:
    there, duck = listed(Files(home)), tables.Duck()
    known = pairs.Pairs(duck)
    names = [
        f"{run}:{name}" for run, name in ((FIRST, "base"), (FIRST, "logic/1"), (SECOND, "base"), (SECOND, "logic/2"))
    ]
    for a in names:
        for b in names:
            known.of(subject(there, a), subject(there, b))

    assert pairs._REMEMBERED == len(duck.rows("show tables"))


# a person's word on a key


@pytest.fixture
def doubts(own: Home, tmp_path: Path) -> tuple[TestClient, str, Path]:
    """A client, the address of two suspects, and the file where words on them are kept."""
    folder = own.root / "artifacts" / "rationales" / "r"
    folder.mkdir(parents=True)
    row: dict[str, Any] = dict.fromkeys(doubted_keys.SCHEMA)
    rows = [row | {"rank": n, "question": q.id, "asked": q.question, "options": list(q.options), "key": q.answer}
            for n, q in enumerate(ASKED[:2], start=1)]  # fmt: skip
    doubted_keys.write(folder, rows)
    receipt = Receipt("reason", "why", "d", "artifacts/rationales/r", {}, {}, 0.0, "2026-11-23T09:00:00+00:00")
    write_json(own.receipt("reason", "why"), receipt.dict())
    file = tmp_path / "corrections.jsonl"
    recipe = {"name": "logic", "parse": {"corrections": str(file)}}
    write_json(own.run(SECOND) / "recipe.json", recipe)
    outcome = {"outcome": "done", "recipe": "logic", "steps": [{"name": "reason", "key": "why"}]}
    write_json(own.run(SECOND) / "outcome.json", outcome)
    return client(own), "/data/suspects/r", file


SAME = {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:4300"}


def test_a_word_is_said_in_the_page_kept_beside_the_recipe_and_taken_back(
    doubts: tuple[TestClient, str, Path],
) -> None:
    site, address, file = doubts
    first = ASKED[0].id
    assert 'value="C" title="the key is wrong, it is C"' in site.get(address).text

    form = {"question": first, "says": "C", "why": "it is <b>blue</b>", "back": f"{address}?q=lamp"}
    reply = site.post(f"{address}/say", data=form, headers=SAME, follow_redirects=False)

    assert (303, f"{address}?q=lamp") == (reply.status_code, reply.headers["location"])
    [word] = corrections.history(file)
    assert (first, "C", "it is <b>blue</b>", "logic") == (word.question, word.says, word.why, word.recipe)
    page = site.get(address).text
    assert "the key is C" in page and "&lt;b&gt;blue" in page
    assert "1 of 2 rows" in text(site, address)

    site.post(f"{address}/say", data={"question": first, "says": "undone"}, headers=SAME)
    assert "Said so far" not in site.get(address).text
    assert 2 == len(corrections.history(file))


@pytest.mark.parametrize(
    "headers, code",
    [
        (SAME, 303),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 303),
        ({"origin": "http://127.0.0.1:4300"}, 303),
        ({}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:8000"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://evil.example", "sec-fetch-mode": "navigate"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:8000"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "http://evil.example"}, 403),
        ({**SAME, "host": "evil.example"}, 400),
        ({**SAME, "content-type": "text/plain"}, 415),
    ],
)
def test_only_a_form_of_this_address_may_say_anything(
    headers: dict[str, str], code: int, doubts: tuple[TestClient, str, Path]
) -> None:
    site, address, file = doubts
    reply = site.post(
        f"{address}/say", data={"question": ASKED[0].id, "says": "C"}, headers=headers, follow_redirects=False
    )

    assert code == reply.status_code
    assert file.exists() is (code == 303)


@pytest.mark.parametrize(
    "form, code",
    [
        ({"question": ASKED[0].id, "says": "D"}, 400),
        ({"question": ASKED[0].id, "says": "wrong"}, 400),
        ({"question": ASKED[0].id}, 400),
        ({"question": "nobody", "says": "B"}, 400),
        ({"question": ASKED[1].id, "says": "undone"}, 400),
        ({"question": ASKED[0].id, "says": "B", "why": "x" * 70_000}, 413),
    ],
)
def test_a_word_that_says_nothing_is_refused_and_nothing_is_written(
    form: dict[str, str], code: int, doubts: tuple[TestClient, str, Path]
) -> None:
    site, address, file = doubts

    assert code == site.post(f"{address}/say", data=form, headers=SAME).status_code
    assert not file.exists()


def test_after_a_word_the_browser_goes_to_pages_of_these_suspects_alone(doubts: tuple[TestClient, str, Path]) -> None:
    site, address, _ = doubts
    form = {"question": ASKED[0].id, "says": "C", "back": "//evil.example/"}

    reply = site.post(f"{address}/say", data=form, headers=SAME, follow_redirects=False)
    assert address == reply.headers["location"]


def test_suspects_of_a_recipe_that_lies_nowhere_are_shown_without_forms(
    doubts: tuple[TestClient, str, Path], tmp_path: Path
) -> None:
    site, address, file = doubts
    (tmp_path / "home" / "runs" / SECOND / "outcome.json").unlink()
    assert "no run of this home says which recipe" in text(site, address)
    assert "<button name" not in site.get(address).text
    assert 400 == site.post(f"{address}/say", data={"question": ASKED[0].id, "says": "C"}, headers=SAME).status_code

    assert not file.exists()
