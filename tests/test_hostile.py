"""Hostile inputs: one line of error or a harmless result, without code that runs, a file elsewhere, or a request."""

import http.server
import io
import json
import os
import pickle
import shutil
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from rich.text import Text

import glc
from glc import basemap, config, editions, errors, references, results, storage
from glc.cli import main, output
from glc.config import Variant
from glc.dashboards.sweep import Sweep
from glc.editions import _text
from glc.errors import DataError, GlcError
from glc.etl import arrays, identifiers
from glc.explorer import encode
from glc.location.pretraining import patches
from glc.maps import grid
from glc.nets import checkpoints
from glc.rasters import archives
from glc.tasks.console.journal import Journal
from glc.tasks.parameters import SectionParameter
from tests.fitted.test_load import saved

DEEP = 3_000
NESTED = "[" * DEEP + "]" * DEEP
MARKER = "GLC_TEST_MARKER"
"""Variable of the environment with the path of a file that code of the inputs would make."""
STEERING = "Bellis\x1b]0;owned\x07 \x9b2J\u202eperennis\r"
"""A name that sets a terminal's title, wipes its screen, and turns the direction of what follows."""


class Code:
    """Makes the file `MARKER` when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return exec, (f"import os; open(os.environ[{MARKER!r}], 'w')",)


@pytest.fixture(autouse=True)
def contained(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Runs a test with the address of a server; at the end no code must have run and nobody asked the server."""
    marker = tmp_path_factory.mktemp("marker") / "made"
    monkeypatch.setenv(MARKER, str(marker))
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    assert not marker.exists(), "code of the input ran"
    assert asked == []


def refused(act: Callable[[], object], names: object) -> None:
    """The act ends with an error of ours, in one short line that names the file or key."""
    with pytest.raises(GlcError) as caught:
        act()
    text = errors.explain(caught.value)
    assert "\n" not in text
    assert len(text) < 1000
    assert str(names) in text


