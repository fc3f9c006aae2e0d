"""A partitioner that takes nothing, so that what one before it left is to be seen."""

from __future__ import annotations

from executorch.exir.backend.partitioner import Partitioner, PartitionResult
from torch.export import ExportedProgram


class Nothing(Partitioner):
    def partition(self, exported_program: ExportedProgram) -> PartitionResult:
        return PartitionResult(tagged_exported_program=exported_program, partition_tags={})
