"""The mutation tool itself: what it changes, what it leaves alone, and how it judges."""

import textwrap

import pytest

from tests import mutants

SOURCE = textwrap.dedent(
    '''
    """A module about 3 things."""

    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Options:
        """Options: 5 of them."""

        depth: int = 4
        """At least 1."""
        name: str = "words"

    def above(values: list[1], limit=0.5, *, strict=False):
        if not strict and len(values) > 1:
            print("more than 1", 2)
            return limit - 1
        if limit < 0:
            raise ValueError(f"limit: {limit}, expected {0} or above")
        total = sum(min(value, limit) for value in values)
        total += divmod(total, limit)[0]
        return total
    '''
).lstrip()


def changes():
    return {(mutant.line, mutant.told(SOURCE).split("->")[1].strip()) for mutant in mutants.mutants("glc/a.py", SOURCE)}


@pytest.mark.parametrize(
    ("line", "after"),
    [
        (9, "depth: int = 5"),
        (9, "depth: int = 3"),
        (13, "def above(values: list[1], limit=1.0, *, strict=False):"),
        (13, "def above(values: list[1], limit=0.5, *, strict=True):"),
        (14, "if (not (not strict and len(values) > 1)):"),
        (14, "if (not strict or len(values) > 1):"),
        (14, "if (strict) and len(values) > 1:"),
        (14, "if not strict and (len(values) >= 1):"),
        (14, "if not strict and len(values) > 2:"),
        (16, "return None"),
        (16, "return (limit + 1)"),
        (17, "if limit < 1:"),
        (18, "pass"),
        (20, "pass"),
        (20, "total += divmod(limit, total)[0]"),
        (20, "total += divmod(total, limit)[1]"),
    ],
)
def test_changes(line, after):
    assert (line, after) in changes()


def test_texts_annotations_and_what_is_shown_stay():
    lines = {line for line, _ in changes()}
    # docstrings, decorators, annotations, a text, print, and the call of a symmetric function
    assert lines == {9, 13, 14, 16, 17, 18, 20, 21}
    assert not any("min(limit, value)" in after or "list[2]" in after for _, after in changes())
    assert {after for line, after in changes() if line == 18} == {"pass"}


def test_samples_follow_from_the_seed_and_take_each_line_once():
    first = mutants.sample(3, 12, "glc/rasters")
    assert first == mutants.sample(3, 12, "glc/rasters")
    assert first != mutants.sample(4, 12, "glc/rasters")
    assert len({(mutant.path, mutant.line) for mutant in first}) == 12
    assert all(mutant.path.startswith("glc/rasters/") for mutant in first)
    for mutant in first:
        source = (mutants.CHECKOUT / mutant.path).read_text()
        changed = mutant.applied(source)
        compile(changed, mutant.path, "exec")
        assert changed != source


def test_stages_are_the_mirror_those_that_name_a_class_the_folder_and_those_that_import_it():
    mirror, naming, folder, far = mutants.stages("glc/tasks/clean.py")
    assert mirror == (["tests/tasks/test_clean.py"], False)
    assert naming == (["tests/tasks/test_dag.py"], True), "slow tests too"
    assert "tests/tasks/test_stack.py" in folder.files
    assert all(name.startswith("tests/tasks/") for name in folder.files)
    everywhere = [name for stage in (mirror, naming, folder, far) for name in stage.files]
    assert len(set(everywhere)) == len(everywhere)
    pipelines = [name.startswith(mutants.PIPELINES) for name in mutants.stages("glc/prediction/ranking.py")[-1].files]
    assert pipelines == sorted(pipelines)
    assert mutants.stages("glc/neighbours/__init__.py")[0].files[0].startswith("tests/neighbours/")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small project whose tests guard one of two functions, and one of which fails without a mutant."""
    for folder in ("glc", "tasks", "tests"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "glc/sums.py").write_text("def plus(a, b):\n    return a + b\n\n\ndef minus(a, b):\n    return a - b\n")
    (tmp_path / "tests/test_sums.py").write_text(
        "from glc.sums import plus\n\n\ndef test_always_red():\n    assert not plus\n\n\n"
        "def test_plus():\n    assert plus(2, 3) == 5\n"
    )
    monkeypatch.setattr(mutants, "CHECKOUT", tmp_path)
    mutants._imports.cache_clear()
    yield tmp_path
    mutants._imports.cache_clear()


def test_a_mutant_is_caught_only_by_a_test_that_passes_without_it(tree, capsys):
    source = (tree / "glc/sums.py").read_text()
    plus, minus = (
        next(one for one in mutants.mutants("glc/sums.py", source) if one.line == line and "None" not in one.text)
        for line in (2, 6)
    )
    assert mutants.run([plus, minus], limit=120, jobs=1) == [minus.told(source)]
    printed = capsys.readouterr().out
    assert "glc/sums.py:2: return a + b  ->  return (a - b)" in printed
    assert "tests/test_sums.py::test_plus" in printed
    assert "SURVIVED" in printed
    assert (tree / "glc/sums.py").read_text() == source
