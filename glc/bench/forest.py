"""The random forest compared with scikit-learn's: CPU seconds, memory, disk, and how well their probabilities agree.

python -m glc.bench.forest [--examples N] [--classes C] [--trees T] [--large] [--tree-of-sklearn]
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from glc import memory
from glc.classical.random_forest import Forest, RandomForest, fit
from glc.errors import run_command

FEATURES = 27
PAPER = (1_900_000, 30_000, 100)
"""Examples, classes and trees of GeoLifeCLEF 2020 and of the paper's forest: 41 GB on disk, 50 GB of memory."""
_HELD_OUT = 2_000


def examples(n, classes, seed=0):
    """Virtual occurrences: environment (n, 27) float32 and species (n,), few species frequent and most rare.

    The 27 values follow four gradients, as climate does. The species of an occurrence is, of eight drawn by their
    frequency (Zipf's), the one whose optimum along the gradients is nearest.
    """
    rng = np.random.default_rng(seed)
    world = np.random.default_rng(2020)  # the same species and rasters whatever the occurrences
    mixing = world.normal(size=(4, FEATURES)).astype(np.float32)
    optimum = world.normal(size=(classes, 4)).astype(np.float32)
    ends = np.cumsum(1 / np.arange(1, classes + 1))
    X, species = np.empty((n, FEATURES), np.float32), np.empty(n, np.int32)
    for start in range(0, n, 100_000):
        part = slice(start, min(n, start + 100_000))
        gradients = rng.standard_normal((part.stop - start, 4), np.float32)
        noise = rng.standard_normal((len(gradients), FEATURES), np.float32)
        X[part] = gradients @ mixing + np.float32(0.3) * noise
        drawn = np.searchsorted(ends, rng.random((len(gradients), 8)) * ends[-1], side="right")
        nearest = ((optimum[drawn] - gradients[:, None]) ** 2).sum(axis=2).argmin(axis=1)
        species[part] = drawn[np.arange(len(drawn)), nearest]
    return X, species


def agreement(n, classes, trees):
    """Lines (dicts) of forests on the same `n` examples, evaluated on others; each is compared with the first.

    top30 : share of the held-out examples whose species is among the 30 likeliest; true : the mean probability of it;
    largest, rms : difference of the probabilities from the first forest's
    """
    from sklearn.ensemble import RandomForestClassifier

    X, species = examples(n, classes)
    asked, truth = examples(_HELD_OUT, classes, seed=1)
    seen = np.unique(species)
    column = np.where(np.isin(truth, seen), np.searchsorted(seen, truth), -1)
    options = RandomForest.Options(trees=trees)
    lines, first = [], None

    def judge(name, seconds, size, probabilities):
        nonlocal first
        first = probabilities if first is None else first
        hit = np.argpartition(probabilities, -30, axis=1)[:, -30:] == column[:, None]
        off = probabilities - first
        true = np.where(column >= 0, probabilities[np.arange(len(probabilities)), column], 0)
        lines.append({"forest": name, "seconds": seconds, "MB": size / 1e6, "top30": hit.any(axis=1).mean()})
        lines[-1] |= {"true": true.mean(), "largest": np.abs(off).max(), "rms": np.sqrt((off**2).mean())}

    for seed in (0, 1):
        print(f"scikit-learn, seed {seed} …", file=sys.stderr, flush=True)
        began = time.process_time()
        dense = RandomForestClassifier(trees, max_depth=options.depth, random_state=seed).fit(X, species)
        seconds = time.process_time() - began
        size = sum(tree.tree_.value.nbytes for tree in dense.estimators_)
        judge(f"scikit-learn's own, seed {seed}", seconds, size, dense.predict_proba(asked).astype(np.float32))
        del dense
    for name, changes in (
        ("its trees, leaves sparse, seed 0", {"grower": "scikit-learn"}),
        ("ours, seed 0", {}),
        ("ours, seed 1", {"seed": 1}),
    ):
        began = time.process_time()
        forest = fit(X.copy(), species, replace(options, **changes))
        judge(name, time.process_time() - began, forest.bytes, forest.probabilities(asked))
    return lines


