#!/usr/bin/env bash
# Guess: a column with overflow="fold" loses nothing in a narrow terminal: what does not fit goes on in the next line.
#   A tree printed with soft_wrap=True leaves the breaking of long lines to the terminal, as a text does.
# What happens: with no_wrap=True beside it, "fold" is not looked at, and the cell ends without a sign where the column
#   does: an id lacks its last letters and still looks like one. The tree is cut at the console's width in the middle of
#   a line, and into a pipe at 80 columns: what is behind it is nowhere.
# Way out: measure the columns and give each its width, with the words that are longest as the least; where they do not
#   fit, print a line a cell. Print a tree without soft_wrap, on a console that is wide where no one watches.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q rich==15.0.0
cat > "$work/look.py" <<'PY'
import io
import sys
from importlib.metadata import version

from rich.console import Console
from rich.table import Table
from rich.tree import Tree

ID, TAIL = "a870f38209696ee7", "and-this-is-its-end"


def printed(what: object, **how: object) -> str:
    out = io.StringIO()
    Console(file=out, width=30).print(what, **how)
    return out.getvalue()


def table(**column: object) -> Table:
    made = Table(box=None)
    for name in ("snapshot", "parent"):
        made.add_column(name, overflow="fold", **column)
    made.add_row(ID, ID)
    return made


def whole(text: str) -> bool:
    """Whether all letters of both ids are there, however they are broken into lines."""
    return sum(letter in "0123456789abcdef" for line in text.splitlines()[1:] for letter in line) == 2 * len(ID)


tree = Tree("root")
tree.add("word " * 8 + TAIL)
kept, cut = printed(table()), printed(table(no_wrap=True))
lost = printed(tree, soft_wrap=True)
print(f"rich {version('rich')}: fold alone\n{kept}fold with no_wrap\n{cut}a tree, soft_wrap\n{lost}", end="")
found = (whole(kept), whole(cut), "…" in cut, TAIL in lost, "…" in lost)
print("whole with fold, whole with no_wrap, a sign; the tree's end, a sign:", found)
sys.exit(0 if found == (True, False, False, False, False) else 1)
PY
"$work/venv/bin/python" "$work/look.py"
