"""The DAG: ``luigi --module glc.tasks Submission --experiment votes --dataset FOLDER``.

    VirtualPart (or a folder of CSVs and rasters)
        |
      Surveys --------+-----------------------------+
        |             |                             |
      Folds ----------+---- Neighbours -------- ClassicalScores --+
        |             |                                           |
        |          Examples --- Fit --- FoldScores --- NetScores--+
        |                        |                                |
  Baselines                      |                           Predictions
        |                        |                                |
        +-------------------- Report -------- Evaluate -----------+
                                 |               |                |
                                 +---------- Submission ----------+

Report also shows the output of Applicability, which is fitted on what Evaluate writes.

Nets that read imagery have, before Fit and FoldScores, Tiles (rasters and images), Cubes (series) and Tabular (values
at the survey), and those that start from a pretrained encoder Triplets --- Pretrain before Fit. With ``cross_fusion``
the Fit of fold 0 comes before the others. Nets of presence-only records alone differ between folds in nothing except
when they stop: FitAllFolds --- ChosenEpoch in place of Fit. EnsembleScores joins the scores of several experiments.

Every task writes ``ROOT/store/<dataset>/<task>-<identity>``; the products of an experiment are also at
``ROOT/{submissions,metrics,reports}/<dataset>/<experiment>``.

Importing this module makes Luigi read ``conf/luigi.cfg`` (`glc.config.paths`); a file named by ``LUIGI_CONFIG_PATH`` is
read after it and wins.
"""

import sys

from glc.tasks import console
from glc.tasks.applicability import Applicability
from glc.tasks.budget import DctBudget
from glc.tasks.clean import Clean
from glc.tasks.compare import Compare
from glc.tasks.console.program import run
from glc.tasks.data_page import DataPage
from glc.tasks.embedding import SpeciesEmbedding
from glc.tasks.evaluate import Baselines, Evaluate
from glc.tasks.explain import Explain
from glc.tasks.explanation import Explanation
from glc.tasks.explorer import Explorer, FinishedMap
from glc.tasks.geoplant import GeoplantDownload
from glc.tasks.imagery import Cubes, Tabular, Tiles
from glc.tasks.importance import Importance
from glc.tasks.kaggle import KaggleDownload, KaggleSubmit
from glc.tasks.location.globe import GlobePatches, VirtualGlobe
from glc.tasks.location.localisation import LocatedImage, LocatedPlace, LocationErrors
from glc.tasks.location.places import LocationPlaces
from glc.tasks.location.pretraining import PretrainLocation, PretrainLocationOnTiles
from glc.tasks.maps import DistributionMap
from glc.tasks.members import Members
from glc.tasks.model import Model
from glc.tasks.neighbours import Neighbours
from glc.tasks.predict import FolderPredict, Predict
from glc.tasks.provenance import Provenance
from glc.tasks.report import Report
from glc.tasks.scores import ClassicalScores, EnsembleScores, NetScores, Predictions
from glc.tasks.submission import Submission
from glc.tasks.survey_embedding import SurveyEmbedding
from glc.tasks.surveys import AtlasGrid, Folds, Surveys, VirtualPart
from glc.tasks.training import ChosenEpoch, Examples, FineTune, Fit, FitAllFolds, FoldScores, Pretrain, Triplets
from glc.tasks.verify import Verify
from glc.tasks.wandb import WandbRun
from glc.tasks.wandb_table import WandbTable

if console.started_by_luigi():
    console.start(sys.argv[1:])

__all__ = [
    "Applicability",
    "AtlasGrid",
    "Baselines",
    "ChosenEpoch",
    "ClassicalScores",
    "Clean",
    "Compare",
    "Cubes",
    "DataPage",
    "DctBudget",
    "DistributionMap",
    "EnsembleScores",
    "Evaluate",
    "Examples",
    "Explain",
    "Explanation",
    "Explorer",
    "FineTune",
    "FinishedMap",
    "Fit",
    "FitAllFolds",
    "FoldScores",
    "FolderPredict",
    "Folds",
    "GeoplantDownload",
    "GlobePatches",
    "Importance",
    "KaggleDownload",
    "KaggleSubmit",
    "LocatedImage",
    "LocatedPlace",
    "LocationErrors",
    "LocationPlaces",
    "Members",
    "Model",
    "Neighbours",
    "NetScores",
    "Predict",
    "Predictions",
    "Pretrain",
    "PretrainLocation",
    "PretrainLocationOnTiles",
    "Provenance",
    "Report",
    "SpeciesEmbedding",
    "Submission",
    "SurveyEmbedding",
    "Surveys",
    "Tabular",
    "Tiles",
    "Triplets",
    "Verify",
    "VirtualGlobe",
    "VirtualPart",
    "WandbRun",
    "WandbTable",
    "run",
]
