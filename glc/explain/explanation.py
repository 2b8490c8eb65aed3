"""All answers about one fitted experiment, and their files: tables that other programs can read."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from glc import storage
from glc.explain.importance import Importance
from glc.explain.response import Responses, responses
from glc.explain.species_map import SpeciesMap, species_map
from glc.explain.variables import Fitted
from glc.types import Say

CURVES, IMPORTANCE, FACTS, MAPS = "response-curves.csv", "importance.csv", "explanation.json", "maps.npz"
_KEYS = {"input": str, "column": str, "variable": str, "category": str, "correlated_with": str}
_RECORDS = ("training", "held_out", "presence_only")


@dataclass(frozen=True)
class Explanation:
    """What was answered of a fitted experiment.

    names : species id -> its name, or '' where it is not known, of the species that were asked for
    responses, importance : of the table inputs, empty where there are none; maps : one per species
    """

    names: dict[int, str]
    responses: Responses
    importance: Importance
    maps: tuple[SpeciesMap, ...]

    @classmethod
    def made(
        cls, fitted: Fitted, species: list[int], importance: Importance, *, background: int = 200, fold: int = 0,
        progress: Say = print,
    ) -> Self:  # fmt: skip
        """Answer all questions about `species` (ids).

        importance : of `glc.explain.importance.measured`; background : surveys of the curves
        fold : whose model draws the maps
        """
        known = fitted.species.set_index("speciesId")["name"]
        names = {number: known[number] if isinstance(known[number], str) else "" for number in species}
        progress("response curves", 5)
        curves = responses(fitted, species, surveys=background)
        maps = []
        for number, identity in enumerate(species):
            progress(f"map of species {identity}", 40 + 58 * number / len(species))
            maps.append(species_map(fitted, identity, fold=fold))
        return cls(names, curves, importance, tuple(maps))

    def write(self, folder: Path) -> None:
        """Write the tables, and what of the answers is no table, into `folder`."""
        storage.write_csv(self.responses.curves, folder / CURVES)
        storage.write_csv(self.importance.frame, folder / IMPORTANCE)
        arrays = {}
        for drawn in self.maps:
            arrays[f"{drawn.species}_scores"] = drawn.scores
            arrays |= {f"{drawn.species}_{name}": getattr(drawn, name) for name in _RECORDS}
        np.savez_compressed(folder / MAPS, **arrays)
        measured_on = dataclasses.asdict(dataclasses.replace(self.importance, frame=None))
        maps = [
            {key: value for key, value in vars(drawn).items() if key not in ("scores", *_RECORDS)}
            for drawn in self.maps
        ]
        facts = {
            "names": self.names,
            "background": self.responses.surveys,
            "rug": [[*key, values.tolist()] for key, values in self.responses.rug.items()],
            "importance": {key: value for key, value in measured_on.items() if key != "frame"},
            "maps": maps,
        }
        (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote."""
        facts = storage.read_json(folder / FACTS)
        curves, importance = (
            storage.read_csv(folder / name, dtype=_KEYS, keep_default_na=False, na_values={"value": [""]})
            for name in (CURVES, IMPORTANCE)
        )
        rug = {(table, variable): np.array(values, float) for table, variable, values in facts["rug"]}
        measured_on = facts["importance"] | {"folds": tuple(facts["importance"]["folds"])}
        with np.load(folder / MAPS, allow_pickle=False) as arrays:
            maps = tuple(
                SpeciesMap(
                    **own,
                    scores=arrays[f"{own['species']}_scores"],
                    **{name: arrays[f"{own['species']}_{name}"] for name in _RECORDS},
                )
                for own in facts["maps"]
            )
        names = {int(number): name for number, name in facts["names"].items()}
        return cls(
            names, Responses(curves, rug, facts["background"]), Importance(frame=importance, **measured_on), maps
        )