# ---------------------------------------------------------------- folders of fitted experiments


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted experiment."""
    return saved(tmp_path_factory.mktemp("model"))[0]


def _npz(path: Path, **content: object) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, value in content.items():
            text = io.BytesIO()
            np.lib.format.write_array(text, np.array(value), allow_pickle=True)
            file.writestr(f"{name}.npy", text.getvalue())


def _pickled_npz(path: Path) -> None:
    with np.load(path) as file:
        names = list(file)
    _npz(path, **{name: np.array([Code()], object) for name in names})


def _bomb_npz(path: Path) -> None:
    """Arrays of 8 TB each, by their headers."""
    with np.load(path) as file:
        names = list(file)
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
            file.writestr(f"{name}.npy", header.getvalue())


def _extension(path: Path) -> None:
    """A table whose type is a pickle, as pyarrow before 14.0.1 loads it."""
    field = pa.field(
        "speciesId", pa.int32(), metadata={"ARROW:extension:name": "arrow.py_extension_type",
                                           "ARROW:extension:metadata": pickle.dumps(Code())},
    )  # fmt: skip
    pq.write_table(pa.table([pa.array([1], pa.int32())], schema=pa.schema([field])), path)


JSON_KINDS = {
    "empty": lambda path: path.write_text(""),
    "no-json": lambda path: path.write_text("__import__('os')"),
    "nested": lambda path: path.write_text(NESTED),
    "list": lambda path: path.write_text("[1]"),
    "no-keys": lambda path: path.write_text("{}"),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\x00"),
}
PARQUET_KINDS = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no parquet"),
    "other-columns": lambda path: pq.write_table(pa.table({"x": [1]}), path),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "extension": _extension,
}
NPZ_KINDS = {
    "empty": lambda path: path.write_bytes(b""),
    "no-zip": lambda path: path.write_bytes(b"PK\x03\x04 no zip"),
    "no-keys": lambda path: _npz(path, other=1),
    "pickle": lambda path: path.write_bytes(pickle.dumps(Code())),
    "objects": _pickled_npz,
    "bomb": _bomb_npz,
}
FOLDER_CASES = [
    (name, kind)
    for names, kinds in (
        (("model.json", "scorer/experiment.json"), JSON_KINDS),
        (("species.parquet", "surveys.parquet"), PARQUET_KINDS),
        (("decoder.npz", "calibration.npz", "applicability.npz"), NPZ_KINDS),
    )
    for name in names
    for kind in kinds.items()
]


@pytest.mark.parametrize(
    ("name", "kind"), FOLDER_CASES, ids=[f"{name.partition('.')[0]}-{kind[0]}" for name, kind in FOLDER_CASES]
)
def test_a_folder_of_a_model_with_a_hostile_file_is_refused_with_the_file(
    model: Path, tmp_path: Path, name: str, kind: tuple[str, Callable[[Path], object]]
) -> None:
    with storage.atomic_directory(tmp_path / "model") as out:  # with checksums of its own, which are right
        shutil.copytree(model, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(storage.MANIFEST))
        if not (out / name).is_file():
            _npz(out / name, facts="{}")
        kind[1](out / name)
    refused(lambda: glc.load(tmp_path / "model").predict([2.5], [46.5]), tmp_path / "model")


# ---------------------------------------------------------------- files with code, bombs, archives


def _checkpoint(path: Path) -> None:
    torch.save({"model": Code()}, path)


def _bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Code()))


def _objects_npy(path: Path) -> None:
    np.save(path, np.array([Code()], object))


def _bomb_npy(path: Path) -> None:
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})


READERS: list[tuple[str, Callable[[Path], object], Callable[[Path], object]]] = [
    ("net.ckpt", _checkpoint, checkpoints.read),
    ("plain.ckpt", _bare_pickle, checkpoints.read),
    ("cube.pt", _checkpoint, arrays.read),
    ("plain.pt", _bare_pickle, arrays.read),
    ("objects.npy", _objects_npy, arrays.read),
    ("bomb.npy", _bomb_npy, arrays.read),
    ("experiment.toml", lambda path: path.write_text(f"x = {NESTED}"), lambda path: config.load(str(path))),
    ("area.geojson", lambda path: path.write_text(NESTED), grid.read_areas),
    ("borders.geojson", lambda path: path.write_text(NESTED), basemap.world),
    ("objects.yaml", lambda path: path.write_text(f"!!python/object/apply:os.mkdir [{path}.d]"),
     lambda path: Sweep.read(str(path))),
    ("nested.yaml", lambda path: path.write_text(f"parameters: {NESTED}"), lambda path: Sweep.read(str(path))),
    ("bomb.yaml", lambda path: path.write_text("\n".join([
        "a0: &a0 [x, x, x, x, x, x, x, x, x]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)), "parameters: *a11",
    ])), lambda path: Sweep.read(str(path))),
    ("bomb-values.yaml", lambda path: path.write_text("\n".join([
        "command: [glc, run, votes, '${args_no_hyphens}']", "a0: &a0 [x, x, x, x, x, x, x, x, x]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)),
        "parameters: {+model.prior: {values: *a11}}",
    ])), lambda path: Sweep.read(str(path))),
    ("bomb-command.yaml", lambda path: path.write_text("\n".join([
        "a0: &a0 [x, x, x, x, x, x, x, x, x]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)),
        "command: *a11", "parameters: {+model.prior: {values: [1]}}",
    ])), lambda path: Sweep.read(str(path))),
    ("latin.yaml", lambda path: path.write_bytes(b"name: \xff"), lambda path: Sweep.read(str(path))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "write", "read"), READERS, ids=[row[0] for row in READERS])
def test_a_hostile_file_is_refused_by_its_name(
    tmp_path: Path, name: str, write: Callable[[Path], object], read: Callable[[Path], object]
) -> None:
    write(tmp_path / name)
    refused(lambda: read(tmp_path / name), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "name", ["idna", "punycode", "base64", "rot13", "unicode_escape", "undefined", "zlib", "x\x00", "nope"]
)
def test_an_encoding_that_is_none_of_tables_is_refused(name: str) -> None:
    refused(lambda: _text.checked_encoding(name, "meta.xml: plots.csv"), "meta.xml: plots.csv")


@pytest.mark.parametrize("name", ["UTF-8", "utf8", "latin-1", "windows-1252", "UTF-16", "UTF-16LE", "cp1251", "ascii"])
def test_the_encodings_of_tables_are_taken(name: str) -> None:
    assert _text.checked_encoding(name, "") == name


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../outside.txt", "outside")
        file.writestr("/tmp/outside.txt", "outside")
        file.writestr("bomb", bytes(10**7))


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as file:
        for name, content in (("../outside.txt", b"outside"), ("bomb", bytes(10**7))):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)


@pytest.mark.parametrize(("end", "pack"), [(".zip", _zip), (".tar", _tar)])
def test_archives_are_read_in_place_and_not_beyond_the_limit(
    tmp_path: Path, end: str, pack: Callable[[Path], None]
) -> None:
    path = tmp_path / f"tiles{end}"
    pack(path)
    source = archives.opened(path)
    assert source.read("../outside.txt", 100) == b"outside"  # its bytes, from the archive
    with pytest.raises(OSError, match="expected at most 1,000"):
        source.read("bomb", 1000)
    assert not source.has("link")
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("size", [-1, -512, -(10**6), 2**62])
def test_a_tar_whose_header_has_an_impossible_size_is_refused(tmp_path: Path, size: int) -> None:
    entry = tarfile.TarInfo("tile")
    entry.size = size
    (tmp_path / "tiles.tar").write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    with pytest.raises((DataError, OSError), match=r"bytes|header|archive"):
        archives.opened(tmp_path / "tiles.tar").read("tile", 1000)


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "SECRET"])
def test_a_folder_of_files_gives_none_that_lies_outside(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "tiles").mkdir()
    source = archives.opened(tmp_path / "tiles")
    name = name.replace("SECRET", str(tmp_path / "secret"))
    assert not source.has(name)
    with pytest.raises(KeyError):
        source.read(name, 1000)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd"])
def test_an_index_of_patches_names_none_outside(tmp_path: Path, name: str) -> None:
    (tmp_path / "index.csv").write_text(f"fn,lon,lat\n{name},1,2\n")
    refused(lambda: patches.Folder(tmp_path), tmp_path / "index.csv")


# ---------------------------------------------------------------- the command line


NAMES = [
    "../../../../tmp/outside", "/etc/outside", "~/outside", "a/b", "..", ".hidden", "a\x00b", "$(touch outside)",
    "`id`",
    "a; touch outside", "{{ 7 * 7 }}", "%2e%2e%2f", "\u202eerif", "x" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_the_name_of_an_experiment_is_one_part_of_a_path(tmp_path: Path, name: str) -> None:
    made = tmp_path / config.file_name(name)
    made.mkdir()
    assert made.parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == [made.name]
    assert not made.name.startswith(".")


@pytest.mark.parametrize(
    "name",
    [f"votes+x={NESTED}", f"votes+x={'{a=' * DEEP}1{'}' * DEEP}", "votes+x=__import__('os').mkdir('outside')",
     "votes+model.name=../../etc/passwd", "/etc/passwd", "../../etc/passwd", "http://127.0.0.1:1/votes"],
    ids=range(7),
)  # fmt: skip
def test_an_experiment_that_there_is_not_is_refused_in_a_line(name: str) -> None:
    refused(lambda: config.load(Variant.parse(name)), "")


@pytest.mark.parametrize("scheme", ["{}/data.zip", "/vsicurl/{}/data.tif", "/vsizip//vsicurl/{}/data.zip"])
def test_an_address_is_no_dataset(contained: str, scheme: str) -> None:
    refused(lambda: editions.recognise(scheme.format(contained)), "data.")


def test_a_parameter_that_is_nested_too_deep_is_refused() -> None:
    refused(lambda: SectionParameter(config.Choice, default=None).parse(NESTED), "")


@pytest.mark.parametrize("content", ["", "no JSON", NESTED, "[]", "{}", "\x00"], ids=range(6))
def test_metrics_that_are_none_are_a_line_of_the_list_of_results(tmp_path: Path, content: str) -> None:
    path = tmp_path / "metrics" / "plots" / "votes.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    (result,) = results.finished(tmp_path)
    assert result.problem.startswith(f"{path}: was edited") or "has been removed" in result.problem
    assert "\n" not in result.problem


def test_an_error_that_nobody_foresaw_says_so_and_where_its_traceback_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def broken() -> None:
        raise KeyError("\x1b[2Jvalues")

    with pytest.raises(SystemExit) as ended:
        errors.run_command(broken)
    assert ended.value.code == errors.UNHANDLED
    (line,) = capsys.readouterr().err.splitlines()
    (log,) = tmp_path.iterdir()
    assert line.startswith("error: unexpected KeyError: ")
    assert "a fault of glc" in line
    assert line.endswith(f" {log}")
    assert "in broken" in log.read_text()


# ---------------------------------------------------------------- names in terminals, tables and citations


def test_a_name_that_steers_the_terminal_is_shown_by_its_codes(capsys: pytest.CaptureFixture[str]) -> None:
    table = output.table("species", STEERING, "[bold]markup[/nonsense] :smile:")
    table.add_row(STEERING, Text(STEERING), "[link=http://127.0.0.1]x")
    screen = output.screen()
    screen.print(table)
    screen.print(Text(STEERING))
    screen.print(STEERING)
    shown = capsys.readouterr().out
    assert not set("\x1b\x07\x9b\u202e\r") & set(shown)
    assert shown.count("Bellis\\u001b]0;owned") >= 5
    assert "[bold]markup[/nonsense] :smile:" in shown
    assert "[link=http://127.0.0.1]x" in shown


def test_what_a_run_shows_and_what_an_error_says_steers_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal()
    journal.note("notice", text=f"warning: {STEERING}")
    (note,) = journal.read()
    assert errors.visible(note["text"]) == note["text"]
    for debug in ("", "1"):
        monkeypatch.setenv("DEBUG", debug)
        assert "\x1b" not in errors.explain(DataError(STEERING))
        assert "\\u001b" in errors.explain(DataError(STEERING))


def test_json_on_the_screen_is_the_same_json_without_steering_characters() -> None:
    text = json.dumps({"name": STEERING}, ensure_ascii=False)
    assert json.loads(errors.visible(text)) == {"name": STEERING}
    assert "\x9b" in text
    assert "\x9b" not in errors.visible(text)


@pytest.mark.parametrize("name", ["Bellis perennis L.", "Épiaire des champs", "ノアザミ", "زهرة", "שִׁקְמָה", "A  b", "×"])
def test_names_of_any_script_stay_as_they_are(name: str) -> None:
    assert errors.one_line(name) == errors.visible(name) == name


def test_names_of_species_are_stored_in_one_line(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": [STEERING, "Bellis\n  perennis", None], "key": [None, None, "7"]},
                         pd.Index([1, 2, 3], name="speciesId"), dtype=object)  # fmt: skip

    class Edition:
        def species(self, dataset: object) -> None:
            return None

    class Dataset:
        edition = Edition()

    identifiers._write(frame, None, Dataset(), tmp_path, ())
    names = storage.read_table(tmp_path / "species", "species")["name"].to_pylist()
    assert names == ["Bellis\\u001b]0;owned\\u0007 \\u009b2J\\u202eperennis", "Bellis perennis", None]


FORMULAS = ["=cmd|' /C calc'!A0", "+1+cmd", "-2+3+cmd", "@SUM(1)", "\t=1", "\r=1", "＝1+1", "'=1", "''-x"]
HARMLESS = ["-1.5", "+3", "-", "1e-3", "-inf", "Bellis perennis", "'s Hertogenbosch", "", "a=b"]


def test_cells_of_a_table_are_no_formulas_and_are_read_as_they_were(tmp_path: Path) -> None:
    texts = [*FORMULAS, *HARMLESS]
    frame = pd.DataFrame({"name": texts, "=head": pd.Categorical(texts), "value": np.arange(len(texts)) - 5.5})
    storage.write_csv(frame, tmp_path / "table.csv")
    raw = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    assert raw["name"].tolist() == [f"'{text}".replace("\r", "\n") for text in FORMULAS] + HARMLESS
    assert raw.columns.tolist() == ["name", "'=head", "value"]
    assert raw["value"].tolist() == frame["value"].tolist()
    again = storage.read_csv(tmp_path / "table.csv", keep_default_na=False)
    assert again.columns.tolist() == frame.columns.tolist()
    assert again["name"].tolist() == again["=head"].tolist() == [text.replace("\r", "\n") for text in texts]


def test_a_table_without_formulas_is_written_as_pandas_writes_it(tmp_path: Path) -> None:
    mixed = pd.Series([1, None, "x"], dtype=object)
    frame = pd.DataFrame({"a": mixed, "b": [0.1, np.nan, -2], "c": [True, False, True]})
    storage.write_csv(frame, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == frame.to_csv(index=False)


@pytest.mark.parametrize(
    "title", ["a } b", "{{{", "\\input{/etc/passwd}", "a\nb = {c}", "}, note = {x", "~^\\", "ends \\"]
)
def test_a_title_is_one_balanced_field_of_bibtex(title: str) -> None:
    texts = {name: title for name in ("container", "url", "licence", "version")}
    author = f"{title}, A.; {title}"
    entry = references.Reference("dataset", author, title, 2020, doi=f"10.1/{title}", **texts).bibtex()
    depth = 0
    for letter in entry:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert len(entry.splitlines()) == 10
    assert "\\{" not in entry  # BibTeX counts it
    assert "\\}" not in entry
    assert "\\input" not in entry


@pytest.mark.parametrize("text", ["</script><script>x", "<!--", "\u2028", "]]>", "\\u003c/script>"])
def test_values_of_the_explorer_do_not_end_their_script(text: str) -> None:
    script = encode.script("site", {"name": text}).decode()
    assert "</" not in script
    assert "<!--" not in script
    assert "\u2028" not in script


def test_a_command_prints_one_line_for_a_hostile_experiment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["glc", "predict", f"votes+x={NESTED}", "--dataset", "virtual:tiny", "--lon", "1",
                                      "--lat", "1", "--root", str(tmp_path)])  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == errors.UNHANDLED
    (line,) = capsys.readouterr().err.splitlines()
    assert "brackets within brackets" in line
    assert len(line) < 1000
    assert os.listdir(tmp_path) == []
