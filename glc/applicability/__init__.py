"""Where a model may be trusted: dissimilarity to its training places, area of applicability, expected score.

`space` predictors as points · `nearest` distances between them · `dissimilarity` index and threshold (Meyer & Pebesma
2021) · `components`, `embedding` the same by what nets make of imagery · `profile` expected score by dissimilarity and
distance · `area` all of it as one file
"""
