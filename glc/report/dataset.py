"""A dataset to look at before any model: places, species, features, the ecological graph, and one survey's imagery.

What Tighnari 2024 (section 2, Figures 1 to 7), Miyaguchi et al. 2024 (Figures 2, 4 to 6) and Estopinan et al. 2020
(Figure 2) show of their data. Presence-only tables of millions of rows are read in batches: counts are of all rows,
maps and features of a random sample, whose size the page says.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute as pc
import pyarrow.dataset
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from glc import geo, registry, storage
from glc.errors import GlcError, MissingError
from glc.etl import tabular
from glc.neighbours import ecological
from glc.report import dataset_figures as figures
from glc.report import modalities
from glc.report.maps import degrees
from glc.report.modalities import Picture
from glc.report.sections.words import DATASETS
from glc.report.templates import template
from glc.types import Facts, StrPath

SAMPLE, FEATURE_SAMPLE, GRAPH_MOST = 40_000, 5_000, 200_000
"""Surveys of a dataset on a map; surveys whose features are read; most surveys of which a graph is made."""
CANDIDATES = 40
"""Surveys of each dataset among which the one shown is chosen."""
CORRELATED, BOXED, GROUPS, LEAST = 12, 6, 8, 20
"""Features in a correlation matrix and in box plots; groups shown, and surveys that one has at least."""
LINK_M = 5_000
"""Surveys of a cluster are no farther than this from the next one."""
_PLACE = ("dataset", "surveyId", "lon", "lat", "crs", "year", "country", "region", "geoUncertaintyInM", "areaInM2")
_METADATA = ("year", "geoUncertaintyInM", "areaInM2", "lon", "lat")
AREAS = {3035: "Europe", 5070: "the contiguous USA"}


@dataclass(frozen=True)
class Table:
    """A table of text; the first column of a row names it; numbers : whether the others are numbers."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool = True


@dataclass
class Section:
    """A part of the page.

    texts, absent : sentences above and below; `absent` says what the dataset lacks
    """

    title: str
    anchor: str
    texts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


@dataclass
class Part:
    """What is counted of a dataset's part, such as po.

    surveys : number of surveys; occurrences : of (survey, species)
    species : species -> its surveys; sizes : number of species -> surveys that have as many
    sample : frame of places and metadata, and `species` (lists), a random part of the surveys
    nodes : of the training and test surveys all places, unless they are more than `GRAPH_MOST`; else None
    """

    surveys: int
    occurrences: int
    species: Counter[int]
    sizes: Counter[int]
    sample: pd.DataFrame
    nodes: pd.DataFrame | None


@dataclass(frozen=True)
class Contents:
    """What the page shows of the survey tables; manifest : of `glc.storage`."""

    manifest: Facts
    parts: dict[str, Part]

    def role(self, name: str) -> Part | None:
        """The part that the edition trains ('train') or tests ('test') on, if it has surveys."""
        return self.parts.get(self.manifest[name])


def scan(surveys: StrPath, survey: int | None = None, seed: int = 0) -> Contents:
    """Count and sample the survey tables of a finished output, batch by batch; the survey `survey` is in the sample."""
    manifest = storage.manifest(surveys)
    sizes = {name: counts["surveys"] for name, counts in manifest["datasets"].items() if counts.get("surveys")}
    rng = np.random.default_rng(seed)
    whole = {manifest[role] for role in ("train", "test")}
    parts: dict[str, Part] = {}
    samples: dict[str, list[pd.DataFrame]] = {name: [] for name in sizes}
    nodes: dict[str, list[pd.DataFrame]] = {name: [] for name in sizes if name in whole and sizes[name] <= GRAPH_MOST}
    table = pyarrow.dataset.dataset(Path(surveys) / "surveys", format="parquet")
    for batch in table.to_batches(columns=[*_PLACE, "species"]):
        names = batch["dataset"].to_numpy(zero_copy_only=False)
        for name in dict.fromkeys(names):
            rows = batch.filter(pc.equal(batch["dataset"], name))
            part = parts.setdefault(name, Part(0, 0, Counter(), Counter(), pd.DataFrame(), None))
            lengths = pc.fill_null(pc.list_value_length(rows["species"]), 0).to_numpy(zero_copy_only=False)
            part.surveys += rows.num_rows
            part.occurrences += int(lengths.sum())
            for counter, numbers in ((part.species, rows["species"].flatten().to_numpy()), (part.sizes, lengths)):
                counter.update(dict(zip(*(x.tolist() for x in np.unique(numbers, return_counts=True)), strict=True)))
            if name in nodes:
                nodes[name].append(rows.select(_PLACE).to_pandas())
            taken = rng.random(rows.num_rows) < SAMPLE / max(sizes.get(name, 1), 1)
            if survey is not None:
                taken |= rows["surveyId"].to_numpy() == survey
            samples[name].append(rows.filter(pyarrow.array(taken)).to_pandas())
    for name, part in parts.items():
        part.sample = pd.concat(samples[name], ignore_index=True)
        part.nodes = pd.concat(nodes[name], ignore_index=True) if name in nodes else None
    order = [manifest["train"], manifest["test"], *sizes]
    return Contents(manifest, {name: parts[name] for name in dict.fromkeys(order) if name in parts})


