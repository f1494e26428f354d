"""A warehouse's life: commands in any order, against a model in Python of what must hold."""

import copy
import random
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import Result
from conftest import TARGET, Study, WarehouseUnderTest, events
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from warehouses import without_rows

pytestmark = pytest.mark.skipif(
    TARGET != "duckdb", reason="backs DuckDB files up and restores them"
)

NUMBERS = st.integers(1, 3)
DISEASES = ("SEPSIS", "SEPTIC_SHOCK")
CONFIG = "folders: {archive: archive}\nretention: {staging_days: 7}\nstudies:\n" + "".join(
    f"  GSE{n}: {{disease: SEPSIS, units: ARRAY_LOG2}}\n" for n in (1, 2, 3)
)


@dataclass
class Version:
    """A download of a study. order: by which the newest is the study's current one."""

    order: tuple[int, int]
    values: dict[tuple[str, str], float]
    is_quarantined: bool


@dataclass
class Model:
    """What the warehouse has: versions by study, the diseases that people mapped, and what its last
    build showed."""

    versions: dict[int, list[Version]] = field(default_factory=dict)
    mapped: dict[int, str] = field(default_factory=dict)
    shown: dict[tuple[str, str, str], float] = field(default_factory=dict)
    shown_diseases: dict[str, str] = field(default_factory=dict)

    def build(self) -> None:
        self.shown, self.shown_diseases = {}, {}
        for number, versions in self.versions.items():
            good = [version for version in versions if not version.is_quarantined]
            if good:
                newest = max(good, key=lambda version: version.order)
                name = f"GSE{number}"
                self.shown |= {(name, *cell): value for cell, value in newest.values.items()}
                self.shown_diseases[name] = self.mapped.get(number, "SEPSIS")

    def quarantined(self) -> list[tuple[int, Version]]:
        return [
            (n, v) for n, versions in self.versions.items() for v in versions if v.is_quarantined
        ]


def download(number: int, year: int, seed: int, is_too_large: bool) -> Study:
    dice = random.Random(seed)
    samples = [f"GSM{number}{i:02d}" for i in range(30)]
    genes = [f"ENSG{i:011d}" for i in range(number, number + 6)]
    values = [[f"{dice.random() * 16:.6f}" for _ in samples] for _ in genes]
    if is_too_large:
        # Too large for a logarithm.
        values[0][0] = "90"
    titles = [("sepsis", "healthy control", "septic shock")[i % 3] for i in range(30)]
    return Study(
        f"GSE{number}", samples, genes, values, titles, created_at=f"{year}-01-01T00:00:00"
    )


