"""The house's import table, read from the syntax tree, and the map held against the tree."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "flows": {"tasks", "storage", "evals"},
    "tasks": {"prompts", "puzzles", "storage", "evals"},
    "prompts": {"storage.records"},
    "puzzles": {"storage.records"},
    "evals": {"storage.records"},
    "storage": set(),
}
HEAVY = {"torch", "transformers", "trl", "peft", "vllm", "datasets", "accelerate", "bitsandbytes"}
CHILDREN = {
    f"tasks/training/{name}.py" for name in ("canary", "history", "loading", "loop", "settings", "sft", "whole")
}  # modules that only a child process imports
SHARED_VERBS = {
    "tasks.answered",
    "tasks.alone_report",
    "tasks.candidates",
    "tasks.card",
    "tasks.changes",
    "tasks.clients",
    "tasks.cluster",
    "tasks.code",
    "tasks.code_digest",
    "tasks.corrected",
    "tasks.described",
    "tasks.forecast",
    "tasks.pages",
    "tasks.plumbing",
    "tasks.judging",
    "tasks.kinds",
    "tasks.step",
    "tasks.tally",
    "tasks.proxies",
    "tasks.redaction",
    "tasks.rationales",
    "tasks.pairing",
    "tasks.selection",
    "tasks.shares",
    "tasks.chats",
    "tasks.child",
    "tasks.lifeline",
    "tasks.loss",
    "tasks.models",
    "tasks.engines",
    "tasks.gguf",
    "tasks.teachers",
    "tasks.trainer",
    "tasks.sampler",
    "tasks.sandbox",
    "tasks.scored_report",
    "tasks.scoring",
    "tasks.serving",
    "tasks.sampling",
    "tasks.references",
    "tasks.text_to_sql",
    "tasks.training",
    "tasks.verdicts",
    "tasks.viewing",
}


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@functools.cache
def imports(path: Path, *, top_only: bool = False) -> frozenset[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(room)
        for name in imports(path)
        if name.split(".")[0] in {*MAY_IMPORT, "recipes", "tests"}
        and not any(name == a or name.startswith(f"{a}.") for a in allowed)
    ]

    assert wrong == []


def test_prefect_is_known_to_flows_alone() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for room in MAY_IMPORT
        if room != "flows"
        for path in files(room)
        if any(name.split(".")[0] == "prefect" for name in imports(path))
    ]

    assert wrong == []


def test_heavy_libraries_are_imported_only_inside_the_function_that_needs_them() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for room in MAY_IMPORT
        for path in files(room)
        if str(path.relative_to(ROOT)) not in CHILDREN
        and any(name.split(".")[0] in HEAVY for name in imports(path, top_only=True))
    ]

    assert wrong == []


def test_a_verb_imports_no_other_verb() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files("tasks")
        for name in imports(path)
        if name.startswith("tasks.") and not any(name == s or name.startswith(f"{s}.") for s in SHARED_VERBS)
    ]

    assert wrong == []


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one node (Tarjan 1972), each sorted."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        path.append(node)
        for other in sorted(arrows[node]):
            if other not in number:
                visit(other)
            if other in path:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == number[node]:
            component = path[path.index(node) :]
            del path[path.index(node) :]
            found.append(sorted(component))

    for node in sorted(arrows):
        if node not in number:
            visit(node)
    return sorted(component for component in found if len(component) > 1)


def test_circles_are_found() -> None:
    assert [["a", "b", "c"], ["e", "f"]] == circles(
        {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"f"}, "f": {"e"}, "g": {"a"}}
    )


@pytest.mark.parametrize("level", ["file", "package"])
def test_there_is_no_import_circle(level: str) -> None:
    """At the top of a file, in a function or for types alone; between files, and between packages of a room."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for room in MAY_IMPORT
        for path in files(room)
    }
    depth = None if level == "file" else 2
    arrows: dict[str, set[str]] = {".".join(name.split(".")[:depth]): set() for name in modules}
    for name, path in modules.items():
        start = ".".join(name.split(".")[:depth])
        for imported in imports(path):
            for target in (imported, imported.rpartition(".")[0]):
                end = ".".join(target.split(".")[:depth])
                if target in modules and end != start:
                    arrows[start].add(end)
                    break

    assert circles(arrows) == []


def test_settings_are_read_by_their_fields_on_both_sides_of_a_process() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in MAY_IMPORT
        for path in files(room)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "spec"
    ]

    assert wrong == []


def test_a_room_opens_with_a_promise_and_nothing_else() -> None:
    for room in MAY_IMPORT:
        tree = ast.parse((ROOT / room / "__init__.py").read_text("utf-8"))

        assert ast.get_docstring(tree)
        assert len(tree.body) == 1, room


def test_the_map_has_every_file_of_the_house() -> None:
    page = (ROOT / "docs" / "map.md").read_text("utf-8")
    missing = [
        str(path.relative_to(ROOT))
        for room in MAY_IMPORT
        for path in files(room)
        if path.name != "__init__.py" and f"{path.name}" not in page
    ]

    assert missing == []


def test_every_folder_of_tests_is_a_package_so_that_two_files_may_have_one_name() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}

    assert [] == [folder.name for folder in folders if not (folder / "__init__.py").exists()]


def test_no_file_outgrows_300_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for room in MAY_IMPORT
        for path in files(room)
        if (lines := len(path.read_text("utf-8").splitlines())) > 300
    }

    assert long == {}


def test_nobody_asks_for_a_teacher_s_provider_by_its_name() -> None:
    """What differs between providers is a property of theirs, in `tasks.teachers.provider`."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in MAY_IMPORT
        for path in files(room)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare)
        and any(isinstance(side, ast.Attribute) and side.attr == "teacher" for side in (node.left, *node.comparators))
    ]

    assert wrong == []
