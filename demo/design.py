"""What is simulated. None of it depends on the seed, so the report knows the truth too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MS4A4A = "ENSG00000110079"
CD86 = "ENSG00000114013"
INVENTED_GENES = tuple(f"ENSG9{number:010d}" for number in range(1, 59))
GENES = (MS4A4A, CD86, *INVENTED_GENES)
MOUSE_GENES = tuple(f"ENSMUSG9{number:010d}" for number in range(1, 41))

SEPSIS = "SEPSIS"
MOUSE_COLITIS = "MOUSE_COLITIS"

# The cohorts in which a planted pair is correlated, by the contrast that is meant to find it.
CORRELATED_IN = {
    "ss": ("SEPTIC_SHOCK",),
    "sc": ("SEPSIS", "SEPTIC_SHOCK"),
    "cc": ("COLITIS",),
}


@dataclass(frozen=True)
class PlantedPair:
    """Two genes that are correlated in some cohorts and in no other.

    direction  sign of the correlation
    contrast   a key of CORRELATED_IN
    """

    gene_a: str
    gene_b: str
    direction: Literal["positive", "negative"]
    contrast: Literal["ss", "sc", "cc"]

    @property
    def sign(self) -> int:
        """1 or -1."""
        return 1 if self.direction == "positive" else -1

    @property
    def genes(self) -> frozenset[str]:
        """Both genes, in no order."""
        return frozenset((self.gene_a, self.gene_b))

    def is_correlated_in(self, cohort: str) -> bool:
        """Whether the genes are correlated in the samples of a cohort."""
        return cohort in CORRELATED_IN[self.contrast]


def _direction(number: int) -> Literal["positive", "negative"]:
    return "negative" if number % 3 == 2 else "positive"


# No gene is in two pairs: a chain a-b, b-c would plant a-c as well.
PLANTED_PAIRS = (
    PlantedPair(MS4A4A, CD86, "positive", "ss"),
    *(
        PlantedPair(INVENTED_GENES[6 * i], INVENTED_GENES[6 * i + 3], _direction(i), "ss")
        for i in range(9)
    ),
    *(
        PlantedPair(INVENTED_GENES[6 * i + 1], INVENTED_GENES[6 * i + 4], _direction(i), "sc")
        for i in range(5)
    ),
)
MOUSE_PAIRS = tuple(
    PlantedPair(MOUSE_GENES[6 * i], MOUSE_GENES[6 * i + 3], _direction(i), "cc") for i in range(5)
)


@dataclass(frozen=True)
class Organism:
    """An organism, its genes, and the pairs planted among them."""

    name: Literal["HOMO_SAPIENS", "MUS_MUSCULUS"]
    genes: tuple[str, ...]
    planted: tuple[PlantedPair, ...]


HUMAN = Organism("HOMO_SAPIENS", GENES, PLANTED_PAIRS)
MOUSE = Organism("MUS_MUSCULUS", MOUSE_GENES, MOUSE_PAIRS)


@dataclass(frozen=True)
class Study:
    """One study, which is one download.

    scale               what the values are: log2 intensities, TPM, read counts
    cohorts             illness label → samples
    missing_share       share of the values that are missing
    unprocessed_count   samples that the experiment lists and the download does not have
    ks                  Kolmogorov-Smirnov statistic and p of the quantile normalisation; None if
                        the download is not normalised
    """

    accession: str
    technology: Literal["MICROARRAY", "RNA-SEQ"]
    scale: Literal["LOG2", "TPM", "COUNTS"]
    title: str
    platform: str
    processor_name: str
    processor_version: str
    specimen_part: str
    created_at: str
    cohorts: Mapping[str, int]
    disease: str = SEPSIS
    organism: Organism = HUMAN
    missing_share: float = 0.0
    unprocessed_count: int = 0
    ks: tuple[float, float] | None = None

    @property
    def sample_count(self) -> int:
        """Samples of the download, those of all cohorts."""
        return sum(self.cohorts.values())

    @property
    def source_database(self) -> str:
        """The archive that gave the accession."""
        return "GEO" if self.accession.startswith("GSE") else "SRA"


def _microarray(
    number: int, platform: str, specimen: str, cohorts: Mapping[str, int], **more: object
) -> Study:
    maker = "Affymetrix" if "Affymetrix" in platform else "Illumina"
    return Study(
        accession=f"GSE{900000 + number}",
        technology="MICROARRAY",
        scale="LOG2",
        title=f"Simulated {specimen} transcriptomes of sepsis and septic shock ({maker})",
        platform=platform,
        processor_name=f"{maker} SCAN",
        processor_version="v1.26.0-hotfix",
        specimen_part=specimen,
        created_at=f"2024-05-13T10:{number:02d}:55",
        cohorts=cohorts,
        **more,
    )


def _rna_seq(
    number: int, scale: Literal["TPM", "COUNTS"], cohorts: Mapping[str, int], **more: object
) -> Study:
    is_tpm = scale == "TPM"
    return Study(
        accession=f"SRP{900000 + number}",
        technology="RNA-SEQ",
        scale=scale,
        title=f"Simulated RNA-seq of whole blood ({'Tximport' if is_tpm else 'read counts'})",
        platform="Illumina HiSeq 2500 (IlluminaHiSeq2500)"
        if is_tpm
        else "Illumina NovaSeq 6000 (IlluminaNovaSeq6000)",
        processor_name="Tximport" if is_tpm else "Submitter-processed",
        processor_version="v1.26.0-hotfix" if is_tpm else "",
        specimen_part="whole blood",
        created_at=f"2024-05-14T16:{number:02d}:31",
        cohorts=cohorts,
        **more,
    )


_AFFYMETRIX = "[HG-U133_Plus_2] Affymetrix Human Genome U133 Plus 2.0 Array (hgu133plus2)"
_ILLUMINA = "Illumina_HumanHT-12_V4.0 (Illumina_HumanHT-12_V4.0)"


def _cohorts(control: int, sepsis: int, shock: int, no_sepsis: int = 0) -> dict[str, int]:
    counts = {"CONTROL": control, "SEPSIS": sepsis, "SEPTIC_SHOCK": shock}
    return counts | ({"NO_SEPSIS": no_sepsis} if no_sepsis else {})


# The accessions are beyond those that GEO and SRA have assigned. Hartung-Knapp's test has little
# power with three or four studies, so the human slices have more; the mouse slice shows that.
STUDIES = (
    _microarray(
        1, _AFFYMETRIX, "whole blood", _cohorts(28, 36, 34), missing_share=0.002, ks=(0.00124, 1.0)
    ),
    _microarray(2, _ILLUMINA, "leukocytes", _cohorts(26, 34, 32, 15), ks=(0.0183, 0.00217)),
    _microarray(3, _AFFYMETRIX, "whole blood", _cohorts(30, 33, 36)),
    _microarray(4, _ILLUMINA, "whole blood", _cohorts(25, 38, 31)),
    _microarray(5, _AFFYMETRIX, "leukocytes", _cohorts(27, 32, 33, 14)),
    _microarray(6, _ILLUMINA, "whole blood", _cohorts(29, 35, 35)),
    _microarray(7, _AFFYMETRIX, "whole blood", _cohorts(31, 34, 37)),
    _rna_seq(8, "TPM", _cohorts(28, 36, 34), unprocessed_count=9),
    _rna_seq(9, "COUNTS", _cohorts(26, 33, 37)),
    _rna_seq(10, "TPM", _cohorts(30, 35, 38)),
    _rna_seq(11, "COUNTS", _cohorts(29, 38, 36)),
    _rna_seq(12, "TPM", _cohorts(27, 37, 35)),
    _rna_seq(13, "COUNTS", _cohorts(31, 36, 39)),
    _rna_seq(14, "TPM", _cohorts(28, 38, 37)),
    *(
        _rna_seq(
            number,
            "TPM",
            {"CONTROL": controls, "COLITIS": cases},
            disease=MOUSE_COLITIS,
            organism=MOUSE,
        )
        for number, controls, cases in ((15, 14, 16), (16, 12, 15), (17, 15, 14))
    ),
)