def candidates(contents: Contents, survey: int | None = None) -> pd.DataFrame:
    """Surveys of which one is shown: of each part a random few, the training surveys first; or those with an id."""
    frames = []
    for part in contents.parts.values():
        few = part.sample.sample(min(CANDIDATES, len(part.sample)), random_state=0)
        frames.append(few if survey is None else part.sample[part.sample["surveyId"] == survey])
    return pd.concat(frames, ignore_index=True)[["dataset", "surveyId", "lon", "lat"]]


def render(
    dataset: str, contents: Contents, folders: Sequence[Path], shown: pd.DataFrame, survey: int | None = None
) -> tuple[str, Facts]:
    """The page as HTML text: no file or address outside of it is asked for; and facts for the manifest.

    dataset : its name
    folders : searched for rasters, images, series and cubes
    shown : `candidates`, with image_id and series_id where the edition has them
    survey : the id that was asked for; None: the candidate with most modalities
    """
    sections, facts = [], {}
    for make in (_places, _labels):
        sections.append(make(contents))
    sections.append(_features(contents, folders))
    section, graph_facts = _graph(contents)
    sections.append(section)
    section, survey_facts = _survey(contents, folders, shown, survey)
    sections.append(section)
    facts = graph_facts | survey_facts
    counts = ", ".join(
        f"{part.surveys:,} {'survey' if part.surveys == 1 else 'surveys'} ({_name(name)})"
        for name, part in contents.parts.items()
    )
    species = len(set().union(*(part.species for part in contents.parts.values())))
    html = template("data.html.j2").render(
        dataset=dataset,
        edition=f"Edition {contents.manifest['edition']}",
        summary=f"{counts}; {species:,} species.",
        sections=sections,
        links=[(section.anchor, section.title) for section in sections],
    )
    return html, facts


def _name(name):
    return DATASETS.get(name, name)


def _places(contents):
    section = Section("Places", "places")
    rows = [
        [
            _name(name),
            f"{part.surveys:,}",
            f"{part.occurrences:,}" if part.species else "–",  # of a test without labels nothing is known
            f"{len(part.species):,}" if part.species else "–",
            _range(part.sample["year"]),
        ]
        for name, part in contents.parts.items()
    ]
    section.tables.append(Table("What there is", ("Part", "Surveys", "Occurrences", "Species", "Years"), rows))
    sampled = [name for name, part in contents.parts.items() if len(part.sample) < part.surveys]
    if sampled:
        numbers = ", ".join(f"{len(contents.parts[name].sample):,} of {_name(name)}" for name in sampled)
        section.texts.append(f"Maps show a random sample where there are more surveys: {numbers}.")
    everywhere = pd.concat([part.sample[["lon", "lat", "crs"]] for part in contents.parts.values()])
    for crs in sorted(everywhere["crs"].unique()):
        groups = {
            _name(name): part.sample.loc[part.sample["crs"] == crs, ["lon", "lat"]].to_numpy()
            for name, part in contents.parts.items()
        }
        groups = {name: places for name, places in groups.items() if len(places)}
        area = AREAS.get(int(crs), f"EPSG:{crs}")
        svg = figures.places(f"Places in {area}: {', '.join(groups)}", groups)
        section.pictures.append(Picture(svg, f"Where the surveys are in {area} (Tighnari, Figure 5)."))
        if crs == 3035:
            section.pictures.append(Picture(
                figures.area("The area's polygon on a map of Europe, with the places", groups),
                "The same in the area's polygon of GeoLifeCLEF 2024, projected to EPSG:3035 (DS@GT, Figures 1 and 2). "
                f"Corners: {geo.EUROPE[0]:.2f}°, {geo.EUROPE[1]:.2f}° and {geo.EUROPE[2]:.2f}°, {geo.EUROPE[3]:.2f}°.",
            ))  # fmt: skip
    if 3035 not in set(everywhere["crs"]):
        section.absent.append("The area's polygon is not drawn: no survey is in Europe.")
    return section


