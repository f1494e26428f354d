"""Simulated stand-ins for the real studies, so that a clone without them tests the same things.

The studies have the accessions, technologies, cohorts and titles of the ten published ones, and one
download has the layout and the quirks of a genuine one; all values are drawn at random.
"""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

PANEL_CONFIG = Path(__file__).parent / "data" / "sepsis_panel.yaml"

# On the watch list; the other gene of that list is measured by too few studies, as in the real ones.
WATCHED_GENE = "ENSG00000114013"
GENES = (WATCHED_GENE, *(f"ENSG{number:011d}" for number in range(1, 61)))


@dataclass(frozen=True)
class Group:
    """Samples whose titles end alike."""

    title: str
    cohort: str
    count: int


@dataclass(frozen=True)
class PanelStudy:
    """Cohorts and size of a published study."""

    accession: str
    technology: str
    gene_count: int
    groups: tuple[Group, ...]


STUDIES = (
    PanelStudy("GSE13015", "MICROARRAY", 61, (
        Group("Control/Recovery", "CONTROL", 9), Group("Control/healthy", "CONTROL", 3),
        Group("Control/type 2 diabetes", "CONTROL", 7), Group("Sepsis/Melioidosis", "SEPSIS", 24),
        Group("Sepsis/Other infections", "SEPSIS", 24),
    )),
    PanelStudy("GSE131761", "MICROARRAY", 53, (
        Group("control patient", "CONTROL", 15), Group("septic shock", "SEPTIC_SHOCK", 81),
    )),
    PanelStudy("GSE137342", "MICROARRAY", 57, (
        Group("Healthy", "CONTROL", 12), Group("Sepsis", "SEPSIS", 15),
        Group("Shock", "SEPTIC_SHOCK", 6),
    )),
    PanelStudy("GSE154918", "RNA-SEQ", 55, (
        Group("Healthy control", "CONTROL", 40), Group("Sepsis", "SEPSIS", 20),
        Group("Septic shock", "SEPTIC_SHOCK", 19),
    )),
    PanelStudy("GSE185263", "RNA-SEQ", 53, (
        Group("healthy", "CONTROL", 44), Group("sepsis", "SEPSIS", 348),
    )),
    PanelStudy("GSE208581", "RNA-SEQ", 53, (
        Group("SIRS-", "NO_SEPSIS", 110), Group("Sepsis+", "SEPSIS", 77),
    )),
    PanelStudy("GSE28750", "MICROARRAY", 55, (
        Group("HEALTHY", "CONTROL", 20), Group("Post_Surgical", "NO_SEPSIS", 11),
        Group("SEPSIS", "SEPSIS", 10),
    )),
    PanelStudy("GSE57065", "MICROARRAY", 55, (
        Group("Healthy", "CONTROL", 25), Group("Septic", "SEPTIC_SHOCK", 28),
    )),
    PanelStudy("GSE65682", "MICROARRAY", 41, (
        Group("Sepsis", "SEPSIS", 192), Group("healthy", "CONTROL", 42),
    )),
    PanelStudy("GSE9960", "MICROARRAY", 55, (
        Group("Control", "CONTROL", 16), Group("Sepsis", "SEPSIS", 54),
    )),
)  # fmt: skip


def write_simulated_data(folder: Path) -> None:
    """Write the panel and the download; the same bytes each time.

    folder/sepsis_panel/aggregated_metadata.json  of all studies
    folder/sepsis_panel/ACC/ACC.tsv               log2 values, genes in lines
    folder/sepsis_panel/labels.tsv                study, sample, suggested_cohort
    folder/sepsis_panel/provenance.tsv            study, genes, samples, tech
    folder/refinebio/SRP164913.zip                one download
    """
    _write_panel(folder / "sepsis_panel")
    _write_download(folder / "refinebio")


def _write_panel(folder: Path) -> None:
    folder.mkdir(parents=True)
    dice = np.random.default_rng(1)
    labels, sizes, experiments, samples = [], [], {}, {}
    for study in STUDIES:
        members = _members(study)
        values = _log2_values(dice, study.gene_count, [group.cohort for _, group in members])
        names = [name for name, _ in members]
        path = folder / study.accession / f"{study.accession}.tsv"
        path.parent.mkdir()
        path.write_text(_matrix(GENES, names, values))
        labels += [[study.accession, name, group.cohort] for name, group in members]
        sizes.append([study.accession, study.gene_count, len(members), study.technology])
        # refine.bio lists samples that it did not process.
        listed = [*names, f"{study.accession}_UNPROCESSED_1", f"{study.accession}_UNPROCESSED_2"]
        experiments[study.accession] = _experiment(study.accession, study.technology, listed)
        platform = "Illumina HiSeq 4000" if study.technology == "RNA-SEQ" else "Array (GPL570)"
        samples |= {
            name: _sample(name, f"{name} {group.title}", platform, "Submitter-processed", number)
            for number, (name, group) in enumerate(members)
        }
    document = _document(experiments, samples, is_normalized=False)
    (folder / "aggregated_metadata.json").write_text(json.dumps(document, indent=1))
    _write_table(folder / "labels.tsv", ["study", "sample", "suggested_cohort"], labels)
    _write_table(folder / "provenance.tsv", ["study", "genes", "samples", "tech"], sizes)


