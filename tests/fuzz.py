"""Fuzzing: break survey files of every edition and experiments at random, and see that nothing but a clear error comes.

    python -m tests.fuzz --seed 1 --seconds 60 [--keep FOLDER]

Three kinds of trial take turns until the time is over:

- *headers*: a file of a dataset is broken anywhere (bytes changed, cut, doubled, put in), and `glc.editions` looks at
  it. It is accepted, or refused with a `GlcError`.
- *rows*: lines of a dataset are broken, and the survey tables are written with Spark. All is refused with a `GlcError`,
  or every line is kept or quarantined, the lines that were not touched are kept with their values, and the quarantine
  can be read.
- *experiments*: a TOML of ``conf/experiments`` is broken and loaded: accepted, or refused with a `GlcError`.

Any other exception, a lost row or a changed value is a finding: it is printed with its seed, its files are kept in
`--keep`, and the command exits with 1.
"""

import argparse
import collections
import csv
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

from glc import config, editions, storage
from glc.config import paths
from glc.errors import GlcError
from tests import files_of_editions

ODD = [
    "", "NaN", "inf", "-inf", "1e999", "-1", "0", "1,5", "99999999999999999999", "2147483648", "1e3", "0x10", "NULL",
    '"', '""', "'", ";", ",", "\t", "|", "\r", "\0", "\ufeff", "\u2028", "Île", "<script>", "$$", "=1+1", "9" * 400,
    "4°54'", "2017-02-30", "1587938400", " ", "none", "1_000", "١٢", "\x85",
]  # fmt: skip
BYTES = [b"\xce", b"\xff\xfe", b"\0", b"\xf0\x28\x8c\x28", b"\xed\xa0\x80"]


class Finding(Exception):  # noqa: N818 - not an error of this program
    """A trial that went as it must not."""


