"""The report: whole without scripts, safe against its own texts, the same from the same facts."""

import base64
import copy
import gzip
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from evals.report.markdown import TOY, TOY_SETTING
from evals.report.page import markdown, page
from evals.report.text import amount, duration, interval, moment, percent, points, tabled
from tests.evals.sample_report import sample_facts

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \"'`|{{ 7*7 }}"


class Outline(HTMLParser):
    """Tags, ids, links and visible text of a page."""

    VOID = {"meta", "input", "path", "use", "rect", "br", "link", "img"}

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.sources, self.open, self.words = [], [], [], [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found[k] for k in ("src", "data", "srcset", "action") if k in found]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words.append(data)


@pytest.fixture(scope="module")
def facts():
    return sample_facts(60)


@pytest.fixture(scope="module")
def html(facts):
    return page(facts)


def rows_of(html):
    packed = re.search(r'id="questions">([^<]*)</script>', html)[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_every_element_is_closed_and_every_id_stands_once(html):
    outline = Outline(html)

    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))


def test_the_page_loads_nothing(html):
    outline = Outline(html)

    assert outline.sources == []
    assert all(link.startswith("#") for link in outline.links)
    assert not re.search(r"@import|url\((?!#)|src=|<link", html)
    assert "default-src 'none'" in html


def test_only_the_page_s_own_script_may_run(html):
    allowed = re.search(r"script-src 'sha256-([^']+)'", html)[1]
    own = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)

    assert len(own) == 1
    assert base64.b64encode(hashlib.sha256(own[0].encode()).digest()).decode() == allowed


def test_the_word_and_the_numbers_stand_without_scripts(html, facts):
    text = Outline(html).text
    evaluation, paired = facts["evaluation"], facts["evaluation"]["paired"]

    assert "Better." in text
    assert paired["reason"].replace("  ", " ") in text
    for side in ("base", "adapter"):
        for name in ("accuracy", "greedy_accuracy", "single_accuracy", "unreadable"):
            assert percent(evaluation[side][name]) in text
        assert interval(evaluation[side]["ci95"]) in text
    assert percent(evaluation["base"]["forced_accuracy"]) in text
    assert points(paired["difference"]) in text


def test_every_question_a_reader_asks_has_its_place(html, facts):
    text = Outline(html).text

    for item in facts["thrown_away"]:
        assert item["reason"] in text
    for step in facts["steps"]:
        for part in (step["name"], step["key"], step["digest"], step["artifact"], duration(step["seconds"])):
            assert part in text
    for origin in facts["lineage"]:
        assert origin["name"] in text
        assert origin["digest"] in text
    assert facts["command"] in text
    assert 'path = "puzzles.jsonl"' in text
    assert "no price known" in text


@pytest.mark.parametrize(("word", "shown"), [("better", "Better."), ("worse", "Worse."), ("cannot", "Cannot tell.")])
def test_the_word_stands_at_the_top(word, shown):
    html = page(sample_facts(120, word=word))

    assert re.search(r"<h1[^>]*>([^<]*)</h1>", html)[1] == shown


def test_a_toy_says_so_and_a_real_model_does_not(facts, html):
    real = page({**facts, "toy": False})

    assert TOY == "This is a toy model which proves the pipeline."
    assert TOY in html
    assert f"<code>{TOY_SETTING}</code>" in html
    assert TOY not in real
    assert TOY in markdown(facts)
    assert TOY not in markdown({**facts, "toy": False})


def test_fixed_and_broken_questions_link_to_places_that_exist(html, facts):
    outline = Outline(html)
    rows = {row["id"] for row in rows_of(html)}

    examples = [link for link in outline.links if link.startswith("#example-")]
    assert examples
    assert {link[1:] for link in examples} <= set(outline.ids)
    assert {link[3:] for link in outline.links if link.startswith("#q-")} <= rows
    linked = {link.removeprefix("#example-").removeprefix("#q-") for link in outline.links}
    assert set(facts["evaluation"]["paired"]["broken_ids"]) <= linked


def test_every_question_with_every_sample_travels_with_the_page(html, facts):
    rows = rows_of(html)

    assert [row["id"] for row in rows] == [q["id"] for q in facts["questions"]]
    assert rows[0]["subjects"][1]["texts"] == facts["questions"][0]["adapter"]["texts"]
    assert {row["language"] for row in rows} == {"zh", "en"}