def _range(column):
    known = column.dropna()
    return f"{known.min():.0f} to {known.max():.0f}" if len(known) else "not known"


def _labels(contents):
    section = Section("Species", "species")
    known = {_name(name): part for name, part in contents.parts.items() if part.species}
    if not known:
        section.absent.append("No survey has a species.")
        return section
    ranked = {name: np.sort(np.fromiter(part.species.values(), int))[::-1] for name, part in known.items()}
    section.pictures.append(Picture(
        figures.ranked("Surveys of each species, from the most frequent to the rarest", ranked),
        "Surveys of each species, from the most frequent to the rarest; both axes logarithmic (Tighnari, Figure 6).",
    ))  # fmt: skip
    section.pictures.append(Picture(
        figures.sizes("Distribution of the number of species per survey", {n: p.sizes for n, p in known.items()}),
        "Species per survey; the last bar holds all larger numbers (Tighnari, Figure 6).",
    ))  # fmt: skip
    rows = []
    for name, part in known.items():
        sizes = np.repeat(list(part.sizes), list(part.sizes.values()))
        once = sum(count == 1 for count in part.species.values())
        rows.append(
            [name, f"{sizes.mean():.1f}", f"{np.median(sizes):.0f}", f"{np.quantile(sizes, 0.95):.0f}",
             f"{sizes.max():,}", f"{once:,} of {len(part.species):,}"]
        )  # fmt: skip
    header = ("Part", "Mean species per survey", "Median", "95 %", "Most", "Species seen once")
    section.tables.append(Table("Species per survey", header, rows))
    training = contents.role("train")
    if training is not None and training.species:
        _prevalence(section, training)
    unknown = [_name(name) for name, part in contents.parts.items() if not part.species]
    if unknown:
        section.absent.append(f"Without labels: {', '.join(unknown)}.")
    return section


def _prevalence(section, training):
    column = _grouping(training.sample)
    if column is None:
        section.absent.append("Shares by region are not shown: no training survey has a region or country.")
        return
    groups = training.sample[column].value_counts()
    groups = groups[groups >= LEAST].index[:4]
    groups = groups if len(groups) > 1 else groups[:0]  # a single one is nearly all
    by = f", by {column}" if len(groups) else ""
    leading = [species for species, _ in training.species.most_common(10)]
    rows = []
    for species in leading:
        has = training.sample["species"].map(lambda known, wanted=species: wanted in known)
        shares = [has[training.sample[column] == group].mean() for group in groups]
        rows.append([str(species), f"{has.mean():.1%}", *(f"{share:.1%}" for share in shares)])
    section.tables.append(
        Table(f"Share of training surveys that have the 10 leading species{by}",
              ("Species", "All", *map(str, groups)), rows)
    )  # fmt: skip


def _grouping(frame):
    """The column that tells regions apart: region, else country, or None."""
    return next((name for name in ("region", "country") if frame[name].notna().any()), None)