class Life(RuleBasedStateMachine):
    # A warehouse of all relations and no study.
    empty: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.warehouse = WarehouseUnderTest(self.folder)
        self.config = self.folder / "pipeline.yaml"
        self.config.write_text(CONFIG)
        self.model = Model()
        self.backups: list[tuple[Path, Model]] = []
        self.downloads: list[tuple[int, Path]] = []
        shutil.copy(self.empty, self.warehouse.path)

    def teardown(self) -> None:
        self.build()
        self.verify()
        shutil.rmtree(self.folder)

    def loader(self, *arguments: object, exit_code: int = 0) -> Result:
        result = self.warehouse.loader(*arguments, "--config", self.config)
        assert result.exit_code == exit_code, result.output
        return result

    @rule(number=NUMBERS, year=st.integers(2020, 2024), is_too_large=st.integers(0, 3))
    def ingest(self, number: int, year: int, is_too_large: int) -> None:
        """A new download: newer than those before, older, or as old; one in four is quarantined."""
        seed = len(self.downloads)
        part = download(number, year, seed, is_too_large == 0)
        folder = part.write(self.folder / f"download{seed}")
        self.downloads.append((number, folder))
        self.loader("ingest", folder, exit_code=int(is_too_large == 0))
        values = {
            (gene, sample): float(value)
            for gene, row in zip(part.genes, part.values, strict=True)
            for sample, value in zip(part.samples, row, strict=True)
        }
        version = Version((year, seed), values, is_too_large == 0)
        self.model.versions.setdefault(number, []).append(version)

    @precondition(lambda self: self.model.versions and not self.model.quarantined())
    @rule(data=st.data())
    def ingest_again(self, data: st.DataObject) -> None:
        """A batch that the warehouse has is not staged a second time."""
        number, folder = data.draw(st.sampled_from(self.downloads))
        known = {
            version.order[1] for versions in self.model.versions.values() for version in versions
        }
        if int(folder.name.removeprefix("download")) in known:
            assert events(self.loader("ingest", folder), "skipped"), number

    @precondition(lambda self: self.model.quarantined())
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        number, version = data.draw(st.sampled_from(self.model.quarantined()))
        batches = self.warehouse.query(
            f"select batch_id from staging.batch where study_accession_code = 'GSE{number}'"
            " order by staged_at"
        )
        place = self.model.versions[number].index(version)
        arguments = f"{{batch_id: '{batches[place][0]}', actor: anna}}"
        self.warehouse.dbt("run-operation", "release_batch", "--args", arguments)
        version.is_quarantined = False

    @precondition(lambda self: self.model.shown)
    @rule(number=NUMBERS, disease=st.sampled_from(DISEASES))
    def map_disease(self, number: int, disease: str) -> None:
        if f"GSE{number}" in self.model.shown_diseases:
            arguments = f"{{study: GSE{number}, disease: {disease}, actor: anna}}"
            self.warehouse.dbt("run-operation", "upsert_study_disease_map", "--args", arguments)
            self.model.mapped[number] = disease

    @rule()
    def build(self) -> None:
        self.warehouse.build_expression("study_disease_map")
        self.model.build()
        self.check()

    @rule()
    def back_up(self) -> None:
        self.loader("backup")
        made = max(self.folder.glob("warehouse.backups/[0-9]*"))
        self.backups.append((made, copy.deepcopy(self.model)))

    @precondition(lambda self: self.backups)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        folder, model = data.draw(st.sampled_from(self.backups))
        result = self.warehouse.loader("restore", folder)
        assert result.exit_code == 0, result.output
        self.model = copy.deepcopy(model)
        self.check()

    @rule()
    def housekeeping(self) -> None:
        """Staged rows of batches that were loaded long ago are deleted."""
        self.warehouse.query_write(
            "update staging.batch set loaded_at = loaded_at - interval 30 day"
        )
        self.loader("housekeeping")
        assert self.warehouse.query(
            "select count(*) from staging.expression_rows as r inner join staging.batch as b using (batch_id)"
            " where b.status = 'LOADED'"
        ) == [(0,)]
        self.check()

    @rule()
    def compact(self) -> None:
        result = self.warehouse.loader("compact")
        assert result.exit_code == 0, result.output
        self.check()

    @rule()
    def verify(self) -> None:
        self.loader("verify")

    def check(self) -> None:
        """What people see is as of the last build."""
        rows = self.warehouse.query(
            "select study_accession_code, gene_id, sample_accession_code, expression_value_raw"
            " from analytics.vw_expression_long"
        )
        assert len(rows) == len(self.model.shown)
        assert {
            (study, gene, sample): value for study, gene, sample, value in rows
        } == self.model.shown
        diseases = self.warehouse.query(
            "select study_accession_code, disease_label from dim.study_disease_map"
            " inner join dim.dim_study using (study_key) inner join dim.dim_disease using (disease_key)"
        )
        expected = {
            name: self.model.mapped.get(int(name.removeprefix("GSE")), disease)
            for name, disease in self.model.shown_diseases.items()
        }
        assert dict(diseases) == expected


@pytest.mark.parametrize(("lives", "steps"), [(1, 8), pytest.param(30, 20, marks=pytest.mark.long)])
def test_commands_in_any_order(copy_of, tmp_path, monkeypatch, lives, steps):
    monkeypatch.setattr(Life, "empty", copy_of(without_rows, tmp_path).path, raising=False)
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            # A step takes seconds, so that a failure is not made smaller.
            phases=[Phase.generate],
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
