"""The documentation as a site: `make docs` writes it to build/docs. No page asks another host for anything."""

import importlib.metadata
import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

project = "Ponens"
author = "The Ponens authors"
release = importlib.metadata.version("ponens")
extensions = ["myst_parser"]
exclude_patterns = ["README.md"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "Ponens"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
pygments_style, pygments_dark_style = "friendly", "monokai"


def setup(app: Sphinx) -> None:
    """Have the reference written from the code before the pages are read."""
    from generate import write

    app.connect("builder-inited", lambda app: write(HERE / "reference"))
