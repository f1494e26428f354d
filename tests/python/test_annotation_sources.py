"""The parsers of bulk files: small files in the real layouts with the cases that go wrong, and, where
the real files are at hand, 200 random genes of each against an independent reading with pandas."""

import csv
import gzip
import importlib
import json
import os
import pkgutil
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from conftest import PROJECT, SHARED_DATA

from expression_warehouse.annotation import sources
from expression_warehouse.annotation.bulk_file import VALUES, BulkFile
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import read_seed

REAL = SHARED_DATA / "annotation"

READERS: dict[str, BulkFile] = {
    reader.name: reader
    for module in pkgutil.iter_modules(sources.__path__)
    for reader in importlib.import_module(f"{sources.__name__}.{module.name}").BULK_FILES
}

# id_type, gene_ref, attribute, item, value
Row = tuple[str, str, str, str, str]


def parsed(name: str, path: Path) -> pa.Table:
    return pa.Table.from_batches(READERS[name].parse(path), schema=VALUES)


def rows(name: str, path: Path) -> set[Row]:
    """All values; each occurs once."""
    table = parsed(name, path).drop_columns(["number"]).to_pylist()
    found = [tuple(row.values()) for row in table]
    assert len(found) == len(set(found))
    return set(found)


def facts(id_type: str, gene_ref: str, **values: str) -> set[Row]:
    """The values of a gene that has one per attribute."""
    return {(id_type, gene_ref, attribute, "", value) for attribute, value in values.items()}


def items(id_type: str, gene_ref: str, attribute: str, *names: str) -> set[Row]:
    """Several values of an attribute that are their own items."""
    return {(id_type, gene_ref, attribute, name, name) for name in names}


def tab_lines(*lines: Iterable[str]) -> str:
    return "".join("\t".join(line) + "\n" for line in lines)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        content = text.encode()
        path.write_bytes(gzip.compress(content) if path.suffix in (".gz", ".bgz") else content)
        return path

    return write


