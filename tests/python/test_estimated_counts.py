"""Counts that salmon and RSEM estimate, in the files that nf-core/rnaseq, RSEM and tximport write, and
what contradicts the unit that a format says. pandas reads the same files."""

import random
from pathlib import Path

import pandas
import pytest
from conftest import events

SAMPLES = [f"CTRL_REP{n}" for n in (1, 2)] + [f"SEPSIS_REP{n}" for n in (1, 2)]
GENES = [f"ENSG{n * 11:011}" for n in range(1, 41)]
STAGED = "select gene_id, sample_accession_code, expression_value from staging.expression_rows"


def estimated(seed: int = 1) -> pandas.DataFrame:
    """Counts as salmon has them: many whole, some zero, the others with up to six decimals."""
    dice = random.Random(seed)
    cells = [
        [round(dice.choice([0.0, 1.0, 0.37]) * dice.lognormvariate(5, 2), dice.randrange(7)) for _ in SAMPLES]
        for _ in GENES
    ]  # fmt: skip
    return pandas.DataFrame(cells, index=GENES, columns=SAMPLES)


def write_nfcore(folder: Path, kind: str, table: pandas.DataFrame) -> Path:
    """The results of a run that quantified by salmon or by RSEM."""
    is_rsem = kind.startswith("rsem")
    home = folder / ("star_rsem" if is_rsem else "star_salmon")
    home.mkdir(parents=True)
    (folder / "pipeline_info").mkdir()
    second = ["transcript_id(s)", "gene_name"][not is_rsem]
    whole = table.copy()
    whole.insert(0, second, [f"ENST{n:011}" if is_rsem else f"NAME{n}" for n in range(len(GENES))])
    path = home / f"{kind}.tsv"
    whole.to_csv(path, sep="\t", index_label="gene_id", float_format="%.15g")
    (home / "tx2gene.tsv").write_text("transcript_id\tgene_id\tgene_name\n")
    (home / "salmon.merged.transcript_counts.tsv").write_text("tx\tgene_id\n")
    lines = ["sample,fastq_1,fastq_2,strandedness"]
    lines += [f"{name},{name}_{lane}.fastq.gz,,auto" for name in SAMPLES for lane in "12"]
    (folder / "pipeline_info" / "samplesheet.valid.csv").write_text("\n".join(lines) + "\n")
    return path


def ingest(warehouse, folder, settings: str = "", code: int = 0) -> list[dict]:
    config = warehouse.folder / "pipeline.yaml"
    config.write_text(f"studies: {{{folder.name}: {{{settings}}}}}" if settings else "")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == code, result.output
    return events(result)


def check_staged(warehouse, expected: pandas.DataFrame) -> None:
    rows = {(gene, sample): value for gene, sample, value in warehouse.query(STAGED)}
    assert rows == {
        (gene, sample): float(expected.loc[gene, sample])
        for gene in expected.index
        for sample in expected.columns
    }


@pytest.mark.parametrize(
    "kind",
    [
        "salmon.merged.gene_counts",
        "salmon.merged.gene_counts_length_scaled",
        "rsem.merged.gene_counts",
    ],
)
def test_counts_of_nfcore_without_tpm(warehouse, tmp_path, kind):
    path = write_nfcore(tmp_path / "run1", kind, estimated())
    found = ingest(warehouse, tmp_path / "run1")
    (event,) = [event for event in found if event["step"] == "staged"]
    assert (event["unit_tag"], event["sample_count"]) == ("ESTIMATED_COUNTS", 4)
    check_staged(warehouse, pandas.read_csv(path, sep="\t", index_col=0)[SAMPLES])


