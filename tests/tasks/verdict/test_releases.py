"""What differs between releases of one tool beyond its form, and what other tools' files are refused as."""

import json

import pytest

from storage.evaluations.items import Choice
from storage.evaluations.load import load
from storage.home import Home
from storage.records import UsageError
from tasks.verdict.run import VerdictSpec, compare
from tests import result_files as files


def document(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def predictions(count, key="A"):
    return {str(n): {"origin_prompt": f"ask {n}", "prediction": f"Answer: {key}", "gold": "A"} for n in range(count)}


def scores(evaluation):
    return [[reply.score for reply in item.replies] for item in evaluation.tasks[0].items]


def test_shards_are_one_task_and_numbered_on(tmp_path):
    for shard, count in enumerate((3, 2)):
        document(tmp_path / "m" / f"jars_{shard}.json", predictions(count))
    document(tmp_path / "m" / "cups.json", predictions(4))
    found = load(str(tmp_path))

    assert {"cups": 4, "jars": 5} == {task.name: len(task.items) for task in found.tasks}
    assert [0, 1, 2, 3, 4] == [item.index for item in found.tasks[1].items]
    assert ["jars: 2 shards are joined"] == found.notes


def test_names_that_only_look_like_shards_are_tasks_of_their_own(tmp_path):
    for name in ("jars_1", "jars_2", "lids", "lids_0", "lids_1"):
        document(tmp_path / "m" / f"{name}.json", predictions(2))

    assert ["jars_1", "jars_2", "lids", "lids_0", "lids_1"] == [task.name for task in load(str(tmp_path)).tasks]


def test_shards_of_a_task_that_results_judge_do_not_count_twice(tmp_path):
    for shard in (0, 1):
        document(tmp_path / "predictions" / "m" / f"jars_{shard}.json", predictions(2))
    details = [{"pred": "A", "answer": "A", "correct": True}] * 4
    document(tmp_path / "results" / "m" / "jars.json", {"accuracy": 100.0, "details": details})

    assert [("jars", 4)] == [(task.name, len(task.items)) for task in load(str(tmp_path)).tasks]


@pytest.mark.parametrize(
    ("detail", "right"),
    [
        ({"pred": "A", "answer": "B", "correct": False}, [0.0]),
        ({"pred": "A", "answer": "B", "is_correct": True}, [1.0]),
        ({"rule_evaluation": {}, "cascade_correct": True}, [1.0]),
        ({"detail": {"pred": "A", "answer": "A", "correct": True}}, [1.0]),
        (
            {
                "example_abbr": "x_0",
                "predictions": [{"pred": 1, "answer": 2, "correct": False}, {"pred": 2, "answer": 2, "correct": True}],
            },
            [0.0, 1.0],
        ),
        (
            {"type": "GEN", "0": {"prompt": "p", "origin_prediction": "A", "predictions": "A", "references": "A"}},
            [None],
        ),
        (
            {"type": "PPL", "0": {"origin_prediction": {}, "predictions": "0", "references": "1", "correct": False}},
            [0.0],
        ),
    ],
)
def test_details_of_opencompass_in_every_layout(detail, right, tmp_path):
    details = detail if "type" in detail else [detail]
    path = document(tmp_path / "results" / "m" / "jars.json", {"accuracy": 50.0, "details": details})

    assert [right] == scores(load(str(path)))


def sample(n, said, **more):
    return {"doc_id": n, "doc": {"q": n}, "target": "A", "filtered_resps": [said], "exact_match": said == "A", **more}


def test_passes_of_filters_without_a_name_are_numbered(tmp_path):
    rows = [sample(n, said) for said in "AB" for n in range(3)]
    path = files.lines(tmp_path / "jars.jsonl", rows)

    assert ([[1.0]] * 3, [[0.0]] * 3) == (
        scores(load(str(path))),
        scores(load(str(path), Choice(filter="2"))),
    )
    with pytest.raises(UsageError, match="doc_id 0 a second time"):
        load(str(files.lines(tmp_path / "twice.jsonl", [sample(n, "A") for _ in "ab" for n in range(3)])))


def test_a_task_is_named_by_the_results_beside_it_and_truth_may_be_text(tmp_path):
    for side, model in (("a", "gpt2"), ("b", "gpt2-xl")):
        for task in ("arc_easy", "easy"):
            rows = [sample(n, "A", exact_match=str(n > 0)) for n in range(3)]
            files.lines(tmp_path / side / f"pretrained__{model}_{task}.jsonl", rows)
        document(tmp_path / side / "results.json", {"results": {"arc_easy": {}, "easy": {}}, "config": {}})
    found = compare(VerdictSpec([str(tmp_path / side) for side in "ab"]), Home(tmp_path / "home"))

    assert ["arc_easy", "easy"] == [one.name for one in found.tasks]
    assert 2 / 3 == found.tasks[0].judged.base.accuracy


def test_predictions_alone_are_read_by_our_extractor_and_that_is_told(tmp_path):
    rows = [sample(n, f"Answer: {said}", metrics=["bypass"], bypass=999, exact_match=None, resps=[[f"Answer: {said}"]])
            for n, said in enumerate("AAB")]  # fmt: skip
    path = str(files.lines(tmp_path / "samples_jars_2026-11-30T10-08-43.2.jsonl", rows))
    found = compare(VerdictSpec([path, path]), Home(tmp_path / "home"))

    assert 2 / 3 == found.tasks[0].judged.base.accuracy
    assert any("--predict_only" in warning for warning in found.warnings)


def test_of_several_reducers_the_log_s_first_counts_and_all_are_named(tmp_path):
    log = files.inspect_log(["AB"] * 4, epochs=2)
    ids = sorted({one["id"] for one in log["samples"]})
    log["reductions"] = [
        {"scorer": "choice", "reducer": name, "samples": [{"sample_id": id, "value": value} for id in ids]}
        for name, value in (("mean", 0.5), ("at_least_1", 1.0))
    ]
    log["samples"][0]["invalidation"] = {"author": "x"}
    path = str(document(tmp_path / "log.json", log))
    found = compare(VerdictSpec([path, path], repeats="tool"), Home(tmp_path / "home"))

    assert 0.5 == found.tasks[0].judged.base.accuracy
    assert any("mean, at_least_1" in warning for warning in found.warnings)
    assert any("1 samples were marked invalid" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"results": {"jars": {"acc,none": 0.5}}, "configs": {}, "versions": {}}, "lm-eval or lighteval"),
        ({"evalId": "eval-1", "results": {"version": 3, "results": []}, "config": {}}, "promptfoo"),
        ({"results": {"results": [{"success": True, "score": 1}], "stats": {}}}, "promptfoo"),
        ({"testCases": [{"name": "t", "success": True}]}, "DeepEval"),
        ({"adapter_spec": {}, "request_states": []}, "a scenario of HELM"),
        ([{"instance_id": "id0", "predicted_text": "A", "stats": {"exact_match": 1.0}}], "instances of HELM"),
        ({"accuracy": 62.5}, "figures alone"),
        ([{"spec": {"eval_name": "jars.dev", "completion_fns": ["m"]}}, {"final_report": {}}], "OpenAI's evals"),
        ([{"custom_id": "a", "method": "POST", "url": "/v1", "body": {}}], "requests of a batch"),
        ({"dataset_name": "jars", "metrics": []}, "a report of EvalScope"),
    ],
)
def test_what_is_known_and_not_read_is_called_by_its_name(content, says, tmp_path):
    path = document(tmp_path / "given" / "file.json", content)

    for given in (path, path.parent):
        with pytest.raises(UsageError, match=says) as caught:
            load(str(given))
        assert caught.value.hint