def test_hostile_text_stays_text(facts):
    hostile = copy.deepcopy(facts)
    for q in hostile["questions"]:
        q["id"] = 'x" onclick="alert(3)'
        q["problem"] = q["question"] = q["source_id"] = HOSTILE
        q["options"] = [HOSTILE] * 4
        for side in ("base", "adapter"):
            q[side] |= {"greedy_text": HOSTILE, "texts": [HOSTILE], "greedy_extractor": HOSTILE}
            q[side] |= {"at": [[2, 9]], "greedy_at": [2, 9]}
    hostile |= {"name": HOSTILE, "adapter": HOSTILE, "command": HOSTILE, "recipe": HOSTILE, "base_model": HOSTILE}
    hostile["steps"][0] |= {"name": HOSTILE, "artifact": HOSTILE, "facts": {HOSTILE: HOSTILE}}
    hostile["thrown_away"][0]["reason"] = hostile["lineage"][0]["name"] = HOSTILE
    for part in hostile["evaluation"]["slices"]:
        part["name"] += HOSTILE
    hostile["evaluation"]["paired"]["reason"] = HOSTILE

    html = page(hostile)

    assert "<script>alert" not in html
    assert "<img" not in html
    assert 'onclick="alert' not in html
    assert 2 == html.count("<script")
    assert "{{ 7*7 }}" in Outline(html).text
    assert rows_of(html)[0]["problem"] == HOSTILE
    assert "<script>" not in markdown(hostile).split("Get it again")[0]


def test_the_same_facts_give_the_same_bytes(facts, html):
    assert page(copy.deepcopy(facts)) == html


def test_plots_take_their_colours_and_font_from_the_page(html):
    plots = re.findall(r'<svg class="plot".*?</svg>', html, re.DOTALL)

    assert len(plots) >= 5
    for plot in plots:
        assert "var(--" in plot
        assert not re.search(r"#[0-9a-f]{6}", plot)
        assert "DejaVu" not in plot
        assert 'role="img" aria-label="' in plot


def test_nothing_to_show_still_makes_a_page(facts):
    bare = copy.deepcopy(facts)
    bare |= {"questions": [], "steps": [], "thrown_away": [], "lineage": []}
    bare["training"] |= {"rows": [], "steps": None, "trainable": None, "trained_tokens": None, "device": None}
    nothing = {"base": [], "adapter": []}
    bare["evaluation"] |= {"slices": [], "curves": nothing, "passes": nothing, "replays": [], "consistency": {}}
    unread = {"extractors": {}, "abstentions": {}, "samples": 0, "readable_accuracy": None}
    unsure = {"bins": [], "n": 0, "unanswered": 60, "ece": None, "brier": None}
    bare["evaluation"]["paired"] |= {"fixed": 0, "broken": 0, "detectable": None, "mcnemar_p": 1.0}
    for side in ("base", "adapter"):
        bare["evaluation"][side] |= {"greedy_accuracy": None, "single_accuracy": None, "forced_accuracy": None}
        bare["evaluation"][side] |= unread | {"calibration": unsure}

    text = Outline(page(bare)).text

    assert "Nothing." in text
    assert "letter forced" not in text
    assert "Thrown away" in text


def test_two_thousand_questions_with_long_replies_fit_in_a_few_megabytes():
    facts = sample_facts(40)
    one = facts["questions"][0]
    noise = [hashlib.sha512(str(i).encode()).hexdigest() * 40 for i in range(40)]
    facts["questions"] = [
        {
            **one,
            "id": str(i),
            "change": "both right",
            "adapter": {**one["adapter"], "texts": noise[:5], "greedy_text": noise[i % 40]},
            "base": {**one["base"], "texts": [f"{i} {text[:300]}" for text in one["base"]["texts"]]},
        }
        for i in range(2000)
    ]

    html = page(facts)

    assert len(html) < 6_000_000
    assert len(rows_of(html)) == 2000


def test_samples_give_way_when_the_page_would_grow_too_large(facts, monkeypatch):
    monkeypatch.setattr("evals.report.packed.LARGEST", 1000)

    html = page(facts)

    assert "sampled replies are left out" in Outline(html).text
    assert all(row["subjects"][1]["texts"] == [] for row in rows_of(html))
    assert rows_of(html)[0]["subjects"][1]["greedy_text"]


def test_a_long_reply_loses_its_middle_and_keeps_the_place_of_its_answer(facts):
    one = copy.deepcopy(facts["questions"][0])
    one["adapter"] |= {"greedy_text": "x" * 9000 + "Answer: A", "greedy_at": [9000, 9009]}

    html = page({**facts, "questions": [one]})
    shown = rows_of(html)[0]["subjects"][1]

    assert "[5009 more]" in shown["greedy_text"]
    assert "Answer: A" == shown["greedy_text"][slice(*shown["greedy_at"])]
    assert "<mark>Answer: A</mark>" in html


def test_markdown_tells_the_core(facts):
    text = markdown(facts)

    assert text.startswith("# logic/1: better\n")
    assert f"**{percent(facts['evaluation']['adapter']['accuracy'])}**" in text
    assert "| parse | broken JSON | 3 |" in text
    assert facts["command"] in text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (48.3, "48 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7625, "2 h 07 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds, shown):
    assert duration(seconds) == shown