def _features(contents, folders):
    section = Section("Features", "features")
    part = contents.role("train")
    if part is None or part.sample.empty:
        section.absent.append("There are no training surveys, so there are no features to show.")
        return section
    places = part.sample.head(FEATURE_SAMPLE).reset_index(drop=True)
    frame, order, faults = features(places, folders)
    section.absent += faults
    if len(part.sample) > len(places) or part.surveys > len(part.sample):
        section.texts.append(f"Features of {len(places):,} of {part.surveys:,} {_name(places['dataset'][0])} surveys.")
    section.texts.append(
        "Values of rasters and tables are cleaned as for the models: outliers count as missing. Metadata (year, "
        "uncertainty, area, coordinates) count as features."
    )
    lacking = [name for name in _METADATA if name not in order]
    if lacking:
        section.absent.append(f"Not shown, because all values are equal or missing: {', '.join(lacking)}.")
    if not any(name not in _METADATA for name in order):
        section.absent.append(
            "The dataset's folders hold no rasters and no tables of environmental values; name their folder (IMAGERY=)."
        )
    order, left = order[:CORRELATED], order[CORRELATED:]
    if left:
        more = f" and {len(left) - CORRELATED} more" if len(left) > CORRELATED else ""
        section.absent.append(f"Left out for lack of space: {', '.join(left[:CORRELATED])}{more}.")
    if len(order) < 2:
        section.absent.append("Fewer than two features have values, so there are no correlations.")
        return section
    panels = {"all": frame[order].corr()}
    section.pictures.append(Picture(
        figures.correlations("Correlations of the features in all surveys", panels, order),
        "Pearson's correlation of the features, all surveys. Grey: one of the two does not vary.",
    ))  # fmt: skip
    years = frame["year"].where(frame["year"].notna()) if "year" in frame else pd.Series(dtype=float)
    column = _grouping(places)
    groupings = {}
    if column is None:
        section.absent.append("Nothing is shown by region: no training survey has a region or country.")
    else:
        groupings[column] = places[column]
    if years.notna().any():
        groupings["year"] = years
    else:
        section.absent.append("Nothing is shown by year: no training survey has a year.")
    for name, values_of in groupings.items():
        counts = values_of.value_counts()
        chosen = counts[counts >= LEAST].index[:GROUPS]
        if name == "year":
            chosen = sorted(chosen)
        if len(chosen) < 2:
            section.absent.append(f"Nothing is shown by {name}: fewer than two have {LEAST} training surveys.")
            continue
        label = {group: f"{group:g}" if name == "year" else str(group) for group in chosen}
        own = [feature for feature in order if feature != name]
        spread = (
            list(chosen)
            if len(chosen) <= 4
            else [chosen[i] for i in np.linspace(0, len(chosen) - 1, 4).round().astype(int)]
        )
        if name != "year":
            spread = list(chosen[:4])
        panels = {f"{label[group]} ({counts[group]:,})": frame.loc[values_of == group, own].corr() for group in spread}
        section.pictures.append(Picture(
            figures.correlations(f"Correlations of the features by {name}", panels, own),
            f"Correlations by {name}, with the number of surveys (Tighnari, Figure 3).",
            new_row=True,
        ))  # fmt: skip
        # a feature that does not vary within the groups shown has no box
        boxes = {
            feature: {label[group]: frame.loc[values_of == group, feature].dropna().to_numpy() for group in chosen}
            for feature in own[:BOXED]
        }
        section.pictures.append(Picture(
            figures.boxes(f"Box plots of features by {name}", boxes),
            f"Features by {name}: median, quartiles, and from 5 to 95 % of the surveys (Tighnari, Figure 4).",
        ))  # fmt: skip
    return section


