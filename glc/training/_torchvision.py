"""Make torchvision importable with a torch of another build, such as a CPU torch and the index's ordinary wheel.

Its compiled operators then cannot be loaded, and its import fails at ``operator torchvision::nms does not exist``;
timm, Lightning and torchmetrics fail with it. Nothing here uses those operators: to have their schemas is enough.
Imported by `glc.nets` before anything that imports torchvision.
"""

import importlib.util
from pathlib import Path

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_kept = []  # a library takes its schemas away when it is collected


def prepare():
    """Load torchvision's operators, or declare those whose schemas its import needs."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None:
        return
    try:
        for path in Path(spec.origin).parent.glob("_C*.so"):
            torch.ops.load_library(str(path))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        _kept.append(library)
        for schema in _SCHEMAS.values():
            library.define(schema)
