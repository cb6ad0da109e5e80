"""The page of rationales: whole without scripts, safe against its texts, the same from the same facts."""

import copy

import pytest

from evals.report.page import page as report
from evals.report.rationales import Tally
from evals.report.rationales_page import markdown, page
from tests.evals.report.test_page import HOSTILE, Outline
from tests.evals.sample_rationales import told_of
from tests.evals.sample_report import questions, sample_facts


@pytest.fixture(scope="module")
def told():
    return told_of(q for q, _ in questions(120))


@pytest.fixture(scope="module")
def html(told):
    return page(told.facts(), told.suspects())


def test_the_page_is_whole_and_loads_nothing(html):
    outline = Outline(html)

    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.sources == []
    assert all(link.startswith("#") and link[1:] in outline.ids for link in outline.links)
    assert "default-src 'none'" in html
    assert "<script" not in html


def test_counts_and_evidence_stand_on_the_page(html, told):
    text, facts = Outline(html).text, told.facts()

    assert f"{facts['kept']} kept." in text
    for reason, count in facts["rejected"].items():
        assert f"{reason} {count}" in text
    assert facts["suspects"]["found"] == len(told.suspects()) > 0
    for suspect in told.suspects():
        assert f"key {suspect['key']} teacher {suspect['answer']}" in text
        assert f"{suspect['file']} , line {suspect['line']}" in text
        for evidence in suspect["evidence"]:
            assert " ".join(evidence.split()) in text


def test_the_same_facts_give_the_same_bytes(html, told):
    assert page(copy.deepcopy(told.facts()), copy.deepcopy(told.suspects())) == html


def test_hostile_text_stays_text(told):
    facts, suspects = told.facts(), copy.deepcopy(told.suspects())
    facts |= {"models": [HOSTILE], "rejected": {HOSTILE: 3}}
    facts["prompts"][0]["prompt"] = HOSTILE
    for suspect in suspects:
        suspect |= dict.fromkeys(("question", "source_id", "file", "problem", "asked"), HOSTILE)
        suspect |= {"options": [HOSTILE] * 4, "evidence": [HOSTILE] * 2}

    html = page(facts, suspects)

    assert "<script" not in html
    assert "<img" not in html
    assert "{{ 7*7 }}" in Outline(html).text
    assert "<script" not in markdown(facts, suspects)


def test_nothing_asked_still_makes_a_page():
    empty = Tally()

    assert "Nothing was asked." in Outline(page(empty.facts(), [])).text
    assert markdown(empty.facts(), []).startswith("# 0 rationales kept of 0\n")


def test_more_suspects_than_are_listed_are_counted(told):
    facts, one = told.facts(), told.suspects()[0]
    facts["suspects"] |= {"found": 1500, "held": 1000}
    many = [{**one, "rank": n, "question": f"q{n}"} for n in range(1, 1001)]

    text = Outline(page(facts, many)).text

    assert "And 1 300 more; ponens sql" in text
    assert "lists the strongest 1 000" in text


def test_markdown_tells_the_core(told):
    text, facts = markdown(told.facts(), told.suspects()), told.facts()

    assert f"| disagrees | {facts['rejected']['disagrees']} |" in text
    assert f"| choice/2/solve | 480 | {facts['prompts'][0]['read']} |" in text
    assert told.suspects()[0]["source_id"] in text


def test_the_report_has_the_same_parts():
    facts = sample_facts(40)
    suspect = facts["suspects"][0]

    text = Outline(report(facts)).text

    assert "What did the teacher give?" in text
    assert f"key {suspect['key']} teacher {suspect['answer']}" in text
    assert "Without the key, the teacher agrees with it in" in text


def test_a_teacher_that_was_asked_once_raises_no_doubt():
    once = told_of((q for q, _ in questions(40)), samples=1)
    facts = {**sample_facts(40), "rationales": once.facts(), "suspects": once.suspects()}

    for text in (Outline(report(facts)).text, Outline(page(once.facts(), [])).text):
        assert "The teacher was asked once a question: no suspect can be told." in text
        assert "a person decides" not in text
