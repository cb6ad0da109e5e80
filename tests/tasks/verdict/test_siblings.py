"""What else such files hold: other fields, several of a kind, logs that ended early; and what is refused, by name."""

import json
import random

import pytest

from storage.evaluations.items import Choice
from storage.home import Home
from storage.records import UsageError
from tasks.verdict.run import VerdictSpec, compare
from tests import result_files as files
from tests.evaluations import ASKED, ran


def write(path, rows):
    return str(files.lines(path, rows))


def verdict(*subjects, home=None, **spec):
    return compare(VerdictSpec([str(one) for one in subjects], **spec), home or Home(files.Path("no-home")))


def rows(scores, **more):
    return [{"id": n, "group": n, "score": score, **more} for n, score in enumerate(scores)]


def samples(values, task_fields=lambda n: {}, **row):
    return [{"doc_id": n, "doc": {"q": n}, "target": 0, "filtered_resps": ["x"], "acc": value, **row, **task_fields(n)}
            for n, value in enumerate(values)]  # fmt: skip


def log(tmp_path, name, values, **more):
    """A log of Inspect whose samples have these scores: a value, a dict of scorers, or an error."""
    made = []
    for n, value in enumerate(values):
        sample = {"id": f"s{n}", "epoch": 1, "input": f"ask {n}", "target": "A", "scores": {}}
        if isinstance(value, Exception):
            sample["error"] = {"message": str(value)}
        else:
            sample["scores"] = {
                name: {"value": one} for name, one in (value if isinstance(value, dict) else {"x": value}).items()
            }
        made.append(sample)
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({"status": "success", "eval": {"task": "t", "model": name}, "samples": made, **more}))
    return path


def base(found):
    return found.tasks[0].judged.base


def test_inspect_scores_are_letters_numbers_truth_or_several_values(tmp_path):
    letters = verdict(log(tmp_path, "a", ["C", "I", "P", "N"]), log(tmp_path, "b", [1, 0.0, 0.5, False]))

    assert (0.375, 0.25) == (base(letters).accuracy, base(letters).unreadable)
    assert (0.375, 0.0) == (letters.tasks[0].judged.adapter.accuracy, letters.tasks[0].judged.adapter.unreadable)
    several = log(
        tmp_path, "c", [{"match": "C", "rouge": {"f1": 0.5, "em": 0}}, {"match": "I", "rouge": {"f1": 0.25, "em": 1}}]
    )
    assert 0.5 == base(verdict(several, several)).accuracy
    assert 0.375 == base(verdict(several, several, choice=Choice(metric="rouge/f1"))).accuracy
    assert any("--metric" in warning for warning in verdict(several, several).warnings)
    with pytest.raises(UsageError, match="match, rouge/f1, rouge/em"):
        verdict(several, several, choice=Choice(metric="bleu"))


def test_a_sample_that_ended_in_an_error_or_was_not_scored_has_no_answer_and_is_told(tmp_path):
    found = verdict(
        log(tmp_path, "a", ["C", ValueError("no such tool"), float("nan")]), log(tmp_path, "b", ["C", "C", "C"])
    )

    assert (1 / 3, 2 / 3) == (base(found).accuracy, base(found).unreadable)
    assert any("2 of 3 samples ended in an error or were not scored" in warning for warning in found.warnings)


def test_a_log_that_was_cancelled_is_told_and_judged_only_on_request(tmp_path):
    whole = log(tmp_path, "a", ["C"] * 4)
    cut = log(tmp_path, "b", ["C"] * 3, status="cancelled")

    with pytest.raises(UsageError, match=r"3 in common by id; 1 only in a, such as 's3'"):
        verdict(whole, cut)
    found = verdict(whole, cut, allow_missing=True)
    assert 3 == found.tasks[0].judged.questions
    assert any("status is 'cancelled'" in warning for warning in found.warnings)


def test_a_log_of_the_first_version_has_one_score(tmp_path):
    sample = {"id": 1, "epoch": 1, "input": "ask", "target": "A", "score": {"value": "C", "answer": "A"}}
    path = tmp_path / "old.json"
    path.write_text(
        json.dumps({"version": 1, "status": "success", "eval": {"task": "t", "model": "m"}, "samples": [sample]})
    )

    assert 1.0 == base(verdict(path, path)).accuracy


def test_an_answer_of_a_kind_that_nobody_knows_has_its_vote(tmp_path):
    epochs = [
        {"id": 1, "epoch": n, "input": "ask", "target": "A", "scores": {"x": {"value": "C", "answer": {"cell": 2}}}}
        for n in (1, 2)
    ]
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"status": "success", "eval": {"task": "t", "model": "m"}, "samples": epochs}))

    assert 1.0 == base(verdict(path, path)).accuracy