def test_genes_of_rsem(warehouse, tmp_path):
    """A file per sample, with versions, and the columns that --calc-pme adds."""
    folder = tmp_path / "rsem"
    folder.mkdir()
    counts = estimated().round(2)
    for sample in SAMPLES:
        table = pandas.DataFrame(
            {
                "gene_id": [f"{gene}.{n}" for n, gene in enumerate(GENES)],
                "transcript_id(s)": "ENST00000373020.8,ENST00000494424.1",
                "length": 2180.18,
                "effective_length": 1925.63,
                "expected_count": counts[sample].to_numpy(),
                "TPM": 13.05,
                "FPKM": 9.65,
                "posterior_mean_count": 17.55,
            }
        )
        table.to_csv(folder / f"{sample}.genes.results", sep="\t", index=False, float_format="%.2f")
        (folder / f"{sample}.isoforms.results").write_text("transcript_id\tgene_id\tlength\n")
    lines = [f"{name},healthy,Homo sapiens" for name in SAMPLES]
    (folder / "samples.csv").write_text("\n".join(["sample,title,organism", *lines]) + "\n")
    (event,) = [event for event in ingest(warehouse, folder) if event["step"] == "staged"]
    assert (event["unit_tag"], event["gene_id_form"]) == ("ESTIMATED_COUNTS", "ENSEMBL_VERSIONED")
    columns = {}
    for sample in SAMPLES:
        read = pandas.read_csv(folder / f"{sample}.genes.results", sep="\t", index_col=0)
        columns[sample] = read["expected_count"]
    check_staged(warehouse, pandas.DataFrame(columns))


def place_table(folder: Path, name: str, text: str) -> Path:
    folder.mkdir()
    (folder / name).write_text(text)
    lines = [f"{name},healthy,Homo sapiens,HiSeq" for name in SAMPLES]
    (folder / "coldata.csv").write_text(
        "\n".join(["sample,title,organism,platform", *lines]) + "\n"
    )
    return folder / name


@pytest.mark.parametrize("is_named", [True, False])
def test_counts_of_tximport(warehouse, tmp_path, is_named):
    """write.csv has an empty name for the ids, write.table none."""
    table = estimated(2)
    if is_named:
        text = table.to_csv(index_label="", quoting=2)
    else:
        body = table.to_csv(sep=" ", header=False, quoting=2)
        text = " ".join(f'"{name}"' for name in SAMPLES) + "\n" + body
    path = place_table(tmp_path / "txi", "counts.csv", text)
    found = ingest(warehouse, tmp_path / "txi", "units: ESTIMATED_COUNTS")
    assert [e["unit_tag"] for e in found if e["step"] == "staged"] == ["ESTIMATED_COUNTS"]
    check_staged(warehouse, pandas.read_csv(path, sep="," if is_named else " ", index_col=0))


def test_the_whole_list_of_tximport_is_refused_by_name(warehouse, tmp_path):
    table = estimated(3)
    parts = [table.add_prefix(f"{part}.") for part in ("abundance", "counts", "length")]
    whole = pandas.concat(parts, axis=1).assign(countsFromAbundance="no")
    place_table(tmp_path / "txi", "txi.csv", whole.to_csv(index_label=""))
    (failure,) = [e for e in ingest(warehouse, tmp_path / "txi", code=1) if e["step"] == "failed"]
    assert (failure["error_code"], "tximport" in failure["found"]) == (1013, True)
    assert "txi$counts" in failure["action"]


# What a file says and its values do not: values, error, words.
CONTRADICTIONS = {
    "negative": (lambda table: table - 5.5, 2007, "smallest value"),
    "whole": (lambda table: (table * 3).round(), 54020, "perhaps they are counts"),
    "logged": (lambda table: table.map(lambda x: min(x, 999) / 70), 54020, "logarithms already"),
}


@pytest.mark.parametrize("kind", CONTRADICTIONS)
def test_tpm_of_nfcore_that_the_values_contradict(warehouse, tmp_path, kind):
    change, code, word = CONTRADICTIONS[kind]
    folder = tmp_path / "run1"
    write_nfcore(folder, "salmon.merged.gene_tpm", change(estimated()))
    (failure,) = [e for e in ingest(warehouse, folder, code=1) if e["step"] == "failed"]
    assert (failure["error_code"], word in failure["found"]) == (code, True), failure["found"]
    if code == 54020:
        # pipeline.yaml is believed.
        found = ingest(warehouse, folder, "units: TPM")
        assert [e["unit_tag"] for e in found if e["step"] in ("staged", "restaged")] == ["TPM"]
