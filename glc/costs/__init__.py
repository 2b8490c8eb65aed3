"""Time, memory and disk that a run takes, before it runs.

`sizes` counts a dataset, `sample` without reading its files; `work` says how much a task has to do; `curves` turns that
into seconds, MB and bytes with the coefficients in ``curves.json``, which `fit` makes from the manifests of finished
runs (``python -m glc.costs.fit ROOT …``). Nothing here knows Luigi: `glc.cli.costs` asks for the tasks of a run.
"""