def error_of(name: str, path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        parsed(name, path)
    assert caught.value.file == str(path)
    return caught.value


# The catalog


def test_each_reader_has_a_row_of_the_catalog():
    assert {row["bulk_file"] for row in read_seed("annotation_file")} == set(READERS)


def test_no_name_is_that_of_two_kinds():
    names = [pattern.casefold() for reader in READERS.values() for pattern in reader.patterns]
    assert len(names) == len(set(names))


def test_an_attribute_is_a_number_in_all_sources_or_in_none():
    kinds: dict[str, set[str]] = {}
    for row in read_seed("annotation_attribute"):
        kinds.setdefault(row["attribute"], set()).add(row["is_number"])
    assert {name for name, found in kinds.items() if len(found) > 1} == set()


# Genes


GENE_TABLE = tab_lines(
    ["ensembl_gene_id", "id_version", "name", "biotype", "chromosome", "start", "end", "strand", "source", "hgnc_id", "hgnc_symbol", "hgnc_name", "entrez_id", "cytoband"],
    ["ENSG00000182378", "15", "PLCXD1", "protein_coding", "chrX", "276322", "303356", "+", "GENCODE48", "HGNC:23148", "PLCXD1", "phosphatidylinositol specific phospholipase C X domain containing 1", "55344", "Xp22.33 and Yp11.32"],
    ["ENSG00000230417", "13", "LINC00856", "lncRNA", "chr10", "78179167", "78675109", "+", "GENCODE48", "HGNC:31430", "LINC00595", "long intergenic non-protein coding RNA 595", "414243", "10q22.3"],
    ["ENSG00000296732", "1", "ENSG00000296732", "lncRNA", "GL000008.2", "83332", "200303", "+", "GENCODE48", "", "", "", "", ""],
    ["ENSG00000100001", "2", "RP4-6'x", "pseudogene", "1", "10", "20", "-", "ENSEMBL93", "", "", "", "", ""],
)  # fmt: skip


def test_gene_table(write):
    assert rows("gene_table", write("human_gene_reference.tsv.gz", GENE_TABLE)) == {
        *facts("ENSEMBL", "ENSG00000182378", symbol="PLCXD1", name="phosphatidylinositol specific phospholipase C X domain containing 1", biotype="protein_coding", chromosome="X", start_position="276322", end_position="303356", strand="+", hgnc_id="HGNC:23148", entrez_id="55344", cytoband="Xp22.33 and Yp11.32", is_retired="0"),
        *facts("ENSEMBL", "ENSG00000230417", symbol="LINC00595", name="long intergenic non-protein coding RNA 595", biotype="lncRNA", chromosome="10", start_position="78179167", end_position="78675109", strand="+", hgnc_id="HGNC:31430", entrez_id="414243", cytoband="10q22.3", is_retired="0"),
        *facts("ENSEMBL", "ENSG00000296732", biotype="lncRNA", chromosome="GL000008.2", start_position="83332", end_position="200303", strand="+", is_retired="0"),
        *facts("ENSEMBL", "ENSG00000100001", symbol="RP4-6'x", biotype="pseudogene", chromosome="1", start_position="10", end_position="20", strand="-", is_retired="1"),
    }  # fmt: skip


def test_gene_table_without_optional_columns(write):
    table = tab_lines(
        ["biotype", "ensembl_gene_id", "name", "strand", "end", "start", "chromosome"],
        ["lncRNA", "ENSG1.2", "ENSG1.2", "-", "9", "3", "chrY"],
    )
    assert rows("gene_table", write("gene_table.tsv", table)) == facts(
        "ENSEMBL", "ENSG1", biotype="lncRNA", chromosome="Y", start_position="3", end_position="9", strand="-", is_retired="0"
    )  # fmt: skip


GENCODE = """\
##description: evidence-based annotation of the human genome (GRCh38), version 43 (Ensembl 109)
chrX\tHAVANA\tgene\t276322\t303356\t.\t+\t.\tgene_id "ENSG00000182378.15"; gene_type "protein_coding"; gene_name "PLCXD1"; level 1; hgnc_id "HGNC:23148"; havana_gene "OTTHUMG00000022693.9";
chrX\tHAVANA\ttranscript\t276324\t303353\t.\t+\t.\tgene_id "ENSG00000182378.15"; transcript_id "ENST00000381657.8"; gene_type "protein_coding"; gene_name "PLCXD1";
chrY\tHAVANA\tgene\t276322\t303356\t.\t+\t.\tgene_id "ENSG00000182378.15_PAR_Y"; gene_type "protein_coding"; gene_name "PLCXD1"; level 1; hgnc_id "HGNC:23148"; tag "PAR";
chrY\tHAVANA\tgene\t5\t9\t.\t-\t.\tgene_id "ENSGR0000000005.3"; gene_type "lncRNA"; gene_name "ONLY-Y"; level 2;
chrM\tENSEMBL\tgene\t577\t647\t.\t+\t.\tgene_id "ENSG00000210049.1"; gene_type "Mt_tRNA"; gene_name "MT-TF"; level 3; hgnc_id "HGNC:7481";
"""


def test_gencode_gtf(write):
    path = write("gencode.v43.chr_patch_hapl_scaff.annotation.gtf.gz", GENCODE)
    assert rows("gencode_human", path) == {
        *facts("ENSEMBL", "ENSG00000182378", symbol="PLCXD1", biotype="protein_coding", chromosome="X", start_position="276322", end_position="303356", strand="+", hgnc_id="HGNC:23148", is_retired="0"),
        *facts("ENSEMBL", "ENSG00000000005", symbol="ONLY-Y", biotype="lncRNA", chromosome="Y", start_position="5", end_position="9", strand="-", is_retired="0"),
        *facts("ENSEMBL", "ENSG00000210049", symbol="MT-TF", biotype="Mt_tRNA", chromosome="MT", start_position="577", end_position="647", strand="+", hgnc_id="HGNC:7481", is_retired="0"),
    }  # fmt: skip
    assert READERS["gencode_human"].version(path) == "43"


def test_ensembl_gtf_of_an_archived_release_and_of_the_mouse(write):
    genes = (
        "#!genome-build GRCh38.p12\n"
        '1\thavana\tgene\t11869\t14409\t.\t+\t.\tgene_id "ENSG00000223972"; gene_version "5"; gene_name "DDX11L1"; gene_source "havana"; gene_biotype "transcribed_unprocessed_pseudogene";\n'
        '1\thavana\tgene\t20\t40\t.\t-\t.\tgene_id "ENSG00000000009"; gene_version "1"; gene_source "havana"; gene_biotype "lincRNA";\n'
    )
    old = write("Homo_sapiens.GRCh38.93.gtf.gz", genes)
    assert rows("ensembl_human_93", old) == {
        *facts("ENSEMBL", "ENSG00000223972", symbol="DDX11L1", biotype="transcribed_unprocessed_pseudogene", chromosome="1", start_position="11869", end_position="14409", strand="+", is_retired="1"),
        *facts("ENSEMBL", "ENSG00000000009", biotype="lincRNA", chromosome="1", start_position="20", end_position="40", strand="-", is_retired="1"),
    }  # fmt: skip
    assert READERS["ensembl_human_93"].version(old) == "93"
    mouse = write(
        "Mus_musculus.GRCm39.115.gtf",
        'chr3\tHAVANA\tgene\t1\t2\t.\t+\t.\tgene_id "ENSMUSG00000051951"; gene_biotype "protein_coding"; gene_name "Xkr4"; mgi_id "MGI:3528744";\n',
    )
    assert rows("ensembl_mouse", mouse) == facts(
        "ENSEMBL", "ENSMUSG00000051951", symbol="Xkr4", biotype="protein_coding", chromosome="3", start_position="1", end_position="2", strand="+", mgi_id="MGI:3528744", is_retired="0"
    )  # fmt: skip


def test_successors_of_retired_ids(write):
    events = write(
        "stable_id_event.txt",
        tab_lines(
            ["ENSG01", "1", "ENSG02", "1", "350", "gene", "0.8"],
            # Split into two: the better match.
            ["ENSG02", "1", "ENSG03", "1", "351", "gene", "0.7"],
            ["ENSG02", "1", "ENSG04", "1", "351", "gene", "0.9"],
            # A new version, a deletion, a birth, a transcript.
            ["ENSG05", "1", "ENSG05", "2", "351", "gene", "0.99"],
            ["ENSG06", "1", "\\N", "0", "351", "gene", "0"],
            ["\\N", "0", "ENSG04", "1", "351", "gene", "0"],
            ["ENST07", "1", "ENST08", "1", "351", "transcript", "1"],
            # Merged, then back.
            ["ENSG09", "1", "ENSG05", "1", "350", "gene", "0.9"],
            ["ENSG09", "1", "ENSG09", "2", "352", "gene", "1"],
            # In a circle.
            ["ENSG10", "1", "ENSG11", "1", "350", "gene", "1"],
            ["ENSG11", "1", "ENSG10", "2", "351", "gene", "1"],
        ),
    )
    found = rows("ensembl_events_human", events)
    assert {(row[1], row[4]) for row in found if row[1] < "ENSG10"} == {
        ("ENSG01", "ENSG04"),
        ("ENSG02", "ENSG04"),
    }
    assert {row[2] for row in found} == {"successor"}


HGNC_HEADER = ["hgnc_id", "symbol", "name", "locus_group", "locus_type", "status", "location", "alias_symbol", "prev_symbol", "gene_group", "entrez_id", "ensembl_gene_id", "uniprot_ids", "mgd_id"]  # fmt: skip
HGNC = tab_lines(
    HGNC_HEADER,
    ["HGNC:31430", "LINC00595", "long intergenic non-protein coding RNA 595", "non-coding RNA", "RNA, long non-coding", "Approved", "10q22.3", "", "C10orf101", "", "414243", "ENSG00000230417", "", ""],
    ["HGNC:45111", "LINC00856", "long intergenic non-protein coding RNA 856", "non-coding RNA", "RNA, long non-coding", "Approved", "10q22.3", "", "", "", "100132987", "ENSG00000230417", "", ""],
    ["HGNC:16262", "YAP1", "Yes1 associated transcriptional regulator", "protein-coding gene", "gene with protein product", "Approved", "11q22.1", '"YAP65|YAP|YAP"', "", '"A family|B ""quoted"" family"', "10413", "ENSG00000137693", '"P46937|Q8NEV9"', '"MGI:103262|MGI:1"'],
    ["HGNC:3345", "PRKRIP1-ß'", "ENaC, β", "other", "unknown", "Approved", "Xp22.32 and Yp11.3", "YAP", "", "", "", "", "", ""],
    ["HGNC:2", "A12M1~withdrawn", "entry withdrawn", "withdrawn", "withdrawn", "Entry Withdrawn", "", "", "", "", "", "", "", ""],
)  # fmt: skip
HGNC_ROWS = {
    *facts("HGNC", "HGNC:31430", hgnc_id="HGNC:31430", symbol="LINC00595", name="long intergenic non-protein coding RNA 595", locus_type="RNA, long non-coding", cytoband="10q22.3", entrez_id="414243", ensembl_gene_id="ENSG00000230417"),
    *items("HGNC", "HGNC:31430", "previous_symbol", "C10orf101"),
    *facts("HGNC", "HGNC:45111", hgnc_id="HGNC:45111", symbol="LINC00856", name="long intergenic non-protein coding RNA 856", locus_type="RNA, long non-coding", cytoband="10q22.3", entrez_id="100132987", ensembl_gene_id="ENSG00000230417"),
    *facts("HGNC", "HGNC:16262", hgnc_id="HGNC:16262", symbol="YAP1", name="Yes1 associated transcriptional regulator", locus_type="gene with protein product", cytoband="11q22.1", entrez_id="10413", ensembl_gene_id="ENSG00000137693"),
    *items("HGNC", "HGNC:16262", "alias_symbol", "YAP65", "YAP"),
    *items("HGNC", "HGNC:16262", "gene_family", "A family", 'B "quoted" family'),
    *items("HGNC", "HGNC:16262", "uniprot_accession", "P46937", "Q8NEV9"),
    *items("HGNC", "HGNC:16262", "mouse_orthologue", "MGI:103262", "MGI:1"),
    # An alias that another gene has too.
    *facts("HGNC", "HGNC:3345", hgnc_id="HGNC:3345", symbol="PRKRIP1-ß'", name="ENaC, β", locus_type="unknown", cytoband="Xp22.32 and Yp11.3"),
    *items("HGNC", "HGNC:3345", "alias_symbol", "YAP"),
}  # fmt: skip


def test_hgnc_text(write):
    path = write("hgnc_complete_set_2024-10-01.txt", HGNC)
    assert rows("hgnc_complete_set", path) == HGNC_ROWS
    assert READERS["hgnc_complete_set"].version(path) == "2024-10-01"


def test_hgnc_text_of_older_releases(write):
    older = HGNC.replace("gene_group", "gene_family")
    assert rows("hgnc_complete_set", write("hgnc_complete_set.txt.gz", older)) == HGNC_ROWS


def test_hgnc_json(write):
    lists = ("alias_symbol", "prev_symbol", "gene_group", "uniprot_ids", "mgd_id")
    genes = []
    for row in csv.DictReader(HGNC.splitlines(), delimiter="\t"):
        present = {name: value for name, value in row.items() if value}
        genes.append(
            {name: value.split("|") if name in lists else value for name, value in present.items()}
        )
    text = json.dumps({"responseHeader": {"status": 0}, "response": {"numFound": 5, "docs": genes}})
    path = write("hgnc_complete_set.json.gz", text)
    assert rows("hgnc_complete_set_json", path) == HGNC_ROWS


def test_hgnc_json_of_another_kind(write):
    error = error_of("hgnc_complete_set_json", write("hgnc_complete_set.json", '{"docs": []}'))
    assert (error.code, error.found) == (54500, "has no list response.docs")
    text = json.dumps({"response": {"docs": [{"symbol": "A"}]}})
    error = error_of("hgnc_complete_set_json", write("hgnc_complete_set.json", text))
    assert (error.code, error.found.split(",")[0]) == (54500, "lacks the columns hgnc_id")
    error = error_of("hgnc_complete_set_json", write("hgnc_complete_set.json", HGNC_JSON_CUT))
    assert (error.code, error.line) == (54501, 2)


HGNC_JSON_CUT = '{"response": {"docs": [\n{"symbol": "A"'

MANE = tab_lines(
    ["#NCBI_GeneID", "Ensembl_Gene", "HGNC_ID", "symbol", "name", "RefSeq_nuc", "RefSeq_prot", "Ensembl_nuc", "Ensembl_prot", "MANE_status", "GRCh38_chr", "chr_start", "chr_end", "chr_strand"],
    ["GeneID:6328", "ENSG00000153253.19", "HGNC:10590", "SCN3A", "sodium voltage-gated channel alpha subunit 3", "NM_006922.4", "NP_008853.3", "ENST00000283254.12", "ENSP00000283254.7", "MANE Select", "NC_000002.12", "165087526", "165204050", "-"],
    ["GeneID:6328", "ENSG00000153253.19", "HGNC:10590", "SCN3A", "sodium voltage-gated channel alpha subunit 3", "NM_001081676.2", "NP_001075145.1", "ENST00000409101.7", "ENSP00000386726.3", "MANE Plus Clinical", "NC_000002.12", "165087526", "165204050", "-"],
    ["GeneID:9", "ENSG00000288000.1", "", "C1orf112-like", "5'-thing", "NM_1.1", "NP_1.1", "ENST1.1", "ENSP1.1", "MANE Select", "NT_187633.1", "1", "2", "+"],
)  # fmt: skip


def test_mane(write):
    path = write("MANE.GRCh38.v1.5.summary.txt.gz", MANE)
    assert rows("mane_summary", path) == {
        *facts("ENSEMBL", "ENSG00000153253", symbol="SCN3A", name="sodium voltage-gated channel alpha subunit 3", hgnc_id="HGNC:10590", entrez_id="6328", mane_select="ENST00000283254.12", mane_select_refseq="NM_006922.4"),
        ("ENSEMBL", "ENSG00000153253", "mane_plus_clinical", "ENST00000409101.7", "NM_001081676.2"),
        *facts("ENSEMBL", "ENSG00000288000", symbol="C1orf112-like", name="5'-thing", entrez_id="9", mane_select="ENST1.1", mane_select_refseq="NM_1.1"),
    }  # fmt: skip
    assert READERS["mane_summary"].version(path) == "1.5"


# Values of human genes


GNOMAD_HEADER = ["gene", "gene_id", "transcript", "canonical", "mane_select", "lof_hc_lc.pLI", "lof.oe", "lof.pLI", "lof.oe_ci.lower", "lof.oe_ci.upper", "lof.z_score", "mis.oe", "mis.z_score", "syn.oe", "syn.z_score", "constraint_flags"]  # fmt: skip
GNOMAD_LINES = [
    # A RefSeq transcript, the same as one of Ensembl.
    ["A1BG", "1", "NM_130786.4", "true", "true", "9", "1.0454e+00", "1.7706e-16", "8e-1", "1.3400e+00", "-2.5e-01", "1", "-8.6e-01", "1", "-6.3e-01", "[]"],
    ["A1BG", "ENSG00000121410", "ENST00000600966", "true", "false", "9", "9.1e-01", "1.8365e-07", "6e-1", "1.2560e+00", "5e-01", "1", "1.1e-01", "1", "5.2e-01", "[]"],
    ["A1BG", "ENSG00000121410", "ENST00000263100", "false", "true", "9", "1.0454e+00", "1.7706e-16", "8e-1", "1.3400e+00", "-2.5212e-01", "1.0927e+00", "-8.6092e-01", "1.0678e+00", "-6.3549e-01", "[]"],
    # No MANE transcript: the canonical one.
    ["lnc'x", "ENSG00000000002", "ENST2", "true", "false", "9", "NA", "NA", "NA", "4.3e+01", "NA", "2", "NA", "0", "0", '["no_exp_lof"]'],
    ["lnc'x", "ENSG00000000002", "ENST3", "false", "false", "9", "1", "1", "1", "1", "1", "1", "1", "1", "1", "[]"],
    # Neither.
    ["B", "ENSG00000000003", "ENST4", "false", "false", "9", "1", "1", "1", "1", "1", "1", "1", "1", "1", "[]"],
]  # fmt: skip
GNOMAD_ROWS = {
    *facts("ENSEMBL", "ENSG00000121410", pli="1.7706e-16", loeuf="1.34", lof_z="-0.25212", mis_z="-0.86092", syn_z="-0.63549", oe_lof="1.0454", oe_mis="1.0927", oe_syn="1.0678", constraint_transcript="ENST00000263100"),
    *facts("ENSEMBL", "ENSG00000000002", loeuf="43.0", oe_mis="2.0", oe_syn="0.0", syn_z="0.0", constraint_transcript="ENST2", constraint_flags='["no_exp_lof"]'),
}  # fmt: skip


def test_gnomad(write):
    path = write("gnomad.v4.1.constraint_metrics.tsv", tab_lines(GNOMAD_HEADER, *GNOMAD_LINES))
    assert rows("gnomad_constraint", path) == GNOMAD_ROWS
    assert READERS["gnomad_constraint"].version(path) == "4.1"
    numbers = parsed("gnomad_constraint", path).to_pandas().set_index(["gene_ref", "attribute"])
    assert numbers.loc[("ENSG00000121410", "pli"), "number"] == 1.7706e-16
    assert pd.isna(numbers.loc[("ENSG00000121410", "constraint_transcript"), "number"])


def test_gnomad_4_1_1(write):
    header = [name.replace("lof.pLI", "pLI") for name in GNOMAD_HEADER]
    path = write(
        "gnomad.v4.1.1.constraint_metrics.tsv.bgz", tab_lines(header, *reversed(GNOMAD_LINES))
    )
    # As bgzip writes it: several members.
    path.write_bytes(b"".join(gzip.compress(line) for line in gzip.decompress(path.read_bytes()).splitlines(True)))  # fmt: skip
    assert rows("gnomad_constraint", path) == GNOMAD_ROWS
    assert READERS["gnomad_constraint"].version(path) == "4.1.1"


GTEX = "#1.2\n4\t3\n" + tab_lines(
    ["Name", "Description", "Adipose - Subcutaneous", "Brain - Anterior cingulate cortex (BA24)", "Whole Blood"],
    ["ENSG00000182378.13_PAR_Y", "PLCXD1", "0", "0", "0"],
    ["ENSG00000182378.13", "PLCXD1", "3.5", "0.0743991", "0"],
    ["ENSG00000000001.1", "Y_RNA", "1", "2", "1e-05"],
    ["ENSG00000000002.1_PAR_Y", "Y_RNA", "1", "2", "3"],
)  # fmt: skip


def test_gtex(write):
    path = write("GTEx_Analysis_v10_RNASeQCv2.4.2_gene_median_tpm.gct.gz", GTEX)
    values = {
        "ENSG00000182378": ("3.5", "0.0743991", "0.0"),
        "ENSG00000000001": ("1.0", "2.0", "1e-05"),
        "ENSG00000000002": ("1.0", "2.0", "3.0"),
    }
    tissues = ("Adipose - Subcutaneous", "Brain - Anterior cingulate cortex (BA24)", "Whole Blood")
    assert rows("gtex_median_tpm", path) == {
        ("ENSEMBL", gene, "median_tpm", tissue, tpm)
        for gene, tpms in values.items()
        for tissue, tpm in zip(tissues, tpms, strict=True)
    }
    assert READERS["gtex_median_tpm"].version(path) == "10"


HPO_LINES = [
    ["10", "NAT2", "HP:0000007", "Autosomal recessive inheritance", "-", "OMIM:243400"],
    ["16", "-", "HP:0002460", "Distal muscle weakness", "15/15", "OMIM:613287"],
    ["16", "-", "HP:0002460", "Distal muscle weakness", "HP:0040281", "ORPHA:2"],
]
HPO_ROWS = {
    ("ENTREZ", "10", "phenotype", "HP:0000007", "Autosomal recessive inheritance"),
    *items("ENTREZ", "10", "disease", "OMIM:243400"),
    ("ENTREZ", "16", "phenotype", "HP:0002460", "Distal muscle weakness"),
    *items("ENTREZ", "16", "disease", "OMIM:613287", "ORPHA:2"),
    ("ENTREZ", "16", "phenotype_frequency", "HP:0002460 OMIM:613287", "15/15"),
    ("ENTREZ", "16", "phenotype_frequency", "HP:0002460 ORPHA:2", "HP:0040281"),
}


def test_hpo(write):
    header = ["ncbi_gene_id", "gene_symbol", "hpo_id", "hpo_name", "frequency", "disease_id"]
    path = write("genes_to_phenotype.txt", tab_lines(header, *HPO_LINES))
    assert rows("hpo_genes_to_phenotype", path) == HPO_ROWS


def test_hpo_of_nine_columns(write):
    header = "#Format: entrez-gene-id<tab>entrez-gene-symbol<tab>HPO-Term-ID<tab>HPO-Term-Name<tab>Frequency-Raw<tab>Frequency-HPO<tab>Additional Info from G-D source<tab>G-D source<tab>disease-ID for link\n"
    lines = [[*line[:5], "", "-", "mim2gene", line[5]] for line in HPO_LINES]
    path = write("genes_to_phenotype.txt", header + tab_lines(*lines))
    assert rows("hpo_genes_to_phenotype", path) == HPO_ROWS


def test_hpo_of_four_columns_in_another_order(write):
    header = "#Format: entrez-gene-id<tab>entrez-gene-symbol<tab>HPO-Term-Name<tab>HPO-Term-ID\n"
    lines = [[gene, symbol, name, term] for gene, symbol, term, name, *_ in HPO_LINES]
    path = write("ALL.txt", header + tab_lines(*lines))
    assert rows("hpo_genes_to_phenotype", path) == {
        row for row in HPO_ROWS if row[2] == "phenotype"
    }


CLINVAR = "#Overview of data in ClinVar by gene, dated November 7, 2021\n" + tab_lines(
    ["#Symbol", "GeneID", "Total_submissions", "Total_alleles", "Submissions_reporting_this_gene", "Alleles_reported_Pathogenic_Likely_pathogenic", "Gene_MIM_number", "Number_uncertain", "Number_with_conflicts"],
    ["A-GAMMA3'E", "109951028", "6", "6", "-", "-", "-", "1", "0"],
    ["CSF2RA", "1438", "412", "367", "279", "8", "306250", "90", "1"],
    ["CSF2RA", "1438", "412", "367", "279", "8", "425000", "90", "1"],
)  # fmt: skip


def test_clinvar(write):
    path = write("gene_specific_summary.txt", CLINVAR)
    assert rows("clinvar_gene_summary", path) == {
        *facts("ENTREZ", "109951028", total_submissions="6", total_alleles="6", uncertain_alleles="1", conflicting_alleles="0"),
        *facts("ENTREZ", "1438", total_submissions="412", total_alleles="367", pathogenic_alleles="8", uncertain_alleles="90", conflicting_alleles="1"),
        *items("ENTREZ", "1438", "omim_id", "306250", "425000"),
    }  # fmt: skip
    assert READERS["clinvar_gene_summary"].version(path) == "2021-11-07"


UNIPROT_IDS = tab_lines(
    ["P04217", "UniProtKB-ID", "A1BG_HUMAN"],
    ["P04217", "GeneID", "1"],
    ["P04217", "HGNC", "HGNC:5"],
    ["P04217", "Ensembl", "ENSG00000121410.12"],
    ["P31946-2", "Ensembl_TRS", "ENST00000372839.7"],
    ["P31946-2", "Ensembl", "ENSG00000166913.14"],
    ["P31946-1", "Ensembl", "ENSG00000166913.14"],
    ["A0A024R161", "HGNC", "HGNC:24491"],
    ["A0A024R161", "GeneID", "103091865"],
    ["Q0VDE8", "GeneID", "148756"],
)


def test_uniprot_id_mapping(write):
    assert rows("uniprot_id_mapping", write("HUMAN_9606_idmapping.dat.gz", UNIPROT_IDS)) == {
        *items("ENSEMBL", "ENSG00000121410", "uniprot_accession", "P04217"),
        *items("ENSEMBL", "ENSG00000166913", "uniprot_accession", "P31946"),
        *items("HGNC", "HGNC:24491", "uniprot_accession", "A0A024R161"),
        *items("ENTREZ", "148756", "uniprot_accession", "Q0VDE8"),
    }


def test_uniprot_table(write):
    # PKD1 and PRKD1: each by its HGNC id, whatever a search for one symbol finds.
    table = tab_lines(
        ["Entry", "HGNC", "Domain [FT]"],
        ["P98161", "HGNC:9008;", 'DOMAIN 33..71; /note="LRRNT"; /evidence="ECO:0000255"; DOMAIN <275..>354; /note="PKD 1"; /evidence="ECO:0000255|PROSITE-ProRule:PRU00151"'],
        ["Q15139", "HGNC:9407;", 'DOMAIN 422..541; /note="PH"'],
        ["P0DPD8", "HGNC:9407; HGNC:13275;", ""],
        ["A0A000", "", 'DOMAIN 1..2; /note="PH"'],
    )  # fmt: skip
    assert rows("uniprot_table", write("uniprotkb_2026_01.tsv", table)) == {
        *items("HGNC", "HGNC:9008", "uniprot_accession", "P98161"),
        ("HGNC", "HGNC:9008", "protein_domain", "P98161 33..71", "LRRNT"),
        ("HGNC", "HGNC:9008", "protein_domain", "P98161 <275..>354", "PKD 1"),
        *items("HGNC", "HGNC:9407", "uniprot_accession", "Q15139", "P0DPD8"),
        ("HGNC", "HGNC:9407", "protein_domain", "Q15139 422..541", "PH"),
        *items("HGNC", "HGNC:13275", "uniprot_accession", "P0DPD8"),
    }


def test_pubtator(write):
    mentions = tab_lines(
        ["34456932", "Gene", "838452", "PYL9|RCAR1", "GNormPlus"],
        ["100", "Gene", "2641;3630", "glucagon", "PubTator3"],
        ["100", "Gene", "3630", "", "CTD"],
        ["101", "Gene", "-", "x", "PubTator3"],
        ["102", "Gene", "3630", 'quote " and \x00', "PubTator3"],
        ["102", "Gene", "3630", "two\rlines", "PubTator3"],
        *([str(pmid), "Gene", "7", "seven", "PubTator3"] for pmid in range(1000, 1012)),
    )
    assert rows("pubtator_gene", write("gene2pubtator3.gz", mentions)) == {
        *facts("ENTREZ", "838452", publication_count="1"),
        *items("ENTREZ", "838452", "top_pmid", "34456932"),
        *facts("ENTREZ", "2641", publication_count="1"),
        *items("ENTREZ", "2641", "top_pmid", "100"),
        *facts("ENTREZ", "3630", publication_count="2"),
        *items("ENTREZ", "3630", "top_pmid", "100", "102"),
        *facts("ENTREZ", "7", publication_count="12"),
        *items("ENTREZ", "7", "top_pmid", *map(str, range(1002, 1012))),
    }


def test_gene2pubmed(write):
    links = tab_lines(
        ["#tax_id", "GeneID", "PubMed_ID"],
        ["9606", "1", "2591067"],
        ["9606", "1", "3458201"],
        ["10090", "11287", "3458201"],
    )
    assert rows("ncbi_gene2pubmed", write("gene2pubmed.gz", links)) == {
        *facts("ENTREZ", "1", publication_count="2"),
        *items("ENTREZ", "1", "top_pmid", "2591067", "3458201"),
    }


CLINGEN_VALIDITY = "".join(
    ",".join(f'"{cell}"' for cell in line) + "\n"
    for line in [
        ["CLINGEN GENE DISEASE VALIDITY CURATIONS", *[""] * 9],
        ["FILE CREATED: 2026-06-21", *[""] * 9],
        ["WEBPAGE: https://search.clinicalgenome.org/kb/gene-validity", *[""] * 9],
        ["+++++++++++"] * 10,
        ["GENE SYMBOL", "GENE ID (HGNC)", "DISEASE LABEL", "DISEASE ID (MONDO)", "MOI", "SOP", "CLASSIFICATION", "ONLINE REPORT", "CLASSIFICATION DATE", "GCEP"],
        ["+++++++++++"] * 10,
        ["AARS1", "HGNC:20", "Charcot-Marie-Tooth disease, axonal", "MONDO:0013212", "AD", "SOP10", "Definitive", "https://x", "2024-03-14T16:00:00.000Z", "Panel"],
        ["AARS1", "HGNC:20", "undetermined early-onset epileptic encephalopathy", "MONDO:0018614", "AR", "SOP5", "No Known Disease Relationship", "https://x", "2017-01-01T00:00:00.000Z", "Panel"],
        # Two panels: the newer one.
        ["AARS1", "HGNC:20", "old label", "MONDO:0018614", "AR", "SOP5", "Refuted", "https://x", "2016-01-01T00:00:00.000Z", "Panel"],
    ]
)  # fmt: skip


def test_clingen_validity(write):
    path = write("Clingen-Gene-Disease-Summary-2026-06-21.csv", CLINGEN_VALIDITY)
    axonal, epileptic = "MONDO:0013212 AD", "MONDO:0018614 AR"
    assert rows("clingen_validity", path) == {
        ("HGNC", "HGNC:20", "gene_validity", axonal, "Definitive"),
        ("HGNC", "HGNC:20", "gene_validity_disease", axonal, "Charcot-Marie-Tooth disease, axonal"),
        ("HGNC", "HGNC:20", "gene_validity", epileptic, "No Known Disease Relationship"),
        (
            "HGNC",
            "HGNC:20",
            "gene_validity_disease",
            epileptic,
            "undetermined early-onset epileptic encephalopathy",
        ),
    }
    assert READERS["clingen_validity"].version(path) == "2026-06-21"


def test_clingen_dosage(write):
    dosage = "#ClinGen Gene Curation Results\n#14 Nov,2023\n#Genomic Locations are reported on GRCh38 (hg38): GCF_000001405.36\n#https://www.ncbi.nlm.nih.gov/projects/dbvar/clingen\n#to create link: https://x?sym=Gene Symbol\n" + tab_lines(
        ["#Gene Symbol", "Gene ID", "cytoBand", "Genomic Location", "Haploinsufficiency Score", "Haploinsufficiency Description", "Haploinsufficiency PMID1", "Triplosensitivity Score", "Triplosensitivity Description", "Date Last Evaluated", "Haploinsufficiency Disease ID"],
        ["A4GALT", "53947", "22q13.2", "chr22:1-2", "30", "Gene associated with autosomal recessive phenotype", "", "0", "No evidence available", "2014-12-11"],
        ["AARS2", "57505", "6p21.1", "chr6:1-2", "40", "Dosage sensitivity unlikely", "", "Not yet evaluated", "Not yet evaluated", "2016-08-22", "MONDO:0014387"],
    )  # fmt: skip
    path = write("ClinGen_gene_curation_list_GRCh38.tsv", dosage)
    assert rows("clingen_dosage", path) == {
        *facts("ENTREZ", "53947", haploinsufficiency="30", haploinsufficiency_meaning="Gene associated with autosomal recessive phenotype", triplosensitivity="0", triplosensitivity_meaning="No evidence available"),
        *facts("ENTREZ", "57505", haploinsufficiency="40", haploinsufficiency_meaning="Dosage sensitivity unlikely", triplosensitivity="Not yet evaluated", triplosensitivity_meaning="Not yet evaluated"),
    }  # fmt: skip
    assert READERS["clingen_dosage"].version(path) == "2023-11-14"


# Mouse genes


HMD_ROWS = {
    ("ENTREZ", "1", "mouse_orthologue", "MGI:2152878", "A1bg"),
    *items("ENTREZ", "29974", "mouse_phenotype", "MP:0005367", "MP:0005369"),
    ("ENTREZ", "29974", "mouse_orthologue", "MGI:1917115", "A1cf"),
    ("ENTREZ", "29974", "mouse_orthologue", "MGI:9", "A1cf-ps'"),
}


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(
            [
                ["A1BG", "1", "A1bg", "MGI:2152878", "", ""],
                ["A1CF", "29974", "A1cf", "MGI:1917115", "MP:0005367, MP:0005369", ""],
                ["A1CF", "29974", "A1cf-ps'", "MGI:9", "", ""],
            ],
            id="today",
        ),
        pytest.param(
            [
                ["A1BG", "  1", "11167", "  yes", "A1bg", "  MGI:2152878", "", ""],
                ["A1CF", "  29974", "16363", "  yes", "A1cf", "  MGI:1917115", "  MP:0005367 MP:0005369", ""],
                ["A1CF", "  29974", "16363", "  no", "A1cf-ps'", "  MGI:9", "", ""],
            ],
            id="with HomoloGene and a yes or no",
        ),
        pytest.param(
            [
                ["A1BG", "1", "11167", "A1bg", "MGI:2152878", "", ""],
                ["A1CF", "29974", "16363", "A1cf", "MGI:1917115", "MP:0005367 MP:0005369", ""],
                ["A1CF", "29974", "16363", "A1cf-ps'", "MGI:9", "", ""],
            ],
            id="with HomoloGene",
        ),
    ],
)  # fmt: skip
def test_mgi_human_phenotype(write, lines):
    path = write("HMD_HumanPhenotype.rpt", tab_lines(*lines))
    assert rows("mgi_human_phenotype", path) == HMD_ROWS


