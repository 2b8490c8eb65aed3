"""Tighnari through the DAG, every modality at once, on the tiny virtual world."""

import json

import pytest
import torch

from glc.tasks import Evaluate
from glc.tasks.training import Fit
from tests.tasks.pipeline import TINY, run

SHORT = (
    "tighnari+validation.run=2+validation.count=4+train.max_epochs=1+compare_with=[]+inputs.0.block=8+model.image=resnet10t"
    "+model.resize=32+model.graph_hidden=16+model.fused=24"
)


@pytest.mark.slow
def test_all_modalities_reach_the_net_and_a_changed_graph_trains_again(root):
    task = Evaluate(root=root, dataset=TINY, experiment=SHORT)
    assert {"Tiles", "Cubes", "Tabular", "Fit"} <= set(run(task))
    metrics = json.loads((task.folder / "metrics.json").read_text())
    assert 0 < metrics["valid"]["sample_f1"] < 1
    content = torch.load(task.clone(Fit, fold=0).folder / "model.ckpt", weights_only=True)
    kinds = {name: layout["kind"] for name, layout in content["inputs"].items()}
    assert kinds == {
        "sentinel2": "coeffs",
        "series_cube": "cube",
        "bioclim_cube": "cube",
        "table": "table",
        "gfv": "graph",
        "kernels": "votes",
    }
    other = Evaluate(root=root, dataset=TINY, experiment=f"{SHORT}+inputs.4.graph.radius_m=20000")
    families = run(other)
    assert "Fit" in families
    assert not {"Tiles", "Cubes", "Tabular", "Examples"} & set(families)
