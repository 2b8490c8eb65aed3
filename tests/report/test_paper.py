"""The page of a paper: what was run, and what was not."""

import re

import pytest

from glc.report import paper
from glc.report.figures import picture
from glc.report.markdown import Block


@pytest.fixture
def entries(tmp_path, nasty):
    with picture(tmp_path / "table.png", (1, 1)) as figure:
        figure.add_subplot()
    header = ["model", "test F1", "test F1 95 %", "paper", "compared", "setting"]
    rows = [["votes", "0.2500", "[0.2000, 0.3000]", ".3", "CLOSE", "as published"]]
    long = "101 px; stem stride 2; land cover as 34 layers; 8 epochs"
    rows.append(["inception", "0.3000", "[0.2000, 0.4000]", ".4", "DIFFERS", long])
    block = Block(f"Table 1: {nasty}", header, rows, ["Paper: *other data*, 2 * 3.", f"2 * {nasty} * 3"])
    return [
        paper.Entry("1", "Table 1", [block], {"net": ".161"}, [tmp_path / "table.png"]),
        paper.Entry("2", "Table 2", missing={"forest": ".2 / .3"}, why_not="It needs rasters."),
    ]


def test_rows_and_tables_that_were_not_run_are_there_with_the_papers_figures(entries, nasty):
    html = paper.page("A paper", "medflora", ["About it."], entries)
    assert "1 of 2 tables and figures were run on medflora. Not run: Table 2." in html
    (row,) = re.findall(r'<tr><th class="wrap">net</th>.*?</tr>', html)
    assert ">.161</td>" in row
    assert f'<td class="n">{paper.NOT_RUN}</td>' in row  # where its score would be
    assert "Not run. It needs rasters." in html
    (row,) = re.findall(r'<tr><th class="wrap">forest</th>.*?</tr>', html)
    assert paper.NOT_RUN in row
    assert ".2 / .3" in row
    assert '<td class="n">0.2500</td>' in html
    assert nasty not in html
    assert '<p class="soft">Paper: <em>other data</em>, 2 * 3.</p>' in html
    assert '<td class="wrap">101 px; stem stride 2' in html  # or each of its words would be a line
    assert '<td class="wrap">CLOSE' not in html
    assert 'src="data:image/png;base64,' in html
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)


@pytest.mark.slow
def test_a_table_of_many_columns_is_printed_whole_on_a_page_of_its_width(browser, tmp_path):
    header = ["model", *(f"validation measure {number}" for number in range(11)), "setting"]
    rows = [["inception v3", *["[0.2000, 0.3000]"] * 11, "land cover as 34 layers, adamw, 8 epochs"]]
    entry = paper.Entry("1", "Table 1", [Block("Table 1", header, rows, [])])
    (tmp_path / "page.html").write_text(paper.page("A paper", "medflora", [], [entry]), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 1046, "height": 700})  # A4 across, between its margins
    tab.goto((tmp_path / "page.html").as_uri())
    tab.pdf(path=tmp_path / "page.pdf", format="A4", prefer_css_page_size=True)
    sizes = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", (tmp_path / "page.pdf").read_bytes())
    assert any(float(width) > float(height) for width, height in sizes)
    tab.emulate_media(media="print")
    assert tab.evaluate("document.documentElement.scrollWidth") == 1046
    tab.close()
