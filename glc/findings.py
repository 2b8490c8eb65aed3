"""What a comparison of all outputs with their manifests finds, here or in an object store."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Findings:
    """Counts of what is as it was written, and a list of what is not.

    outputs, files, bytes, published : of everything that is as it was written
    damaged : of each damaged output or published file, what is wrong with it and the remedy
    unfinished : outputs without a manifest, which are never read: folders, or URLs of a store
    """

    outputs: int = 0
    files: int = 0
    bytes: int = 0
    published: int = 0
    damaged: list[str] = field(default_factory=list)
    unfinished: list[str | Path] = field(default_factory=list)

    def add(self, sizes: Iterable[int]) -> None:
        """Count an output whose files have these sizes in bytes."""
        each = list(sizes)
        self.outputs += 1
        self.files += len(each)
        self.bytes += sum(each)

    def __str__(self) -> str:
        return (
            f"{self.outputs:,} outputs ({self.files:,} files, {self.bytes / 1e6:,.1f} MB) and {self.published:,} "
            "published files"
        )