def test_mgi_gene_phenotype(write):
    report = tab_lines(
        ["Rb1<tm1Tyj>/Rb1<tm1Tyj>", "Rb1<tm1Tyj>", "MGI:1857242", "involves: 129S2/SvPas", "MP:0000600", "12529408", "MGI:97874", "MGI:2166359"],
        ["Rb1<tm1Tyj>/Rb1<+>", "Rb1<tm1Tyj>", "MGI:1857242", "C57BL/6", "MP:0000600", "16449662", "MGI:97874", "MGI:2166360"],
        ["A/B", "A|B", "MGI:1|MGI:2", "x", "MP:0001716", "", "MGI:97874|MGI:88051", "MGI:3"],
    )  # fmt: skip
    assert rows("mgi_gene_phenotype", write("MGI_GenePheno.rpt", report)) == {
        *items("MGI", "MGI:97874", "mouse_phenotype", "MP:0000600", "MP:0001716"),
        *items("MGI", "MGI:88051", "mouse_phenotype", "MP:0001716"),
    }


def test_mgi_marker(write):
    # Each line has a tab at its end, the header has none.
    report = tab_lines(
        ["MGI Accession ID", "Marker Symbol", "Marker Name", "Feature Type", "EntrezGene ID", "Ensembl Gene ID", "Ensembl Gene chromosome", "Ensembl Gene start", "Ensembl Gene end", "Ensembl Gene strand", "CCDS IDs", "HGNC ID"],
        ["MGI:87853", "a", "nonagouti", "protein coding gene", "50518", "ENSMUSG00000027596", "2", "154633322", "154892932", "+", "CCDS16941.1", "HGNC:745", ""],
        ["MGI:87854", "Pzp", "PZP, alpha-2-macroglobulin like", "protein coding gene", "11287", "null", "null", "null", "null", "null", "null", "HGNC:249|HGNC:250", ""],
        ["MGI:87855", "Aal", "active avoidance learning", "heritable phenotypic marker", "null", "null", "null", "null", "null", "null", "null", "null", ""],
    )  # fmt: skip
    assert rows("mgi_marker", write("HGNC_AllianceHomology.rpt.gz", report)) == {
        *facts("MGI", "MGI:87853", mgi_id="MGI:87853", symbol="a", name="nonagouti", biotype="protein_coding", entrez_id="50518", ensembl_gene_id="ENSMUSG00000027596", chromosome="2", start_position="154633322", end_position="154892932", strand="+"),
        *items("MGI", "MGI:87853", "human_orthologue", "HGNC:745"),
        *facts("MGI", "MGI:87854", mgi_id="MGI:87854", symbol="Pzp", name="PZP, alpha-2-macroglobulin like", biotype="protein_coding", entrez_id="11287"),
        *items("MGI", "MGI:87854", "human_orthologue", "HGNC:249", "HGNC:250"),
    }  # fmt: skip