def test_amounts_and_moments_read_as_people_say_them():
    assert amount(1234567) == "1\u202f234\u202f567"
    assert amount(0.03124) == "0.03124"
    assert amount({"train": 1121, "valid": None}) == "train 1\u202f121, valid –"
    assert (amount(True), amount([]), amount("x")) == ("yes", "–", "x")
    assert moment("2026-11-22T01:45:00+00:00") == "22 November 2026, 01:45 UTC"
    assert moment("yesterday") == "yesterday"
    assert (points(-0.0321), points(0.5), points(-0.0)) == ("−3.2", "+50.0", "0.0")


def test_the_training_shows_loss_rate_speed_and_memory(facts, html):
    text = Outline(html).text

    for words in ("How did it train?", "Learning rate", "Trained tokens a second", "Most memory so far, GiB", "3.0 %"):
        assert words in text
    for key in ("loss", "learning_rate", "tokens_per_second", "memory"):
        assert f"course-{key}-" in html
    assert "validation" in text, "its line is named"


@pytest.fixture(scope="module")
def many():
    found = sample_facts(60, several=True)
    found["evaluation"]["others"]["logic/3"]["paired"] |= {"mcnemar_p": 0.0123, "adjusted_p": 0.0246}
    return found


@pytest.fixture(scope="module")
def compared(many):
    return page(many)


def test_several_adapters_and_their_vote_stand_beside_the_base_each_with_its_corrected_word(many, compared):
    text, told = Outline(compared).text, markdown(many)
    others = many["evaluation"]["others"]

    assert ["logic/2", "logic/3", "vote of logic/1+logic/2+logic/3"] == list(others)
    assert "corrected for all 4 comparisons (Holm)" in text
    assert "corrected for 4 comparisons (Holm)" in told
    for label, one in zip(("logic/2", "logic/3", "all together"), others.values(), strict=True):
        paired = one["paired"]
        ends = f"{points(paired['ci95'][0])} to {points(paired['ci95'][1])}"
        p, corrected = tabled(paired["mcnemar_p"]), tabled(paired["adjusted_p"])
        row = [percent(one["accuracy"]), points(paired["difference"]), ends, paired["fixed"], paired["broken"], p,
               corrected, paired["verdict"]]  # fmt: skip
        assert f"{label} {' '.join(map(str, row))}" in text
        assert f"| {label} | {row[1]} | {ends} | {row[3]} | {row[4]} | {p} | {corrected} | **{row[7]}** |" in told
    assert {5} == {len(row["subjects"]) for row in rows_of(compared)}
    assert [q["others"]["logic/3"]["winner"] for q in many["questions"]] == [
        row["subjects"][3]["winner"] for row in rows_of(compared)
    ]


def test_what_each_stage_fixed_and_broke_stands_on_the_page_with_its_questions(many):
    asked = many["questions"]
    stage = {"parent": "logic/2", "child": "logic/3", "paired": many["evaluation"]["paired"]}
    stage |= {"fixed": [asked[0]["id"]], "broken": [asked[1]["id"], asked[2]["id"]]}
    staged = {**many, "evaluation": {**many["evaluation"], "stages": [stage]}}
    text = Outline(page(staged)).text

    for words in ("What did each stage do?", "logic/3 against logic/2", "logic/3 broke 2", "logic/3 fixed 1"):
        assert words in text
    assert asked[0]["question"] in text.partition("logic/3 fixed 1")[2].partition("Majority vote")[0]
    assert "| logic/3 against logic/2 |" in markdown(staged)
    assert "What did each stage do?" not in Outline(page(many)).text


def test_what_was_not_asked_or_trained_has_no_place_on_a_page_that_only_compares(many, compared, html):
    for section in ("rationales", "training"):
        assert f'id="{section}"' in html
        assert f'id="{section}"' not in compared
    assert "teacher" not in markdown(many).split("Get it again")[0]


def test_each_plot_has_its_purpose_and_shows_its_numbers(compared, many):
    plots = dict(re.findall(r'<svg class="plot" role="img" aria-label="([^"]*)".*?>(.*?)</svg>', compared, re.DOTALL))
    certain = {n: p for n, p in plots.items() if "share of votes" in n}
    base = many["evaluation"]["base"]["calibration"]

    for name in ("Accuracy of the majority of k votes", "a right one among k", "logic/2: ", "by family", "by length"):
        assert 1 == sum(name in label for label in plots), name
    assert 5 == len(certain)
    assert {str(one[2]) for one in base["bins"]} <= set(re.findall(r">(\d+)</text>", certain[next(iter(certain))]))
    assert f"expected calibration error {base['ece']:.3f}, Brier score {base['brier']:.3f}" in Outline(compared).text


