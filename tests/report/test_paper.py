"""The page of a paper: what was run, and what was not."""

import re

import pytest

from glc.report import paper
from glc.report.figures import for_page, picture
from glc.report.markdown import Block


@pytest.fixture
def entries(tmp_path, nasty):
    with picture(for_page(tmp_path / "table.png"), (1, 1)) as figure:
        figure.add_subplot().set_title("loss 0.25 & < 1")
    header = ["model", "test F1", "test F1 95 %", "paper", "compared", "setting"]
    rows = [["votes", "0.2500", "[0.2000, 0.3000]", ".3", "CLOSE", "as published"]]
    long = "101 px; stem stride 2; land cover as 34 layers; 8 epochs"
    rows.append(["inception", "0.3000", "[0.2000, 0.4000]", ".4", "DIFFERS", long])
    block = Block(f"Table 1: {nasty}", header, rows, ["Paper: *other data*, 2 * 3.", f"2 * {nasty} * 3"])
    return [
        paper.Entry("1", "Table 1", [block], {"net": ".161"}, [tmp_path / "table.svg"]),
        paper.Entry("2", "Table 2", missing={"forest": ".2 / .3"}, why_not="It needs rasters."),
    ]


def test_rows_and_tables_that_were_not_run_are_there_with_the_papers_figures(entries, nasty):
    html = paper.page("A paper", "medflora", ["About it."], entries)
    assert "Table 1</h2>" in html
    assert "<caption>Table 1: " not in html, "the heading says it"
    assert "1 of 2 tables and figures were run on medflora. Not run: Table 2." in html
    (row,) = re.findall(r'<tr><th class="wrap">net</th>.*?</tr>', html)
    assert ">.161</td>" in row
    assert f'<td class="n">{paper.NOT_RUN}</td>' in row  # where its score would be
    assert "Not run. It needs rasters." in html
    assert "<details><summary>Rows (1)</summary>" in html
    (row,) = re.findall(r'<tr><th class="wrap">forest</th>.*?</tr>', html)
    assert paper.NOT_RUN in row
    assert ".2 / .3" in row
    assert '<td class="n">0.2500</td>' in html
    assert nasty not in html
    assert '<p class="soft">Paper: <em>other data</em>, 2 * 3.</p>' in html
    assert '<td class="wrap">101 px; stem stride 2' in html  # or each of its words would be a line
    assert '<td class="wrap">CLOSE' not in html
    (figure,) = re.findall(r"<svg .*?</svg>", html, re.DOTALL)
    assert "var(--ground)" in figure  # in the colours of the page, light and dark
    assert "var(--axis)" in figure
    assert not re.findall(r"(?:fill|stroke): #", figure)
    assert 'aria-label="Table 1. loss 0.25 &amp; &lt; 1"' in figure
    assert "<metadata>" not in figure
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)


@pytest.mark.slow
def test_a_table_of_many_columns_is_printed_whole_on_a_page_of_its_width(browser, tmp_path):
    header = ["model", *(f"validation measure {number}" for number in range(11)), "setting"]
    rows = [["inception v3", *["[0.2000, 0.3000]"] * 11, "land cover as 34 layers, adamw, 8 epochs"]] * 3
    entry = paper.Entry("1", "Table 1", [Block("Table 1", header, rows, [])])
    (tmp_path / "page.html").write_text(paper.page("A paper", "medflora", [], [entry]), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 1046, "height": 700})  # A4 across, between its margins
    tab.goto((tmp_path / "page.html").as_uri())
    tab.pdf(path=tmp_path / "page.pdf", format="A4", prefer_css_page_size=True)
    sizes = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", (tmp_path / "page.pdf").read_bytes())
    assert any(float(width) > float(height) for width, height in sizes)
    tab.emulate_media(media="print")
    assert tab.evaluate("document.documentElement.scrollWidth") == 1046
    section = "getComputedStyle(document.querySelector('section:has(table)'))"
    # its heading is on its page, which it begins; a header that is repeated there shows no button
    assert (tab.evaluate(f"{section}.page"), tab.evaluate(f"{section}.breakBefore")) == ("broad", "page")
    assert tab.evaluate("getComputedStyle(document.querySelector('th button')).display") == "contents"
    tab.close()


@pytest.mark.slow
def test_a_picture_is_dark_on_a_dark_page_and_light_in_print(browser, entries, tmp_path):
    (tmp_path / "page.html").write_text(paper.page("A paper", "medflora", [], entries), encoding="utf-8")
    tab = browser.new_page(color_scheme="dark")
    tab.goto((tmp_path / "page.html").as_uri())
    ground = "getComputedStyle(document.querySelector('figure svg path')).fill"  # the first path is the figure's ground
    page = "getComputedStyle(document.body).backgroundColor"
    assert tab.evaluate(ground) == tab.evaluate(page) == "rgb(20, 24, 28)"
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate(ground) == tab.evaluate(page) == "rgb(255, 255, 255)"
    tab.close()


@pytest.mark.slow
def test_a_table_with_all_columns_of_costs_fits_on_a_desktop(browser, tmp_path):
    cells = {
        "model": "tile CNN, RGB-NIR, top 20, as published", "validation F1": "0.4851",
        "validation F1 95 %": "[0.4129, 0.5483]", "test F1": "0.4616", "test F1 95 %": "[0.4087, 0.5139]",
        "micro F1": "0.5075", "mean set": "20.0", "paper": ".161", "compared": "other data", "setting": "as published",
        "split": "random, 1 of 10 folds, which also stop the training", "seconds": "2,342.2", "peak memory MB": "1864",
    }  # fmt: skip
    entry = paper.Entry("4", "Table 4", [Block("Table 4", list(cells), [list(cells.values())] * 3, [])])
    (tmp_path / "page.html").write_text(paper.page("A paper", "virtual-tiny", [], [entry]), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 1280, "height": 700})
    tab.goto((tmp_path / "page.html").as_uri())
    assert tab.locator("table").evaluate("table => table.offsetWidth <= table.parentElement.offsetWidth")
    tab.close()
