"""Simulated studies as files: what refine.bio's downloads look like when unpacked."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from demo.design import MOUSE_PAIRS, PLANTED_PAIRS, Study
from demo.genes import ANNOTATION_FOLDER, write_gene_names
from demo.simulate import PLANTED_CORRELATION, SimulatedStudy, simulate

PLANTED_PAIRS_FILE = "planted_pairs.tsv"
CONFIG_FILE = "pipeline.yaml"

_TITLES = {
    "CONTROL": "healthy control",
    "NO_SEPSIS": "non-sepsis",
    "SEPSIS": "sepsis",
    "SEPTIC_SHOCK": "septic shock",
    "COLITIS": "DSS day 7",
}

# A disease that the project's seeds do not have.
_DISEASES = """\
diseases:
  MOUSE_COLITIS:
    labels: {COLITIS: Mouse with colitis after dextran sulfate sodium}
    phrases: {COLITIS: [dss]}
    contrasts:
      cc: {case: [COLITIS], reference: [CONTROL], description: Colitis against controls}
studies:
"""
# A fixed number of digits, so that floats that differ in the last bit give the same file.
_FORMATS = {"LOG2": "{:.6f}", "TPM": "{:.6f}", "COUNTS": "{:.0f}"}


def write_downloads(folder: Path, seed: int, correlation: float = PLANTED_CORRELATION) -> None:
    """Write all studies and the list of planted pairs; the same bytes for the same seed.

    folder/ACC/aggregated_metadata.json
    folder/ACC/ACC/ACC.tsv        genes in lines, samples in columns
    folder/planted_pairs.tsv      gene_a, gene_b, direction, contrast
    folder/pipeline.yaml          the disease of each study, and the contrasts of the mouse disease
    folder/annotation/            names of the genes, for `annotation update --from`

    correlation  of the planted pairs in their cohorts

    Existing files are overwritten. Raises ValueError for a negative seed and
    OSError if the folder cannot be written.
    """
    config = []
    for simulated in simulate(seed, correlation=correlation):
        study = simulated.study
        home = folder / study.accession
        (home / study.accession).mkdir(parents=True, exist_ok=True)
        metadata = json.dumps(_metadata(simulated), indent=4, sort_keys=True)
        _write(home / "aggregated_metadata.json", metadata)
        _write(home / study.accession / f"{study.accession}.tsv", _matrix(simulated))
        config.append(f"  {study.accession}: {{disease: {study.disease}}}\n")
    _write(folder / CONFIG_FILE, _DISEASES + "".join(config))
    write_gene_names(folder / ANNOTATION_FOLDER)
    lines = ["gene_a\tgene_b\tdirection\tcontrast"]
    lines += ["\t".join(dataclasses.astuple(pair)) for pair in (*PLANTED_PAIRS, *MOUSE_PAIRS)]
    _write(folder / PLANTED_PAIRS_FILE, "\n".join(lines) + "\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _sample_codes(study: Study, count: int) -> list[str]:
    """The study's first sample accessions, in the form of GEO or SRA."""
    prefix = "GSM" if study.source_database == "GEO" else "SRR"
    series = study.accession[-4:]
    return [f"{prefix}9{series}{number:04d}" for number in range(1, count + 1)]


def _matrix(simulated: SimulatedStudy) -> str:
    study = simulated.study
    lines = ["\t".join(["Gene", *_sample_codes(study, study.sample_count)])]
    form = _FORMATS[study.scale].format
    for gene, values in zip(study.organism.genes, simulated.values.tolist(), strict=True):
        # Downloads have both spellings of a missing value.
        missing = "NA" if gene[-1] in "13579" else ""
        lines.append("\t".join([gene, *(missing if np.isnan(v) else form(v) for v in values)]))
    return "\n".join(lines) + "\n"


def _metadata(simulated: SimulatedStudy) -> dict[str, Any]:
    study = simulated.study
    return {
        "aggregate_by": "EXPERIMENT",
        "created_at": study.created_at,
        "experiments": {study.accession: _experiment(study)},
        "samples": {
            code: _sample(study, code, number, illness)
            for number, (code, illness) in enumerate(
                zip(_sample_codes(study, study.sample_count), simulated.illness, strict=True),
                start=1,
            )
        },
        **_kolmogorov_smirnov(study),
        "num_experiments": 1,
        "num_samples": study.sample_count,
        "quant_sf_only": False,
        "quantile_normalized": study.ks is not None,
        "scale_by": "NONE",
    }


def _kolmogorov_smirnov(study: Study) -> dict[str, Any]:
    if study.ks is None:
        return {"ks_pvalue": None, "ks_statistic": None, "ks_warning": None}
    statistic, p = study.ks
    # refine.bio warns of a statistic above 0.001 even where p is 1.
    warning = f"Failed Kolmogorov Smirnov test! Stat: {statistic}, PVal: {p}"
    return {"ks_pvalue": p, "ks_statistic": statistic, "ks_warning": warning}


def _experiment(study: Study) -> dict[str, Any]:
    return {
        "accession_code": study.accession,
        "description": "Simulated data, made to try the warehouse; no patient or animal gave them.",
        "has_publication": False,
        "organisms": [study.organism.name],
        "protocol_description": "",
        "publication_doi": "",
        "publication_title": "",
        "pubmed_id": "",
        "sample_accession_codes": _sample_codes(
            study, study.sample_count + study.unprocessed_count
        ),
        "source_first_published": "2024-02-09T00:00:00",
        "source_last_modified": "",
        "submitter_institution": "",
        "technology": study.technology,
        "title": study.title,
    }


def _sample(study: Study, code: str, number: int, illness: str) -> dict[str, Any]:
    """One sample's block. Its title alone names the cohort, as in many downloads."""
    fields = {
        "accession_code": code,
        "age": float(20 + 37 * number % 61) if number % 7 else "",
        "annotations": [],
        "cell_line": "",
        "compound": "",
        "developmental_stage": "",
        "disease": "",
        "disease_stage": "",
        "genetic_information": "",
        "organism": study.organism.name,
        "platform": study.platform,
        "processed": True,
        "processor_id": 387,
        "processor_name": study.processor_name,
        "processor_version": study.processor_version,
        "race": "",
        "sex": "female" if number % 2 else "male",
        "source_archive_url": "",
        "source_database": study.source_database,
        "specimen_part": study.specimen_part,
        "subject": "",
        "time": "",
        "title": f"sample_{number:03d} {_TITLES[illness]}",
        "treatment": "",
    }
    return {f"refinebio_{name}": value for name, value in fields.items()}