def test_mgi_homology(write):
    report = tab_lines(
        ["DB Class Key", "Common Organism Name", "NCBI Taxon ID", "Symbol", "EntrezGene ID", "Mouse MGI ID", "HGNC ID"],
        ["1", "mouse, laboratory", "10090", "Banf1", "23825", "MGI:1346330", ""],
        ["1", "human", "9606", "BANF1", "8815", "", "HGNC:17397"],
        ["2", "mouse, laboratory", "10090", "Amy2a1", "11", "MGI:11", ""],
        ["2", "mouse, laboratory", "10090", "Amy2a2", "12", "MGI:12", ""],
        ["2", "human", "9606", "AMY2A", "279", "", "HGNC:477"],
        ["2", "human", "9606", "AMY2B", "280", "", "HGNC:478"],
        ["3", "mouse, laboratory", "10090", "Vmn2r80", "624765", "MGI:3646321", ""],
        ["4", "human", "9606", "ONLY", "1", "", "HGNC:1"],
    )  # fmt: skip
    assert rows("mgi_homology", write("HOM_MouseHumanSequence.rpt", report)) == {
        *facts("MGI", "MGI:1346330", symbol="Banf1", entrez_id="23825"),
        *items("MGI", "MGI:1346330", "human_orthologue", "HGNC:17397"),
        *facts("MGI", "MGI:11", symbol="Amy2a1", entrez_id="11"),
        *items("MGI", "MGI:11", "human_orthologue", "HGNC:477", "HGNC:478"),
        *facts("MGI", "MGI:12", symbol="Amy2a2", entrez_id="12"),
        *items("MGI", "MGI:12", "human_orthologue", "HGNC:477", "HGNC:478"),
        *facts("MGI", "MGI:3646321", symbol="Vmn2r80", entrez_id="624765"),
    }


