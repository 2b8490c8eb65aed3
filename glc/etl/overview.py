"""What a dataset's tables hold in one line, and what is odd about them: words for the screen, the report and doctor."""

from collections.abc import Iterable, Sequence

from glc import schema
from glc.editions import Oddity
from glc.types import Facts

MOST = 6
"""Oddities on the screen; the report has all of them."""
LEAST = 0.005
"""Share of an area that is named: it rounds to a per cent."""


def noun(dataset: str, facts: Facts) -> str:
    """What the rows of a part are called.

    dataset : of `glc.schema.DATASETS`
    facts : manifest of `Surveys`, with ``train`` and ``test``
    """
    if schema.is_test(dataset, facts["test"]):
        return f"test surveys{dataset.removeprefix(facts['test']).replace('_', ' of ')}"
    if dataset == "po":
        return "records" if facts["train"] == "po" else "presence-only records"
    return "surveys"


def line(facts: Facts) -> str:
    """The tables in one line: how many of what, where, when, and in which encoding if it is not UTF-8.

    facts : manifest of `Surveys`; one of an older version lacks places and dates
    """
    counts = []
    for name, numbers in sorted(facts["datasets"].items(), key=lambda item: item[0] != facts["train"]):
        rows = numbers["occurrences" if name == "po" else "surveys"]
        if rows:
            counts.append(f"{rows:,} {noun(name, facts)}")
    words = [*counts, f"{facts['species']['number']:,} species"]
    seen = facts.get("overview")
    if seen:
        where = _bounds(*seen["bounds"])
        areas = [f"{name} {_percent(share)}" for name, share in seen["areas"].items()]
        words.append(where + (f" ({', '.join(areas)})" if areas else ""))
        words.append(_years(seen["years"], seen["undated"]))
    words += dict.fromkeys(file["encoding"] for file in facts["files"] if file.get("encoding"))
    return ", ".join(words)


def oddities(facts: Facts) -> list[Oddity]:
    """What is odd, of the manifest of `Surveys`."""
    return [Oddity(**row) for row in facts.get("odd", [])]


def lines(facts: Facts, more: str = "the report has all") -> list[str]:
    """What the screen shows: the line, then a few of the oddities.

    more : where the others are
    """
    rows = oddities(facts)
    shown = [f"  data       {line(facts)}"]
    for number, row in enumerate(rows[:MOST]):
        shown.append(f"  {'' if number else 'odd':9}  {text(row)}")
    if len(rows) > MOST:
        shown.append(f"  {'':9}  … and {len(rows) - MOST} more; {more}")
    return shown


def text(row: Oddity) -> str:
    """An oddity as a sentence."""
    return f"{row.rows:,} of {row.of:,} {row.what}" + (f" ({row.example})" if row.example else "")


def areas(names: Sequence[str], shares: Iterable[float], most: int = 3) -> dict[str, float]:
    """The largest areas with their shares, and the others as one.

    names, shares : of each area, in any order
    """
    ranked = sorted(zip(names, shares, strict=True), key=lambda item: (-item[1], item[0]))
    ranked = [(name, float(share)) for name, share in ranked if share > 0]
    shown = [item for item in ranked if item[1] >= LEAST]
    shown = shown if len(shown) <= most + 1 else shown[:most]
    rest = sum(share for _, share in ranked[len(shown) :])
    return dict(shown) | ({f"{len(ranked) - len(shown)} others": rest} if rest >= LEAST else {})


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if share >= LEAST else "< 1 %"


def _bounds(west: float, south: float, east: float, north: float) -> str:
    """West to east, which may be beyond 180, and south to north, in degrees."""
    digits = 1 if max(east - west, north - south) >= 1 else 2
    east = east - 360 if east > 180 else east
    return f"{_span(west, east, 'EW', digits)} {_span(south, north, 'NS', digits)}"


def _span(low: float, high: float, ends: str, digits: int) -> str:
    numbers = [f"{abs(value):.{digits}f}" for value in (low, high)]
    sides = [ends[0] if value >= 0 else ends[1] for value in (low, high)]
    if sides[0] != sides[1]:
        return f"{numbers[0]}° {sides[0]}–{numbers[1]}° {sides[1]}"
    return f"{'–'.join(dict.fromkeys(numbers))}° {sides[0]}"


def _years(years: Sequence[int] | None, undated: float) -> str:
    if years is None:
        return "no dates"
    span = "–".join(str(year) for year in dict.fromkeys(years))
    return span + (f" ({_percent(undated)} without a date)" if undated else "")
