"""A store's files are compared with the manifests there, by size or by content."""

import pytest

from glc.objectstore import inspect


@pytest.fixture
def published(machine, output):
    """A store with an output, and a product that is a copy of one of its files; seen by a machine without copies."""
    here = machine("here")
    folder = output(here)
    here.publish(folder)
    stable = here.root / "metrics" / "tiny" / "votes.json"
    stable.parent.mkdir(parents=True)
    stable.write_text("first")  # as a.txt
    here.publish_product(stable, folder)
    return machine("there")


def _path(files, end):
    return next(path for path in files.store if path.endswith(end))


@pytest.mark.parametrize("content", [False, True])
def test_what_is_whole_is_counted_without_a_local_copy(published, content):
    seen = inspect(published, content=content)
    assert (seen.damaged, seen.unfinished) == ([], [])
    assert (seen.outputs, seen.files, seen.bytes, seen.published) == (1, 2, 12, 1)
    assert not [path for path in published.root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("end", "change", "words"),
    [
        ("/a.txt", None, "a.txt: found no such file, expected one of 5 bytes"),
        ("/b.txt", b"longer than before", "b.txt: found 18 bytes, expected 7"),
        ("_SUCCESS", b"{", "_SUCCESS: found 1 bytes that are no JSON"),
        ("metrics/tiny/votes.json", b"mine", "votes.json: found 4 bytes, expected 5"),
    ],
)
def test_what_is_not_whole_is_named_with_a_remedy(published, files, end, change, words):
    files.rm_file(_path(files, end)) if change is None else files.pipe_file(_path(files, end), change)
    problem = inspect(published).damaged[0]
    assert problem.startswith("memory://bucket/runs/")
    assert words in problem
    assert "remedy: remove memory://bucket/runs/" in problem


def test_other_content_of_the_same_size_is_seen_by_content_alone(published, files):
    files.pipe_file(_path(files, "/a.txt"), b"First")
    assert inspect(published).damaged == []
    (problem,) = inspect(published, content=True).damaged
    assert "a.txt: found sha256 " in problem


def test_an_output_without_a_manifest_is_unfinished(published, files):
    files.rm_file(_path(files, "Task-0123/_SUCCESS"))
    seen = inspect(published)
    assert seen.unfinished == ["memory://bucket/runs/store/tiny/Task-0123"]
    assert (seen.outputs, seen.published, seen.damaged) == (0, 0, [])