# Files that are not what they should be


@pytest.mark.parametrize("name", sorted(READERS))
def test_another_file_is_refused(write, name):
    page = "<!DOCTYPE html>\n<html><body>Service unavailable</body></html>\n"
    for text in (page, ""):
        assert error_of(name, write("file", text)).code in (54500, 54501)
    # JSON has no lines that could be a header.
    if name != "hgnc_complete_set_json":
        assert error_of(name, write("file", page)).name == "ANNOTATION_HEADER_UNKNOWN"
        assert error_of(name, write("file", "")).found == "the file is empty"


def test_missing_columns_are_named(write):
    header = ["ncbi_gene_id", "gene_symbol", "term", "hpo_name", "frequency", "disease_id"]
    path = write("genes_to_phenotype.txt", tab_lines(header, *HPO_LINES))
    error = error_of("hpo_genes_to_phenotype", path)
    assert error.name == "ANNOTATION_HEADER_UNKNOWN"
    assert error.found == "lacks the columns hpo_id or HPO-Term-ID"
    assert error.expected == (
        "the columns ncbi_gene_id or entrez-gene-id, hpo_id or HPO-Term-ID,"
        " hpo_name or HPO-Term-Name"
    )


@pytest.mark.parametrize(
    ("name", "text", "line", "found"),
    [
        pytest.param("mane_summary", MANE[: MANE.rindex("NM_1.1")], 4, "Expected Number of Columns: 14 Found: 6", id="cut within the last line"),
        pytest.param("clinvar_gene_summary", CLINVAR.replace("\t412\t", "\tmany\t", 1), 4, 'Error when converting column "total_submissions". Could not convert string "many" to \'BIGINT\'', id="a text in place of a number"),
        pytest.param("gene_table", GENE_TABLE + "ENSG9\textra\n", 6, "Expected Number of Columns: 14 Found: 2", id="a short line"),
        pytest.param("hgnc_complete_set", HGNC + "a\tb\n", 7, "Expected Number of Columns: 14 Found: 2", id="a short line below quoted ones"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_line_that_cannot_be_read_is_named(write, name, text, line, found, suffix):
    error = error_of(name, write(f"file{suffix}", text))
    assert (error.name, error.line, error.found) == ("ANNOTATION_LINE_INVALID", line, found)


def test_a_path_with_characters_of_patterns(tmp_path):
    folder = tmp_path / "annotation [2024] *?"
    folder.mkdir()
    path = folder / "gene_table.tsv"
    path.write_text(GENE_TABLE)
    assert parsed("gene_table", path).num_rows > 0


def test_a_carriage_return_within_a_line(write):
    path = write("gene_table.tsv", GENE_TABLE.replace("RP4-6'x", "RP4\r6"))
    assert error_of("gene_table", path).name == "ANNOTATION_LINE_INVALID"


def test_text_that_is_no_utf8(tmp_path):
    path = tmp_path / "gene_table.tsv"
    path.write_bytes(GENE_TABLE.replace("RP4-6'x", "\xe9").encode("latin-1"))
    error = error_of("gene_table", path)
    assert (error.name, error.line) == ("ANNOTATION_LINE_INVALID", 5)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.99])
def test_a_truncated_gzip_file(tmp_path, share):
    path = tmp_path / "gene_table.tsv.gz"
    line = GENE_TABLE.splitlines(True)[-1]
    whole = gzip.compress((GENE_TABLE + "".join(line.replace("100001", f"{n:06}") for n in range(50_000))).encode())  # fmt: skip
    path.write_bytes(whole[: int(len(whole) * share)])
    assert error_of("gene_table", path).name == "ANNOTATION_LINE_INVALID"


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from expression_warehouse.annotation import reading
from expression_warehouse.annotation.sources.pubtator import BULK_FILES
from expression_warehouse.core.errors import UserError

# A process that may write no file of more than 1 MB stands for a full disk.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
reading._MEMORY_LIMIT = "40MB"
try:
    for batch in BULK_FILES[0].parse(Path(sys.argv[1])):
        pass
except UserError as error:
    print(error.name, error.file)
"""


def test_a_full_disk(tmp_path):
    path = tmp_path / "gene2pubtator3"
    with path.open("w") as file:
        file.writelines(
            f"{number}\tGene\t{number % 7919}\t\tPubTator3\n" for number in range(2_000_000)
        )
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout.split(), done.stderr) == (["FOLDER_NOT_WRITABLE", str(tmp_path)], "")
    assert [each.name for each in tmp_path.iterdir()] == ["gene2pubtator3"]


def test_windows_line_ends_and_a_byte_order_mark(write):
    path = write("MANE.GRCh38.v1.5.summary.txt", "\ufeff" + MANE.replace("\n", "\r\n"))
    assert {row[4] for row in rows("mane_summary", path) if row[2] == "mane_select"} == {
        "ENST00000283254.12",
        "ENST1.1",
    }


# Real files


NUMBERS = {row["attribute"] for row in read_seed("annotation_attribute") if row["is_number"] == "1"}


def real(pattern: str) -> Path:
    found = sorted(REAL.glob(pattern))
    if not found:
        pytest.skip(f"the real file {pattern} is not at hand")
    return found[0]


def read_text(path: Path, **options) -> pd.DataFrame:
    """All cells as text; a missing value is ''."""
    default = {"sep": "\t", "dtype": str, "keep_default_na": False, "quoting": csv.QUOTE_NONE}
    return pd.read_csv(path, **{**default, **options})


def long(
    frame: pd.DataFrame, ref: pd.Series, item: pd.Series | str = "", **values: pd.Series
) -> pd.DataFrame:
    """The values of all attributes, one below the other, without the empty ones."""
    parts = [
        pd.DataFrame({"gene_ref": ref, "attribute": name, "item": item, "value": column})
        for name, column in values.items()
    ]
    return pd.concat(parts)[lambda each: each["value"].ne("") & each["gene_ref"].ne("")]


def own_items(ref: pd.Series, attribute: str, lists: pd.Series) -> pd.DataFrame:
    exploded = pd.DataFrame({"gene_ref": ref, "value": lists}).explode("value").dropna()
    exploded = exploded[exploded["value"] != ""].drop_duplicates()
    return exploded.assign(attribute=attribute, item=exploded["value"])


def genes_again(path: Path) -> pd.DataFrame:
    table = read_text(path)
    symbol = table["hgnc_symbol"].where(table["hgnc_symbol"] != "", table["name"])
    return long(
        table,
        table["ensembl_gene_id"],
        symbol=symbol.where(symbol != table["ensembl_gene_id"], ""),
        name=table["hgnc_name"],
        biotype=table["biotype"],
        chromosome=table["chromosome"].str.removeprefix("chr"),
        start_position=table["start"],
        end_position=table["end"],
        strand=table["strand"],
        hgnc_id=table["hgnc_id"],
        entrez_id=table["entrez_id"],
        cytoband=table["cytoband"],
        is_retired=table["source"].str.startswith("ENSEMBL").map({True: "1", False: "0"}),
    )


def hgnc_again(path: Path) -> pd.DataFrame:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        table = pd.DataFrame(csv.DictReader(file, delimiter="\t"))
    table = table[table["status"] == "Approved"]
    ref = table["hgnc_id"]
    lists = {
        "gene_family": "gene_group",
        "alias_symbol": "alias_symbol",
        "previous_symbol": "prev_symbol",
        "mouse_orthologue": "mgd_id",
        "uniprot_accession": "uniprot_ids",
    }
    single = ("hgnc_id", "symbol", "name", "locus_type", "entrez_id", "ensembl_gene_id")
    return pd.concat(
        [
            long(table, ref, cytoband=table["location"], **{name: table[name] for name in single}),
            *(own_items(ref, name, table[column].str.split("|")) for name, column in lists.items()),
        ]
    )


def mane_again(path: Path) -> pd.DataFrame:
    table = read_text(path)
    ref = table["Ensembl_Gene"].str.replace(r"\.\d+$", "", regex=True)
    select = table["MANE_status"] == "MANE Select"
    plus = table["MANE_status"] == "MANE Plus Clinical"
    assert (select | plus).all()
    single = long(
        table,
        ref,
        symbol=table["symbol"],
        name=table["name"],
        hgnc_id=table["HGNC_ID"],
        entrez_id=table["#NCBI_GeneID"].str.removeprefix("GeneID:"),
        mane_select=table["Ensembl_nuc"],
        mane_select_refseq=table["RefSeq_nuc"],
    )
    return pd.concat(
        [
            single[select.reindex(single.index)],
            long(table[plus], ref[plus], table["Ensembl_nuc"][plus], mane_plus_clinical=table["RefSeq_nuc"][plus]),
        ]
    )  # fmt: skip


def gnomad_again(path: Path) -> pd.DataFrame:
    table = read_text(path)
    table = table[
        table["gene_id"].str.startswith("ENSG")
        & ((table["mane_select"] == "true") | (table["canonical"] == "true"))
    ].sort_values(["mane_select", "canonical"], ascending=False)
    table = table.drop_duplicates("gene_id").replace("NA", "")
    return long(
        table,
        table["gene_id"],
        pli=table["lof.pLI"],
        loeuf=table["lof.oe_ci.upper"],
        lof_z=table["lof.z_score"],
        mis_z=table["mis.z_score"],
        syn_z=table["syn.z_score"],
        oe_lof=table["lof.oe"],
        oe_mis=table["mis.oe"],
        oe_syn=table["syn.oe"],
        constraint_transcript=table["transcript"],
        constraint_flags=table["constraint_flags"].replace("[]", ""),
    )


def gtex_again(path: Path) -> pd.DataFrame:
    table = read_text(path, skiprows=2).drop(columns="Description")
    melted = table.melt("Name", var_name="item", value_name="value").rename(
        columns={"Name": "gene_ref"}
    )
    gene_ref = melted["gene_ref"].str.replace(r"\.\d+$", "", regex=True)
    return melted.assign(gene_ref=gene_ref, attribute="median_tpm")


def hpo_again(path: Path) -> pd.DataFrame:
    table = read_text(path)
    gene, disease = table["ncbi_gene_id"], table["disease_id"]
    pair = table["hpo_id"] + " " + disease
    return pd.concat(
        [
            long(table, gene, table["hpo_id"], phenotype=table["hpo_name"]).drop_duplicates(),
            own_items(gene, "disease", disease),
            long(table, gene, pair, phenotype_frequency=table["frequency"].replace("-", "")),
        ]
    )


def clinvar_again(path: Path) -> pd.DataFrame:
    table = read_text(path, skiprows=1).replace("-", "")
    ref = table["GeneID"]
    counts = long(
        table,
        ref,
        total_submissions=table["Total_submissions"],
        total_alleles=table["Total_alleles"],
        pathogenic_alleles=table["Alleles_reported_Pathogenic_Likely_pathogenic"],
        uncertain_alleles=table["Number_uncertain"],
        conflicting_alleles=table["Number_with_conflicts"],
    )
    return pd.concat(
        [counts.drop_duplicates(), own_items(ref, "omim_id", table["Gene_MIM_number"])]
    )


def clingen_validity_again(path: Path) -> pd.DataFrame:
    table = read_text(path, sep=",", quoting=csv.QUOTE_MINIMAL, skiprows=4)
    table = table[table["GENE ID (HGNC)"].str.startswith("HGNC:")]
    key = ["GENE ID (HGNC)", "DISEASE ID (MONDO)", "MOI"]
    table = table.sort_values("CLASSIFICATION DATE").drop_duplicates(key, keep="last")
    item = table["DISEASE ID (MONDO)"] + " " + table["MOI"]
    return long(
        table,
        table["GENE ID (HGNC)"],
        item,
        gene_validity=table["CLASSIFICATION"],
        gene_validity_disease=table["DISEASE LABEL"],
    )


def clingen_dosage_again(path: Path) -> pd.DataFrame:
    table = read_text(path, skiprows=5)
    return long(
        table,
        table["Gene ID"],
        haploinsufficiency=table["Haploinsufficiency Score"],
        haploinsufficiency_meaning=table["Haploinsufficiency Description"],
        triplosensitivity=table["Triplosensitivity Score"],
        triplosensitivity_meaning=table["Triplosensitivity Description"],
    )


def uniprot_again(path: Path) -> pd.DataFrame:
    table = read_text(path, names=["accession", "type", "id"])
    table = table[table["type"].isin(["Ensembl", "HGNC", "GeneID"])]
    order = table["type"].map({"Ensembl": 1, "HGNC": 2, "GeneID": 3})
    best = order.groupby(table["accession"]).transform("min")
    table = table[order == best]
    return own_items(table["id"], "uniprot_accession", table["accession"])


def publications(genes: pd.Series, pmids: pd.Series) -> pd.DataFrame:
    links = pd.DataFrame({"gene": genes, "pmid": pmids.astype(int)}).drop_duplicates()
    counts = links.groupby("gene")["pmid"].count().astype(str)
    newest = links.sort_values("pmid").groupby("gene").tail(10)
    return pd.concat(
        [
            long(links, counts.index.to_series(), publication_count=counts),
            own_items(newest["gene"], "top_pmid", newest["pmid"].astype(str)),
        ]
    )


def gene2pubmed_again(path: Path) -> pd.DataFrame:
    table = read_text(path)
    table = table[table["#tax_id"] == "9606"]
    return publications(table["GeneID"], table["PubMed_ID"])


def pubtator_again(path: Path) -> pd.DataFrame:
    table = read_text(path, names=["pmid", "type", "genes", "mentions", "resource"])
    exploded = table.assign(gene=table["genes"].str.split(";")).explode("gene")
    return publications(exploded["gene"], exploded["pmid"])


def mgi_human_phenotype_again(path: Path) -> pd.DataFrame:
    table = read_text(path, names=["human", "entrez", "mouse", "mgi", "phenotypes", "end"])
    return pd.concat(
        [
            own_items(table["entrez"], "mouse_phenotype", table["phenotypes"].str.split(", ")),
            long(table, table["entrez"], table["mgi"], mouse_orthologue=table["mouse"]),
        ]
    )


def mgi_marker_again(path: Path) -> pd.DataFrame:
    # Each line has a tab more than the header.
    header = read_text(path, nrows=0).columns
    table = read_text(path, names=[*header, "end"], skiprows=1).replace("null", "")
    table = table[(table["Ensembl Gene ID"] != "") | (table["EntrezGene ID"] != "")]
    ref = table["MGI Accession ID"]
    return pd.concat(
        [
            long(
                table,
                ref,
                mgi_id=ref,
                symbol=table["Marker Symbol"],
                name=table["Marker Name"],
                biotype=table["Feature Type"].str.removesuffix(" gene").str.replace(" ", "_"),
                entrez_id=table["EntrezGene ID"],
                ensembl_gene_id=table["Ensembl Gene ID"],
                chromosome=table["Ensembl Gene chromosome"],
                start_position=table["Ensembl Gene start"],
                end_position=table["Ensembl Gene end"],
                strand=table["Ensembl Gene strand"],
            ),
            own_items(ref, "human_orthologue", table["HGNC ID"].str.split("|")),
        ]
    )


def mgi_homology_again(path: Path) -> pd.DataFrame:
    table = read_text(path)
    mouse = table[table["NCBI Taxon ID"] == "10090"].drop_duplicates()
    human = table[(table["NCBI Taxon ID"] == "9606") & (table["HGNC ID"] != "")]
    both = mouse.merge(human, on="DB Class Key", suffixes=("", "_human"))
    single = mouse.drop_duplicates("Mouse MGI ID")
    return pd.concat(
        [
            long(
                single,
                single["Mouse MGI ID"],
                symbol=single["Symbol"],
                entrez_id=single["EntrezGene ID"],
            ),
            own_items(both["Mouse MGI ID"], "human_orthologue", both["HGNC ID_human"]),
        ]
    )


@pytest.mark.parametrize(
    ("name", "pattern", "again"),
    [
        ("gene_table", "ensembl_gencode/human_gene_reference.tsv.gz", genes_again),
        ("hgnc_complete_set", "hgnc/hgnc_complete_set.txt.gz", hgnc_again),
        ("mane_summary", "mane/MANE.GRCh38.v*.summary.txt.gz", mane_again),
        ("gnomad_constraint", "gnomad/gnomad.v4.1.constraint_metrics*.tsv", gnomad_again),
        ("gtex_median_tpm", "gtex/*.gct.gz", gtex_again),
        ("hpo_genes_to_phenotype", "hpo/genes_to_phenotype.txt.gz", hpo_again),
        ("clinvar_gene_summary", "clinvar/gene_specific_summary.txt.gz", clinvar_again),
        ("clingen_validity", "clingen/Clingen-Gene-Disease-*.csv.gz", clingen_validity_again),
        ("clingen_dosage", "clingen/ClinGen_gene_curation_list_GRCh38.tsv", clingen_dosage_again),
        ("uniprot_id_mapping", "uniprot/HUMAN_9606_idmapping*.dat.gz", uniprot_again),
        ("ncbi_gene2pubmed", "pubtator/gene2pubmed*.tsv.gz", gene2pubmed_again),
        ("pubtator_gene", "pubtator/gene2pubtator*.tsv", pubtator_again),
        ("mgi_human_phenotype", "mgi/HMD_HumanPhenotype.rpt.gz", mgi_human_phenotype_again),
        ("mgi_marker", "mgi/HGNC_AllianceHomology.rpt.gz", mgi_marker_again),
        ("mgi_homology", "mgi/HOM_MouseHumanSequence.rpt.gz", mgi_homology_again),
    ],
)
def test_200_genes_of_a_real_file_equal_an_independent_reading(name, pattern, again):
    path = real(pattern)
    found, expected = parsed(name, path).to_pandas(), again(path)
    key = ["id_type", "gene_ref", "attribute", "item"]
    assert not found.duplicated(key).any()
    assert set(found["gene_ref"]) == set(expected["gene_ref"])
    genes = random.Random(name).sample(
        sorted(set(expected["gene_ref"])), min(200, expected["gene_ref"].nunique())
    )
    assert compared(found, genes) == compared(expected, genes)
    of_genes = found[found["gene_ref"].isin(genes)]
    numbers = pd.to_numeric(of_genes["value"].where(of_genes["attribute"].isin(NUMBERS)))
    pd.testing.assert_series_equal(of_genes["number"], numbers, check_names=False)


def compared(values: pd.DataFrame, genes: list[str]) -> list[tuple[str, str, str, str | float]]:
    of_genes = values[values["gene_ref"].isin(genes)]
    columns = of_genes[["gene_ref", "attribute", "item", "value"]].itertuples(index=False)
    return sorted(
        (ref, attribute, item, float(value) if attribute in NUMBERS else value)
        for ref, attribute, item, value in columns
    )


def test_gnomad_values_of_all_mane_transcripts(write):
    """The test data have only ten columns, for the MANE transcripts."""
    derived = read_text(real("gnomad/gnomad_scores_v4.1.mane_select.csv.gz"), sep=",")
    table = pd.DataFrame("NA", index=derived.index, columns=GNOMAD_HEADER).assign(
        **{
            "gene_id": derived["Ensembl_gene_id"],
            "transcript": derived["Ensembl_transcript_id"],
            "canonical": "true",
            "mane_select": "true",
            "lof.oe": derived["Gnomad_oe_lof_score"].replace("", "NA"),
            "lof.oe_ci.upper": derived["Gnomad_oe_ci_upper"].replace("", "NA"),
            "lof.pLI": derived["Gnomad_pLI_score"].replace("", "NA"),
            "mis.z_score": derived["Gnomad_mis_z_score"].replace("", "NA"),
            "constraint_flags": "[]",
        }
    )
    path = write("gnomad.v4.1.constraint_metrics.tsv", table.to_csv(sep="\t", index=False))
    found, expected = parsed("gnomad_constraint", path).to_pandas(), gnomad_again(path)
    genes = sorted(set(derived["Ensembl_gene_id"]))
    assert len(genes) > 17_000
    assert compared(found, genes) == compared(expected, genes)


def test_awkward_genes_of_the_real_files():
    """By name: genes of the pseudoautosomal region, an Ensembl id of two HGNC ids, a retired id,
    lower case and an apostrophe in symbols, ambiguous aliases, Plus Clinical."""
    genes = parsed("gene_table", real("ensembl_gencode/human_gene_reference.tsv.gz")).to_pandas()
    by_name = genes.set_index(["gene_ref", "attribute"])["value"]
    assert by_name["ENSG00000182378", "chromosome"] == "X"
    assert by_name["ENSG00000182378", "is_retired"] == "0"
    assert by_name["ENSG00000230417", "symbol"] == "LINC00595"
    # The symbol of a clone ends like a version.
    assert by_name["ENSG00000221220", "symbol"] == "AL035045.1"
    assert (genes["value"][genes["attribute"] == "is_retired"] == "1").sum() == 12_177

    hgnc = {row[1:] for row in rows("hgnc_complete_set", real("hgnc/hgnc_complete_set.txt.gz"))}
    assert {row[0] for row in hgnc if row[1:] == ("ensembl_gene_id", "", "ENSG00000230417")} == {
        "HGNC:31430",
        "HGNC:45111",
    }
    symbols = {row[3]: row[0] for row in hgnc if row[1] == "symbol"}
    assert symbols["C9orf72"] == "HGNC:28337"
    bearers: dict[str, set[str]] = {}
    for ref, attribute, item, _ in hgnc:
        if attribute == "alias_symbol":
            bearers.setdefault(item, set()).add(ref)
    assert sum(len(refs) > 1 for refs in bearers.values()) == 1_076

    clinvar = rows("clinvar_gene_summary", real("clinvar/gene_specific_summary.txt.gz"))
    assert facts("ENTREZ", "109951028", total_alleles="6") <= clinvar
    assert items("ENTREZ", "1438", "omim_id", "306250", "425000") <= clinvar

    mane = rows("mane_summary", real("mane/MANE.GRCh38.v*.summary.txt.gz"))
    assert sum(row[2] == "mane_plus_clinical" for row in mane) == 74


# The documentation


def test_docs_name_each_kind_of_file_and_its_address():
    docs = (PROJECT / "docs" / "annotation.md").read_text(encoding="utf-8")
    for row in read_seed("annotation_file"):
        name, url = row["bulk_file"], row["url"]
        assert f"| [{name}]({url}) |" in docs if url else f"| {name} |" in docs
        assert row["source"] == "own" or row["citation"] in docs


def test_the_example_of_a_new_source_works(write):
    docs = (PROJECT / "docs" / "annotation.md").read_text(encoding="utf-8")
    section = docs[docs.index("## Add a source") :]
    assert len(section.splitlines()) <= 60
    module: dict = {}
    exec(section.split("```python\n")[1].split("```")[0], module)
    (reader,) = module["BULK_FILES"]
    path = write(
        "Homo_sapiens.gene_info.gz",
        tab_lines(
            ["#tax_id", "GeneID", "Symbol", "LocusTag", "Synonyms"],
            ["9606", "1", "A1BG", "-", "A1B|ABG"],
            ["9606", "3", "A2MP1", "-", "-"],
            ["10090", "11287", "Pzp", "-", "A1m"],
        ),
    )
    found = pa.Table.from_batches(reader.parse(path), schema=VALUES).to_pylist()
    assert sorted((row["gene_ref"], row["item"], row["value"]) for row in found) == [
        ("1", "A1B", "A1B"),
        ("1", "ABG", "ABG"),
    ]
