"""Generated studies in refine.bio's layout; kept in bench/data, so that a second run is quicker."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

DATA = Path(__file__).parent / "data"
ACCESSION = "GSE900"

# What else refine.bio writes per sample, so that the metadata have its size.
_OTHER_FIELDS = {
    **{
        f"refinebio_{name}": ""
        for name in (
            "cell_line", "compound", "developmental_stage", "disease", "disease_stage",
            "genetic_information", "race", "sex", "source_archive_url", "subject", "time",
            "treatment",
        )
    },
    "refinebio_age": 53.0,
    "refinebio_annotations": [],
    "refinebio_organism": "HOMO_SAPIENS",
    "refinebio_processed": True,
    "refinebio_processor_id": 387,
    "refinebio_processor_version": "v1.26.0-hotfix",
    "refinebio_source_database": "GEO",
    "refinebio_specimen_part": "blood",
}  # fmt: skip


def study(genes: int, samples: int, number: int = 1) -> Path:
    """The download folder of a log2 microarray study of `genes` × `samples` values with six
    decimals; its accession is GSE900 and the number."""
    return _download(f"{genes}x{samples}", _write_matrix, genes, samples, number)


def study_by_symbols(genes: int, samples: int, is_beside: bool) -> Path:
    """The same study with symbols as gene ids, or with both, symbols beside the Ensembl ids."""

    def write(path: Path, genes: int, names: list[str], seed: int) -> None:
        folder = study(genes, samples, seed)
        (matrix,) = folder.glob("*/*.tsv")
        with matrix.open() as plain, path.open("w") as file:
            header = next(plain)
            file.write(header.replace("Gene", "gene_id\tgene_name") if is_beside else header)
            for gene, line in enumerate(plain):
                start, values = line.split("\t", 1)
                ids = f"{start}\tSYM{gene}" if is_beside else f"SYM{gene}"
                file.write(f"{ids}\t{values}")

    form = "both" if is_beside else "symbols"
    return _download(f"{genes}x{samples}_{form}", write, genes, samples, 1)


def panel(genes: int, samples: int, studies: int) -> tuple[list[Path], Path]:
    """The download folders of `studies` co-expressed studies, with `samples` samples each of
    controls, sepsis and septic shock, and a pipeline.yaml that maps them to one disease."""
    numbers = range(101, 101 + studies)
    size = f"{genes}x3x{samples}"
    folders = [_download(size, _write_coexpressed, genes, 3 * samples, i) for i in numbers]
    config = DATA / f"pipeline_{studies}.yaml"
    lines = (f"  {ACCESSION}{i}: {{disease: SEPSIS}}\n" for i in numbers)
    config.write_text("studies:\n" + "".join(lines))
    return folders, config


def collection(genes: int, samples: int, studies: int) -> tuple[list[Path], Path]:
    """As `panel`, for the made-up diseases D0, D1, …, of ten studies each."""
    folders, _ = panel(genes, samples, studies)
    diseases = range((studies + 9) // 10)
    document = {
        "diseases": {
            f"D{i}": {
                "phrases": {"CASE": ["sepsis", "septic shock"], "CONTROL": ["healthy control"]},
                "contrasts": {"cc": {"case": ["CASE"], "reference": ["CONTROL"]}},
            }
            for i in diseases
        },
        "studies": {f"{ACCESSION}{101 + i}": {"disease": f"D{i // 10}"} for i in range(studies)},
    }
    config = DATA / f"collection_{studies}.yaml"
    config.write_text(yaml.safe_dump(document))
    return folders, config


def _download(
    size: str,
    write: Callable[[Path, int, list[str], int], None],
    genes: int,
    samples: int,
    number: int,
) -> Path:
    accession = f"{ACCESSION}{number}"
    folder = DATA / f"{accession}_{size}"
    matrix = folder / accession / f"{accession}.tsv"
    if not matrix.exists():
        matrix.parent.mkdir(parents=True, exist_ok=True)
        names = [f"GSM{number:03d}{i:06d}" for i in range(samples)]
        write(matrix.with_suffix(".part"), genes, names, number)
        _write_metadata(folder, accession, names)
        matrix.with_suffix(".part").rename(matrix)
    return folder


def _write_coexpressed(path: Path, genes: int, names: list[str], seed: int) -> None:
    """Three latent factors; a gene's share of each differs a little between studies and, for
    every fifth gene, between septic shock and the other cohorts."""
    loadings = np.random.default_rng(0).normal(size=(2, genes, 3))
    dice = np.random.default_rng(seed)
    own = loadings[0] + 0.3 * dice.normal(size=(genes, 3))
    in_shock = np.where((np.arange(genes) % 5 == 0)[:, None], loadings[1], own)
    factors = dice.normal(size=(3, len(names)))
    is_shock = np.arange(len(names)) % 3 == 2
    values = np.where(is_shock, in_shock @ factors, own @ factors)
    values = np.clip(8 + 0.5 * (values + 2 * dice.normal(size=values.shape)), 0, 16)
    with path.open("w") as file:
        file.write("\t".join(["Gene", *names]) + "\n")
        for gene in range(genes):
            file.write(f"ENSG{gene:011d}\t" + "\t".join(np.char.mod("%.6f", values[gene])) + "\n")


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
                **_OTHER_FIELDS,
            }
            for i, name in enumerate(names)
        },
    }
    (folder / "aggregated_metadata.json").write_text(json.dumps(document))
