"""Generated studies in refine.bio's layout; kept in bench/data, so that a second run is quicker."""

import json
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
ACCESSION = "GSE900"


def study(genes: int, samples: int, number: int = 1) -> Path:
    """The download folder of a log2 microarray study of `genes` × `samples` values with six
    decimals; its accession is GSE900 and the number."""
    accession = f"{ACCESSION}{number}"
    folder = DATA / f"{accession}_{genes}x{samples}"
    matrix = folder / accession / f"{accession}.tsv"
    names = [f"GSM{number:02d}{i:06d}" for i in range(samples)]
    if not matrix.exists():
        matrix.parent.mkdir(parents=True, exist_ok=True)
        _write_matrix(matrix.with_suffix(".part"), genes, names, seed=number)
        _write_metadata(folder, accession, names)
        matrix.with_suffix(".part").rename(matrix)
    return folder


def _write_matrix(path: Path, genes: int, names: list[str], seed: int) -> None:
    dice = np.random.default_rng(seed)
    with path.open("w") as file:
        file.write("\t".join(["Gene", *names]) + "\n")
        for gene in range(genes):
            values = np.clip(dice.normal(dice.uniform(3, 12), 0.8, len(names)), 0, 16)
            file.write(f"ENSG{gene:011d}\t" + "\t".join(np.char.mod("%.6f", values)) + "\n")


def _write_metadata(folder: Path, accession: str, names: list[str]) -> None:
    document = {
        "aggregate_by": "EXPERIMENT",
        "created_at": "2024-01-01T00:00:00",
        "experiments": {
            accession: {
                "accession_code": accession,
                "title": "Generated",
                "technology": "MICROARRAY",
                "organisms": ["HOMO_SAPIENS"],
                "sample_accession_codes": names,
            }
        },
        "samples": {
            name: {
                "refinebio_accession_code": name,
                "refinebio_title": ("sepsis", "healthy control", "septic shock")[i % 3],
                "refinebio_platform": "Generated (GPL570)",
            }
            for i, name in enumerate(names)
        },
    }
    (folder / "aggregated_metadata.json").write_text(json.dumps(document))
