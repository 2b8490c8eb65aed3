"""Node2vec embeddings of species, and their map."""

from pathlib import Path

import pyarrow as pa

from glc import storage
from glc.neighbours.graph import Edges
from glc.neighbours.node2vec import Walks
from glc.tasks.base import ProductTask, Published
from glc.tasks.parameters import ChoiceParameter, SectionParameter
from glc.tasks.surveys import FoldedTask, ReadsSurveys


class SpeciesEmbedding(ReadsSurveys, FoldedTask, ProductTask):
    """Node2vec vectors of the species of all training surveys, and their map (Miyaguchi et al. 2024, section 7.1.3).

    The map is also published at ``ROOT/embeddings/<dataset>/species.png``.
    The table ``vectors`` has one row per species, in order of speciesId; zeros where a species has no edge.
    """

    edges = SectionParameter(Edges, default=Edges(), description="k, radius_m, sources, damping, edges")
    walks = SectionParameter(Walks, default=Walks(), description="p, q, length, count, dim, window, epochs, seed")
    method = ChoiceParameter(choices=("pca", "tsne"), default="pca", description="how vectors become points")

    def published(self) -> list[Published]:
        stable = Path(self.root) / "embeddings" / self.subject / "species.png"
        return [Published(stable, self.folder / "embedding.png")]

    def write(self, out: Path) -> None:
        from glc.classical import node2vec
        from glc.report import embedding

        data = self.read_surveys()
        self.status("walking over the species graph", 10)
        vectors = node2vec.species_vectors(data, None, self.edges, self.walks)
        table = pa.table({"speciesId": data.species, "vector": list(vectors)})
        storage.write_table(table, "species_vectors", out / "vectors")
        self.status("drawing the map", 90)
        facts = embedding.species_map_by_latitude(vectors, data, out / "embedding.png", self.method)
        storage.note(out, species=len(vectors), without_edge=int((~vectors.any(axis=1)).sum()), **facts)

    def results(self) -> list[str]:
        """Where the vectors and their map are."""
        return [f"vectors {self.folder / 'vectors'}", f"map     {self.published()[0].path}"]