def scale(n, classes, trees, rows=500):
    """Seconds, peak memory, bytes of the arrays and on disk of our forest, a dict; `rows` surveys are predicted.

    dense : bytes of scikit-learn's values of all classes at the nodes of these trees
    """
    X, species = examples(n, classes)
    with memory.peak() as peak, tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        forest = fit(X, species, RandomForest.Options(trees=trees))
        fitted = time.process_time() - began
        path = Path(folder) / "forest.npz"
        forest.save(path)
        began = time.process_time()
        Forest.load(path).best(X[:rows], 512)
        predicted = time.process_time() - began
        disk = path.stat().st_size
    nodes = sum(len(tree.feature) for tree in forest.trees)
    return {
        "classes seen": len(forest.species),
        "nodes": nodes,
        "leaf entries": sum(len(tree.counts) for tree in forest.trees),
        "seconds a tree": fitted / trees,
        "seconds in all": fitted,
        "ms a prediction": 1000 * predicted / rows,
        "arrays GB": forest.bytes / 1e9,
        "disk GB": disk / 1e9,
        "peak memory GB": peak.bytes / 1e9,
        "dense GB": nodes * len(forest.species) * 8 / 1e9,
    }


def tree_of_sklearn(n, classes):
    """Seconds of one tree of scikit-learn, and of one of ours, on `n` examples."""
    from sklearn.tree import DecisionTreeClassifier

    X, species = examples(n, classes)
    began = time.process_time()
    DecisionTreeClassifier(max_depth=10, max_features="sqrt", random_state=0).fit(X, species)
    middle = time.process_time()
    fit(X, species, RandomForest.Options(trees=1))
    return {"scikit-learn": middle - began, "ours": time.process_time() - middle}


def table(lines):
    """The lines of `agreement` as text."""
    rows = [f"{'forest':<34}{'seconds':>9}{'MB':>9}{'top-30':>9}{'p(true)':>9}{'largest':>11}{'rms':>11}"]
    for line in lines:
        rows.append(
            f"{line['forest']:<34}{line['seconds']:>9.1f}{line['MB']:>9.1f}{line['top30']:>9.4f}{line['true']:>9.4f}"
            f"{line['largest']:>11.1e}{line['rms']:>11.1e}"
        )
    return "\n".join(rows)


def main(arguments=None):
    """Print how forests agree, and what ours takes at a larger size."""
    parser = argparse.ArgumentParser(prog="python -m glc.bench.forest", description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=10_000, help="that both are fitted to (default: %(default)s)")
    parser.add_argument("--classes", type=int, default=1_000, help="of those (default: %(default)s)")
    parser.add_argument("--trees", type=int, default=20, help="of those forests (default: %(default)s)")
    parser.add_argument(
        "--large", action="store_true", help="ours at the size of GeoLifeCLEF 2020 (ten minutes of one core)"
    )
    parser.add_argument("--tree-of-sklearn", action="store_true", help="one tree of each at --examples; nothing else")
    chosen = parser.parse_args(arguments)
    if chosen.tree_of_sklearn:
        seconds_of = tree_of_sklearn(chosen.examples, chosen.classes)
        print(f"one tree, {chosen.examples:,} examples, {chosen.classes:,} classes:", end=" ")
        print(", ".join(f"{name} {seconds:.1f} s" for name, seconds in seconds_of.items()))
        return
    print(f"{chosen.examples:,} examples, {chosen.classes:,} classes, {chosen.trees} trees of depth 10;")
    print("largest and rms: differences of the probabilities from the first line's")
    print(table(agreement(chosen.examples, chosen.classes, chosen.trees)))
    size = PAPER if chosen.large else (100_000, 30_000, 10)
    print("\nours, {:,} examples, {:,} classes, {} trees (dense: what scikit-learn's leaves would take)".format(*size))
    for name, value in scale(*size).items():
        print(f"  {name:<16}{value:>14,}" if isinstance(value, int) else f"  {name:<16}{value:>14,.3f}")


if __name__ == "__main__":
    run_command(main)
