from pathlib import Path

import polars as pl

from storage.records import Ballot, Sample
from storage.tables.samples import BALLOTS, SAMPLES, Kept, Samples, sample_key, write_tables


def test_a_sample_is_found_by_its_key_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    with Samples(tmp_path) as store:
        store.add(Kept("k1", "Answer: A", "stop", 4, -0.25), subject="base")
        store.add(Kept("k2", "", "overflow", 0))
    segment = next(tmp_path.glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes() + b'{"key": "k3", "te')

    found = Samples(tmp_path).find({"k1", "k2", "k3", "k4"})

    assert {"k1": Kept("k1", "Answer: A", "stop", 4, -0.25), "k2": Kept("k2", "", "overflow", 0)} == found


def test_a_sample_of_an_earlier_release_has_no_log_probability(tmp_path: Path) -> None:
    (tmp_path / "1-1.jsonl").write_text('{"key": "k", "text": "A", "finish": "stop", "tokens": 1}\n')

    assert {"k": Kept("k", "A", "stop", 1, None)} == Samples(tmp_path).find({"k"})


def test_a_key_tells_weights_engine_text_and_decoding_apart() -> None:
    keys = {
        sample_key("vllm", "w", None, prompt="p", seed=1),
        sample_key("transformers", "w", None, prompt="p", seed=1),
        sample_key("vllm", "w2", None, prompt="p", seed=1),
        sample_key("vllm", "w", 512, prompt="p", seed=1),
        sample_key("vllm", "w", None, prompt="q", seed=1),
        sample_key("vllm", "w", None, prompt="p", seed=2),
    }

    assert 6 == len(keys)


def test_tables_hold_samples_and_ballots_of_every_subject(tmp_path: Path) -> None:
    sample = Sample("q", "base", -1, "Answer: A", "stop", 4, "A", "answer-line", -0.5)
    ballot = Ballot("q", "g", "A", ("A", None), "A", {"A": 1})

    write_tables(tmp_path, {"base": [sample]}, {"base": {"q": ballot}, "logic/1": {"q": ballot}})

    assert [("q", "base", -1, "Answer: A", "stop", 4, "A", "answer-line", -0.5)] == pl.read_parquet(
        tmp_path / SAMPLES
    ).rows()
    assert ["base", "logic/1"] == pl.read_parquet(tmp_path / BALLOTS)["subject"].to_list()
    assert [["A", None], ["A", None]] == pl.read_parquet(tmp_path / BALLOTS)["votes"].to_list()


def test_no_samples_make_empty_tables(tmp_path: Path) -> None:
    write_tables(tmp_path, {}, {})

    assert pl.read_parquet(tmp_path / SAMPLES).is_empty()