def test_a_metric_of_which_less_is_better_turns_its_sign(tmp_path):
    for side, values in (("a", [2.0] * 8), ("b", [1.0] * 8)):
        stamp = "2026-11-30T10-08-03.1"
        write(tmp_path / side / f"samples_t_{stamp}.jsonl", samples(values))
        (tmp_path / side / f"results_{stamp}.json").write_text(json.dumps({"higher_is_better": {"t": {"acc": False}}}))
    found = verdict(tmp_path / "a", tmp_path / "b")

    assert ("better", -2.0) == (found.tasks[0].judged.word, base(found).accuracy)
    assert any("sign turned" in warning for warning in found.warnings)


def test_of_a_task_that_was_evaluated_twice_the_newest_counts(tmp_path):
    for stamp, values in (("2026-11-30T10-08-03.1", [0, 0]), ("2026-12-01T09-00-00.5", [1, 1])):
        write(tmp_path / "a" / f"samples_t_{stamp}.jsonl", samples(values))
    found = verdict(tmp_path / "a", tmp_path / "a")

    assert 1.0 == base(found).accuracy
    assert any("1 older files" in warning for warning in found.warnings)


def test_subtasks_of_a_group_are_judged_each_and_together(tmp_path):
    for side in "ab":
        for task, votes in (("mmlu_law", files.A), ("mmlu_art", files.B)):
            files.lm_eval(tmp_path / side, votes if side == "a" else files.B, random.Random(1), task)
    found = verdict(tmp_path / "a", tmp_path / "b")

    assert ["mmlu_art", "mmlu_law"] == [one.name for one in found.tasks]
    assert (32, 3) == (found.overall[0].judged.questions, found.overall[0].judged.comparisons)
    one = verdict(tmp_path / "a", tmp_path / "b", tasks=["mmlu_law"])
    assert 1 == one.tasks[0].judged.comparisons
    with pytest.raises(UsageError, match="mmlu_art, mmlu_law"):
        verdict(tmp_path / "a", tmp_path / "b", tasks=["gsm8k"])


def test_every_further_subject_is_compared_with_the_first_and_all_are_corrected(tmp_path):
    paths = [write(tmp_path / f"{name}.jsonl", rows(scores)) for name, scores in
             (("a", [0] * 20), ("b", [1] * 8 + [0] * 12), ("c", [0] * 20))]  # fmt: skip
    found = verdict(*paths)

    assert [("a.jsonl", "b.jsonl", "better"), ("a.jsonl", "c.jsonl", "cannot tell")] == [
        (one.first, one.other, one.judged.word) for one in found.tasks
    ]
    assert 2 * found.tasks[0].judged.p == found.tasks[0].judged.adjusted_p


def test_documents_are_matched_whatever_their_numbers_and_repeated_ones_by_their_order(tmp_path):
    def row(n, doc, acc):
        return {"doc_id": n, "doc": {"q": doc}, "doc_hash": doc, "target": "", "filtered_resps": ["x"], "acc": acc}

    a = write(tmp_path / "a.jsonl", [row(0, "u", 1), row(1, "v", 0), row(2, "v", 1)])
    b = write(tmp_path / "b.jsonl", [row(7, "v", 0), row(8, "v", 1), row(9, "u", 1)])
    found = verdict(a, b)

    assert () == found.tasks[0].judged.fixed + found.tasks[0].judged.broken
    assert any("1 questions" in warning and "told apart by their order" in warning for warning in found.warnings)
    other = write(tmp_path / "c.jsonl", [row(n, f"w{n}", 1) for n in range(3)])
    with pytest.raises(UsageError, match="no question in common"):
        verdict(a, other)


def test_prompts_of_another_template_are_matched_by_position_with_a_warning_unless_keys_differ(tmp_path):
    def predicted(template, labels, replies):
        return [{"prompt": f"{template} {n}", "predict": f"Answer: {r}", "label": f"Answer: {k}"}
                for n, (k, r) in enumerate(zip(labels, replies, strict=True))]  # fmt: skip

    a = write(tmp_path / "a.jsonl", predicted("User:", "ABCA", "ABBA"))
    found = verdict(a, write(tmp_path / "b.jsonl", predicted("<user>", "ABCA", "ABCA")))

    assert ("position", 1) == (found.tasks[0].facts["matched"]["by"], len(found.tasks[0].judged.fixed))
    assert any("position alone: their prompts differ" in warning for warning in found.warnings)
    with pytest.raises(UsageError, match="keys differ for 2 of 4"):
        verdict(a, write(tmp_path / "c.jsonl", predicted("<user>", "ACBA", "ABCA")))


