"""What is simulated. None of it depends on the seed, so the report knows the truth too."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal

MS4A4A = "ENSG00000110079"
CD86 = "ENSG00000114013"
INVENTED_GENES = tuple(f"ENSG9{number:010d}" for number in range(1, 199))
GENES = (MS4A4A, CD86, *INVENTED_GENES)


@dataclass(frozen=True)
class PlantedPair:
    """Two genes that are correlated in septic shock and in no other cohort.

    direction  sign of the correlation in septic shock
    """

    gene_a: str
    gene_b: str
    direction: Literal["positive", "negative"]

    @property
    def sign(self) -> int:
        """1 or -1."""
        return 1 if self.direction == "positive" else -1


# No gene stands in two pairs: a chain a-b, b-c would plant a-c as well.
PLANTED_PAIRS = (
    PlantedPair(MS4A4A, CD86, "positive"),
    *(
        PlantedPair(
            INVENTED_GENES[20 * i + 4],
            INVENTED_GENES[20 * i + 14],
            "negative" if i % 3 == 2 else "positive",
        )
        for i in range(9)
    ),
)
PLANTED_GENES = frozenset(chain.from_iterable((p.gene_a, p.gene_b) for p in PLANTED_PAIRS))


@dataclass(frozen=True)
class Study:
    """One study, which is one download.

    scale               what the values are: log2 intensities, TPM, read counts
    cohorts             illness label → samples
    missing_share       share of the values that are missing
    unprocessed_count   samples that the experiment lists and the download does not have
    ks                  Kolmogorov-Smirnov statistic and p of the quantile normalisation; none where
                        the download is not normalised
    """

    accession: str
    technology: Literal["MICROARRAY", "RNA-SEQ"]
    scale: Literal["LOG2", "TPM", "COUNTS"]
    title: str
    platform: str
    processor_name: str
    processor_version: str
    source_database: Literal["GEO", "SRA"]
    specimen_part: str
    created_at: str
    cohorts: Mapping[str, int]
    missing_share: float = 0.0
    unprocessed_count: int = 0
    ks: tuple[float, float] | None = None

    @property
    def sample_count(self) -> int:
        """Samples of the download, those of all cohorts."""
        return sum(self.cohorts.values())


# The accessions are beyond what GEO and SRA have given out.
STUDIES = (
    Study(
        accession="GSE900001",
        technology="MICROARRAY",
        scale="LOG2",
        title="Simulated whole blood transcriptomes of sepsis and septic shock (Affymetrix)",
        platform="[HG-U133_Plus_2] Affymetrix Human Genome U133 Plus 2.0 Array (hgu133plus2)",
        processor_name="Affymetrix SCAN",
        processor_version="v1.26.0-hotfix",
        source_database="GEO",
        specimen_part="whole blood",
        created_at="2024-05-13T09:41:07",
        cohorts={"CONTROL": 20, "SEPSIS": 32, "SEPTIC_SHOCK": 30},
        missing_share=0.002,
        ks=(0.00124, 1.0),
    ),
    Study(
        accession="GSE900002",
        technology="MICROARRAY",
        scale="LOG2",
        title="Simulated leukocyte transcriptomes of critically ill patients (Illumina BeadChip)",
        platform="Illumina_HumanHT-12_V4.0 (Illumina_HumanHT-12_V4.0)",
        processor_name="Illumina SCAN",
        processor_version="v1.26.0-hotfix",
        source_database="GEO",
        specimen_part="leukocytes",
        created_at="2024-05-13T10:02:55",
        cohorts={"CONTROL": 16, "NO_SEPSIS": 15, "SEPSIS": 28, "SEPTIC_SHOCK": 26},
        ks=(0.0183, 0.00217),
    ),
    Study(
        accession="SRP900003",
        technology="RNA-SEQ",
        scale="TPM",
        title="Simulated RNA-seq of whole blood in sepsis and septic shock (Tximport)",
        platform="Illumina HiSeq 2500 (IlluminaHiSeq2500)",
        processor_name="Tximport",
        processor_version="v1.26.0-hotfix",
        source_database="SRA",
        specimen_part="whole blood",
        created_at="2024-05-14T16:20:31",
        cohorts={"CONTROL": 18, "SEPSIS": 30, "SEPTIC_SHOCK": 28},
        unprocessed_count=9,
    ),
    Study(
        accession="SRP900004",
        technology="RNA-SEQ",
        scale="COUNTS",
        title="Simulated RNA-seq of whole blood in sepsis and septic shock (read counts)",
        platform="Illumina NovaSeq 6000 (IlluminaNovaSeq6000)",
        processor_name="Submitter-processed",
        processor_version="",
        source_database="SRA",
        specimen_part="whole blood",
        created_at="2024-05-14T16:58:12",
        cohorts={"CONTROL": 14, "SEPSIS": 27, "SEPTIC_SHOCK": 31},
    ),
)
