"""Parquet to checkpoints: batches, losses, the trainer, and one file for each architecture."""

import os

# Before torch starts its threads: with other work on the cores, spinning threads make a step 3 to 30 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from glc.nets import _torchvision

_torchvision.prepare()  # before anyone imports Lightning, which imports torchvision where it is there
