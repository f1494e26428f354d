"""One study as every format yields it: its metadata, and the text of its matrix."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.matrix import Matrix, read_matrix
from loader.source.metadata import StudyMetadata
from loader.source.text import MatrixText

# The start of Ensembl's gene ids → organism.
_ORGANISMS = {
    "ENSG": "HOMO_SAPIENS",
    "ENSMUSG": "MUS_MUSCULUS",
    "ENSRNOG": "RATTUS_NORVEGICUS",
    "ENSDARG": "DANIO_RERIO",
    "ENSSSCG": "SUS_SCROFA",
    "ENSBTAG": "BOS_TAURUS",
    "ENSMMUG": "MACACA_MULATTA",
}


# Units that only one technology has.
_TECHNOLOGIES = {
    "COUNTS": "RNA-SEQ",
    "ESTIMATED_COUNTS": "RNA-SEQ",
    "TPM": "RNA-SEQ",
    "CPM": "RNA-SEQ",
    "FPKM": "RNA-SEQ",
    "ARRAY_LOG2": "MICROARRAY",
    "INTENSITY": "MICROARRAY",
}


@dataclass(frozen=True)
class StudySource:
    """One study in one place. What cannot be read is an error of this study alone.

    metadata_label   the file of the metadata, for messages
    find_metadata    reads the metadata
    find_text        finds the text of the matrix
    metadata_files   names of the files that its metadata may be in
    matrix_files     names of the files that its values may be in
    other_samples    samples of other studies, which may have columns in the same matrix
    finding          a warning about where the study lies
    """

    accession: str
    metadata_label: str
    find_metadata: Callable[[StudyConfig], StudyMetadata]
    find_text: Callable[[StudyConfig], MatrixText]
    metadata_files: Collection[str] = ()
    matrix_files: Collection[str] = ()
    other_samples: Collection[str] = ()
    finding: UserError | None = None

    def with_matrix(self, name: str) -> "StudySource":
        """The study with its values from a file of this name."""
        this = {"matrix": name}
        return replace(
            self,
            find_metadata=lambda config: self.find_metadata(config.model_copy(update=this)),
            find_text=lambda config: self.find_text(config.model_copy(update=this)),
        )

    def read(
        self, config: StudyConfig, text: MatrixText | None = None
    ) -> tuple[StudyMetadata, Matrix, StudyConfig]:
        """The metadata, the matrix up to its header, and the settings with what the files say.

        text  what `find_text` found before

        Raises what `find_metadata`, `find_text`, `read_matrix` and `match_samples` raise, and
        UserError 1014 if the organism or the technology of the study is unknown.
        """
        written = self.find_metadata(config)
        metadata = written.with_public_accessions()
        matrix = read_matrix(
            text or self.find_text(config),
            metadata,
            config,
            set(self.other_samples) - set(metadata.samples),
        )
        if changed := [name for name in written.samples if name not in metadata.samples]:
            matrix.names_finding = matrix.names_finding or UserError(
                "SAMPLE_NAMES_MATCHED",
                f"the metadata write accessions in other letters ({len(changed)}): "
                f"{changed[0]} is {changed[0].upper()}",
                file=self.metadata_label,
            )
        metadata = metadata.with_unit(metadata.unit or matrix.unit)
        settings = config.model_copy(update={"sample_names": matrix.renamed or None})
        return _described(metadata, matrix, settings, self.metadata_label), matrix, settings


def _described(
    metadata: StudyMetadata, matrix: Matrix, config: StudyConfig, label: str
) -> StudyMetadata:
    """The metadata with technology and organism, which only refine.bio always says."""
    if metadata.is_complete and not (config.organism or config.technology):
        return metadata
    organisms = metadata.experiment.get("organisms")
    genes = (re.match(r"(ENS[A-Z]*G)[0-9]{5,}", name) for name in matrix.first_ids)
    gene = next(filter(None, genes), None)
    organism = config.organism or (_ORGANISMS.get(gene[1]) if gene else None)
    if config.organism or not organisms:
        organisms = [organism] if organism else []
    unit = config.units or metadata.unit
    technology = config.technology or metadata.technology or _TECHNOLOGIES.get(unit or "")
    missing = {"technology": technology, "organism": organisms}
    absent = [key for key, value in missing.items() if not value]
    if absent and not metadata.is_complete:
        example = {"technology": "RNA-SEQ", "organism": "HOMO_SAPIENS"}
        settings = ", ".join(f"{key}: {example[key]}" for key in absent)
        raise UserError(
            "STUDY_UNDESCRIBED",
            f"no file says the {' and the '.join(absent)} of the study",
            file=label,
            action=f"Write into pipeline.yaml: studies: {{{metadata.accession}: {{{settings}}}}}, "
            "with what is right",
        )
    return metadata.with_experiment(technology=technology, organisms=organisms)
