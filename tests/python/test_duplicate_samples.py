"""Samples that have the same values under different names: which are found, and how often they count."""

from collections.abc import Iterable

import numpy as np
import pytest
import yaml
from conftest import Study, WarehouseUnderTest

DUPLICATES = (
    "select a.sample_natural_key, b.sample_natural_key from fact.fact_duplicate_sample as d"
    " inner join dim.dim_sample as a on d.sample_key_1 = a.sample_key"
    " inner join dim.dim_sample as b on d.sample_key_2 = b.sample_key"
)
COUNTED = (
    "select study_accession_code, count(*) from staging.stg_slice_sample"
    " inner join dim.dim_study using (study_key) group by all order by all"
)


class Deposit:
    """A study as its depositor has it: values of genes (lines) in samples (columns)."""

    def __init__(self, accession: str, values: np.ndarray, names: Iterable[str], **settings):
        self.accession = accession
        self.values = values
        self.names = list(names)
        self.genes = settings.pop("genes", None) or [f"ENSG{i:011d}" for i in range(len(values))]
        self.text = settings.pop("text", lambda value: repr(float(value)))
        self.settings = {"disease": "SEPSIS", "units": "LOG2", **settings.pop("config", {})}
        self.layout = settings

    def renamed(self, accession: str, samples: Iterable[int], genes=None, **settings) -> "Deposit":
        """Some of its samples and genes (indexes), in this order, under the names S0, S1, …"""
        samples = list(samples)
        genes = list(range(len(self.values)) if genes is None else genes)
        return Deposit(
            accession,
            self.values[np.ix_(genes, samples)],
            [f"S{number}" for number in range(len(samples))],
            **{
                "genes": [self.genes[gene] for gene in genes],
                "text": self.text,
                "config": self.settings,
                **self.layout,
                **settings,
            },
        )

    def study(self) -> Study:
        return Study(
            self.accession,
            samples=self.names,
            genes=self.genes,
            values=[[self.text(value) for value in line] for line in self.values],
            **self.layout,
        )


@pytest.fixture
def load(warehouse: WarehouseUnderTest, tmp_path):
    """Ingests studies and builds: what finds duplicates, or all."""

    def load_studies(
        *deposits: Deposit, everything: bool = False, **variables: int
    ) -> WarehouseUnderTest:
        downloads = tmp_path / f"downloads_{len(list(tmp_path.iterdir()))}"
        for deposit in deposits:
            deposit.study().write(downloads / deposit.accession)
        config = tmp_path / "pipeline.yaml"
        config.write_text(yaml.dump({"studies": {d.accession: d.settings for d in deposits}}))
        result = warehouse.loader("ingest", downloads, "--config", config)
        assert result.exit_code == 0, result.stdout
        narrow = () if everything else ("--select", "+fact_duplicate_sample", "+stg_slice_sample")
        warehouse.build(*narrow, "--vars", yaml.dump(variables))
        return warehouse

    return load_studies


def array(dice: np.random.Generator, genes: int, samples: int) -> np.ndarray:
    """log2 intensities: genes differ in mean and spread, and have a common cause."""
    cause = dice.normal(size=samples)
    spread = dice.uniform(0.1, 1.5, size=(genes, 1))
    return (
        dice.uniform(4, 14, size=(genes, 1))
        + spread * dice.normal(size=(genes, samples))
        + 0.5 * dice.normal(size=(genes, 1)) * cause
    )


def counts(dice: np.random.Generator, genes: int, samples: int, mean: float) -> np.ndarray:
    """Overdispersed counts; samples differ in depth."""
    means = mean * dice.lognormal(0, 1.5, size=(genes, 1)) * dice.lognormal(0, 0.3, size=samples)
    return dice.poisson(dice.gamma(2, means / 2)).astype(float)


def places(number: int):
    return lambda value: f"{value:.{number}f}"


def or_missing(value: float) -> str:
    return "NA" if np.isnan(value) else repr(float(value))


def significant(number: int):
    return lambda value: f"{value:.{number}g}"


COUNTS = {"config": {"units": "COUNTS"}, "technology": "RNA-SEQ", "text": places(0)}
TPM = {"config": {"units": "TPM"}, "technology": "RNA-SEQ"}


