"""Classification trees for tens of thousands of classes: grown by the exact Gini gain, kept with sparse leaves.

scikit-learn sums over all classes at every split it tries and keeps a number for every class at every node. Here a
try costs the same whatever the number of classes, and a leaf keeps the classes that it has seen.
"""

from dataclasses import dataclass, fields

import numpy as np
from scipy import sparse

_PURE = np.finfo(float).eps  # scikit-learn's: a node with less impurity is a leaf


@dataclass(frozen=True)
class Tree:
    """A grown tree. Arrays over nodes, node 0 the root:

    feature : (nodes,) int16, -1 at a leaf; threshold : (nodes,) float64, up to which a value goes left
    left, right : (nodes,) int32, the children, -1 at a leaf; leaf : (nodes,) int32, the leaf's row, -1 at a split

    and over leaves: total : (leaves,) the examples' weight; start : (leaves + 1,), where a leaf's `classes` and
    `counts` begin, both (entries,) of the smallest unsigned type that holds them, classes ascending within a leaf
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    leaf: np.ndarray
    total: np.ndarray
    start: np.ndarray
    classes: np.ndarray
    counts: np.ndarray

    @property
    def bytes(self):
        """Size of its arrays."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    def leaves(self, X):
        """Rows of the leaves, (n,) int32, in which X (n, f) float32 without NaN ends."""
        node = np.zeros(len(X), np.int32)
        moving = np.flatnonzero(self.feature[node] >= 0)
        while len(moving):
            at = node[moving]
            goes_left = X[moving, self.feature[at]] <= self.threshold[at]
            node[moving] = np.where(goes_left, self.left[at], self.right[at])
            moving = moving[self.feature[node[moving]] >= 0]
        return self.leaf[node]

    def add(self, leaves, out):
        """Add the shares of the classes in `leaves` (n,), rows of leaves, to `out` (n, classes) float32."""
        length = np.diff(self.start)[leaves]
        ends = np.cumsum(length)
        entry = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.start[leaves] - ends + length, length)
        place = np.repeat(np.arange(len(leaves), dtype=np.int64) * out.shape[1], length) + self.classes[entry]
        # a class stands once in a leaf, so that no place comes twice
        out.reshape(-1)[place] += self.counts[entry] / np.repeat(self.total[leaves], length).astype(np.float32)


def tree(feature, threshold, left, right, counts, keep=0):
    """A `Tree` of its nodes' arrays and of the `counts` (nodes, classes) CSR at its leaves.

    keep : the most frequent classes kept in a leaf (ties: the lower class), 0 all. `Tree.total` counts all, so that a
        share is never more than the exact one
    """
    at = np.flatnonzero(feature < 0)
    leaf = np.full(len(feature), -1, np.int32)
    leaf[at] = np.arange(len(at))
    counts = counts.tocsr()[at]
    counts.sort_indices()
    total = np.asarray(counts.sum(axis=1)).ravel()
    start, classes, values = counts.indptr, counts.indices, counts.data
    if keep:
        row = np.repeat(np.arange(len(at)), np.diff(start))
        order = np.lexsort((classes, -values, row))
        best = np.sort(order[np.arange(len(order)) - start[row] < keep])
        classes, values = classes[best], values[best]
        start = np.concatenate([[0], np.cumsum(np.bincount(row[best], minlength=len(at)))])
    return Tree(
        feature.astype(np.int16),
        threshold.astype(np.float64),
        left.astype(np.int32),
        right.astype(np.int32),
        leaf,
        _smallest(np.rint(total)),
        start.astype(np.int32),
        _smallest(classes),
        _smallest(np.rint(values)),
    )


def of_sklearn(fitted, present, classes, keep=0, nodes=64):
    """The `Tree` over `classes` classes of a fitted DecisionTreeClassifier whose weights are whole numbers.

    present : (k,) class numbers of its own k classes; nodes : whose dense values are looked at in one go
    """
    fitted_tree = fitted.tree_
    at = np.flatnonzero(fitted_tree.children_left < 0)
    weight = fitted_tree.weighted_n_node_samples
    parts = []
    for start in range(0, len(at), nodes):
        some = at[start : start + nodes]
        dense = sparse.coo_matrix(np.rint(fitted_tree.value[some, 0] * weight[some, None]))
        parts.append(sparse.csr_matrix((dense.data, (dense.row, present[dense.col])), shape=(len(some), classes)))
    rows = sparse.csr_matrix((np.ones(len(at)), (at, np.arange(len(at)))), shape=(fitted_tree.node_count, len(at)))
    feature = np.where(fitted_tree.children_left < 0, -1, fitted_tree.feature)
    counts = rows @ sparse.vstack(parts, format="csr")
    return tree(feature, fitted_tree.threshold, fitted_tree.children_left, fitted_tree.children_right, counts, keep)


