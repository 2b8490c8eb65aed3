"""Five classifiers behind one interface: how likely is an occurrence at a place to be of each bin of species?

``fit(X, counts)`` learns from X (n, f), features of n places (dense or CSR, float32), and counts (n, bins) CSR, the
occurrences of each bin at each place: an occurrence is a training example of weight 1, and no row is ever repeated
for it. ``probabilities(X)`` is (n, bins), rows summing to 1. Every bin must have occurrences, and there must be two.
"""

import numpy as np
from scipy import sparse
from scipy.special import softmax

from glc.progress import tqdm

_CALIBRATION_ROWS = 50_000
_CHUNK_ROWS = 200_000  # scikit-learn makes the classes of a naive Bayes' rows dense


def _examples(counts):
    """Rows of X, their bins and their weights: one example for each bin that occurs at a place."""
    counts = counts.tocoo()
    return counts.row, counts.col, counts.data


class XGBoost:
    """Gradient-boosted trees with a softmax over the bins (Chen and Guestrin 2016; paper, sections 7.1.1 and 8).

    The objective is XGBoost's own multi:softprob, summed over a place's records before XGBoost sees it: the same
    trees from a row a place, a tenth of the rows of one for each bin that occurs there.
    """

    def __init__(self, options):
        self.options = options

    def fit(self, X, counts):
        import xgboost

        class Bar(xgboost.callback.TrainingCallback):
            def after_iteration(self, model, epoch, evals_log):
                bar.update()
                return False

        o = self.options
        settings = {
            "objective": "multi:softprob",
            "base_score": 0.5,
            "num_class": counts.shape[1],
            "tree_method": "hist",
            "max_depth": o.depth,
            "eta": o.learning_rate,
            "min_child_weight": o.least,
            "seed": o.seed,
        }
        truth = counts.toarray().astype(np.float32)
        total = truth.sum(axis=1, keepdims=True)

        def objective(margin, _):
            chance = softmax(margin, axis=1)
            return chance * total - truth, np.maximum(2 * chance * (1 - chance) * total, 1e-16)

        matrix = xgboost.QuantileDMatrix(X, np.zeros(X.shape[0]))  # the labels are in the objective
        with tqdm(total=o.trees, desc="xgboost rounds", leave=False) as bar:
            self.booster = xgboost.train(settings, matrix, o.trees, obj=objective, callbacks=[Bar()])
        return self

    def probabilities(self, X):
        return self.booster.inplace_predict(X)