def mixture(seed: int) -> tuple[list[Deposit], list[list[str]]]:
    """Studies, and the natural keys of the samples that are one, the source first."""
    dice = np.random.default_rng(seed)
    big = Deposit("GSE1", array(dice, 400, 40), [f"GSM{i}" for i in range(40)])
    reads = Deposit(
        "GSE2", counts(dice, 500, 24, 200), [f"GSM{100 + i}" for i in range(24)], **COUNTS
    )
    reads.values[:, :2] = 0
    tpm = Deposit(
        "GSE3", dice.lognormal(1, 2, size=(300, 16)), [f"GSM{200 + i}" for i in range(16)], **TPM
    )
    repeated = array(dice, 200, 14)
    repeated[:, 11:] = repeated[:, :3]

    def some(size: int, of: int) -> list[int]:
        return dice.permutation(of)[:size].tolist()

    renamed = [
        (big, big.renamed("GSE10", some(12, 40), some(45, 400), text=places(2))),
        (big, big.renamed("GSE11", some(9, 40), some(400, 400), text=places(3))),
        (big, big.renamed("GSE12", some(3, 40), some(120, 400), text=significant(3))),
        (reads, reads.renamed("GSE13", [i for i in some(24, 24) if i > 1], some(250, 500))),
        (tpm, tpm.renamed("GSE14", some(8, 16), some(150, 300), text=significant(4))),
        (tpm, tpm.renamed("GSE15", some(5, 16), some(200, 300), text=places(1))),
    ]
    # One sample measured twice: nearly the same values.
    twice = Deposit(
        "GSE20",
        big.values + dice.normal(0, 0.1, big.values.shape),
        [f"S{i}" for i in range(40)],
        text=places(2),
    )
    others = [
        Deposit("GSE4", big.values[:, :6], big.names[:6]),
        Deposit("GSE5", repeated, [f"S{i:02d}" for i in range(14)]),
        twice,
        Deposit("GSE21", dice.poisson(dice.uniform(0.2, 3, size=(60, 1)), size=(60, 60)).astype(float), [f"S{i}" for i in range(60)], **COUNTS),
        Deposit("GSE22", np.repeat(dice.uniform(4, 14, size=(80, 1)), 10, axis=1), [f"S{i}" for i in range(10)]),
        Deposit("GSE23", np.full((50, 9), 7.0), [f"S{i}" for i in range(9)]),
        Deposit("GSE24", array(dice, 41, 3), ["S0", "S1", "S2"], text=places(1)),
        Deposit("GSE25", array(dice, 60, 50), [f"S{i}" for i in range(50)], text=places(1)),
    ]  # fmt: skip
    groups: dict[tuple[str, int], list[str]] = {}
    for source, copy in renamed:
        lines = [source.genes.index(gene) for gene in copy.genes]
        for name, column in zip(copy.names, copy.values.T, strict=True):
            (match,) = np.flatnonzero((source.values[lines] == column[:, None]).all(axis=0))
            group = groups.setdefault((source.accession, match), [source.names[match]])
            group.append(f"{copy.accession} {name}")
    inside = [[f"GSE5 S{i:02d}", f"GSE5 S{11 + i}"] for i in range(3)]
    return [big, reads, tpm, *(copy for _, copy in renamed), *others], [*groups.values(), *inside]


def pairs(warehouse: WarehouseUnderTest) -> set[frozenset[str]]:
    return set(map(frozenset, warehouse.query(DUPLICATES)))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_mixture_is_taken_apart(load, seed):
    """Each sample is one with all of its copies, and no two samples are taken for one. Two copies that have few genes
    in common are one by their source."""
    deposits, groups = mixture(seed)
    warehouse = load(*deposits)
    same = warehouse.query(
        "select string_agg(sample_natural_key, ',') from staging.stg_same_sample"
        " inner join dim.dim_sample using (sample_key) group by same_sample_key"
    )
    assert {frozenset(names.split(",")) for (names,) in same} == set(map(frozenset, groups))
    found = pairs(warehouse)
    assert all(any(pair <= set(group) for group in groups) for pair in found)
    assert found >= {frozenset({source, copy}) for source, *copies in groups for copy in copies}


