"""Execute the notebooks and write each as a page that loads nothing from the network: ROOT/notebooks/<name>.html.

    python notebooks/execute.py [--root ROOT] [NAME ...]

The committed notebooks stay as they are, without outputs. Needs the extra `notebooks`: pip install -e '.[notebooks]'.
"""

import argparse
import configparser
import html
import os
import re
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title><style>{style}</style></head><body><main>{body}</main></body></html>
"""
STYLE = """
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
pre { overflow-x: auto; font: 13px/1.45 ui-monospace, monospace; margin: .6rem 0; overflow-wrap: normal; }
.highlight pre { background: var(--tint); padding: .7rem .9rem; border-radius: 4px; }
.output_area { overflow-x: auto; } .output_stream pre { margin: 0; }
.prompt, .anchor-link { display: none; }
figure { margin: .8rem 0; } figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: system-ui, sans-serif; }
figcaption { color: var(--soft); font-size: .92rem; }
table { border-collapse: collapse; font-size: .88rem; overflow-wrap: normal; }
th, td { border-bottom: 1px solid var(--grid); padding: .25rem .6rem; text-align: right; }
a { color: inherit; }
@media print { pre { white-space: pre-wrap; } figure { break-inside: avoid; } figure svg { min-width: 0 !important; } }
"""


def settings(root: str, folder: Path) -> dict[str, str]:
    """Environment variables that make `root` the folder of all outputs; other settings of the user's stay."""
    if not root:
        return {}
    content, own = configparser.RawConfigParser(), os.environ.get("LUIGI_CONFIG_PATH", "")
    content.read([own] if own else [])
    if not content.has_section("machine"):
        content.add_section("machine")
    content.set("machine", "root", str(Path(root).resolve()))
    path = folder / "luigi.cfg"
    with open(path, "w", encoding="utf-8") as file:
        content.write(file)
    return {"LUIGI_CONFIG_PATH": str(path)}


def execute(path: Path, out: Path, root: str = "", timeout_s: int = 1800) -> Path:
    """Execute a notebook in a folder that is then removed, and write it as a page into `out`.

    path : of the .ipynb
    out : folder of the page, made if it is missing
    root : folder of all outputs of glc; empty: that of conf/luigi.cfg
    timeout_s : seconds that one cell may take
    returns : the page
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(prefix="glc-notebook-") as folder:
        # from a checkout that is not installed, as well as from one that is
        environment = {"PYTHONPATH": os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")])}
        environment |= settings(root, Path(folder))
        client = NotebookClient(notebook, timeout=timeout_s, startup_timeout=300, kernel_name="python3")
        client.extra_arguments = ["--log-level=ERROR"]  # it warns that it listens on loopback without encryption
        client.execute(env=os.environ | environment, cwd=folder)
    out.mkdir(parents=True, exist_ok=True)
    page = out / f"{path.stem}.html"
    page.write_text(render(notebook), encoding="utf-8")
    return page


def render(notebook) -> str:
    """An executed notebook as one HTML page, without scripts."""
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter

    from glc.report import palette
    from glc.report.templates import POLICY

    day, night = (
        re.sub(r"background(-color)?: [^;}]+;?", "", HtmlFormatter(style=name).get_style_defs(".highlight"))
        for name in ("default", "github-dark")
    )
    style = f"{day}\n@media screen and (prefers-color-scheme: dark) {{ {night} }}\n{palette.css()}\n{STYLE}"
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    return PAGE.format(title=html.escape(title), style=style, body=body, policy=POLICY)


def main(arguments: list[str] | None = None) -> None:
    """Execute the named notebooks, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of notebooks, without .ipynb; default: all")
    parser.add_argument("--root", default="", help="folder of all outputs; default: that of conf/luigi.cfg")
    chosen = parser.parse_args(arguments)
    paths = [FOLDER / f"{name}.ipynb" for name in chosen.names] or sorted(FOLDER.glob("*.ipynb"))
    if missing := [path.stem for path in paths if not path.is_file()]:
        known = ", ".join(path.stem for path in sorted(FOLDER.glob("*.ipynb")))
        sys.exit(f"{missing[0]}: no such notebook; expected some of: {known}")
    try:
        import nbclient  # noqa: F401
        import nbconvert  # noqa: F401
    except ImportError as error:
        sys.exit(f"{error}; the notebooks need an extra: pip install -e '.[notebooks]'")
    from glc.tasks.parameters import RootParameter

    out = Path(RootParameter().normalize(chosen.root)) / "notebooks"
    for path in paths:
        started = time.monotonic()
        print(f"{path.stem} …", flush=True)
        page = execute(path, out, chosen.root)
        print(f"  {time.monotonic() - started:.0f} s  {page.as_uri()}", flush=True)


if __name__ == "__main__":
    main()