def broken_bytes(data, rng):
    """`data` with one to four changes anywhere."""
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(data) + 1))
        kind = rng.integers(6)
        if kind == 0:
            data = data[:at] + bytes([rng.integers(256)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[at + int(rng.integers(1, 40)) :]
        elif kind == 2:
            data = data[:at] + data[max(0, at - int(rng.integers(1, 200))) :]
        elif kind == 3:
            data = data[:at] + ODD[rng.integers(len(ODD))].encode() + data[at:]
        elif kind == 4:
            data = data[:at] + BYTES[rng.integers(len(BYTES))] + data[at:]
        else:
            data = data[:at]
    return data


def broken_line(line, separator, rng):
    """A line with one of its fields, or its structure, broken; as bytes without its end."""
    fields = line.split(separator)
    at = int(rng.integers(len(fields)))
    kind = rng.integers(8)
    if kind < 4:
        fields[at] = ODD[rng.integers(len(ODD))].replace("\r", " ")
    elif kind == 4:
        del fields[at]
    elif kind == 5:
        fields.insert(at, "x")
    elif kind == 6:
        other = int(rng.integers(len(fields)))
        fields[at], fields[other] = fields[other], fields[at]
    text = separator.join(fields).encode()
    if kind == 7:
        cut = int(rng.integers(len(text) + 1))
        text = text[:cut] + BYTES[rng.integers(len(BYTES))] + text[cut:]
    return text


def try_headers(folder, rng):
    """Break a file anywhere; (what came, edition)."""
    edition = str(rng.choice(files_of_editions.names()))
    made = files_of_editions.write(folder, edition, count=8, seed=int(rng.integers(1 << 30)))
    path = made[rng.integers(len(made))][0]
    path.write_bytes(broken_bytes(path.read_bytes(), rng))
    try:
        dataset = editions.recognise(folder)
        editions.check(dataset)
        dataset.fingerprint()
    except GlcError:
        return "refused", edition
    return "accepted", edition


def try_rows(folder, rng):
    """Break lines and write the tables; (what came, edition)."""
    from glc.etl import surveys
    from glc.etl.spark import session

    edition = str(rng.choice(files_of_editions.names()))
    made = files_of_editions.write(folder, edition, count=60, seed=int(rng.integers(1 << 30)))
    path, table, _ = made[rng.integers(len(made))]
    lines = path.read_bytes().splitlines()
    touched = set(rng.choice(np.arange(1, len(lines)), size=int(rng.integers(1, 30)), replace=False).tolist())
    for number in touched:
        lines[number] = broken_line(lines[number].decode(), table.separator, rng)
    path.write_bytes(b"\n".join(lines) + b"\n")
    dataset = editions.recognise(folder)
    try:
        facts = surveys.write(session(memory="1g", shuffle_partitions=2), dataset, folder / "out", 0.9)
    except GlcError:
        return "refused", edition
    _account(folder, dataset, made, facts, {path: {number + 1 for number in touched}})
    return "accepted", edition


def _account(folder, dataset, made, facts, touched):
    """Raise a Finding where a line is lost, or one that was not touched was changed."""
    out = folder / "out"
    kept = storage.read_table(out / "occurrences", "occurrences").to_pandas()
    bad = storage.read_table(out / "quarantine", "quarantine").to_pandas()
    for found in bad["found"].dropna():
        found.encode()
    for path in {path for path, _, _ in made}:
        with open(path, encoding="utf-8", errors="replace") as file:  # \n, \r\n and \r, as Spark has them
            physical = sum(bool(line.strip(" \n")) for line in file) - 1
        name = dataset.relative(path)
        counted = sum(file["rows"] for file in facts["files"] if file["file"] == name)
        if counted != physical:
            raise Finding(f"{name}: {physical} lines, {counted} counted")
    if len(kept) + len(bad) != facts["rows"]:
        raise Finding(f"{facts['rows']} rows in, {len(kept)} kept and {len(bad)} quarantined")
    rows_kept = collections.Counter(
        zip(kept["dataset"], kept["lon"].round(5), kept["lat"].round(5), kept["speciesId"].fillna(-1), strict=True)
    )
    for path, table, rows in made:
        at = [other for other in made if other[0] == path]
        start = 2 + sum(len(other[2]) for other in at[: at.index((path, table, rows))])
        for number, row in enumerate(rows):
            line = start + number
            if line in touched.get(path, ()) or _claimed(path, touched, row, table):
                continue
            species = float(row["speciesId"]) if table.labelled and "speciesId" in row else -1
            if not rows_kept[table.dataset, round(float(row["lon"]), 5), round(float(row["lat"]), 5), species]:
                raise Finding(f"{path.name}: line {line} was not touched and is not kept: {row}")


def _claimed(path, touched, row, table):
    """Whether a broken line may be a row of the same survey, with which an untouched one then disagrees."""
    survey = row["surveyId"]
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = dict(enumerate(file, start=1))
    return any(survey in field for number in touched.get(path, ()) for field in _fields(lines.get(number, ""), table))


def _fields(line, table):
    return next(csv.reader([line], delimiter=table.separator), [])


def try_experiments(folder, rng):
    """Break a TOML; (what came, experiment)."""
    files = sorted((paths.CONF / "experiments").glob("*.toml"))
    path = files[rng.integers(len(files))]
    copy = folder / "broken.toml"
    copy.write_bytes(broken_bytes(path.read_bytes(), rng))
    try:
        config.load(str(copy))
    except GlcError:
        return "refused", path.stem
    return "accepted", path.stem


TRIALS = {"headers": (try_headers, 0.15), "experiments": (try_experiments, 0.15), "rows": (try_rows, 0.7)}
"""Kinds of trial, and the share of the time that each gets."""


def run(seed, seconds, keep=None):
    """Trials until `seconds` are over; (counts by kind and outcome, findings as text)."""
    counts, findings, spent = collections.Counter(), [], dict.fromkeys(TRIALS, 0.0)
    started, number = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        kind = min(TRIALS, key=lambda name: spent[name] / TRIALS[name][1])
        trial, begun = TRIALS[kind][0], time.monotonic()
        rng = np.random.default_rng([seed, number])
        with tempfile.TemporaryDirectory(prefix="glc-fuzz-") as scratch:
            folder = Path(scratch) / "data"
            folder.mkdir()
            try:
                outcome, what = trial(folder, rng)
            except Exception as error:
                outcome, what = "FOUND", "".join(traceback.format_exception_only(error)).strip()[:400]
                findings.append(f"{kind}, seed {seed}, trial {number}: {what}")
                if keep:
                    shutil.copytree(folder, Path(keep) / f"{seed}-{number}", dirs_exist_ok=True)
        counts[kind, outcome] += 1
        spent[kind] += time.monotonic() - begun
        number += 1
    return counts, findings


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--keep", help="folder for the files of findings")
    chosen = parser.parse_args(arguments)
    counts, findings = run(chosen.seed, chosen.seconds, chosen.keep)
    for (kind, outcome), count in sorted(counts.items()):
        print(f"{kind:12} {outcome:9} {count:6,}")
    print("\n".join(findings) or "nothing found")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
