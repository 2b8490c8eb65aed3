"""The species of a map: those that are named, the most frequent ones, or all."""

import pandas as pd

from glc.errors import ConfigError, did_you_mean

ALL = "all"
"""The word for all species."""


def choose(species: pd.DataFrame, text: str, most_frequent: int) -> list[int]:
    """Row numbers in `species` of the species that a person asks for, in that order, each once.

    species : columns speciesId, name (None where unknown), records
    text : ids or names with commas between, ``all``, or nothing for the most frequent ones
    most_frequent : how many are meant by nothing
    raises : ConfigError for an id or name that the model does not have
    """
    if text.strip() == ALL:
        return list(range(len(species)))
    if not text.strip():
        order = species.reset_index(drop=True).sort_values(["records", "speciesId"], ascending=[False, True])
        return [int(row) for row in order.index[:most_frequent]]
    known: dict[str, list[int]] = {}
    for row, (key, name) in enumerate(zip(species["speciesId"], species["name"], strict=True)):
        known.setdefault(str(key), []).append(row)
        if isinstance(name, str) and name:
            known.setdefault(_plain(name), []).append(row)
    rows: list[int] = []
    parts = [part for part in text.split(",") if part.strip()]
    while parts:
        # a name may have commas: «Quercus ilex L., 1753»
        length = next((n for n in range(len(parts), 0, -1) if _plain(",".join(parts[:n])) in known), 0)
        if not length:
            _refuse(parts[0].strip(), species)
        rows += known[_plain(",".join(parts[:length]))]
        parts = parts[length:]
    return list(dict.fromkeys(rows))


def label(species_id: int, name: str | None) -> str:
    """Id and name of a species, as a band is described."""
    return f"{species_id} {name}" if isinstance(name, str) and name else str(species_id)


def _plain(text):
    return " ".join(text.casefold().split())


def _refuse(word, species):
    names = [name for name in species["name"] if isinstance(name, str) and name]
    # another case would make a name unlike itself
    spelt = {_plain(name): name for name in names} | {str(key): str(key) for key in species["speciesId"]}
    hint = did_you_mean(_plain(word), spelt)
    for plain, name in spelt.items():
        hint = hint.replace(f"'{plain}'", f"'{name}'")
    what = "ids or names" if names else "ids (the data has no names)"
    raise ConfigError(
        f"--species: found {word!r}, expected {what} of the {len(species):,} species of the model, with commas "
        f"between, or {ALL}{hint}"
    )
