"""Lists of pairs: filtered, sorted, page by page.

A page begins after the last row of the page before (keyset): rows are neither repeated nor left
out, and a late page takes no longer than the first.
"""

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import pyarrow as pa
from pydantic import Field

from expression_warehouse.api import reading
from expression_warehouse.api.parameters import GENE_NAME
from expression_warehouse.api.rank_settings import RankSettings
from expression_warehouse.api.store import Edition

# What a list is sorted by: the expression, and whether greater values come first.
SORTS = {
    "rank": ("cast(r.pair_rank as float(53))", False),
    "q": ("r.q_star", False),
    "effect": ("coalesce(abs(r.effect), 0e0)", True),
    "higher": ("coalesce(r.effect, 0e0)", True),
    "lower": ("coalesce(r.effect, 0e0)", False),
    "studies": ("cast(r.included_study_count as float(53))", True),
    "i2": ("r.i2_star", False),
}


class InvalidCursorError(Exception):
    """A cursor was not made by this list."""


class PairListSettings(RankSettings):
    """Filters, order and page. Without q, k_min and i2_max, all pairs that were tested."""

    q: Annotated[float, Field(ge=0, le=1, description="Greatest q_star.")] = 1
    k_min: Annotated[int, Field(ge=2, le=10_000, description="Least number of studies.")] = 2
    i2_max: Annotated[float, Field(ge=0, le=100, description="Greatest I2 in percent.")] = 100
    direction: Literal["HIGHER", "LOWER"] | None = None
    gene: Annotated[
        str | None,
        Field(
            pattern=GENE_NAME,
            description="One of the genes: id, symbol or alias.",
        ),
    ] = None
    sort: Annotated[
        Literal["rank", "q", "effect", "higher", "lower", "studies", "i2"],
        Field(description="effect: by size, whatever its sign; higher, lower: by sign and size."),
    ] = "rank"
    limit: Annotated[int, Field(ge=1, le=1000, description="Rows per page.")] = 100
    cursor: Annotated[
        str | None, Field(max_length=300, description="That of the header Link, for the next page.")
    ] = None


@dataclass(frozen=True)
class PairPage:
    """Rows, and the cursor of the next page; None on the last one."""

    rows: pa.Table
    cursor: str | None


_OF_SNAPSHOT = """
    (
        select * from {analytics}.pair_rank
        where disease_label = $disease and q_basis = $q_basis and ranked_by = $ranked_by
    )
"""
_OF_VIEW = "{analytics}.vw_pair_metrics_ranked"
_COLUMNS = """
        r.pair_rank, r.pair_key, r.technology, r.organism, r.contrast, r.direction, r.effect,
        r.effect_ci_low, r.effect_ci_high, r.included_study_count, r.i2_star, r.q_star
"""
# The rows of a page are found before the genes are joined, which are of one page only.
_QUERY = """
    select
        x.pair_rank, x.pair_key, $disease as disease_label, x.technology, x.organism,
        a.gene_id as gene_a_id, p.gene_a_symbol, b.gene_id as gene_b_id, p.gene_b_symbol,
        x.contrast, x.direction, x.effect, x.effect_ci_low, x.effect_ci_high,
        x.included_study_count, x.i2_star, x.q_star
    from (
        select @columns, @sort as sort_value
        from @source as r
        where
            r.q_star <= cast($q as float(53))
            and r.i2_star <= cast($i2_max as float(53))
            and r.included_study_count >= $k_min
            and r.technology = coalesce($technology, r.technology)
            and r.organism = coalesce($organism, r.organism)
            @filters
        order by @sort @order, r.technology, r.organism, r.pair_key
        offset 0 rows fetch next $rows rows only
    ) as x
    inner join {dim}.dim_gene_pair as p on x.pair_key = p.pair_key
    inner join {dim}.dim_gene as a on p.gene_a_key = a.gene_key
    inner join {dim}.dim_gene as b on p.gene_b_key = b.gene_key
    order by x.sort_value @order, x.technology, x.organism, x.pair_key
"""
_AFTER = """
    and (
        @sort @beyond cast($after as float(53))
        or (
            @sort = cast($after as float(53))
            and (
                r.technology > $after_technology
                or (
                    r.technology = $after_technology
                    and (
                        r.organism > $after_organism
                        or (r.organism = $after_organism and r.pair_key > $after_pair)
                    )
                )
            )
        )
    )
"""
_OF_GENE = """
    and r.pair_key in (
        select p.pair_key from {dim}.dim_gene_pair as p
        inner join {dim}.dim_gene as g on g.gene_key in (p.gene_a_key, p.gene_b_key)
        where g.gene_id = $gene_id
    )
"""
_AMONG = """
    and r.pair_key in (
        select p.pair_key from {dim}.dim_gene_pair as p
        inner join {dim}.dim_gene as a on p.gene_a_key = a.gene_key
        inner join {dim}.dim_gene as b on p.gene_b_key = b.gene_key
        where a.gene_id in (@genes) and b.gene_id in (@genes)
    )
"""