def test_options_in_another_order_are_told_and_other_keys_refused(tmp_path):
    def review(prompt, key):
        score = {"value": {"acc": 1.0}, "extracted_prediction": key, "main_score_name": "acc"}
        return [{"index": 0, "target": key, "messages": [{"role": "user", "content": prompt}],
                 "sample_score": {"group_id": 0, "score": score, "sample_metadata": {"id": "q"}}}]  # fmt: skip

    a = write(tmp_path / "a" / "x.jsonl", review("Who?\nA) Mia\nB) Tom", "A"))
    b = write(tmp_path / "b" / "x.jsonl", review("Who?\nA) Tom\nB) Mia", "B"))
    c = write(tmp_path / "c" / "x.jsonl", review("Who?\nA) Mia\nB) Tom", "B"))

    assert any("another order" in warning for warning in verdict(a, b).warnings)
    with pytest.raises(UsageError, match="keys differ for 1 of 1"):
        verdict(a, c)


def test_passages_in_the_prompts_are_groups_and_none_is_told(tmp_path):
    text = ["The ferry leaves at noon. " * 12, "The mill stands by the river. " * 12]
    asked = [{"id": n, "prompt": f"Read.\n{text[n % 2]}\nQuestion {n}?", "gold": "A", "answer": "A"} for n in range(8)]
    path = write(tmp_path / "a.jsonl", asked)

    assert (2, "passages found in the prompts") == tuple(
        verdict(path, path).tasks[0].facts["groups"][x] for x in ("n", "by")
    )
    alone = verdict(path, path, group="none")
    assert 8 == alone.tasks[0].facts["groups"]["n"]
    assert any("too sure" in warning for warning in alone.warnings)
    assert "column gold" == verdict(path, path, group="gold").tasks[0].facts["groups"]["by"]
    with pytest.raises(UsageError, match="answer, gold, id, prompt"):
        verdict(path, path, group="rack")


def test_another_number_of_replies_is_never_mixed_silently(tmp_path):
    three, one = (
        files.evalscope(tmp_path / name, votes, random.Random(1))
        for name, votes in (("a", files.A), ("b", [v[0] for v in files.B]))
    )

    with pytest.raises(UsageError, match=r"3 in (m|a)"):
        verdict(three, one)
    assert any("3 replies to a question" in warning for warning in verdict(three, one, repeats="majority").warnings)
    assert 16 == verdict(three, one, repeats="first").tasks[0].judged.questions


