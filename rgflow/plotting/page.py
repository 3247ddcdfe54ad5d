"""A report as one HTML page beside its pictures, which opens from disk without a network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from rgflow.runtime.files import write_atomically


class Picture(NamedTuple):
    """A picture of the page: its file, relative to the page, and what is seen."""

    file: str
    caption: str


class Table(NamedTuple):
    """A table of the page: what it holds, the names of its columns, and rows of texts."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Section(NamedTuple):
    """A section of the page.

    Attributes:
        title: Its heading.
        text: Paragraphs of plain text.
        tables: Tables, which follow the text.
        pictures: Pictures, which follow the tables.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


def page_html(title: str, introduction: Sequence[str], sections: Sequence[Section]) -> str:
    """The text of a page: plain text, also where it has ``<`` or ``&``.

    Args:
        title: Title of the page.
        introduction: Paragraphs in front of the list of sections.
        sections: The sections, in order.

    >>> page = page_html("T & S", ["Two scales."], [Section("Samples", ["x < y"])])
    >>> "T &amp; S" in page, "x &lt; y" in page
    (True, True)
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("rgflow", "plotting"), autoescape=True)
    template = environment.get_template("page.html")
    return template.render(title=title, introduction=introduction, sections=sections)


def write_page(
    path: str | os.PathLike[str],
    title: str,
    introduction: Sequence[str],
    sections: Sequence[Section],
) -> None:
    """Writes the page of `page_html`, atomically.

    Raises:
        OSError: If the file cannot be written.
    """
    text = page_html(title, introduction, sections)
    write_atomically(path, lambda file: file.write(text.encode()))