def _members(study: PanelStudy) -> list[tuple[str, Group]]:
    """Samples with their groups; those that the configuration names have their names from there."""
    named = yaml.safe_load(PANEL_CONFIG.read_text())["studies"][study.accession]
    named = named.get("illness_overrides", {})
    members = []
    for number, group in enumerate(study.groups):
        own = [name for name, cohort in named.items() if cohort == group.cohort]
        invented = [f"{study.accession}_{number}{i:03d}" for i in range(group.count)]
        members += [(name, group) for name in (own or invented)[: group.count]]
    return members


def _log2_values(dice: np.random.Generator, gene_count: int, cohorts: Sequence[str]) -> np.ndarray:
    """genes × samples: genes of different mean and spread, some shifted in sepsis, all correlated
    through three factors."""
    mean = dice.uniform(4, 12, gene_count)
    spread = dice.uniform(0.3, 1.5, gene_count)
    # Within every cut by variance.
    spread[0] = 2.5
    loadings = dice.normal(0, 0.5, (gene_count, 3))
    factors = dice.normal(size=(3, len(cohorts)))
    is_ill = np.array([cohort in ("SEPSIS", "SEPTIC_SHOCK") for cohort in cohorts])
    shift = dice.normal(0, 0.8, gene_count)
    noise = dice.normal(size=(gene_count, len(cohorts)))
    values = mean[:, None] + spread[:, None] * (
        loadings @ factors + noise + np.outer(shift, is_ill)
    )
    return np.clip(values, 0, 20)


def _write_download(folder: Path) -> None:
    """SRP164913: quantile-normalised TPM, 88 samples of the 106 that the experiment lists."""
    folder.mkdir(parents=True)
    dice = np.random.default_rng(2)
    genes = [f"ENSG{number:011d}" for number in range(1, 2001)]
    names = [f"SRR8{number:06d}" for number in range(106)]
    present = names[:88]
    # Quantile-normalised: all samples have the same values, each in another order. No value is 0.
    target = np.sort(0.6 + dice.gamma(0.4, 12, len(genes)))
    noise = dice.normal(size=len(genes))[:, None] + dice.normal(size=(len(genes), len(present)))
    values = target[noise.argsort(axis=0).argsort(axis=0)]
    samples = {
        name: _sample(
            name,
            f"PBMC {number // 2}",
            "Illumina HiSeq 2500 (IlluminaHiSeq2500)",
            "Tximport",
            number,
        )
        for number, name in enumerate(present)
    }
    experiments = {"SRP164913": _experiment("SRP164913", "RNA-SEQ", names)}
    document = _document(experiments, samples, is_normalized=True)
    with zipfile.ZipFile(folder / "SRP164913.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.md", "Simulated.\n")
        archive.writestr("SRP164913/SRP164913.tsv", _matrix(genes, present, values))
        archive.writestr("SRP164913/metadata_SRP164913.tsv", "refinebio_accession_code\n")
        archive.writestr("aggregated_metadata.json", json.dumps(document, indent=4))


def _matrix(genes: Iterable[str], samples: Sequence[str], values: np.ndarray) -> str:
    lines = ["\t".join(["Gene", *samples])]
    lines += [
        "\t".join([gene, *(f"{value:.6f}" for value in row)])
        for gene, row in zip(genes, values.tolist(), strict=False)
    ]
    return "\n".join(lines) + "\n"


def _document(
    experiments: Mapping[str, Any], samples: Mapping[str, Any], is_normalized: bool
) -> dict[str, Any]:
    """aggregated_metadata.json. Its warning does not depend on p, which is 1."""
    warning = "Failed Kolmogorov Smirnov test! Stat: 0.0014, PVal: 1.0"
    return {
        "aggregate_by": "EXPERIMENT",
        "created_at": "2026-01-01T00:00:00",
        "experiments": experiments,
        "ks_pvalue": 1.0 if is_normalized else None,
        "ks_statistic": 0.0014 if is_normalized else None,
        "ks_warning": warning if is_normalized else None,
        "num_experiments": len(experiments),
        "num_samples": len(samples),
        "quant_sf_only": False,
        "quantile_normalized": is_normalized,
        "samples": samples,
        "scale_by": "NONE",
    }


def _experiment(accession: str, technology: str, listed: list[str]) -> dict[str, Any]:
    return {
        "accession_code": accession,
        "description": "Simulated.",
        "has_publication": False,
        "organisms": ["HOMO_SAPIENS"],
        "protocol_description": "",
        "publication_doi": "",
        "publication_title": "",
        "pubmed_id": "",
        "sample_accession_codes": listed,
        "source_first_published": "2019-05-01T00:00:00",
        "source_last_modified": "",
        "submitter_institution": "",
        "technology": technology,
        "title": f"Simulated study {accession}",
    }


def _sample(name: str, title: str, platform: str, processor: str, number: int) -> dict[str, Any]:
    """One sample: a missing age is "" or null, and some samples lack developmental_stage."""
    fields = {
        "accession_code": name,
        "age": (float(20 + 37 * number % 61), "", None)[number % 3],
        "annotations": [],
        "cell_line": "",
        "compound": "",
        "disease": "",
        "disease_stage": "",
        "genetic_information": "",
        "organism": "HOMO_SAPIENS",
        "platform": platform,
        "processed": True,
        "processor_id": None,
        "processor_name": processor,
        "processor_version": "",
        "race": "",
        "sex": "female" if number % 2 else "male",
        "source_archive_url": "",
        "source_database": "GEO",
        "specimen_part": "",
        "subject": "",
        "time": "",
        "title": title,
        "treatment": "",
    }
    if number % 4:
        fields["developmental_stage"] = ""
    return {f"refinebio_{key}": value for key, value in fields.items()}


def _write_table(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerows([header, *rows])
    path.write_text(text.getvalue())