class Forest:
    """A random forest, of scikit-learn: Spark's stops at 100 classes (paper, section 7.1.1)."""

    def __init__(self, options):
        self.options = options

    def fit(self, X, counts):
        from sklearn.ensemble import RandomForestClassifier

        o = self.options
        row, bin, weight = _examples(counts)
        X = X[row]
        self.forest = RandomForestClassifier(
            max_depth=o.depth, min_samples_leaf=o.least, random_state=o.seed, warm_start=True, n_jobs=-1
        )
        step = -(-o.trees // 10)  # grown in tenths, for the bar
        for trees in tqdm([*range(step, o.trees, step), o.trees], desc="forest tenths", leave=False):
            self.forest.set_params(n_estimators=trees).fit(X, bin, sample_weight=weight)
        return self

    def probabilities(self, X):
        return self.forest.predict_proba(X)


class NaiveBayes:
    """Naive Bayes: multinomial where X counts something (CSR), Gaussian where it is measured (dense)."""

    def __init__(self, options):
        self.options = options

    def fit(self, X, counts):
        from sklearn.naive_bayes import GaussianNB, MultinomialNB

        row, bin, weight = _examples(counts)
        if not sparse.issparse(X):
            self.model = GaussianNB().fit(X[row], bin, weight)
            return self
        self.model = MultinomialNB(alpha=self.options.smoothing)
        classes = np.arange(counts.shape[1])
        for start in range(0, len(row), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            self.model.partial_fit(X[row[part]], bin[part], classes, weight[part])
        return self

    def probabilities(self, X):
        return self.model.predict_proba(X)


class LinearSvm:
    """A linear support vector machine for each bin against the rest, and a softmax regression on their margins.

    The hinge is squared: bins overlap at every place, so that the plain hinge would put all margins at -1, while the
    squared one has its optimum at 2 P(bin) - 1 (Zhang 2004). The softmax is fitted on training examples alone, at
    most 50,000 of them drawn by weight.
    """

    def __init__(self, options):
        self.options = options

    def fit(self, X, counts):
        from sklearn.linear_model import LogisticRegression
        from sklearn.svm import LinearSVC

        o = self.options
        total = np.asarray(counts.sum(axis=1)).ravel()
        of_bin = counts.tocsc()
        stack = sparse.vstack if sparse.issparse(X) else np.concatenate
        self.machines = []
        for bin in tqdm(range(counts.shape[1]), desc="linear SVM bins", leave=False):
            inside = of_bin[:, [bin]].toarray().ravel()
            yes, no = np.flatnonzero(inside), np.flatnonzero(total > inside)
            machine = LinearSVC(C=o.c, dual=False, random_state=o.seed)
            truth = np.repeat([1, 0], [len(yes), len(no)])
            # the weights' mean is 1, so that C means the same whatever the number of occurrences
            weight = np.concatenate([inside[yes], (total - inside)[no]])
            self.machines.append(machine.fit(stack([X[yes], X[no]]), truth, weight / weight.mean()))
        row, bin = draw(counts, _CALIBRATION_ROWS, np.random.default_rng(o.seed))
        self.softmax = LogisticRegression(max_iter=500).fit(self._margins(X)[row], bin)
        self.bins = counts.shape[1]
        return self

    def _margins(self, X):
        return np.column_stack([machine.decision_function(X) for machine in self.machines])

    def probabilities(self, X):
        out = np.zeros((X.shape[0], self.bins))
        out[:, self.softmax.classes_] = self.softmax.predict_proba(self._margins(X))  # the draw may miss a rare bin
        return out


class FactorisationMachine:
    """Spark's factorisation machine on pairs of a place and a bin: is this the bin of an occurrence there?

    One binary machine serves all bins: its features are the place's and, one-hot, the bin's, so that the bin has a
    weight w and a factor v, the place the sum u of its features' factors, and the score of the pair is w + u v plus
    what does not depend on the bin. True pairs are told from pairs with a bin drawn evenly, which makes
    P(bin) = softmax(w + u v) (noise-contrastive estimation). A machine for each bin against the rest costs a Spark fit
    a bin. Spark 3.5's machine has a weightCol and does not read it: `sample` occurrences are drawn by weight.
    """

    def __init__(self, options):
        self.options = options

    def fit(self, X, counts):
        from pyspark.ml.classification import FMClassifier
        from pyspark.ml.linalg import SparseVector

        from glc.etl.spark import session

        o = self.options
        rng = np.random.default_rng(o.seed)
        row, bin = draw(counts, o.sample, rng)
        bins, n = counts.shape[1], len(row)
        row = np.tile(row, 1 + o.negatives)
        bin = np.concatenate([bin, rng.integers(0, bins, n * o.negatives)])
        label = (np.arange(len(row)) < n).astype(float)
        one_hot = sparse.csr_matrix((np.ones(len(bin)), (np.arange(len(bin)), bin)), shape=(len(bin), bins))
        pairs = sparse.hstack([sparse.csr_matrix(X)[row], one_hot], format="csr")
        indices = np.split(pairs.indices, pairs.indptr[1:-1])
        values = np.split(pairs.data, pairs.indptr[1:-1])
        width = pairs.shape[1]
        rows = [(y, SparseVector(width, i, v)) for y, i, v in zip(label.tolist(), indices, values, strict=True)]
        spark = session()
        table = spark.createDataFrame(rows, ["label", "features"]).repartition(spark.sparkContext.defaultParallelism)
        machine = FMClassifier(
            factorSize=o.factors,
            maxIter=o.iterations,
            stepSize=o.learning_rate,
            regParam=o.penalty,
            initStd=0.1,
            seed=o.seed,
        )
        model = machine.fit(table)
        factors, linear = model.factors.toArray(), model.linear.toArray()
        self.place, self.bin, self.weight = factors[:-bins], factors[-bins:], linear[-bins:]
        return self

    def probabilities(self, X):
        return softmax(self.weight + (X @ self.place) @ self.bin.T, axis=1)


CLASSIFIERS = {
    "xgboost": XGBoost,
    "naive_bayes": NaiveBayes,
    "linear_svm": LinearSvm,
    "factorisation_machine": FactorisationMachine,
    "forest": Forest,
}


def draw(counts, size, rng):
    """Places and bins of `size` occurrences of `counts`, drawn evenly along them; of all of them if they are fewer."""
    row, bin, weight = _examples(counts)
    ends = np.cumsum(weight, dtype=float)
    size = min(size, round(ends[-1]))
    at = np.searchsorted(ends, (np.arange(size) + rng.uniform(0.0, 1.0)) * ends[-1] / size, side="right")
    return row[at], bin[at]
