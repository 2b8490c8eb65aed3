"""Where a map comes from: what its files and its STAC item say of data, model, licence and citation."""

from collections.abc import Mapping
from dataclasses import dataclass

from glc import __version__


@dataclass(frozen=True)
class Origin:
    """Where a map comes from, for its metadata.

    title : what is mapped
    dataset, experiment : their names
    provenance : further facts by name, such as the model's identity
    licence : of the data; empty: not known
    citation : of the data, DOIs in it; empty: not known
    doi : of the data; empty: not known
    years : first and last year of the training surveys; None: not known
    """

    title: str
    dataset: str
    experiment: str
    provenance: Mapping[str, str]
    licence: str = ""
    citation: str = ""
    doi: str = ""
    years: tuple[int, int] | None = None

    def tags(self, relative: bool) -> dict[str, str]:
        """Metadata of every file, by the names of TIFF's tags, or ours."""
        what = "relative suitability (not a probability)" if relative else "probability of occurrence"
        tags = {
            "TIFFTAG_SOFTWARE": f"glc {__version__}",
            "TIFFTAG_IMAGEDESCRIPTION": f"{self.title}: {what}",
            "TIFFTAG_COPYRIGHT": self.licence,
            "GLC_DATASET": self.dataset,
            "GLC_EXPERIMENT": self.experiment,
            "GLC_CITATION": self.citation,
            "GLC_DOI": self.doi,
            "GLC_VALUES": "relative suitability" if relative else "probability",
        }
        tags |= {f"GLC_{name.upper()}": value for name, value in self.provenance.items()}
        return {name: value for name, value in tags.items() if value}