def features(places: pd.DataFrame, folders: Sequence[Path]) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Values at `places`: (frame, columns that vary, of each source in turn, sentences on what cannot be read).

    places : frame of schema ``surveys`` without or with labels
    folders : searched for rasters and the contest's tables
    """
    frame, sources, faults = places[list(_METADATA)].astype(float), [], []
    for name in registry.covariates.choices():
        covariate = registry.covariates.get(name)
        if covariate.kind != "rasters":
            continue
        try:
            made = tabular.numbers(places[["dataset", "surveyId", "lon", "lat"]], covariate, folders)
        except MissingError:
            continue
        except GlcError as error:
            faults.append(f"{covariate.title}: {error}.")
            continue
        own = [column for column in made if column not in frame]
        frame[own] = made[own].astype(float)
        sources.append(own)
    sources.append(list(_METADATA))
    varies = frame.nunique() > 1
    ranks = [[column for column in own if varies[column]] for own in sources]
    order = [own[rank] for rank in range(max(map(len, ranks))) for own in ranks if rank < len(own)]
    return frame, order, faults


def _graph(contents):
    section = Section("Ecological graph", "graph")
    train, test = contents.role("train"), contents.role("test")
    if train is None or train.nodes is None:
        section.absent.append(
            "No graph is drawn: there are no training surveys, or more of them than "
            f"{GRAPH_MOST:,}, and the degrees of a sample would not be those of the graph."
        )
        return section, {}
    options = ecological.Edges()
    nodes = {_name(contents.manifest["train"]): train.nodes}
    if test is not None and test.nodes is not None and len(test.nodes):
        nodes[_name(contents.manifest["test"])] = test.nodes
    degrees, dropped = {}, ecological.conditions(train.nodes, train.nodes, options.same)[1]["dropped"]
    for name, places in nodes.items():
        weights = ecological.edges(places, train.nodes, options)
        degrees[name] = np.asarray(weights.sum(axis=1, dtype=np.float64)).ravel()
    isolated = {name: float((degree == 0).mean()) for name, degree in degrees.items()}
    same = [column for column in options.same if column not in dropped]
    text = f"Surveys within {options.radius_m / 1000:g} km"
    text += f" that agree in {' and '.join(same)}" if same else ""
    section.texts.append(
        f"{text} share an edge, whose weight is the radius less their distance, km; a node's degree is the sum of its "
        "weights to training surveys. Vectors summed over neighbours are divided by the degree's root."
    )
    if dropped:
        section.absent.append(f"No survey has a {' or '.join(dropped)}, so edges do not ask for it.")
    rows = [
        [name, f"{len(degree):,}", f"{isolated[name]:.1%}", f"{np.median(degree):.1f}", f"{degree.max():,.0f}"]
        for name, degree in degrees.items()
    ]
    header = ("Surveys", "Nodes", "Isolated", "Median degree", "Largest degree")
    section.tables.append(Table("Nodes; isolated ones have no neighbour and degree 0", header, rows))
    connected = {name: degree[degree > 0] for name, degree in degrees.items()}
    few = [name for name, own in connected.items() if len(own) < LEAST]
    connected = {name: own for name, own in connected.items() if name not in few}
    if few:
        section.absent.append(
            f"No distribution is drawn of fewer than {LEAST} nodes with neighbours: {', '.join(few)}."
        )
    if connected:
        section.pictures.append(Picture(
            figures.degrees("Distributions of node degrees and of their square roots", connected),
            "Degrees of the nodes that are not isolated, and their roots (Tighnari, Figure 7).",
        ))  # fmt: skip
    radii = cluster_radii(train.nodes["lon"], train.nodes["lat"])
    if len(radii):
        within = (radii <= 10_000).mean()
        section.pictures.append(Picture(
            figures.radii("Distribution of the radii of clusters of surveys", radii / 1000),
            f"Radii of clusters ({len(radii):,}): 5 or more training surveys linked by steps of at most "
            f"{LINK_M / 1000:g} km; from the centre to the farthest. Median {np.median(radii) / 1000:.1f} km; "
            f"{within:.0%} within the 10 km that Tighnari found. How it chose its clusters is not published.",
        ))  # fmt: skip
    else:
        section.absent.append(f"No 5 places are linked by steps of {LINK_M / 1000:g} km, so there are no clusters.")
    return section, {"isolated": isolated, "clusters": len(radii)}


def cluster_radii(lon: pd.Series, lat: pd.Series, link_m: float = LINK_M, least: int = 5) -> np.ndarray:
    """Radii in metres of clusters: places linked by steps of at most `link_m`, from their mean to the farthest.

    lon, lat : (n,) degrees; places of one hundredth of a degree (1 km) count once
    least : places of a cluster at least
    """
    places = np.unique(np.round(np.column_stack([lon, lat]), 2), axis=0)
    points = geo.unit_sphere(*places.T)
    pairs = cKDTree(points).query_pairs(float(geo.chord(link_m)), output_type="ndarray")
    edges = sparse.coo_matrix((np.ones(len(pairs), bool), tuple(pairs.T)), shape=(len(points),) * 2)
    _, member = csgraph.connected_components(edges, directed=False)
    counts = np.bincount(member)
    centres = np.column_stack([np.bincount(member, points[:, axis]) for axis in range(3)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    away = geo.arc(np.linalg.norm(points - centres[member], axis=1))
    farthest = np.zeros(len(counts))
    np.maximum.at(farthest, member, away)
    return farthest[counts >= least]


def _survey(contents, folders, shown, survey):
    section = Section("One survey", "survey")
    imagery = modalities.find(folders)
    section.absent += imagery.absent
    if not len(shown):
        section.absent.append("There is no survey to show.")
        return section, {}
    how = "the survey that was asked for"
    row = 0
    if survey is None:
        row, how = modalities.choose(imagery, shown)
    chosen = shown.iloc[[row]].reset_index(drop=True)
    place = chosen.iloc[0]
    section.texts.append(
        f"Survey {place['surveyId']} ({_name(place['dataset'])}) at {degrees(round(place['lat'], 4), 'NS')}, "
        f"{degrees(round(place['lon'], 4), 'EW')}: {how}."
    )
    if imagery.patches:
        section.texts.append("Images as in Tighnari, Figure 2; DS@GT, Figure 4; Inria, Figure 2.")
    part = contents.parts[place["dataset"]]
    known = part.sample[part.sample["surveyId"] == place["surveyId"]]
    if len(known):
        facts = known.iloc[0]
        rows = [[name, "–" if pd.isna(facts[name]) else str(facts[name])] for name in _PLACE[5:]]
        rows.append(["species", ", ".join(map(str, facts["species"][:20])) or "not known"])
        section.tables.append(Table("What is known of it", ("Column", "Value"), rows, numbers=False))
    pictures, absent = modalities.pictures(imagery, chosen)
    section.pictures += pictures
    section.absent += absent
    if not pictures:
        section.absent.append("Nothing of this survey can be shown; name the folder of its imagery (IMAGERY=).")
    return section, {"survey": int(place["surveyId"]), "survey_dataset": str(place["dataset"])}
