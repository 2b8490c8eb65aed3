"""ROOT in an object store: ``s3://BUCKET/FOLDER`` or ``gs://BUCKET/FOLDER``.

Tasks read and write in a local folder, the cache; a `Mirror` downloads what they need from the store and uploads what
they have finished. No engine (Spark, Petastorm, rasterio) needs a connector.

In the store an output has the place that it has below ROOT, except that its files are in a folder named after their
content: ``store/<dataset>/<task>-<identity>/<content>/…``, with the manifest, ``_SUCCESS``, next to that folder. So no
upload can overwrite a file that another machine's manifest names. The manifest is written last and only if there is
none yet: the first machine that finishes wins. Published products (reports, submissions, models, maps) are copied to
their stable places for people and other programs; ``.published/`` records which output each is a copy of.
"""

from glc.objectstore.inspection import inspect
from glc.objectstore.mirror import Mirror
from glc.objectstore.opening import local_root, opened, url_of
from glc.objectstore.origin import product_of, root_above
from glc.objectstore.store import DeniedError, Store, StoredDamageError, StoreError

__all__ = [
    "DeniedError",
    "Mirror",
    "Store",
    "StoreError",
    "StoredDamageError",
    "inspect",
    "local_root",
    "opened",
    "product_of",
    "root_above",
    "url_of",
]