def test_rows_of_one_id_are_replies_where_that_is_said(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"id": n % 4, "gold": "A", "answer": "AAB"[n // 4]} for n in range(12)])

    with pytest.raises(UsageError, match="--repeats"):
        verdict(path, path)
    assert 1.0 == base(verdict(path, path, repeats="majority")).accuracy
    assert pytest.approx(2 / 3) == base(verdict(path, path, repeats="mean")).accuracy


def test_columns_are_guessed_by_their_names_and_told(tmp_path):
    made = [{"question_id": n, "question": f"q {n}", "answer": "AB"[n % 2], "prediction": "A"} for n in range(4)]
    found = verdict(write(tmp_path / "a.json", made), write(tmp_path / "b.json", made))

    assert 0.5 == base(found).accuracy
    assert any("id = question_id" in warning and "gold = answer" in warning for warning in found.warnings)
    (tmp_path / "c.json").write_text(json.dumps({"model": "x", "rows": made}))
    assert 0.5 == base(verdict(tmp_path / "c.json", tmp_path / "c.json")).accuracy


def test_numbers_and_texts_are_read_where_keys_are_no_letters(tmp_path):
    def predicted(pairs):
        return [{"prompt": f"p {n}", "predict": said, "label": key} for n, (key, said) in enumerate(pairs)]

    numbers = write(
        tmp_path / "n.jsonl", predicted([("1,200", "So 3 * 400 is 1200."), ("7", "It is 8"), ("7", "none")])
    )
    texts = write(tmp_path / "t.jsonl", predicted([("Paris", " paris"), ("Rome", "Milan")]))

    assert (1 / 3, 1 / 3) == (base(verdict(numbers, numbers)).accuracy, base(verdict(numbers, numbers)).unreadable)
    assert any("compared as numbers" in warning for warning in verdict(numbers, numbers).warnings)
    assert 0.5 == base(verdict(texts, texts)).accuracy


def test_runs_are_subjects_by_name_and_folder(tmp_path):
    home = Home(tmp_path / "home")
    keys = [q.answer for q in ASKED]
    ran(home, "one", [None] * 20 + keys[20:])
    ran(home, "two", keys)
    found = verdict("one", "two", home=home)

    assert ("better", 40) == (found.tasks[0].judged.word, found.tasks[0].judged.questions)
    assert found.dict()["paired"] == verdict(home.run("one"), home.run("two")).dict()["paired"]
    assert "better" == verdict("two:base", "two:logic/1", home=home).tasks[0].judged.word
    assert "two:logic/1" in verdict("one", home.root, home=home).names
    with pytest.raises(UsageError, match="base, logic/1"):
        verdict("one:logic/9", "two", home=home)
    with pytest.raises(UsageError, match="no run of"):
        verdict("three", "two", home=home)


def bad(tmp_path, name, content):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


SAMPLE = json.dumps({"doc_id": 0, "doc": {}, "target": "A", "filtered_resps": ["A"], "acc": 1.0})


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", "", "empty"),
        ("a.jsonl", SAMPLE + "\n" + SAMPLE[:30], "line 2.*\n.*broken JSON"),
        ("a.json", '{"status": "success", "eval": {}, "samples": [{"id": 1', "broken JSON"),
        ("a.json", '{"status": "error", "eval": {}, "samples": []}', "has no samples"),
        ("a.eval", b"PK\x03\x04 torn", "cannot be read"),
        ("a.parquet", b"PAR1 torn", "a table that is whole"),
        ("a.jsonl", SAMPLE + "\n" + SAMPLE, "doc_id 0 a second time"),
        ("a.jsonl", SAMPLE + "\n5", "a sample with doc_id"),
        ("a.jsonl", SAMPLE.replace('"acc": 1.0', '"acc": [1, 2]'), "no metric"),
        ("a.jsonl", "5\n6", "no results that are known"),
        ("a.jsonl", '{"id": 1, "text": "x"}', "no score, and no key"),
        ("a.jsonl", '{"id": 1, "gold": "A", "answer": "A"}\n7', "line 2"),
        ("a.jsonl", '{"id": 1, "gold": "A", "answer": "A"}\n{"id": 2, "gold": "A"}', "no answer"),
        ("a.jsonl", '{"id": 1, "score": "high"}', "a finite number"),
        ("a.jsonl", '{"id": 1, "gold": null, "answer": "A"}', "the key of the question"),
        ("a.json", '{"dataset_name": "x", "metrics": []}', "a report"),
        ("a.jsonl", '{"index": 0, "model_output": {}}', "no key"),
        ("a.jsonl", '{"custom_id": "x", "response": null, "error": {"code": "expired"}}', "no replies to read"),
        ("a.csv", "id,gold\n1,A\n", "no score, and no key"),
        ("sub/readme.txt", "no results", "no results that are known"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_name(name, content, says, tmp_path):
    path = bad(tmp_path, name, content)
    target = path.parent if name.startswith("sub/") else path

    with pytest.raises(UsageError, match=says) as caught:
        verdict(target, target)
    assert caught.value.seen


def test_folders_of_several_models_or_tools_and_nothing_are_refused(tmp_path):
    for side in "ab":
        files.opencompass(tmp_path / "oc" / side, files.A, random.Random(1))
    (tmp_path / "oc" / "a" / "predictions" / "m").rename(tmp_path / "oc" / "a" / "predictions" / "n")
    with pytest.raises(UsageError, match="several models"):
        verdict(tmp_path / "oc", tmp_path / "oc")
    files.lm_eval(tmp_path / "oc" / "b", files.A, random.Random(1))
    with pytest.raises(UsageError, match="several tools"):
        verdict(tmp_path / "oc" / "b", tmp_path / "oc" / "b")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no file"):
        verdict(tmp_path / "empty", tmp_path / "empty")
    with pytest.raises(UsageError, match="is not there"):
        verdict(tmp_path / "gone", tmp_path / "gone")


def test_a_file_of_keys_must_have_all_of_them(tmp_path):
    out = files.batch(tmp_path, files.A, random.Random(1))
    keys = write(tmp_path / "k.jsonl", [{"id": "jar/000", "answer": "A"}])

    with pytest.raises(UsageError, match="no key for 15 of 16"):
        verdict(out, out, choice=Choice(keys=files.Path(keys)))
    with pytest.raises(UsageError, match="no question of task"):
        verdict(out, out)


def test_failed_requests_have_no_answer_and_a_file_of_errors_beside_is_told(tmp_path):
    out = files.batch(tmp_path, files.A[:15], random.Random(1)).rename(tmp_path / "x_output.jsonl")
    error = {"custom_id": "jar/015", "response": None, "error": {"code": "batch_expired"}}
    errors = write(tmp_path / "x_errors.jsonl", [error])
    keys = Choice(keys=files.keys(tmp_path))

    assert any("x_errors.jsonl lies beside" in warning for warning in verdict(out, out, choice=keys).warnings)
    found = verdict(f"{out}+{errors}", f"{out}+{errors}", choice=keys)
    assert (16, 3) == (found.tasks[0].judged.questions, round(16 * base(found).unreadable))
    assert any("1 requests failed (batch_expired)" in warning for warning in found.warnings)
