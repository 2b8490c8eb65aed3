"""``glc predict`` at one place, from the folder of a fitted experiment: neither Spark nor Luigi is loaded."""

import dataclasses
import json
import math
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.text import Text

from glc.cli import output
from glc.errors import ConfigError, visible
from glc.types import Facts

BAR = 20
"""Characters of a probability of 1."""


def show(
    folder: Path,
    lon: float,
    lat: float,
    date: str = "",
    *,
    top: int,
    imagery: str = "",
    allow_missing: bool = False,
    explain: bool = False,
    as_json: bool = False,
) -> None:
    """Print the prediction at a place.

    folder : of the fitted experiment
    lon, lat : degrees; date : YYYY-MM-DD or a year, empty for the latest
    top : species shown; all of the decided set are shown
    imagery : folder of rasters and images; allow_missing : predict where all imagery is missing
    explain : also what the nearest surveys hold, and what each input changes
    as_json : JSON alone, for programs
    """
    facts = at_place(folder, lon, lat, date, top=top, imagery=imagery, allow_missing=allow_missing, explain=explain)
    if as_json:
        print(visible(json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False)))  # the same JSON
    else:
        _print(facts)


def at_place(
    folder: Path, lon: float, lat: float, date: str, *, top: int, imagery: str, allow_missing: bool, explain: bool
) -> Facts:
    """What ``--json`` prints: the species, best first, and the facts of the place."""
    import glc
    from glc.fitted import place_checks, predictions  # after the options are checked: numpy and scipy take time

    table = pa.table({"lon": [lon], "lat": [lat], **({"date": [date]} if date else {})})
    checked = place_checks.check_rows(table)
    if not checked.usable[0]:
        raise ConfigError(f"--lon {lon:g} --lat {lat:g}: {checked.problem[0]}; --lon goes from -180 to 180, --lat from "
                          "-90 to 90")  # fmt: skip
    if checked.kind[0] == "date" or (date and "date:" in str(checked.problem[0])):
        raise ConfigError(f"--date: found {date!r}, expected YYYY-MM-DD or a year")
    fitted = glc.load(folder, imagery_folder=imagery)
    prediction = predictions.at_rows(fitted, checked, [0], top, allow_missing)
    (row,) = prediction.table.to_pylist()
    known = fitted.species.dropna(subset="name")
    names = dict(zip(known["speciesId"].tolist(), known["name"].astype(str), strict=True))

    def named(ids: list[int]) -> list[Facts]:
        return [{"id": species, "name": names.get(species)} for species in ids]

    expected_f1 = prediction.trust["expected_f1"].to_numpy(float)[0]
    decided = None if row["predicted"] is None else set(row["predicted"])
    facts: Facts = {
        "species": [
            species
            | {"probability": round(probability, 6), "predicted": None if decided is None else species["id"] in decided}
            for species, probability in zip(named(row["species"]), row["probability"], strict=True)
        ],
        "experiment": fitted.facts["experiment"],
        "dataset": fitted.facts["dataset"],
        "lon": lon,
        "lat": lat,
        "date": date or None,
        "relative": fitted.relative,
        "expected_species": row["expected_species"],
        "distance_to_training_m": row["distance_to_training_m"],
        "dissimilarity": row["dissimilarity"],
        "inside": row["inside"],
        "expected_f1": None if math.isnan(expected_f1) else expected_f1,
        "missing": row["missing"].split(", ") if row["missing"] else [],
        "problem": checked.problem[0],
    }
    if explain:
        from glc.fitted import place_explanation

        near = place_explanation.nearest_surveys(fitted, lon, lat, row["species"])
        shares = place_explanation.input_shares(
            fitted, prediction.places, prediction.values, row["species"][: place_explanation.SPECIES]
        )
        facts["nearest"] = [dataclasses.asdict(survey) | {"shared": named(survey.shared)} for survey in near]
        facts["inputs"] = [
            {
                "input": share.input,
                "missing": share.missing,
                "expected_species": share.expected_species,
                "species": [
                    species | {"probability": share.probability[species["id"]]}
                    for species in named([*share.probability])
                ],
            }
            for share in shares
        ]
    return facts


