"""The documentation site: it builds without a warning, loads nothing from the network, and is written from the code."""

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import yaml

from glc import tasks
from tests.pages import WRITTEN
from tests.test_makefile import CHECKOUT, planned

_FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
}
"""Tag -> the attribute whose address a browser asks for by itself; of ``link`` it depends on ``rel``."""
_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}


def module(name):
    """A module of docs/_site."""
    spec = importlib.util.spec_from_file_location(name, CHECKOUT / "docs" / "_site" / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Fetched(HTMLParser):
    """Addresses that a page loads by itself, and its inline styles."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.styles, self._in_style = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self._in_style = tag == "style"
        self.styles += given.get("style") or ""
        if tag in _FETCHED:
            self.addresses += [given.get(_FETCHED[tag]), given.get("srcset"), given.get("poster")]
        if tag == "link" and set((given.get("rel") or "").split()) & _LINKS:
            self.addresses.append(given.get("href"))

    def handle_data(self, data):
        self.styles += data if self._in_style else ""

    @property
    def remote(self):
        """Those that are elsewhere."""
        return [address for address in [*self.addresses, *remote_in(self.styles)] if address and is_remote(address)]


def is_remote(address):
    """Whether an address is not a file of the site."""
    return bool(re.match(r"\s*(\w+:)?//", address)) and not address.startswith("data:")


def remote_in(style):
    """Addresses elsewhere that a style sheet asks for."""
    return [
        address
        for pair in re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", style)
        for address in pair
        if is_remote(address)
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Folder of the site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_what_a_page_loads_by_itself_is_found():
    text = """<link rel=canonical href=https://a/> <link rel="preload stylesheet" href="//b/c.css">
        <a href=https://a/><img src=https://d/e.png><img src="f.png"><script src=http://g/h.js></script>
        <img src="data:image/png;base64,//A">
        <style>@import "https://i/j.css"; a { background: url('https://k/l.woff2') } b { mask: url(data:image/svg+xml) }
        </style>"""
    assert set(Fetched(text).remote) == {
        *("//b/c.css", "https://d/e.png", "http://g/h.js", "https://i/j.css", "https://k/l.woff2"),
    }


def test_every_page_is_in_the_navigation():
    text = (CHECKOUT / "mkdocs.yml").read_text()
    named = set(re.findall(r"[\w-]+\.md", text))
    assert {f"docs/{name}" for name in named - set(module("pages").PAGES)} == {
        name for name in WRITTEN if name.startswith("docs/")
    }


def test_the_target_builds_strictly():
    assert planned("docs").endswith("python -m mkdocs build --strict")
    settings = yaml.safe_load((CHECKOUT / "mkdocs.yml").read_text())
    assert settings["theme"]["font"] is False
    assert f"/{settings['site_dir']}/" in (CHECKOUT / ".gitignore").read_text().splitlines()


def test_our_docstrings_become_lists_and_examples():
    text = """Keep tiles.

tiles : (..., row), ``finite``
    and north-up
block, side : of the square
Nothing else.

>>> compress(1)
... 2
3

The end."""
    assert (
        module("docstrings").markdown(text)
        == """Keep tiles.


- **tiles**: (..., row), `finite`
  and north-up
- **block, side**: of the square

Nothing else.


```python
>>> compress(1)
... 2
3
```

The end."""
    )


def test_the_generated_pages_name_every_command_and_task():
    pages = module("pages")
    commands, reference = pages.commands(), pages.task_reference()
    assert "| `EXPERIMENT` | *required* |" in commands
    assert "| `--dataset, -d` | `virtual:small` |" in commands
    assert "&lt;timm name>" in commands
    assert {"glc run", "glc predict", "glc map", "glc doctor"} <= set(re.findall(r"^## (.*)$", commands, re.MULTILINE))
    assert re.findall(r"^## (.*)$", reference, re.MULTILINE) == [
        name for name in tasks.__all__ if isinstance(getattr(tasks, name), type)
    ]
    assert str(CHECKOUT) not in reference + commands
    assert "| `--fold` | `0` | validation fold" in reference.split("\n## Fit\n")[1].split("\n## ")[0]


@pytest.mark.slow
def test_the_site_loads_nothing_from_the_network(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len([name for name in WRITTEN if name.startswith("docs/")])
    for page in pages:
        assert Fetched(page.read_text(encoding="utf-8")).remote == [], page
    for sheet in site.rglob("*.css"):
        assert remote_in(sheet.read_text(encoding="utf-8")) == [], sheet
    assert not (site / "_site").exists()


@pytest.mark.slow
def test_references_are_written_from_docstrings(site):
    api = (site / "api.html").read_text(encoding="utf-8")
    assert 'id="glc.fitted.load.FittedExperiment.predict"' in api
    contracts = (site / "contracts.html").read_text(encoding="utf-8")
    assert 'id="glc.nets.architectures._base.Net.forward"' in contracts
    assert "<strong>batch</strong>" in contracts


@pytest.mark.slow
def test_the_search_finds_a_page_from_a_file_without_errors(site, browser):
    """In a real browser: pages opened from the disk ask for nothing else, and the search works without a server."""
    asked, wrong = [], []
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for name in ("tutorial", "options", "api"):
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto((site / "index.html").as_uri())
    page.fill("input[name=query]", "bootstrap")
    page.wait_for_selector(".md-search-result__item a", timeout=20_000)
    assert "accuracy" in page.inner_text(".md-search-result__list").lower()
    page.close()
    assert wrong == []
    assert [address for address in asked if not address.startswith(("file:", "data:", "blob:"))] == []
