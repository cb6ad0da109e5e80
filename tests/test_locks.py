"""The locks hold for every Python and machine that is promised, with all dependencies; nothing is downloaded."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
LOCKS = {
    # the CPU's build of torch lies at an index of its own, which is not asked: the same release of the other stands in
    "cpu": ("--override", "overrides-cpu.txt", "--override", "overrides-torch.txt"),
    "gpu": (),
}
CASES = [(lock, python, machine) for lock in LOCKS for python in PYTHONS for machine in MACHINES]


def pinned(lock: str) -> list[tuple[str, str]]:
    """Package and version of each line; where Pythons differ a package has several."""
    lines = (ROOT / f"requirements-{lock}.lock").read_text("utf-8").splitlines()
    return [(name, version) for name, _, version in (line.partition(" ;")[0].partition("==") for line in lines)]


def resolved(lock: str, python: str, machine: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """What uv would install of a lock into an empty folder for such a Python and machine."""
    text = (ROOT / f"requirements-{lock}.lock").read_text("utf-8")
    file = folder / f"{lock}-{python}-{machine}.txt"
    file.write_text(text.replace("+cpu", ""), "utf-8")
    command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--target", str(folder / "nothing")]
    command += ["--python-version", python, "--python-platform", f"{machine}-manylinux_2_35", *LOCKS[lock]]
    return subprocess.run([*command, *more, "-r", str(file)], cwd=ROOT, capture_output=True, text=True, timeout=300)


def after(first: Future, case: tuple[str, str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A case once another of its lock has asked the index: from uv's cache, which takes a tenth, or asked as well."""
    first.result()
    done = resolved(*case, folder, "--offline")
    return done if done.returncode == 0 else resolved(*case, folder)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str, str], Future]]:
    """The dry runs of all cases, a few at a time; the first of each lock asks the index for every package."""
    folder = tmp_path_factory.mktemp("locks")
    ask = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--reinstall", "--no-deps", "--no-cache", "idna"]
    index = subprocess.run([*ask, "--target", str(folder / "none")], cwd=folder, capture_output=True, text=True)
    if index.returncode:
        pytest.skip(f"no package index answers: {index.stderr.strip().splitlines()[-1:]}")
    with ThreadPoolExecutor(8) as pool:
        asked: dict[str, Future] = {}
        found: dict[tuple[str, str, str], Future] = {}
        for case in sorted(CASES, key=lambda case: case != (case[0], PYTHONS[0], MACHINES[0])):
            first = asked.get(case[0])
            found[case] = pool.submit(after, first, case, folder) if first else pool.submit(resolved, *case, folder)
            asked.setdefault(case[0], found[case])
        yield found


@pytest.mark.process
@pytest.mark.parametrize(("lock", "python", "machine"), CASES)
def test_a_lock_resolves_with_its_dependencies_and_names_all_of_them(
    answers: dict[tuple[str, str, str], Future], lock: str, python: str, machine: str
) -> None:
    done = answers[lock, python, machine].result()
    assert done.returncode == 0, done.stderr
    taken = set(re.findall(r"^ \+ (\S+)==(\S+)$", done.stderr, re.MULTILINE))
    known = {(name, version.removesuffix("+cpu")) for name, version in pinned(lock)}

    assert len(taken) > 300
    assert set() == taken - known


def test_the_project_promises_the_pythons_that_the_locks_are_solved_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    assert ">=3.11,<3.15" == project["project"]["requires-python"]
    assert " | ".join(PYTHONS) in (ROOT / "install.sh").read_text("utf-8")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_and_names_no_index(lock: str) -> None:
    text = (ROOT / f"requirements-{lock}.lock").read_text("utf-8")

    assert "://" not in text
    assert [] == [line for line in text.splitlines() if not re.match(r"^[a-z0-9][a-z0-9._-]*==[^ ]+( ; .+)?$", line)]


def test_the_cpu_lock_has_the_cpu_s_torch_and_nothing_of_cuda() -> None:
    packages = dict(pinned("cpu"))

    assert packages["torch"].endswith("+cpu")
    assert dict(pinned("gpu"))["torch"] == packages["torch"].removesuffix("+cpu")
    assert [] == [name for name in packages if name.startswith(("nvidia-", "cuda-"))]


@pytest.mark.process
@pytest.mark.parametrize(
    ("version", "says"), [("3.10", "Python 3.10 is none of 3.11 to 3.14"), ("3.15", "Python 3.15 is none of")]
)
def test_a_python_without_wheels_is_refused_in_one_line(tmp_path: Path, version: str, says: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {version}\n")
    python.chmod(0o755)
    script = tmp_path / "install.sh"
    script.write_text((ROOT / "install.sh").read_text("utf-8"))
    done = subprocess.run(["bash", str(script)], env={"PATH": "/usr/bin:/bin", "PYTHON": str(python)}, capture_output=True, text=True)  # fmt: skip

    assert done.returncode == 1
    assert says in done.stderr
    assert 1 == len(done.stderr.splitlines())
    assert not (tmp_path / ".venv").exists()
