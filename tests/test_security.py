"""Nothing in data is run: no unpickling in the code, and text from data is text in a browser."""

import ast
import base64
import dataclasses
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from glc.config import Choice
from glc.config.paths import CHECKOUT
from glc.report import page, parts
from tests.report.conftest import make

SOURCES = [path for folder in ("glc", "tasks") for path in sorted((CHECKOUT / folder).rglob("*.py"))]
UNPICKLER = "glc/etl/arrays.py"
"""The one file with an unpickler; its own tests show that it admits plain tensors alone."""
PAYLOADS = (
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    '"><svg onload="document.title = \'owned\'">',
    "{{ 7 * 7 }}</title></table><h1>owned</h1>",
)


def _calls(path: Path) -> list[tuple[str, dict[str, object]]]:
    """(dotted name, plain keyword values) of all calls in a file."""
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        (ast.unparse(call.func), {key.arg: getattr(key.value, "value", None) for key in call.keywords if key.arg})
        for call in calls
    ]


def test_no_code_loads_objects_or_runs_text() -> None:
    loads = 0
    for path in SOURCES:
        name = path.relative_to(CHECKOUT).as_posix()
        for call, options in _calls(path):
            if call == "torch.load":
                loads += 1
                assert options.get("weights_only") is True, f"{name}: torch.load without weights_only=True"
            assert not options.get("allow_pickle"), f"{name}: {call} with allow_pickle"
            assert not options.get("shell"), f"{name}: {call} with shell"
            forbidden = {"eval", "exec", "yaml.load", "joblib.load", "pd.read_pickle", "pandas.read_pickle"}
            forbidden |= {"os.system", "tar.extractall", "archive.extractall", "file.extractall"}
            assert call not in forbidden, f"{name}: {call}"
            if name != UNPICKLER:
                assert not call.startswith(("pickle.load", "pickle.Unpickler", "cloudpickle.", "dill.")), name
    assert loads >= 3


class _Page(HTMLParser):
    """Elements of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_page_says_what_it_may_load_before_anything_else() -> None:
    files = [*SOURCES, *(CHECKOUT / "notebooks").glob("*.py"), *(CHECKOUT / "glc").rglob("*.j2")]
    pages = {path.name: path.read_text().partition("<html") for path in files if "<html" in path.read_text()}
    assert set(pages) == {"skeleton.j2", "scheduler.html.j2", "index.html.j2", "execute.py"}
    for name, (_, _, text) in pages.items():
        elements = re.findall(r"<\w+[^>]*>", text.partition("</head>")[0])
        assert elements[0] == "<head>", name
        assert 'http-equiv="Content-Security-Policy"' in " ".join(elements[2:4]), name  # after charset and viewport


def test_the_policy_of_a_page_admits_its_own_script_and_no_other() -> None:
    html = parts.render("title", "of", ["summary"], [], [])
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    assert rules == {"script-src": f"'sha256-{digest}'", "style-src": "'unsafe-inline'", "img-src": "data:"}


@pytest.mark.slow
def test_a_script_that_got_into_a_page_does_not_run(tmp_path: Path, browser_dom: Callable[[Path], str]) -> None:
    html = parts.render("title", "of", ["summary"], [], [])
    for payload in PAYLOADS[:3]:
        (tmp_path / "index.html").write_text(html.replace("</main>", f"{payload}</main>"), encoding="utf-8")
        dom = browser_dom(tmp_path / "index.html")
        assert "owned" in dom
        assert "<title>title</title>" in dom


def _hostile(payload: str) -> str:
    """The report of an experiment in which every name and text from data or experiment is `payload`."""
    story = make(valid=60, test=20, net=True)
    frame = story.per_survey.assign(country=payload, region=payload)
    quarantine = pd.DataFrame(
        {"dataset": payload, "file": payload, "line": [1], "column": payload, "found": payload, "reason": payload}
    )
    files = [{"file": payload, "dataset": payload, "rows": 1, "kept": 0, "quarantined": 1,
              "reasons": {payload: 1}, "unreadable": {payload: 1}}]  # fmt: skip
    counts = {"occurrences": 1, "surveys": 1, "species": 1}
    experiment = dataclasses.replace(
        story.experiment, name=payload, description=payload, model=Choice("geolocation", {payload: payload})
    )
    return page.render(
        dataclasses.replace(
            story,
            experiment=experiment,
            dataset=payload,
            surveys=story.surveys | {"files": files, "datasets": {payload: counts}, "unscored": [payload]},
            quarantine=quarantine,
            per_survey=frame,
            baselines=[row | {"level": payload} for row in story.baselines],
            decoder=story.decoder | {payload: payload},
            compared={payload: frame},
            members={"0": {payload: 0.5}, "test": {payload: 0.5}},
        )
    )


@pytest.mark.parametrize(
    "payload", [PAYLOADS[0], *(pytest.param(text, marks=pytest.mark.slow) for text in PAYLOADS[1:])]
)
def test_text_from_data_makes_no_element_of_the_report(payload: str) -> None:
    plain, hostile = _Page(_hostile("Bellis perennis")), _Page(_hostile(payload))
    assert hostile.elements == plain.elements
    assert hostile.handlers == []
    assert hostile.elements.count("script") == 1  # the page's own
    assert hostile.text.count(payload) >= 12


@pytest.mark.slow
def test_a_browser_shows_text_from_data_as_text(tmp_path: Path, browser_dom: Callable[[Path], str]) -> None:
    for payload in PAYLOADS:
        (tmp_path / "index.html").write_text(_hostile(payload), encoding="utf-8")
        dom = _Page(browser_dom(tmp_path / "index.html"))
        assert dom.elements.count("script") == 1  # the page's own
        assert dom.elements.count("img") == dom.elements.count("h1") - 1 == 0
        assert dom.handlers == []
        assert dom.text.strip().startswith(f"{payload} on {payload}"), "the title is the page's own"
        assert dom.text.count(payload) >= 12
