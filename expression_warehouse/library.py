"""The warehouse from Python: `from expression_warehouse import open_warehouse, run_pipeline`.

Results are Arrow tables: `.to_pandas()` makes them pandas, `polars.from_arrow()` polars.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import ValidationError

from expression_warehouse.api import queries, reading
from expression_warehouse.api.rank_settings import RankSettings, faults
from expression_warehouse.api.store import Edition
from expression_warehouse.core.commands import opener
from expression_warehouse.core.config import load_config
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.reporting import open_reporter
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.read_only import open_read_only, stream_query
from loader.run import run

_Name = TypeVar("_Name", bound=str | Path)


class ReadableWarehouse:
    """Reads a warehouse. It is opened for each call only, so that it never keeps a build waiting.

    Each method raises UserError: 4008 if the warehouse is not built, 4010 if another process has
    it open, 4017 if the engine refuses a query, 54030 for a setting that does not exist or has no
    such value; and MissingError for a name that the warehouse does not have.
    """

    def __init__(self, path: Path | None, target: str | None) -> None:
        self._path = path
        self._target = target

    def ranked_pairs(
        self, disease: str = "SEPSIS", *, limit: int | None = None, **settings: Any
    ) -> pa.Table:
        """Rows of vw_pair_metrics_ranked, the best first in each technology and organism.

        limit     rows per technology and organism; None for all
        settings  q = 0.05, k_min = 3, i2_max = 75, q_basis = 'hk', contrast = 'all', technology,
                  organism
        """
        chosen = _rank_settings(disease=disease, limit=limit, **settings)
        with self._edition() as edition:
            return reading.ranked(edition, chosen)

    def pair_studies(self, gene_a: str, gene_b: str) -> pa.Table:
        """The estimate of each study for a pair: one row per slice, contrast and study.

        gene_a, gene_b  ids, symbols or aliases, in any order
        """
        with self._edition() as edition:
            genes = [_gene_id(edition, name) for name in (gene_a, gene_b)]
            return reading.pair_studies(edition, reading.pair_of_genes(edition, *genes))

    def expression(self, genes: str | Iterable[str], cohorts: str | Iterable[str] = ()) -> pa.Table:
        """Values of genes: one row per gene and sample, with study, sample and cohort. A gene named
        twice, or by two of its names, is there once; without genes, the table has no rows.

        genes    ids, symbols or aliases, or one of them
        cohorts  illness labels as SEPTIC_SHOCK, or one of them; all if empty

        Raises MissingError for a gene or label that the warehouse does not have.
        """
        wanted = set(_several(cohorts))
        with self._edition() as edition:
            known = [row["illness_label"] for row in edition.rows(queries.ILLNESSES)]
            if unknown := sorted(wanted - set(known)):
                raise reading.MissingError(f"cohort {unknown[0]}", known)
            found = [_gene_id(edition, name) for name in _several(genes)]
            # No gene has the empty id: the query then gives the columns alone.
            ids = dict.fromkeys(found or [""])
            tables = [edition.table(queries.GENE_VALUES, {"gene_id": gene_id}) for gene_id in ids]
        table = pa.concat_tables(tables)
        kept = [label in wanted or not wanted for label in table["illness_label"].to_pylist()]
        return table.filter(pa.array(kept, pa.bool_()))

    def sql(self, query: str, **settings: Any) -> pa.Table:
        """The rows of a query, which can only read.

        settings  session settings of views, as q = 0.01 or pair_key = 17
        """
        texts = {name: str(value) for name, value in settings.items()}
        with self._open() as warehouse, stream_query(warehouse, query, texts) as rows:
            return rows.read_all()

    def _open(self) -> contextlib.AbstractContextManager[Warehouse]:
        return open_read_only(self._target, self._path)

    @contextlib.contextmanager
    def _edition(self) -> Iterator[Edition]:
        with self._open() as warehouse:
            yield Edition(warehouse, "", has_ranks=False)


def open_warehouse(path: str | Path | None = None, target: str | None = None) -> ReadableWarehouse:
    """A warehouse to read.

    path    a DuckDB file: a warehouse or a snapshot; default: that of the dbt profile
    target  of the dbt profile, a DuckDB file or a server; default: the profile's default
    """
    return ReadableWarehouse(None if path is None else Path(path), target)


def run_pipeline(
    paths: str | Path | Iterable[str | Path],
    config: str | Path | None = None,
    studies: str | Iterable[str] = (),
    target: str | None = None,
) -> bool:
    """Stage refine.bio downloads and build the warehouse, as `expression-warehouse run`; return
    whether all of it succeeded. What happens is printed.

    paths    downloads or folders of downloads, or one of them
    config   a pipeline.yaml
    studies  only these accessions, or only this one; all if empty

    Raises UserError 54030 if the configuration is invalid.
    """
    settings = load_config(None if config is None else Path(config))
    with open_reporter("text", settings.folder("logs"), "run") as reporter:
        return run(
            [Path(path) for path in _several(paths)],
            _several(studies),
            settings,
            target,
            opener(target),
            reporter,
        )


def _gene_id(edition: Edition, name: Any) -> str:
    """The id of a gene by one of its names. In pandas, a missing name is None or NaN."""
    if not isinstance(name, str):
        raise reading.MissingError(f"gene {name!r}: names of genes are texts")
    return reading.gene(edition, name)["gene_id"]


def _several(names: _Name | Iterable[_Name]) -> list[_Name]:
    """The names given; a single one need not be in a list."""
    return list(names) if isinstance(names, Iterable) and not isinstance(names, str) else [names]


def _rank_settings(**settings: Any) -> RankSettings:
    known = RankSettings.model_fields
    try:
        return RankSettings(**settings)
    except ValidationError as error:
        raise UserError(
            "CONFIG_INVALID",
            faults(error),
            expected=None if settings.keys() <= known.keys() else f"one of {', '.join(known)}",
            action="Correct the setting",
        ) from None
