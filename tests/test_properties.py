"""Properties of the parsers, for any input that hypothesis thinks of."""

import contextlib
import csv
import io
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from glc import config, editions, registry, schema
from glc.config import Variant
from glc.editions import _text
from glc.errors import ConfigError, GlcError
from tests import files_of_editions

# the same examples in each run, on any machine; `make fuzz` looks for new ones
settings.register_profile(
    "glc", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("glc")

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
KEYS = st.from_regex(r"[a-z][a-z_]{0,8}(\.[a-z][a-z_]{0,8}){0,2}", fullmatch=True)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.lists(st.integers(0, 9), max_size=3),
)


def tried(call):
    """(what `call` returns, None), or (None, the text of its GlcError)."""
    try:
        return call(), None
    except GlcError as error:
        return None, str(error)


@given(NAMES, st.dictionaries(KEYS, VALUES, max_size=3))
@example("votes", {"description": "/../../../../escaped/x"})
@example("votes", {"description": "\0+a=1"})
def test_a_variant_is_read_back_from_its_name_which_is_one_safe_file(name, changes):
    nested = {}
    for key, value in changes.items():
        table, *parts = nested, *key.split(".")
        for part in parts[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                return  # a key below a value: no experiment has that
        if isinstance(table.get(parts[-1]), dict):
            return
        table[parts[-1]] = value
    variant = Variant(name).changed(nested)
    assert Variant.parse(str(variant)) == variant
    file_name = config.file_name(variant.name)
    assert len(file_name.encode()) <= 130
    assert not set(file_name) & set("/\\\0\n:*?\"<>|'")
    assert file_name not in (".", "..")


@given(st.text(max_size=60))
def test_any_text_is_a_variant_or_refused(text):
    with contextlib.suppress(ConfigError):
        config.load(text)


@pytest.mark.parametrize("edition", files_of_editions.names())
@given(data=st.binary(max_size=300), at=st.integers(0, 400))
def test_a_file_with_any_bytes_put_in_is_accepted_or_refused(tmp_path_factory, edition, data, at):
    folder = tmp_path_factory.mktemp("data")
    path = files_of_editions.write(folder, edition, count=4)[0][0]
    old = path.read_bytes()
    path.write_bytes(old[:at] + data + old[at:])

    def looked_at():
        dataset = editions.recognise(folder)
        editions.check(dataset)
        return editions.test_ids(dataset)

    ids, refusal = tried(looked_at)
    assert refusal is None or str(folder) in refusal
    assert len({survey for _, _, survey in ids or ()}) == len(ids or ())


@pytest.mark.parametrize("edition", files_of_editions.names())
def test_the_datasets_made_for_these_tests_are_good(tmp_path, edition):
    files_of_editions.write(tmp_path, edition)
    dataset = editions.recognise(tmp_path)
    editions.check(dataset)
    assert dataset.edition is registry.editions.get(edition)
    assert set(dataset.datasets) == {table.dataset for table in dataset.edition.tables}
    assert len(editions.test_ids(dataset)) == 40 * sum(
        schema.is_test(table.dataset, dataset.edition.test) for table in dataset.edition.tables
    )


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=12), min_size=1, max_size=6)
)
def test_fields_that_a_writer_quotes_are_read_back(fields):
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    assert _text.split(line.getvalue(), ",") == [field.strip() for field in fields]


@given(st.one_of(st.integers(-(10**30), 10**30).map(str), st.text(max_size=10)), st.integers(0, 3))
def test_plain_ids_are_equal_for_equal_numbers_only(text, zeros):
    plain = editions.plain_id(text)
    assert editions.plain_id(plain) == plain
    if text.lstrip("-").isdecimal() and text.isascii():
        assert editions.plain_id(f"{text}.{'0' * zeros}") == plain == str(int(text))
    else:
        assert plain == text or math.isfinite(float(text))


@given(st.text(max_size=200), st.sampled_from(["utf-8", "cp1252", "utf-16", "utf-32"]))
def test_a_file_is_read_as_it_was_written_or_refused_by_name(tmp_path_factory, text, encoding):
    path = tmp_path_factory.mktemp("text") / "a.csv"
    try:
        path.write_bytes(f"a,b\n{text}\n".encode(encoding))
    except UnicodeEncodeError:
        return
    read, refusal = tried(lambda: [line for _, line in _text.lines(path)])
    if refusal is not None:
        assert str(path) in refusal
        return
    assert encoding in ("utf-8", "cp1252")
    if encoding == "utf-8":
        # lines end as Spark has them: at \n, \r\n and \r
        wanted = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert read == [line for line in wanted if line.strip()]