class Values:
    """The features of the examples as ranks among their distinct values: what growing sorts, many times.

    X : (n, f) float32 without NaN
    """

    def __init__(self, X):
        self.distinct, self.rank = [], []
        for column in X.T:
            distinct, rank = np.unique(column, return_inverse=True)
            self.distinct.append(distinct)
            self.rank.append(rank.astype(np.uint16 if len(distinct) <= 1 << 16 else np.uint32))

    def threshold(self, feature, low, high):
        """Half-way between two ranks of a feature, as scikit-learn has it."""
        low, high = self.distinct[feature][[low, high]].astype(float)
        middle = low / 2 + high / 2
        return low if middle == high else middle


def grow(values, labels, weight, classes, *, depth, features, rng, keep=0):
    """Grow a `Tree` by the exact Gini gain, as scikit-learn's DecisionTreeClassifier does with its other defaults.

    values : `Values` of n examples; labels : (n,) class numbers below `classes`; weight : (n,) whole numbers, an
        example of weight 0 is not there
    depth : at most; features : tried at a node, more while they are constant there; rng : NumPy's, which draws them
    keep : see `tree`
    The gain is found in two radix sorts: with the examples of a node in order of a feature, the sum of the squared
    class weights on the left grows at each by w (2 c + w), c the weight of its class so far.
    """
    rows = np.flatnonzero(weight)
    labels = labels.astype(np.uint16 if classes <= 1 << 16 else np.uint32)
    nodes, leaf_of = [], np.zeros(len(labels), np.int32)
    todo = [(rows, 0, -1, 0)]  # rows, depth, parent, column of the parent's child
    while todo:
        rows, level, parent, side = todo.pop()
        own = len(nodes)
        nodes.append([-1, -2.0, -1, -1])  # feature, threshold (scikit-learn's of a leaf), children
        if parent >= 0:
            nodes[parent][side] = own
        split = _split(values, rows, labels[rows], weight[rows], classes, features, rng) if level < depth else None
        if split is None:
            leaf_of[rows] = own
            continue
        feature, low, high = split
        nodes[own][:2] = feature, values.threshold(feature, low, high)
        goes_left = values.rank[feature][rows] <= low
        todo.append((rows[~goes_left], level + 1, own, 3))
        todo.append((rows[goes_left], level + 1, own, 2))
    feature, threshold, left, right = (np.array(column) for column in zip(*nodes, strict=True))
    there = np.flatnonzero(weight)
    counts = sparse.csr_matrix(
        (weight[there].astype(np.int64), (leaf_of[there], labels[there])), shape=(len(nodes), classes)
    )
    return tree(feature, threshold, left, right, counts, keep)


def _split(values, rows, labels, weight, classes, features, rng):
    """The best split of a node: feature, and the ranks on both sides of the cut; None where there is none."""
    weight = weight.astype(np.int64)
    of_class = np.bincount(labels, weight, minlength=classes)
    total, squares = weight.sum(), of_class @ of_class
    if len(rows) < 2 or 1 - squares / total**2 <= _PURE:
        return None
    pull = weight * of_class[labels].astype(np.int64)
    best, split = -np.inf, None
    for tried, feature in enumerate(rng.permutation(len(values.rank))):
        if tried >= features and split is not None:
            break
        rank = values.rank[feature][rows]
        if rank.min() == rank.max():
            continue
        order = _order(rank)
        rank, heavy = rank[order], weight[order]
        cut = np.flatnonzero(rank[1:] > rank[:-1])
        left = np.cumsum(heavy)[cut]
        left_squares = np.cumsum(_growth(labels[order], heavy))[cut]
        right_squares = squares - 2 * np.cumsum(pull[order])[cut] + left_squares
        gain = left_squares / left + right_squares / (total - left)
        at = gain.argmax()
        if gain[at] > best:
            best, split = gain[at], (int(feature), int(rank[cut[at]]), int(rank[cut[at] + 1]))
    return split


def _growth(labels, weight):
    """By how much the sum of the squared class weights grows as the examples (k,) come one after the other."""
    order = _order(labels)
    labels, heavy = labels[order], weight[order]
    sofar = np.cumsum(heavy) - heavy
    first = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1]]))
    sofar -= np.repeat(sofar[first], np.diff(first, append=len(order)))
    growth = np.empty_like(weight)
    growth[order] = heavy * (2 * sofar + heavy)
    return growth


def _order(keys):
    """Stable argsort of unsigned `keys`; NumPy sorts 16 bits by radix, so longer ones go in two halves."""
    if keys.dtype == np.uint16:
        return np.argsort(keys, kind="stable")
    order = np.argsort((keys & 0xFFFF).astype(np.uint16), kind="stable")
    return order[np.argsort((keys >> 16).astype(np.uint16)[order], kind="stable")]


def _smallest(values):
    """`values`, whole numbers from 0, in the smallest unsigned type that holds them all."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
