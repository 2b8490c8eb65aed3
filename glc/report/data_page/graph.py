"""The section on the ecological graph: degrees of its nodes, and clusters of surveys."""

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from glc import geo
from glc.neighbours import ecological
from glc.report.data_page import figures
from glc.report.data_page.contents import GRAPH_MOST, LEAST, Contents
from glc.report.data_page.section import Picture, Section, Table, part_name
from glc.types import Facts

LINK_M = 5_000
"""Surveys of a cluster are no farther than this from the next one."""


def section_of(contents: Contents) -> tuple[Section, Facts]:
    """Nodes, isolated ones, degrees and clusters; and facts for the manifest."""
    section = Section("Ecological graph", "graph")
    train, test = contents.role("train"), contents.role("test")
    if train is None or train.nodes is None:
        section.absent.append(
            "No graph is drawn: there are no training surveys, or more of them than "
            f"{GRAPH_MOST:,}, and the degrees of a sample would not be those of the graph."
        )
        return section, {}
    options = ecological.Edges()
    nodes = {part_name(contents.manifest["train"]): train.nodes}
    if test is not None and test.nodes is not None and len(test.nodes):
        nodes[part_name(contents.manifest["test"])] = test.nodes
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
