"""Made-up examples tables of nets."""

import numpy as np
import pandas as pd

from glc import storage


def write(root, sizes, classes, least_weight=1.0):
    """Tables below `root` with three species each, of `sizes` (name -> examples); ids of each begin at a hundred."""
    for seed, (name, n) in enumerate(sizes.items()):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame(
            {
                "dataset": np.ones(n, np.int8),
                "surveyId": np.arange(n) + 100 * seed,
                "easting": rng.uniform(4e6, 4.1e6, n).astype(np.float32),
                "northing": rng.uniform(2e6, 2.1e6, n).astype(np.float32),
                "weight": rng.uniform(least_weight, 1, n).astype(np.float32),
                "species": [np.sort(rng.choice(classes, 3, replace=False)) for _ in range(n)],
            }
        )
        storage.write_table(frame, "examples", root / name, row_group_rows=25)
    return [root / name for name in sizes]
