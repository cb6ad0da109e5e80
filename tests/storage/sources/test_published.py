"""Published sets by name: each is read right, text by text, or refused with the true reason, as the table says."""

from pathlib import Path

import pytest

from storage.records import UsageError
from storage.sources import readers, source
from tests.forms import told
from tests.published import FILES, NAMES, OWN, outcome, page
from tests.storage.sources.test_forms import read


@pytest.mark.parametrize("form", OWN, ids=lambda form: form.name)
def test_a_published_form_is_read_text_by_text(tmp_path, form):
    assert form.becomes == [
        told(item)[: len(right)] for item, right in zip(read(form, tmp_path), form.becomes, strict=True)
    ]


@pytest.mark.parametrize("name", FILES)
def test_a_published_file_is_read_text_by_text(tmp_path, name):
    file = FILES[name]
    files = source.files([file.write(tmp_path)])
    if file.refused:
        with pytest.raises(UsageError, match=file.refused):
            list(readers.read(files))
    else:
        assert file.becomes == [told(item) for item in readers.read(files)]


def test_of_the_published_forms_nearly_all_are_read_and_the_others_refused_for_what_they_are():
    refused = {name: outcome(form)[1] for name, form in NAMES.items() if not outcome(form)[0]}

    assert len(NAMES) >= 130
    assert refused == {
        "EvalScope multiple choice, several answers": ["answer: several answers (A, C), expected one"],
        "CMB, answers without questions": ["no mapping can read it: nothing in it both asks and answers"],
    }


def test_the_page_of_published_sets_is_made_of_these_rows():
    text = (Path(__file__).resolve().parents[3] / "docs" / "published.md").read_text("utf-8")

    assert text.endswith(page()), "write it anew: python -m tests.published"
