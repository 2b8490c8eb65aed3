"""Surveys to vectors of species."""

from pathlib import Path

import luigi

from glc import storage
from glc.neighbours.graph import Edges
from glc.neighbours.node2vec import Walks
from glc.tasks.base import ProductTask, Published, SectionParameter
from glc.tasks.surveys import SplitTask


class SpeciesEmbedding(ProductTask, SplitTask):
    """Node2vec vectors of the species of all training surveys, and their map (Miyaguchi et al. 2024, section 7.1.3).

    The map also stands at ``ROOT/embeddings/<dataset>/species.png``.
    The table ``vectors`` has a row for each species, in order of speciesId; zeros where a species has no edge.
    """

    edges = SectionParameter(Edges, default=Edges(), description="k, radius_m, sources, damping, edges")
    walks = SectionParameter(Walks, default=Walks(), description="p, q, length, count, dim, window, epochs, seed")
    method = luigi.ChoiceParameter(choices=("pca", "tsne"), default="pca", description="how vectors become points")

    def published(self):
        stable = Path(self.root) / "embeddings" / self.dataset_name / "species.png"
        return [Published(stable, self.folder / "embedding.png")]

    def write(self, out):
        import numpy as np
        import pyarrow as pa

        from glc.classical import node2vec
        from glc.report import embedding

        data = self.read_surveys()
        self.status("walking over the species graph", 10)
        vectors = node2vec.species_vectors(data, None, self.edges, self.walks)
        table = pa.table({"speciesId": data.species, "vector": list(vectors)})
        storage.write_table(table, "species_vectors", out / "vectors")
        self.status("drawing the map", 90)
        train = data.train()
        labels = data.labels_of(train).astype(np.float64)
        counts = np.asarray(labels.sum(axis=0)).ravel()
        latitude = labels.T @ data.places["lat"].to_numpy()[train]
        with np.errstate(invalid="ignore"):  # a species of presence-only surveys alone has no place here, and no point
            latitude /= counts
        facts = embedding.species_map(
            vectors, latitude, counts, out / "embedding.png", self.method, "mean latitude of the surveys, degrees north"
        )
        storage.note(out, species=len(vectors), without_edge=int((~vectors.any(axis=1)).sum()), **facts)

    def results(self):
        """Where the vectors and their map are."""
        return [f"vectors {self.folder / 'vectors'}", f"map     {self.published()[0].path}"]
