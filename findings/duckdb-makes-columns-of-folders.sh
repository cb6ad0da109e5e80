#!/usr/bin/env bash
# Guess: read_parquet of one file, named by its whole path, gives the columns of that file.
# What happens: every folder on the way to it that is called like "team=x", however far up and whoever named it, becomes
#   one more column, and one that hides the file's own column of that name: SELECT * has another width, INSERT … BY NAME
#   fails, and a value of the file is silently replaced by a part of the path.
# Way out: hive_partitioning = false in each read of a file whose place somebody else chose.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q duckdb==2.0.0
cat > "$work/look.py" <<'PY'
import sys
from pathlib import Path

import duckdb

con = duckdb.connect()
plain, named = Path(sys.argv[1]) / "plain", Path(sys.argv[1]) / "owner=me/x=9"
for folder in (plain, named):
    folder.mkdir(parents=True)
    con.execute(f"copy (select 1 as x) to '{folder}/f.parquet' (format parquet)")


def read(folder: Path, options: str = "") -> object:
    con.execute(f"from read_parquet('{folder}/f.parquet'{options})")
    return [column[0] for column in con.description], con.fetchall()


found = [read(plain), read(named), read(named, ", hive_partitioning = false")]
print("duckdb", duckdb.__version__)
for place, rows in zip(("plain", "owner=me/x=9", "the same, hive_partitioning = false"), found, strict=True):
    print(f"  {place}: {rows}")
own = (["x"], [(1,)])
sys.exit(0 if found == [own, (["x", "owner"], [(9, "me")]), own] else 1)
PY
"$work/venv/bin/python" "$work/look.py" "$work"
