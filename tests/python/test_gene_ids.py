"""The form of gene ids, lines that are no genes, and ids that are refused."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expression_warehouse.core.errors import UserError
from loader.source.gene_ids import GeneIds

ENSEMBL = [f"ENSG{n:011}" for n in range(3, 23)]


def ids_of(genes: list[str], is_unique: bool = False) -> GeneIds:
    ids = GeneIds("file", is_unique)
    ids.add(pa.array(genes), 2)
    return ids


@pytest.mark.parametrize(
    ("genes", "form"),
    [
        (ENSEMBL, "ENSEMBL"),
        ([f"{gene}.7" for gene in ENSEMBL], "ENSEMBL_VERSIONED"),
        ([*ENSEMBL, "ENSG00000182378.15_PAR_Y"], "ENSEMBL_VERSIONED"),
        ([*ENSEMBL, "novel transcript"], "ENSEMBL"),
        ([f"{gene}_at" for gene in ENSEMBL], "ENSEMBL_VERSIONED"),
        ([f"{gene}|TP53" for gene in ENSEMBL], "ENSEMBL_VERSIONED"),
        ([f"{gene}.3_TP53" for gene in ENSEMBL], "ENSEMBL_VERSIONED"),
        (["7157", "1956", "2099"], "ENTREZ"),
        (["TP53", "HLA-A", "C1orf112", "MT-ND1", "7SK", "Y_RNA"], "SYMBOL"),
        ([*ENSEMBL, *(f"GENE{n}" for n in range(20))], "MIXED"),
        (["chr1:5-9", "chr2:7-8"], "OTHER"),
    ],
)
def test_forms(genes, form):
    ids = ids_of(genes)
    ids.check()
    assert ids.form == form


def test_lines_that_are_no_genes_are_counted_and_left_out():
    genes = [
        "ENSG00000000003", "__no_feature", "N_unmapped", "no_feature", "AFFX-BioB-5_at", "ERCC-00002",
        "gSpikein_ERCC-00004", "", "NA", " ", "ERCC1", "NAT1", "AFM", "ENSG00000000005",
        "Total", "GRAND TOTAL", "Sum", "mean", "Gesamtergebnis", "SUMO1", "TOTAL1", "MEAN-2",
    ]  # fmt: skip
    ids = GeneIds("file")
    changed, keep = ids.add(pa.array(genes), 2)
    assert changed is None
    assert [g for g, k in zip(genes, keep, strict=True) if k] == [
        "ENSG00000000003", "ERCC1", "NAT1", "AFM", "ENSG00000000005", "SUMO1", "TOTAL1", "MEAN-2",
    ]  # fmt: skip
    assert dict(ids.dropped) == {
        "summary lines of HTSeq or STAR": 3,
        "Affymetrix controls": 1,
        "ERCC spike-ins": 2,
        "without an id": 3,
        "totals or means": 5,
    }


months = st.sampled_from(
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Dec"]
)
days = st.integers(1, 31)
excel = st.one_of(
    st.builds("{}-{}".format, days, months),
    st.builds("{}-{:02}".format, months, days),
    st.builds("{:02}. {}".format, days, months),
    st.builds("20{:02}-0{}-0{}".format, st.integers(0, 30), st.integers(1, 9), st.integers(1, 9)),
    st.integers(36_526, 47_000).map(str),
    st.builds("{}.{:02}E+{}".format, st.integers(1, 9), st.integers(0, 99), st.integers(10, 19)),
)


@given(damaged=excel, place=st.integers(0, 20))
def test_what_excel_made_of_gene_names_is_refused(damaged, place):
    genes = [f"GENE{n}" for n in range(20)]
    genes.insert(place, damaged)
    with pytest.raises(UserError) as caught:
        ids_of(genes).check()
    assert caught.value.name == "VALIDATION_GENE_IDS_DAMAGED"
    assert caught.value.line == place + 2
    assert damaged in caught.value.found


@pytest.mark.parametrize(
    "damaged",
    [
        "01-mars", "1-sept", "01-sept.", "2-déc", "1-dec.", "10-août", "3-févr.", "mars-01",  # French
        "01-set", "1-mar", "04-dic", "10-ott", "5-mag", "set-02",  # Italian
        "1-mrt", "2-mei", "01-okt", "mrt-01",  # Dutch
        "1-ene", "02-abr", "1-ago", "01-dic",  # Spanish
        "1/mar", "01/set", "1-out", "02/fev/2001", "1-dez",  # Portuguese
        "1. Mrz", "02. Mär", "Sep-2", "SEP-02", "sep-02", "MAR-2001",
    ],
)  # fmt: skip
def test_a_single_date_of_any_language_is_refused(damaged):
    with pytest.raises(UserError, match="2014"):
        ids_of(["TP53", "GENE1", "GENE2", damaged]).check()


def test_numbers_of_dates_among_entrez_ids_are_ids():
    ids = ids_of(["43891", "7157", "100287102"])
    ids.check()
    assert ids.form == "ENTREZ"


@pytest.mark.parametrize(
    "symbol",
    [
        "MARCH1", "SEPT2", "DEC1", "SEPTIN2", "MARCHF1", "OCT4", "MAY-1A", "SET", "AGO2", "AGO-2", "MAGI1", "GEN1", "OUT",
        "MARS1", "MARS2", "MAG", "ABR", "GIUL", "mars-1",
        # Genes of worms.
        "sep-1", "jun-1", "apr-1", "mei-1", "mei-2", "mrt-2", "set-2", "set-17", "gen-1", "mag-1", "dec-12",
    ],
)  # fmt: skip
def test_symbols_that_excel_would_change_pass(symbol):
    ids_of([symbol, "TP53"]).check()


@pytest.mark.parametrize(
    ("genes", "words"),
    [
        (["1007_s_at", "1053_at", "121_at"], "Affymetrix"),
        (["ILMN_1343291", "ILMN_1343295"], "Illumina"),
        (["A_23_P100001", "A_23_P100011"], "Agilent"),
        (["ENST00000000233.10", "ENST00000000412"], "transcripts"),
        (["NM_000546.6", "NR_024540"], "transcripts"),
        (["ensg00000000003", "Ensmusg00000000001.2"], "small letters"),
        (["7.25", "0.5", "-1.5"], "numbers with fractions"),
        (["protein_coding", "lncRNA", "miRNA"], "types of genes"),
    ],
)
def test_ids_that_are_not_of_genes_are_refused(genes, words):
    with pytest.raises(UserError) as caught:
        ids_of(genes).check()
    assert caught.value.name == "VALIDATION_IDS_NOT_GENES"
    assert words in caught.value.found


def test_long_ids_are_shortened_and_stay_different():
    genes = ["x" * 51, "x" * 52, "x" * 50]
    ids = GeneIds("file")
    changed, keep = ids.add(pa.array(genes), 2)
    assert keep is None
    assert [len(gene) for gene in changed] == [50, 50, 50]
    assert len(set(changed)) == 3
    assert changed[2] == genes[2]
    assert ids.shortened == genes[:2]


def test_an_id_on_two_lines_is_refused_only_if_ids_are_to_be_unique():
    ids_of(["TP53", "TP53"]).check()
    with pytest.raises(UserError) as caught:
        ids_of(["TP53", "CD86", "TP53"], is_unique=True)
    assert (caught.value.code, caught.value.line) == (2005, 4)
    assert "line 2" in caught.value.found


number = st.integers(1, 99_999_999)
PROBES = {
    "an Affymetrix array": st.one_of(
        st.builds("{}{}_at".format, number, st.sampled_from(["", "_s", "_x", "_a", "_PM_s", "_3p"])),
        st.builds("{}.{}{}_at".format, st.sampled_from(["Dr", "Hs", "Gga", "Ssc"]), number,
                  st.sampled_from(["", ".1.S1", ".0.A1_3p"])),
        st.builds("{}_{:06}_at".format, st.sampled_from(["XM", "NM", "merck-NM"]), number),
        st.builds("g{}_3p_at".format, number),
    ),
    "an Illumina BeadChip array": st.builds("ILMN_{}".format, number),
    "an Agilent array": st.builds("A_{:02}_P{}".format, st.integers(1, 99), number),
    "a Phalanx OneArray": st.builds("PH_hs_{:07}".format, number),
    "an Affymetrix Clariom or Transcriptome array": st.builds(
        "TC{:02}{:06}.{}.1".format, st.integers(0, 22), st.integers(0, 999_999),
        st.sampled_from(["hg", "mm", "rn"]),
    ),
    "an Affymetrix exon or gene array": st.one_of(
        st.integers(7_892_501, 8_180_418), st.integers(16_650_001, 17_127_000),
        st.integers(2_315_100, 4_059_000), st.integers(10_338_001, 10_608_000),
    ).map(str),
}  # fmt: skip


@given(data=st.data(), platform=st.sampled_from(list(PROBES)))
def test_probes_are_refused_with_their_platform(data, platform):
    probes = data.draw(st.lists(PROBES[platform], min_size=8, max_size=20))
    with pytest.raises(UserError) as caught:
        ids_of([*ENSEMBL[:7], *probes]).check()
    assert (caught.value.code, caught.value.line) == (2015, 9)
    assert f"probes of {platform}" in caught.value.found
    assert "refine.bio" in caught.value.action


def test_single_numbers_of_clusters_among_entrez_ids_are_entrez_ids():
    ids = ids_of([*(str(n) for n in range(1, 20)), "7892501"])
    ids.check()
    assert ids.form == "ENTREZ"