def test_copies_of_published_studies_are_found(load, shared_data):
    """Copies of half of each study's samples: renamed, 35 genes, fewer digits."""
    dice = np.random.default_rng(7)
    formats = [places(2), places(3), significant(3), significant(4)]
    sources, copies, expected = [], [], set()
    for number, folder in enumerate(sorted((shared_data / "sepsis_panel").glob("GSE*"))):
        header, *lines = (folder / f"{folder.name}.tsv").read_text().splitlines()
        rows = [line.split("\t") for line in lines]
        values = np.array([row[1:] for row in rows], dtype=float)
        source = Deposit(
            folder.name, values, header.split("\t")[1:], genes=[row[0] for row in rows]
        )
        samples = dice.permutation(len(source.names))[: len(source.names) // 2]
        genes = dice.permutation(len(source.genes))[:35]
        copy = source.renamed(f"GSE9000{number}", samples, genes, text=formats[number % 4])
        for name, sample in zip(copy.names, samples, strict=True):
            original = source.names[sample]
            key = original if original.startswith("GSM") else f"{source.accession} {original}"
            expected.add(frozenset({key, f"{copy.accession} {name}"}))
        sources.append(source)
        copies.append(copy)
    assert pairs(load(*sources)) == set()
    assert pairs(load(*copies)) == expected


@pytest.mark.parametrize("first", [0, 1])
def test_a_copy_is_found_whichever_came_first(load, first):
    """A study of 40 genes and one of 2,000, which would choose others: it lacks a value of each of the 40. Later builds
    find no pair again, and compare only what is new."""
    dice = np.random.default_rng(3)
    values = array(dice, 2000, 10)
    values[1000:1040, 0] = np.nan
    source = Deposit("GSE1", values, [f"GSM{i}" for i in range(10)], text=or_missing)
    copy = source.renamed("GSE2", [3, 7], range(1000, 1040), text=places(2))
    expected = {frozenset({"GSE2 S0", "GSM3"}), frozenset({"GSE2 S1", "GSM7"})}
    deposits = [source, copy]
    warehouse = load(deposits[first])
    assert pairs(warehouse) == set()
    load(deposits[1 - first])
    assert pairs(warehouse) == expected
    times = "select etl_created_date from fact.fact_duplicate_sample order by all"
    before = warehouse.query(times)
    load(Deposit("GSE3", array(dice, 2000, 3), ["S0", "S1", "S2"]))
    assert warehouse.query(times) == before
    assert warehouse.query("select count(*) from staging.int_compared_value") == [(0,)]
    assert warehouse.query("select distinct is_compared from meta.meta_compared_gene") == [(True,)]


def test_pairs_follow_the_loaded_values(load):
    """A study is loaded again without a sample, then from a newer download with other values."""
    dice = np.random.default_rng(4)
    source = Deposit("GSE1", array(dice, 60, 10), [f"GSM{i}" for i in range(10)])
    copy = source.renamed("GSE2", [3, 7])
    warehouse = load(source, copy)
    assert len(pairs(warehouse)) == 2
    copy.settings = {**copy.settings, "skip_samples": ["S0"]}
    load(copy)
    assert pairs(warehouse) == {frozenset({"GSE2 S1", "GSM7"})}
    load(Deposit("GSE2", array(dice, 60, 2), ["S0", "S1"], created_at="2025-01-01T00:00:00"))
    assert pairs(warehouse) == set()


def findings(warehouse: WarehouseUnderTest, code: int) -> list[tuple]:
    return warehouse.query(
        "select study_accession_code, subject, finding from meta.vw_finding"
        f" where error_code = {code} order by all"
    )


def test_a_copy_counts_once(load):
    """It counts in the smaller study; within a study, under its first name."""
    dice = np.random.default_rng(5)
    values = array(dice, 60, 20)
    values[:, 19] = values[:, 2]
    source = Deposit("GSE1", values, [f"GSM{10 + i}" for i in range(20)], titles=["sepsis"] * 20)
    copy = source.renamed("GSE2", [0, 1], titles=["sepsis", "healthy"])
    own = Deposit(
        "GSE3", array(dice, 60, 9), [f"GSM{50 + i}" for i in range(9)], titles=["sepsis"] * 9
    )
    warehouse = load(source, copy, own, everything=True)
    assert warehouse.query(COUNTED) == [("GSE1", 17), ("GSE2", 2), ("GSE3", 9)]
    assert findings(warehouse, 54104) == [
        ("GSE1", "GSM10", "has the values of S0 of GSE2 in 59 of 59 genes"),
        ("GSE1", "GSM11", "has the values of S1 of GSE2 in 60 of 60 genes, as SEPSIS and CONTROL"),
        ("GSE1", "GSM29", "has the values of GSM12 in 60 of 60 genes"),
    ]
    where = "in SEPSIS MICROARRAY HOMO_SAPIENS"
    assert findings(warehouse, 54102) == [
        (
            "GSE1",
            "GSE2",
            f"2 of its 20 samples {where} count in GSE2, which has them too: GSM10 to GSM11",
        )
    ]


def test_a_superseries_under_other_names_does_not_count_twice(load):
    """Null studies, of which the third is the other two renamed: Hartung-Knapp keeps its level. With values that are no
    longer the same (here in another unit) nobody can tell, and it does not."""
    dice = np.random.default_rng(6)
    titles = ["sepsis"] * 20 + ["healthy"] * 20
    parts = [
        Deposit(
            f"GSE{k}",
            dice.normal(8, 1, size=(50, 40)),
            [f"GSM{100 * k + i}" for i in range(40)],
            titles=titles,
        )
        for k in (1, 2)
    ]
    both = np.hstack([part.values for part in parts])
    whole = {"titles": titles * 2, "names": [f"S{i}" for i in range(80)]}
    rate = (
        "select avg(case when p_hk < 0.05 then 1.0 else 0 end), max(n_studies) from fact.fact_gene_pair_contrast"
        " inner join dim.dim_contrast using (contrast_key) where contrast = 'sc'"
    )
    warehouse = load(*parts, Deposit("GSE3", both, **whole), everything=True, k_min=2)
    ((mended, studies),) = warehouse.query(rate)
    assert studies == 2
    assert mended == pytest.approx(0.05, abs=0.03)
    newer = Deposit("GSE3", 1.3 * both, **whole, created_at="2025-01-01T00:00:00")
    load(*parts, newer, everything=True, k_min=2)
    ((twice, studies),) = warehouse.query(rate)
    assert studies == 3
    assert 0.15 < twice < 0.35


ALIKE = (
    "select study_accession_code, finding from validation.validation_finding"
    " where error_code = 54114 order by all"
)


def test_a_study_normalised_anew_is_named_though_no_value_is_the_same(load):
    rng = np.random.default_rng(9)
    titles = ["septic shock"] * 12 + ["sepsis"] * 12
    first, second = (
        Deposit(
            accession,
            rng.uniform(4, 12, (32, 1)) + rng.normal(0, 1, (32, 24)),
            [f"{accession}_{number}" for number in range(24)],
            titles=titles,
        )
        for accession in ("GSE1", "GSE2")
    )
    anew = first.renamed("GSE3", range(24))
    anew.values = 2 + 0.7 * anew.values + rng.normal(0, 0.05, anew.values.shape)
    warehouse = load(first, second, anew, everything=True)
    assert warehouse.query(DUPLICATES) == []
    found = warehouse.query(ALIKE)
    assert [study for study, _ in found] == ["GSE3", "GSE3"]
    assert all("are those of GSE1" in finding for _, finding in found)
    ratios = warehouse.query(
        "select a.study_accession_code, b.study_accession_code, min(l.variance_ratio)"
        " from meta.meta_study_likeness as l"
        " inner join dim.dim_study as a on l.study_key_1 = a.study_key"
        " inner join dim.dim_study as b on l.study_key_2 = b.study_key group by all order by all"
    )
    assert [(a, b) for a, b, _ in ratios] == [("GSE1", "GSE2"), ("GSE1", "GSE3"), ("GSE2", "GSE3")]
    assert ratios[1][2] < 0.1
    assert min(ratios[0][2], ratios[2][2]) > 0.7

    # Without it, nothing is left to say.
    anew.settings["exclude"] = anew.names
    warehouse = load(anew, everything=True)
    assert warehouse.query(ALIKE) == []
