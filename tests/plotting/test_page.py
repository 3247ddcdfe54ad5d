from html.parser import HTMLParser

from rgflow.plotting.page import Picture, Section, Table, page_html, write_page


class Reader(HTMLParser):
    """Collects the sources of pictures, the links and the cells of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.cells: list[str] = []
        self.in_cell = False

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.in_cell = tag == "td"
        if tag == "img":
            self.sources.append(given["src"])
        if tag == "a":
            self.links.append(given["href"])

    def handle_endtag(self, tag):
        self.in_cell = False

    def handle_data(self, data):
        if self.in_cell:
            self.cells.append(data)


def test_a_page_holds_its_tables_and_pictures_and_asks_no_network(tmp_path):
    table = Table("Errors by level.", ["level", "error"], [["0", "1.5 ± 0.1"], ["1", "<2 & >1"]])
    section = Section("Fields & levels", ["Text."], [table], [Picture("a b.png", 'Says "x".')])
    write_page(tmp_path / "index.html", "Study", ["One.", "Two."], [section, Section("Empty")])
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.sources == ["a b.png"]
    assert reader.cells == ["0", "1.5 ± 0.1", "1", "<2 & >1"]
    assert "http" not in text
    assert "<script" not in text
    ids = {link.removeprefix("#") for link in reader.links if link.startswith("#")}
    assert len(ids) == 2
    assert all(f'id="{name}"' in text for name in ids)


def test_text_of_a_page_is_no_markup():
    assert "<b>" not in page_html("<b>", ["<b>"], [Section("<b>", ["<b>"])])
