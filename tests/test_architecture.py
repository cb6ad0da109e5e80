"""The house's import table, read from the syntax tree, and the map held against the tree."""

import ast
import functools
from pathlib import Path

import pytest

from tasks.kinds.registry import KINDS

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
    f"tasks/train/{name}.py"
    for name in ("full_model", "history", "loading", "settings", "sft", "trainer", "verify_adapter")
} | {
    f"tasks/tune/{name}.py" for name in ("finish", "grpo", "preference", "trainers")
}  # modules that only a child process imports
STEPS = ("puzzles", "parse", "reason", "assemble", "train", "evaluate", "report")
VERBS = {*STEPS, "adapters", "draft", "prefer", "serve", "tune", "verdict", "view"}
# a verb that goes on from another one, five at most: a draft is measured by what its training would take, preferences
# are of replies drawn as an evaluation draws them, and a tuning is a training
EXCEPTED = {("draft", "train"), ("prefer", "evaluate"), ("tune", "train")}
# what verbs share, the floors of the room from the ground up: a package imports of its own floor and of those below
SHARED = ("runtime", "clients", "sandbox", "gguf", "models", "tokenizing", "engines", "teachers", "kinds")
FLOORS = {
    "tasks": (*({name} for name in SHARED), VERBS),
    "storage": ({""}, {"sources"}, {"cleaning", "evaluations"}, {"tables"}, {"adapters", "browse"}, {"housekeeping"}),
    "evals": ({"", "scorers"}, {"report"}),
    "flows": ({""}, {"cli"}),
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


@pytest.mark.parametrize("room", FLOORS)
def test_a_package_imports_what_lies_below_it(room: str) -> None:
    """A verb no other verb; nothing what stands above it. "" are the files of the room itself."""
    floor = {name: number for number, names in enumerate(FLOORS[room]) for name in names}
    packages = {path.parent.name for path in (ROOT / room).glob("*/__init__.py")}
    wrong = []
    for path in files(room):
        if path == ROOT / room / "__init__.py":
            continue
        own = package_of(room, ".".join(path.relative_to(ROOT).with_suffix("").parts), packages)
        for name in imports(path):
            other = package_of(room, name, packages) if name.startswith(f"{room}.") else own
            beside = {own, other} <= VERBS and (own, other) not in EXCEPTED
            if other != own and (floor[other] > floor[own] or beside):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")

    assert wrong == []


@pytest.mark.parametrize("room", FLOORS)
def test_every_package_of_a_room_has_its_floor(room: str) -> None:
    """A new verb is one more of VERBS; a file that lies in no package of `tasks` belongs into one."""
    packages = {path.parent.name for path in (ROOT / room).glob("*/__init__.py")}
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files(room))
    there = {package_of(room, name, packages) for name in names if name != f"{room}.__init__"}

    assert there == set().union(*FLOORS[room])


def test_few_verbs_go_on_from_another() -> None:
    assert len(EXCEPTED) <= 5


def package_of(room: str, name: str, packages: set[str]) -> str:
    """The package of a room that a dotted name lies in; "" for a file of the room itself."""
    part = name.split(".")[1]
    return part if part in packages else ""


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
        if path.name != "__init__.py" and f"  {path.relative_to(ROOT / room)} " not in page
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


def test_nobody_asks_which_kind_of_work_it_is() -> None:
    """What differs between kinds is a property of theirs, in `tasks.kinds.registry`."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in MAY_IMPORT
        for path in files(room)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare)
        and any("kind" in ast.unparse(side) for side in (node.left, *node.comparators))
        and any(isinstance(part, ast.Constant) and part.value in KINDS for part in ast.walk(node))
    ]

    assert wrong == []
