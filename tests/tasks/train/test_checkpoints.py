from pathlib import Path

from tasks.train.checkpoints import newest_whole, no_longer_falls, seal, unwritable


def make(folder: Path, step: int, *, sealed: bool = True) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir()
    (checkpoint / "optimizer.pt").write_bytes(b"x" * 100)
    if sealed:
        seal(checkpoint)
    return checkpoint


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert newest_whole(tmp_path / "nowhere") is None


def test_the_one_with_most_steps_wins_not_the_last_by_name(tmp_path: Path) -> None:
    make(tmp_path, 90)
    newest = make(tmp_path, 1000)

    assert newest_whole(tmp_path) == newest


def test_one_without_a_seal_was_cut_short(tmp_path: Path) -> None:
    older, broken = make(tmp_path, 10), make(tmp_path, 20, sealed=False)

    assert newest_whole(tmp_path) == older
    assert not broken.exists()


def test_one_with_a_shorter_or_missing_file_is_passed_over(tmp_path: Path) -> None:
    older = make(tmp_path, 10)
    (make(tmp_path, 20) / "optimizer.pt").write_bytes(b"x")
    (make(tmp_path, 30) / "optimizer.pt").unlink()

    assert newest_whole(tmp_path) == older


def history(*losses: float) -> list[dict[str, float]]:
    return [{"step": 0, "loss": 9.0}, *({"step": n, "eval_loss": loss} for n, loss in enumerate(losses))]


def test_it_no_longer_falls_after_as_many_losses_as_patience_has() -> None:
    assert not no_longer_falls(history(3, 2, 2.5), 2)
    assert no_longer_falls(history(3, 2, 2.5, 2.4), 2)
    assert not no_longer_falls(history(3, 2, 2.5, 1.9), 2)
    assert not no_longer_falls(history(3, 4, 5), None)


def test_a_full_disk_is_named_with_what_was_kept(tmp_path: Path) -> None:
    make(tmp_path, 10)
    make(tmp_path, 20, sealed=False)
    full = unwritable(tmp_path, OSError(28, "No space left on device"))
    torn = unwritable(tmp_path, RuntimeError("unexpected pos 64 vs 48"))
    other = unwritable(tmp_path, RuntimeError("a library gave up"))

    assert full.thing == torn.thing == "the disk is full"
    assert "checkpoint-10" in str(full)
    assert other.thing == "training cannot write its files"
