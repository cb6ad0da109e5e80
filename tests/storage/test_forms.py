"""The forms of published sets are read right, text by text, or refused with the true reason; nothing goes in silence."""

from pathlib import Path

import orjson
import pytest

from storage import readers, source
from storage.records import Rejected
from tests.forms import FILES, FORMS, Form, told


def read(form: Form, folder: Path) -> list[readers.Record | Rejected]:
    for name, content in form.files.items():
        (folder / name).write_bytes(orjson.dumps(content))
    file = folder / "rows.jsonl"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in form.rows))
    return list(readers.read(source.files([file])))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_published_form_is_read_text_by_text(tmp_path, form):
    items = read(form, tmp_path)
    seen = [told(item) for item in items]

    assert form.becomes == [
        text[: len(right)] if right.startswith("!") else text for text, right in zip(seen, form.becomes, strict=True)
    ]
    if form.notes:
        first = next(item for item in items if not isinstance(item, Rejected))
        assert set(form.notes) <= set(first.notes)


@pytest.mark.parametrize("name", FILES)
def test_a_published_file_is_read_text_by_text(tmp_path, name):
    file, content, right = FILES[name]
    (tmp_path / file).write_text(content)

    assert right == [told(item) for item in readers.read(source.files([tmp_path / file]))]