def pair_page(edition: Edition, settings: PairListSettings) -> PairPage:
    """A page of pairs. Raises MissingError for a disease, contrast, organism or gene that is not
    there, and InvalidCursorError."""
    reading.check_names(edition, settings)
    parameters: dict[str, str | int | None] = {"rows": settings.limit + 1}
    filters = ""
    if settings.gene:
        filters += _OF_GENE
        parameters["gene_id"] = reading.gene(edition, settings.gene)["gene_id"]
    if settings.direction:
        filters += "and r.direction = $direction"
        parameters["direction"] = settings.direction
    if settings.cursor:
        filters += _AFTER
        parameters |= _decoded(settings.cursor, settings.sort)
    rows = _rows(edition, settings, filters, parameters)
    if len(rows) <= settings.limit:
        return PairPage(rows, None)
    rows = rows.slice(0, settings.limit)
    return PairPage(rows, _encoded(rows.slice(settings.limit - 1).to_pylist()[0], settings.sort))


def _rows(
    edition: Edition,
    settings: PairListSettings,
    filters: str,
    more: dict[str, str | int | None],
) -> pa.Table:
    """Rows of the list with these filters, in its order.

    more  parameters beside those of the settings
    """
    sort, is_descending = SORTS[settings.sort]
    parameters = {**settings.rank_parameters, **more}
    query = _QUERY
    for name, text in {
        "@columns": _COLUMNS,
        "@source": _OF_SNAPSHOT if edition.has_ranks else _OF_VIEW,
        "@filters": filters,
        "@sort": sort,
        "@order": "desc" if is_descending else "asc",
        "@beyond": "<" if is_descending else ">",
    }.items():
        query = query.replace(name, text)
    used = {name: value for name, value in parameters.items() if f"${name}" in query}
    return edition.table(query, used, {} if edition.has_ranks else settings.session)


def pairs_among(
    edition: Edition, settings: PairListSettings, slice_: tuple[str, str], gene_ids: list[str]
) -> list[dict[str, Any]]:
    """Rows of all pairs of these genes that were tested in a slice, whatever their q, studies and
    I2; by the disease, test and contrast of the settings.

    slice_  technology and organism
    """
    widest = {"q": 1.0, "k_min": 2, "i2_max": 100.0, "limit": 1000}
    technology, organism = slice_
    every = settings.model_copy(
        update={**widest, "technology": technology, "organism": organism, "sort": "rank"}
    )
    names = {f"gene_{number}": gene_id for number, gene_id in enumerate(gene_ids)}
    filters = _AMONG.replace("@genes", ", ".join(f"${name}" for name in names))
    return _rows(edition, every, filters, {**names, "rows": every.limit}).to_pylist()


def page_query(settings: PairListSettings, page: PairPage) -> str:
    """The query string of the page after this one."""
    chosen = settings.model_dump(exclude_none=True, exclude_defaults=True)
    return urlencode({**chosen, "cursor": page.cursor})


def _sort_value(row: dict[str, Any], sort: str) -> float:
    if sort == "effect":
        return abs(row["effect"] or 0.0)
    name = {
        "rank": "pair_rank", "q": "q_star", "higher": "effect", "lower": "effect",
        "studies": "included_study_count", "i2": "i2_star",
    }[sort]  # fmt: skip
    return float(row[name] or 0.0)


def _encoded(row: dict[str, Any], sort: str) -> str:
    # The text of a float that `repr` gives is read as the same float.
    place = [
        sort,
        repr(_sort_value(row, sort)),
        row["technology"],
        row["organism"],
        row["pair_key"],
    ]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _decoded(cursor: str, sort: str) -> dict[str, str | int | None]:
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        of_sort, value, technology, organism, pair_key = json.loads(text)
        is_valid = (
            of_sort == sort
            and isinstance(technology, str)
            and isinstance(organism, str)
            and type(pair_key) is int
            and abs(pair_key) < 2**31
            and math.isfinite(float(value))
        )
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidCursorError from error
    if not is_valid:
        raise InvalidCursorError
    return {
        "after": repr(float(value)),
        "after_technology": technology,
        "after_organism": organism,
        "after_pair": pair_key,
    }