def test_the_reader_s_part_says_what_fired_how_often_and_how_right_it_was(facts, html):
    text = Outline(html).text.split("How were the replies read?")[1].split("Can its certainty")[0]
    base, adapter = facts["evaluation"]["base"], facts["evaluation"]["adapter"]

    for name in base["extractors"].keys() | adapter["extractors"].keys():
        found = [side["extractors"].get(name) for side in (base, adapter)]
        shown = [f"{amount(one['n'])} {percent(one['right'] / one['n'])}" if one else "– –" for one in found]
        assert f"{name} {' '.join(shown)}" in text
    for name in ("refused", "truncated", "unreadable"):
        assert f"not read: {name} {base['abstentions'][name]}" in text
    assert f"of those that were answered {percent(base['readable_accuracy'])}" in text
    assert f"replies cut at their length limit {percent(base['cut'])}" in text


def test_savings_consistency_and_the_smallest_difference_are_told(facts, many, compared):
    text, evaluation = Outline(compared).text, many["evaluation"]

    for rule in evaluation["replays"]:
        assert f"{rule['rule']} {percent(rule['saved'])} {percent(rule['agreement'])} of {rule['questions']}" in text
    for name, found in evaluation["consistency"].items():
        assert f"{name} {percent(found['same'])} of {found['questions']} {interval(found['ci95'])}" in text
    assert f"a true difference of {100 * evaluation['paired']['detectable']:.1f} points" in text
    early = copy.deepcopy(facts)
    early["evaluation"] |= {"adaptive": "beta", "sampled": {"asked": 800, "full": 1200, "saved": 1 / 3}, "replays": []}
    assert "800 of 1 200 votes were asked for, 33.3 % saved" in Outline(page(early)).text
    assert "not known" in Outline(page(early)).text
    early["evaluation"]["adaptive"] = "exact"
    assert "Every winner is that of the full vote" in Outline(page(early)).text


def test_every_share_on_the_page_is_in_the_facts(many, compared):
    def shares(found):
        if isinstance(found, dict):
            for value in [found["right"] / found["n"]] if found.keys() == {"n", "right"} else found.values():
                yield from shares(value)
        elif isinstance(found, list):
            for value in found:
                yield from shares(value)
        elif isinstance(found, float):
            yield percent(found)

    told = Outline(compared).text.split("How sure is it?")[1].split("What did the model say?")[0]
    shown = set(re.findall(r"\b\d+\.\d %", told.replace("95 %", "")))

    assert len(shown) > 30
    assert shown <= set(shares(many["evaluation"]))


def test_a_warning_of_the_evaluation_is_seen(facts):
    warned = copy.deepcopy(facts)
    warned["evaluation"]["warnings"] = ["logic/1 says the very same as the base"]

    assert "logic/1 says the very same as the base" in Outline(page(warned)).text
    assert "logic/1 says the very same as the base" in markdown(warned)


KEYS = """<pre id="told"></pre><script>setTimeout(() => {
  const told = [], press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const now = () => document.activeElement.closest("li")?.id ?? document.activeElement.id;
  for (const key of ["j", "j", "ArrowDown", "k", "/"]) { press(key); told.push(now()); }
  document.activeElement.value = "boxed";
  press("Enter"); told.push(now());
  told.push(document.querySelectorAll(".rows > li").length);
  document.activeElement.click();
  told.push(document.querySelectorAll(".detail mark").length > 0);
  press("Escape"); told.push(now());
  told.push(document.getElementById("found").textContent);
  document.getElementById("told").textContent = JSON.stringify(told);
}, 1000)</script>"""


def test_the_table_is_searched_and_walked_by_keys_alone(compared, tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser to press keys in")
    open_to_all = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", compared)
    (tmp_path / "page.html").write_text(open_to_all.replace("</body>", f"{KEYS}</body>"), "utf-8")

    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=20000", "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    told = json.loads(re.search(r'<pre id="told">(\[.*?\])</pre>', done.stdout)[1])
    rows = rows_of(compared)
    boxed = [f"q-{row['id']}" for row in rows if any("boxed" in (*s["extractors"], s["greedy_extractor"])
             for s in row["subjects"])]  # fmt: skip
    ids = [f"q-{row['id']}" for row in rows]

    assert [ids[0], ids[1], ids[2], ids[1], "search"] == told[:5]
    assert [boxed[0], len(boxed), True, "search", "60 questions"] == told[5:]


def test_both_forms_say_how_many_keys_were_corrected_by_hand() -> None:
    facts = sample_facts()
    assert "By hand" not in page(facts) + markdown(facts)
    facts["evaluation"]["corrections"] = {"corrected": {"train": 2, "test": 1}, "ambiguous": {"train": 1}}

    said = (
        "By hand, 3 keys are corrected (1 of test questions) and 1 question is left out as ambiguous (0 of the test)."
    )
    assert said in page(facts)
    assert said in markdown(facts)
