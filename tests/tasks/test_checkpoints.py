from pathlib import Path

from tasks.training.checkpoints import newest_whole, seal


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
