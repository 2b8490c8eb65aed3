"""Defaults that experiments, tables and benches rely on without naming them.

A TOML says only what differs from the defaults, so a changed default changes published numbers. Whoever changes one
changes it here too, with the measurement that speaks for it in the commit. New options need no line here.
"""

import importlib
import inspect

import pytest

CLUSTERS = (3_000, 6_000, 12_000, 24_000, 48_000)
PLACE = {"features": "coordinates", "wavelengths_km": (50, 100, 200, 400, 800), "waves": 16, "waves_seed": 0}
ECOLOGICAL = {"radius_m": 10_000, "same": ("year", "region")}

# Liu et al. 2024 (Tighnari): Algorithms 1 and 2, sections 3.3 to 3.7
TIGHNARI = {
    "glc.neighbours.ecological:Edges": ECOLOGICAL,
    "glc.neighbours.gfv:Options": ECOLOGICAL
    | {"training": "leave_one_out", "block_m": 0.0, "normalise": "scale", "leaky": False, "mask": "none"},
    "glc.prediction.correction:Options": ECOLOGICAL
    | {"train_nearest": 5, "train_above": 4, "po_nearest": 10, "po_above": 8, "sources": ("train", "po")}
    | {"region_m": 50_000},
    "glc.prediction.decode:ThresholdTopK.Options": {"largest": 100, "lowest": 0.1, "highest": 0.5, "step": 0.01},
    "glc.nets.architectures.tighnari:Tighnari.Options": {
        "temporal": "swin", "image": "swin_tiny_patch4_window7_224", "resize": 224, "fusion": "hcam",
        "tokens": "pooled", "width": 96, "scale": 1.0, "fused": 256, "heads": 8, "hidden": 0, "table_width": 128,
        "graph_hidden": 512, "graph_tokens": 8, "graph_drop": 0.0, "dropout": 0.1, "mixup": 0.4,
        "mixup_probability": 1.0, "fill": "tensor", "trim": True, "symmetries": False, "checkpointing": False,
        "prior": True, "votes_prior": 1500.0, "votes_rate": 50.0,
    },
}  # fmt: skip
# Miyaguchi et al. 2024 (DS@GT): sections 4 to 7; Jean et al. 2019 for tile2vec; Ridnik, Zhang, Benedict for the losses
DSGT = {
    "glc.neighbours.node2vec:Walks": {
        "p": 1.0, "q": 1.0, "length": 40, "count": 10, "dim": 64, "window": 5, "epochs": 2, "seed": 0, "workers": 1,
    },
    "glc.neighbours.graph:Edges": {
        "k": 10, "radius_m": 50_000, "sources": ("train",), "damping": "sqrt", "edges": 100, "neighbour_weight": 1.0,
    },
    "glc.classical.nearest:Nearest.Options": {
        "k": 10, "radius_m": 50_000, "sources": ("train", "po"), "method": "exact", "bucket_length": 20.0, "tables": 5,
        "wanted_recall": 0.9,
    },
    "glc.classical.node2vec:Node2Vec.Options": {
        "mode": "species", "predict": "ridge", "alpha": 0.01, "votes": 25, "coordinates": True, "withheld": 0.3,
    },
    "glc.classical.logistic:Logistic.Options": PLACE
    | {"sources": ("train",)}
    | {"species": 10, "folds": 3, "grid": (1e-5, 1e-3, 0.1), "cell_m": 1_000, "iterations": 100, "seed": 0},
    "glc.classical.label_space:LabelSpace.Options": PLACE
    | {"sources": ("train",)}
    | {"transform": "svd", "rank": 32, "regressor": "ridge", "alpha": 1.0, "trees": 100, "decoding": "reconstruct"}
    | {"k": 50, "seed": 0},
    "glc.nets.architectures.geolocation:Geolocation.Options": PLACE
    | {"architecture": "nonlinear", "latent": 256, "jitter_m": 5_000, "dropout": 0.0, "prior": False},
    "glc.nets.architectures.tile_cnn:TileCnn.Options": {
        "channels": 64, "reduced": 32, "latent": 256, "dropout": 0.0, "prior": True, "expand": False,
        "backbone": "cnn", "symmetries": True, "grid": 8,
    },
    "glc.nets.pretraining.tile2vec:Tile2Vec.Options": {
        "pairs": 1_000_000, "radius_m": 100_000.0, "sources": ("po",), "margin": 0.1, "species": "none",
        "species_of": "anchor", "species_radius_m": 3_000.0, "epochs": 5, "batch_size": 256,
        "learning_rate": 1e-3, "weight_decay": 1e-4,
        "holdout": 0.05, "seed": 0,
    },
    "glc.training.losses:Asymmetric.Options": {
        "gamma_pos": 1.0, "gamma_neg": 4.0, "clip": 0.05, "reduction": "sum",
    },
    "glc.training.losses:Hill.Options": {"lam": 1.5, "gamma": 2.0, "margin": 1.0, "reduction": "sum"},
    "glc.training.losses:SigmoidF1.Options": {"S": -1.0, "E": 0.0, "average": "macro", "squeeze": False},
    "glc.training.losses:BinaryCrossEntropy.Options": {"reduction": "mean"},
    "glc.training.losses:CrossEntropy.Options": {"reduction": "mean"},
    "glc.prediction.decode:TopK.Options": {"k": 25},
    "glc.prediction.decode:Threshold.Options": {"threshold": 0.5},
}  # fmt: skip
# Deneu et al. 2020 (LIRMM / Inria): environmental vectors, forests of 100 trees, Inception with dropout
INRIA = {
    "glc.classical.random_forest:RandomForest.Options": {
        "trees": 100, "depth": 10, "features": 0, "grower": "gini", "keep": 512, "leaf_keep": 0, "seed": 0,
    },
    "glc.nets.architectures.inception:Inception.Options": {
        "resize": 0, "stem_stride": 1, "unstack": "", "dropout": 0.5, "prior": False,
    },
    "glc.nets.architectures.inception:Inception.Prediction": {
        "dropout": False, "damaged_country": "", "damaged": 0.5,
    },
}  # fmt: skip
# Klemmer et al. 2023 (SatCLIP), Russwurm et al. 2024 (harmonics and SIREN), Mai et al. 2023 (Sphere2Vec)
LOCATION = {
    "glc.location.features:Harmonics.Options": {"degree": 40, "inclusive": True},
    "glc.location.features:SphereCPlus.Options": {"scales": 16, "shortest": 0.01},
    "glc.location.networks:Siren.Options": {
        "hidden": 512, "layers": 2, "omega_first": 30.0, "omega": 1.0, "dropout": 0.0,
    },
    "glc.location.networks:Mlp.Options": {"hidden": 512, "layers": 2},
    "glc.location.pretraining.image_encoder:Cnn.Options": {"channels": (64, 128, 128)},
    "glc.location.pretraining.image_encoder:Timm.Options": {"resize": 0, "scale": 1.0},
    "glc.config.encoder:EncoderPretraining": {
        "dim": 32, "land_band": "land_percent", "land_least": 50.0, "bounds": (-180.0, -90.0, 180.0, 90.0),
        "places": 200_000, "size": 8, "holdout": 0.03, "apart_km": 50.0, "epochs": 5, "batch_size": 1_024,
        "learning_rate": 1e-3, "weight_decay": 0.01, "temperature": 0.07, "regression": 10.0, "seed": 0,
        "holdout_deg": 4.0,
    },
    "glc.config.encoder:Head": {
        "kind": "mlp", "width": 128, "depth": 2, "dropout": 0.1, "epochs": 10, "least_steps": 300, "batch": 1_024,
        "learning_rate": 3e-3, "weight_decay": 0.01, "alpha": 1e-4, "precision": "float32",
    },
}  # fmt: skip
# the project's own measurements: bench/, and the tables of the experiments
OWN = {
    "glc.classical.votes:Votes.Options": {
        "scales_m": (40_000, 20_000, 10_000, 5_000), "prior": 2_000, "po_weight": 1.0,
    },
    "glc.classical.profile:Profile.Options": {
        "po_scales_m": (24_000, 12_000, 6_000), "pa_scales_m": (24_000, 12_000), "prior": 50, "components": 100,
        "alpha": 30, "surveys": 10_000, "seed": 0,
    },
    "glc.classical.frequency:Frequency.Options": {
        "level": "global", "district_m": 50_000, "least": 5, "sources": ("train",),
    },
    "glc.classical.binned:Binned.Options": {
        "bins": 32, "classifier": "xgboost", "features": "coordinates", "cells_m": (200_000, 100_000, 50_000, 25_000),
        "trees": 100, "depth": 6, "least": 20, "learning_rate": 0.1, "smoothing": 1.0, "c": 1.0, "factors": 8,
        "iterations": 50, "penalty": 1e-4, "sample": 20_000, "negatives": 2, "seed": 0,
    },
    "glc.neighbours.kernels:Options": {
        "scales_m": (96_000, 48_000, 24_000, 12_000, 6_000, 3_000), "po": True, "training": "block",
    },
    "glc.ensembles.fit_options:FitOptions": {
        "surveys": 10_000, "best": 100, "sampled": 50, "bins": 60, "penalty": 1e-3, "frequency": True, "seed": 0,
        "fit": "weights", "candidates": 200, "scales_m": CLUSTERS, "trees": 100, "depth": 4, "learning_rate": 0.1,
        "least": 20.0,
    },
    "glc.ensembles.blend:Blend.Options": {"average": "logits"},
    "glc.prediction.decode:ExpectedF1.Options": {"largest": 150, "bins": 2_000},
}  # fmt: skip
# Valavi et al. 2022, Elith et al. 2020, Zbinden et al. 2024, and trials on four of six NCEAS regions
SDM = {
    "glc.sdm.boosted:Boosted.Options": {
        "rounds": 100, "learning_rate": 0.03, "depth": 5, "least": 0.1, "rows": 0.5, "columns": 0.3, "l2": 0.3,
        "bins": 64, "seed": 0,
    },
    "glc.sdm.forest:Forest.Options": {"trees": 200, "leaf": 1, "most": 1_000, "seed": 0},
    "glc.sdm.maxent:MaxEnt.Options": {"beta": 1.5, "seed": 0},
    "glc.sdm.net:Net.Options": {
        "losses": ("asl", "hill", "full"), "members": 2, "width": 128, "depth": 2, "dropout": 0.3, "epochs": 20,
        "least_steps": 200, "batch": 512, "learning_rate": 3e-3, "weight_decay": 0.01, "others": 0.2, "seed": 0,
    },
}  # fmt: skip
# what every TOML leaves out
EXPERIMENT = {
    "glc.config.experiment:Surveys": {"max_quarantine_fraction": 0.05},
    "glc.config.experiment:Validation": {
        "scheme": "block", "size_m": 30_000, "count": 10, "run": 3, "seed": 0, "stop": "next", "held_out": 0.025,
    },
    "glc.config.experiment:Po": {"use": "none", "radius_m": 3_000, "weight": 1.0, "min_species": 5},
    "glc.config.experiment:Input": {"block": 8, "size": 128, "coeffs": False, "optional": False},
    "glc.config.experiment:Train": {
        "batch_size": 256, "max_epochs": 60, "patience": 6, "monitor": "f1", "learning_rate": 2e-3,
        "find_learning_rate": False, "weight_decay": 1e-4, "class_weights": False, "freeze": False, "seed": 0,
        "precision": "float32", "optimizer": "adamw", "momentum": 0.0, "gamma": 0.1, "validate_every": 1,
    },
    "glc.config.experiment:CrossFusion": {"use": False, "max_epochs": 10, "rate": 0.2},
    "glc.config.experiment:Scores": {"keep": 4_096, "average": "probabilities"},
    "glc.world:World": {"block_m": 50_000, "seed": 2024},
    "glc.world:OccurrenceWorld": {"seed": 2020},
}  # fmt: skip
PINNED = TIGHNARI | DSGT | INRIA | LOCATION | OWN | SDM | EXPERIMENT


@pytest.mark.parametrize("where", PINNED)
def test_defaults_are_those_that_were_measured(where):
    module, path = where.split(":")
    options = importlib.import_module(module)
    for name in path.split("."):
        options = getattr(options, name)
    parameters = inspect.signature(options).parameters
    assert {name: parameters[name].default for name in PINNED[where]} == PINNED[where]
