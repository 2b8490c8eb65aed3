"""A static site from a finished map: it works from ``file://``, and loads nothing from the network.

`finished` reads a map and the model that it was made from, `geography` says where its cells are, `encode` makes values
into scripts (a page at ``file://`` may not read other files, but may run them), and `site` writes it all.

The library that pans and zooms is Leaflet 1.9.4 (BSD-2-Clause), unmodified in ``leaflet/``. It takes maps in any
coordinates (``L.CRS.Simple``), so that the cells of a projected grid stay square; its tiles may be canvases; arrow keys
pan; and it is one file of 150 KB. MapLibre GL wants Web Mercator and WebGL, and Bokeh brings several MB and a user
interface that a keyboard does not reach.
"""
