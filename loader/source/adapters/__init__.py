"""The formats that studies come in, one per module.

A folder or zip is read by the first module that recognises it by the names in it.

refinebio          a download of refine.bio
nfcore_rnaseq      the results of nf-core/rnaseq
expression_atlas   an experiment of Expression Atlas
series_matrix      series matrices of GEO
matrix_with_sheet  any matrix with a table of its samples
"""

from collections.abc import Collection
from typing import Protocol, cast

from expression_warehouse.core.config import PipelineConfig
from loader.source.adapters import (
    expression_atlas,
    matrix_with_sheet,
    nfcore_rnaseq,
    refinebio,
    series_matrix,
)
from loader.source.download import Download
from loader.source.study import StudySource


class Adapter(Protocol):
    """What a module of a format has.

    HAS_FOLDERS  whether folders within belong to the download
    """

    HAS_FOLDERS: bool

    def recognises(self, names: Collection[str], config: PipelineConfig) -> bool:
        """Whether a folder is of this format, by the names in it; those of folders end with /."""

    def studies(self, download: Download, config: PipelineConfig) -> list[StudySource]:
        """The studies of a download. Raises UserError if it cannot be read at all."""


ADAPTERS = [
    cast(Adapter, module)
    for module in (
        refinebio,
        nfcore_rnaseq,
        expression_atlas,
        series_matrix,
        matrix_with_sheet,
    )
]


def find_adapter(names: Collection[str], config: PipelineConfig) -> Adapter | None:
    """The adapter of a folder or zip with these names; None if it is of no known format."""
    return next((adapter for adapter in ADAPTERS if adapter.recognises(names, config)), None)
