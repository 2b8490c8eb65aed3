"""Maps: any cell of a grid -> scores -> Cloud-Optimised GeoTIFFs; a library that knows no Luigi.

`grid` says where the cells are, `cover` which of them are predicted, `blocks` scores them, `geotiff` writes them, and
`distribution` does it all. What scores is a fitted experiment (`scorer`).
"""
