"""One matrix in each form of gene ids is the same in the warehouse: genes, values and library sizes."""

import random

import pytest
from conftest import EXPRESSION, Study, WarehouseUnderTest

COUNT = 60
NUMBERS = random.Random(1).sample(range(1_000, 900_000), COUNT)
GENES = [f"ENSG{number:011}" for number in NUMBERS]

# Form → the id of a gene's line, by its place.
FORMS = {
    "ENSEMBL": lambda place: GENES[place],
    "VERSIONED": lambda place: f"{GENES[place]}.{place % 20 + 1}",
    "QUOTED": lambda place: f'"{GENES[place]}"',
    "SYMBOLS": lambda place: f"SYM{place}",
    "LOWER": lambda place: f"sym{place}",
    "PREVIOUS": lambda place: f"OLD{place}",
    "ALIASES": lambda place: f"Other-{place}.1",
    "ENTREZ": lambda place: str(NUMBERS[place]),
    "HGNC": lambda place: f"HGNC:{place + 1}",
    "ANY": lambda place: FORMS[["ENSEMBL", "SYMBOLS", "PREVIOUS"][place % 3]](place),
}


def annotation() -> list[tuple[str, str, str, str, str, str]]:
    rows = []
    for place, gene in enumerate(GENES):
        ref = ("hgnc_complete_set", "HGNC", f"HGNC:{place + 1}")
        rows += [
            (*ref, "ensembl_gene_id", "", gene),
            (*ref, "entrez_id", "", str(NUMBERS[place])),
            (*ref, "symbol", "", f"SYM{place}"),
            (*ref, "previous_symbol", f"OLD{place}", f"OLD{place}"),
            (*ref, "alias_symbol", f"Other-{place}.1", f"Other-{place}.1"),
        ]
    return rows


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> WarehouseUnderTest:
    folder = tmp_path_factory.mktemp("forms")
    warehouse = WarehouseUnderTest(folder)
    config = folder / "pipeline.yaml"
    config.write_text("studies:\n" + "".join(f"  {form}: {{units: COUNTS}}\n" for form in FORMS))
    dice = random.Random(2)
    values = [[str(dice.randrange(20_000)) for _ in range(3)] for _ in GENES]
    order = list(range(COUNT))
    for form, name in FORMS.items():
        # The order of the lines says nothing.
        dice.shuffle(order)
        Study(
            form,
            samples=[f"{form}-{n}" for n in range(3)],
            genes=[name(place) for place in order],
            values=[values[place] for place in order],
        ).write(folder / "downloads" / form)
    result = warehouse.loader("ingest", folder / "downloads", "--config", config)
    assert result.exit_code == 0, result.output
    warehouse.annotate(*annotation())
    warehouse.build("--select", *EXPRESSION, "+vw_finding", "+rule_genes_resolved")
    return warehouse


def values_of(warehouse: WarehouseUnderTest, form: str) -> dict[tuple[str, str], float]:
    """(gene, number of the sample) → log2(CPM + 1)."""
    rows = warehouse.query(
        "select g.gene_id, s.sample_accession_code, f.expression_value"
        " from fact.fact_gene_expression as f"
        " inner join dim.dim_gene as g on f.gene_key = g.gene_key"
        " inner join dim.dim_sample as s on f.sample_key = s.sample_key"
        " inner join dim.dim_study as t on f.study_key = t.study_key"
        f" where t.study_accession_code = '{form}'"
    )
    return {(gene, sample[-1]): value for gene, sample, value in rows}


@pytest.mark.parametrize("form", [form for form in FORMS if form != "ENSEMBL"])
def test_each_form_gives_the_same_genes_and_values(built, form):
    expected = values_of(built, "ENSEMBL")
    assert len(expected) == 3 * COUNT
    assert values_of(built, form) == pytest.approx(expected, rel=1e-12)


def test_no_other_gene_and_no_finding_comes_of_it(built):
    assert {gene for (gene,) in built.query("select gene_id from dim.dim_gene")} == set(GENES)
    assert built.query("select finding from validation.rule_genes_resolved") == []