def test_the_column_of_scores_is_named_as_what_is_judged_and_nothing_is_said_of_replies(tmp_path):
    path = files.lines(tmp_path / "a.jsonl", [{"qid": n, "group": n, "chrf": n / 10} for n in range(8)])
    found = compare(VerdictSpec([str(path), str(path)], Choice(score="chrf")), Home(tmp_path / "home"))

    assert "chrf of the tool" == found.tasks[0].facts["judged_by"]
    assert ["columns: id = qid, score = chrf"] == found.warnings


def test_older_layouts_of_lighteval_are_likelihoods_too(tmp_path):
    import polars as pl

    rows = [{"example": f"ask {n}", "full_prompt": f"few shots, ask {n}", "predictions": "[(-1.5, True), (-0.5, False)]", "gold": "[' B']",
             "choices": "[' A', ' B']", "gold_index": "[1]", "metrics": {"acc": 1, "acc_norm": n % 2}, "padded": "[0]", "specifics": None}
            for n in range(4)]  # fmt: skip
    place = tmp_path / "details" / "m" / "2024"
    place.mkdir(parents=True)
    pl.DataFrame(rows).write_parquet(place / "details_leaderboard|arc|0_2024-11-30T10-15-00.000000.parquet")
    found, normed = load(str(tmp_path)), load(str(tmp_path), Choice(metric="acc_norm"))

    assert ("leaderboard|arc|0", "acc", "B") == (
        found.tasks[0].name,
        found.tasks[0].metric,
        found.tasks[0].items[0].key,
    )
    assert ([[1.0]] * 4, [[0.0], [1.0]] * 2) == (scores(found), scores(normed))
