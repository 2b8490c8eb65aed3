"""Same seed, same bytes: every registered member is fitted twice in this process and once in another.

Members are found through the registries; each has its smallest setting and sees the tiny virtual world. The second
process is this file, run as a program.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from glc import config, schema, surveys
from glc.registry import decoders, models, pretrainings
from glc.tasks import Folds, Surveys
from tests.helpers import neighbour_table
from tests.tasks.pipeline import TINY, run

MEMBERS = [
    *((models.get(name).kind, name) for name in models.choices()),
    *(("pretraining", name) for name in pretrainings.choices()),
    *(("decoder", name) for name in decoders.choices()),
]
JOINED = ("frequency", "votes")
"""What an ensemble is made of."""
pytestmark = pytest.mark.slow


def of_files(folder):
    """Checksum of all files below a folder, except the facts of a manifest, which hold seconds."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and path.name not in ("_SUCCESS", ".facts.json", "history.csv"):
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def of_matrix(matrix, facts):
    """Checksum of a sparse matrix and plain facts."""
    parts = [np.ascontiguousarray(part).tobytes() for part in (matrix.indptr, matrix.indices, matrix.data)]
    return hashlib.sha256(b"".join(parts) + json.dumps(facts, sort_keys=True).encode()).hexdigest()


def imagery(data, layouts):
    """Features of all surveys with these layouts: noise."""
    from glc.nets.inputs.features import Features

    rng = np.random.default_rng(5)
    keys = np.column_stack([schema.dataset_numbers(data.places["dataset"]), data.places["surveyId"]]).astype(np.int64)
    values = {name: rng.normal(size=(len(keys), *layout.shape)).astype(np.float32) for name, layout in layouts.items()}
    known = {name: np.ones((len(keys), len(layout.bands)), bool) for name, layout in layouts.items()}
    return Features(dict(layouts), values, known, dict.fromkeys(layouts, keys))


def classical(name, data, out):
    member = models.get(name)
    model = member(config.options(member, config.Choice(name, member.trial), "model"))
    if model.spark:
        from glc.etl.spark import session

        session(memory="1g", shuffle_partitions=2)
    wanted, near, table = model.neighbours(), None, None
    if wanted is not None:
        near = neighbour_table(data, 0, data.valid(0), wanted.k, wanted.radius_m, wanted.sources)
    if "table" in model.reads:
        table = np.random.default_rng(0).normal(size=(len(data.places), 3)).astype(np.float32)
    scores = model.scores(data, 0, data.valid(0), near, table).tocsr()
    (out / "model").mkdir()
    model.save(out / "model")
    return of_matrix(scores, model.facts) + of_files(out)


def net(name, data, out):
    from glc.nets import trainer
    from glc.nets.inputs import examples
    from glc.training.machine import Machine
    from tests.nets.architectures.test_all import first_read

    facts = examples.write(data, out, fold=0, stop=1, po=config.load("frequency").po)
    layouts = first_read(name)
    machine = Machine("cpu", progress=False)
    trainer.fit(
        out / "train",
        out / "stop",
        out,
        model=config.Choice(name, models.get(name).trial),
        train_config=config.Train(config.Choice("bce"), max_epochs=1, batch_size=64),
        n_classes=facts["classes"],
        features=imagery(data, layouts) if layouts else None,
        machine=machine,
    )
    return of_files(out)


def pretraining(name, data, out):
    from glc.neighbours import triplets
    from glc.training.machine import Machine
    from tests.nets.architectures.test_all import TILES

    member = pretrainings.get(name)
    made = member(member.Options(pairs=400, species="sum"))
    triplets.write(data, out, made.options, 0, 1)
    model = config.Choice("tile_cnn", {"channels": 8, "reduced": 4, "latent": 16})
    made.fit(out, imagery(data, TILES), out, model=model, machine=Machine("cpu", progress=False))
    return hashlib.sha256((out / "encoder.ckpt").read_bytes()).hexdigest()


def decoder(name, data, out):
    from glc.prediction import decode, ranking

    rows = data.valid(0)
    labels = data.labels_of(rows)
    scores = np.random.default_rng(3).beta(0.3, 2, labels.shape) + 0.3 * labels.toarray()
    ranked = ranking.rank(scores_of(scores), labels)
    fitted = decode.make(config.Choice(name)).fit(ranked)
    return of_matrix(decode.decide(fitted, ranked, labels.shape), fitted.facts)


def scores_of(values):
    from glc.scores import keep_best

    return keep_best(values.astype(np.float32), 60)


def ensemble(name, data, out):
    from glc import storage
    from glc.classical import run as classical_run
    from glc.ensembles._base import Members
    from glc.prediction import sets

    folds, folders, decided = range(2), [], []
    for member in JOINED:
        kind = models.get(member)
        model = kind(config.options(kind, config.Choice(member, kind.trial), "model"))
        for where, write in (
            (
                "scores",
                lambda at, model=model: classical_run.write(model, data, at, folds=folds, keep=60, progress=_mute),
            ),
            ("sets", lambda at: sets.write(folders[-1], data, at, config.Choice("top_k"), None)),
        ):
            folder = out / f"{member}-{where}"
            with storage.atomic_directory(folder) as scratch:
                facts = write(scratch)
                storage.note(scratch, **(facts or {}))
            (folders if where == "scores" else decided).append(folder)
    kind = models.get(name)
    choice = config.Choice(name, {"members": list(JOINED)})
    joined = kind(config.options(kind, choice, "model"))
    result = out / "result"
    result.mkdir()
    sets_read = decided if joined.reads_sets else []
    joined.write(Members(joined.names, folders, sets_read, data, folds, 60, _mute), result)
    return of_files(result)


def _mute(text, percent=0):
    pass


FITS = {"classical": classical, "net": net, "pretraining": pretraining, "decoder": decoder, "ensemble": ensemble}


def fitted(kind, name, folders, out):
    """Checksum of what a member makes of the surveys in two folders, those of the surveys and of their folds."""
    out.mkdir(parents=True)
    return FITS[kind](name, surveys.read(*folders), out)


@pytest.fixture(scope="module")
def folders(root):
    """Folders of the surveys and of their folds."""
    task = Folds(root=root, dataset=TINY)
    run(task)
    return str(task.clone(Surveys).folder), str(task.folder)


@pytest.fixture(scope="module")
def elsewhere(folders, tmp_path_factory):
    """Checksums of all members, from another process, by kind and name."""
    out = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-m", "tests.scenarios.test_same_bytes", *folders, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=os.environ)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("kind", "name"), MEMBERS, ids=[f"{kind}-{name}" for kind, name in MEMBERS])
def test_the_same_seed_gives_the_same_bytes(kind, name, folders, elsewhere, tmp_path):
    first, second = (fitted(kind, name, folders, tmp_path / place / name) for place in ("first", "second"))
    assert first == second
    assert first == elsewhere[f"{kind} {name}"]


if __name__ == "__main__":
    places, top = sys.argv[1:3], Path(sys.argv[3])
    print(json.dumps({f"{kind} {name}": fitted(kind, name, places, top / kind / name) for kind, name in MEMBERS}))