def _print(facts: Facts) -> None:
    screen = output.screen()
    relative = facts["relative"]
    when = f", {facts['date']}" if facts["date"] else ""
    screen.print(Text(f"{facts['experiment']} on {facts['dataset']} at {_degrees(facts)}{when}", style="bold"))
    for name, text, style in _lines(facts):
        screen.print(Text.assemble((f"{name:20}", "dim"), (text, style)))
    screen.print()
    score = "relative suitability" if relative else "probability"
    named = any(species["name"] for species in facts["species"])
    headers = ["", *["species"] * named, "id", score, "", "" if relative else "in the set"]
    table = output.table(*headers, padding=(0, 2, 0, 0))
    table.columns[0].justify = "right"
    for rank, species in enumerate(facts["species"], 1):
        value = species["probability"]
        bar = "█" * round(BAR * min(value, 1))
        style = "bold" if species["predicted"] else ""
        table.add_row(
            str(rank),
            *[Text(species["name"] or "-", style=style)] * named,
            Text(str(species["id"]), style=style),
            f"{value:.3f}",
            Text(bar, style="green"),
            "yes" if species["predicted"] else "",
        )
    screen.print(table)
    if "nearest" in facts:
        _print_explanation(screen, facts)


def _lines(facts: Facts) -> list[tuple[str, str, str]]:
    """Name, text and style of what is known of the place."""
    lines = []
    if facts["relative"]:
        text = "relative suitability: the model has seen presence-only records alone, so it decides no set"
        lines.append(("scores", text, "yellow"))
    else:
        chosen = sum(bool(species["predicted"]) for species in facts["species"])
        lines.append(("expected species", f"{facts['expected_species']:.1f}", ""))
        lines.append(("predicted set", f"{chosen} species", ""))
    lines.append(("nearest survey", _metres(facts["distance_to_training_m"]), ""))
    if facts["inside"] is not None:
        where, style = ("inside", "") if facts["inside"] else ("OUTSIDE", "bold red")
        text = f"{where} what was learned (dissimilarity {facts['dissimilarity']:.2f})"
        lines.append(("applicability", text, style))
    else:
        # a place without any value has nothing by which it could be compared; or the model has no such area
        what = "place, whose inputs are missing" if facts["missing"] else "model"
        lines.append(("applicability", f"not known of this {what}", "dim"))
    if facts["expected_f1"] is not None:
        lines.append(("expected F1", f"{facts['expected_f1']:.2f}, of the set, by the validation surveys", ""))
    if facts["missing"]:
        lines.append(("missing inputs", f"{', '.join(facts['missing'])}: the training mean is used", "yellow"))
    if facts["problem"]:
        lines.append(("note", facts["problem"], "yellow"))
    return lines


def _print_explanation(screen: Console, facts: Facts) -> None:
    screen.print(Text("\nNearest training surveys", style="bold"))
    table = output.table("survey", "distance", "year", "species", "shared with the prediction", padding=(0, 2, 0, 0))
    for survey in facts["nearest"]:
        few = ", ".join(species["name"] or str(species["id"]) for species in survey["shared"][:5])
        more = ", …" if len(survey["shared"]) > 5 else ""
        table.add_row(
            str(survey["surveyId"]),
            _metres(survey["distance_m"]),
            str(survey["year"] or "-"),
            str(survey["species"]),
            Text(f"{len(survey['shared'])}: {few}{more}" if few else "0"),
        )
    screen.print(table)
    screen.print(Text("\nWithout an input", style="bold"))
    if not facts["inputs"]:
        screen.print(Text("the model reads coordinates alone, which cannot be left out"))
        return
    best = facts["species"][: len(facts["inputs"][0]["species"])]
    headers = [species["name"] or str(species["id"]) for species in best]
    expected = [] if facts["relative"] else ["expected species"]
    table = output.table("left out", *expected, *headers, padding=(0, 2, 0, 0))
    now = [] if facts["relative"] else [f"{facts['expected_species']:.1f}"]
    table.add_row("nothing", *now, *(f"{species['probability']:.3f}" for species in best))
    for share in facts["inputs"]:
        changed = [] if facts["relative"] else [f"{share['expected_species']:.1f}"]
        if share["missing"]:
            cells = ["not known here", *[""] * (len(changed) + len(best) - 1)]
        else:
            cells = [*changed, *(f"{species['probability']:.3f}" for species in share["species"])]
        table.add_row(share["input"], *cells)
    screen.print(table)


def _degrees(facts: Facts) -> str:
    lon, lat = facts["lon"], facts["lat"]
    return f"{abs(lon):g}° {'E' if lon >= 0 else 'W'}, {abs(lat):g}° {'N' if lat >= 0 else 'S'}"


def _metres(distance_m: float) -> str:
    return f"{distance_m / 1000:,.1f} km" if distance_m >= 1000 else f"{distance_m:.0f} m"
