"""What an ecologist asks of a fitted experiment: how, from what, where, and how it is reported and cited.

`variables` what of the inputs is changed together · `response` curves · `importance` by permutation · `species_map` ·
`odmap` the reporting protocol · `citation`; drawn by `glc.report.explanation`
"""
