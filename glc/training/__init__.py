"""What every training shares: Lightning, learning curves, losses, timm's nets."""

import os

# Before torch starts its threads: with other work on the cores, spinning threads make a step 3 to 30 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from glc.training import _torchvision

_torchvision.prepare()  # before anyone imports Lightning, which imports torchvision where it is there
