"""Reads of the API: each raises MissingError if what is named is not there."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from expression_warehouse.api import queries, queries_ranked
from expression_warehouse.api.rank_settings import RankSettings
from expression_warehouse.api.store import Edition
from expression_warehouse.core.genes import plain_name
from expression_warehouse.core.listed import listed


class MissingError(Exception):
    """What a request names is not in the warehouse. The message is a sentence without a full stop.

    what   the kind and the name, as in "gene NOPE"
    known  the names that there are, if they are few
    """

    def __init__(self, what: str, known: Iterable[str] = ()) -> None:
        names = ", ".join(known)
        super().__init__(f"The warehouse has no {what}" + (f"; it has {names}" if names else ""))


def check_names(edition: Edition, settings: RankSettings) -> None:
    """Raises MissingError if the warehouse has no such disease or has pairs of others alone, and if
    the disease has no such contrast, none that q_basis is of, or no pair in such an organism."""
    known = edition.rows(queries.CONTRASTS, {"disease": settings.disease})
    if not known:
        diseases = edition.rows(queries.DISEASES_WITH_CONTRASTS)
        raise MissingError(
            f"disease {settings.disease}", (row["disease_label"] for row in diseases)
        )
    with_pairs = edition.diseases_with_pairs
    if with_pairs and settings.disease not in with_pairs:
        raise MissingError(f"pair of {settings.disease}", [f"pairs of {', '.join(with_pairs)}"])
    names = [row["contrast"] for row in known]
    if settings.contrast not in ["all", *names]:
        raise MissingError(f"contrast {settings.contrast} of {settings.disease}", ["all", *names])
    if settings.contrast == "all" and settings.q_basis != "hk" and not {"ss", "soth"} & {*names}:
        missing = (
            f"contrast ss or soth of {settings.disease}, which q_basis {settings.q_basis} is of"
        )
        raise MissingError(missing, names)
    if settings.organism:
        rows = edition.rows(queries.ORGANISMS, {"disease": settings.disease})
        organisms = [row["organism"] for row in rows]
        if settings.organism not in organisms:
            missing = f"tested pair of {settings.disease} in {settings.organism}"
            raise MissingError(missing, organisms)


def ranked(edition: Edition, settings: RankSettings) -> pa.Table:
    """Rows of vw_pair_metrics_ranked, in order of slice and rank.

    Raises MissingError as check_names.
    """
    check_names(edition, settings)
    if edition.has_ranks:
        return _ranked_of_snapshot(edition, settings)
    return edition.table(queries_ranked.OF_VIEW, settings.parameters, settings.session)


def _ranked_of_snapshot(edition: Edition, settings: RankSettings) -> pa.Table:
    """As the view: first the ranks, which are narrow, then the rows of the pairs found."""
    ranks = edition.table(queries_ranked.OF_SNAPSHOT, settings.rank_parameters)
    keys = sorted(set(ranks["pair_key"].to_pylist()))
    # Never empty, which SQL does not take. A list of values, unlike a join, uses the index.
    values = {f"key_{number}": key for number, key in enumerate(keys or [-1])}
    names = ", ".join(f"${name}" for name in values)
    query = (
        "select * from {analytics}.pair_row"
        f" where pair_key in ({names}) and disease_label = $disease"
    )
    rows = edition.table(query, {**values, "disease": settings.disease})
    places = {key: number for number, key in enumerate(_slice_pairs(rows))}
    taken = rows.take(pa.array([places[key] for key in _slice_pairs(ranks)], pa.int64()))
    columns = {
        name: (ranks if name in ranks.column_names else taken)[name] for name in rows.schema.names
    }
    return pa.table(columns)


def _slice_pairs(table: pa.Table) -> list[tuple[Any, ...]]:
    columns = (table[name].to_pylist() for name in ("technology", "organism", "pair_key"))
    return list(zip(*columns, strict=True))


def pair(edition: Edition, pair_key: int) -> dict[str, Any]:
    """Both genes of a pair."""
    rows = edition.rows(queries.PAIR, {"pair_key": pair_key})
    if not rows:
        raise MissingError(f"pair {pair_key}")
    return rows[0]


def pair_of_genes(edition: Edition, gene_a: str, gene_b: str) -> int:
    """The pair_key of two genes by their ids, in any order."""
    rows = edition.rows(queries.PAIR_OF_GENES, {"gene_a": gene_a, "gene_b": gene_b})
    if not rows:
        raise MissingError(f"tested pair of {gene_a} and {gene_b}")
    return rows[0]["pair_key"]


def pair_studies(edition: Edition, pair_key: int) -> pa.Table:
    """Rows of vw_pair_study: the estimate of each study, slice and contrast."""
    pair(edition, pair_key)
    return edition.table(queries.PAIR_STUDIES, {}, {"pair_key": str(pair_key)})


def pair_values(
    edition: Edition, pair_key: int, disease: str, technology: str, organism: str
) -> pa.Table:
    """Both values of each sample of a slice.

    Raises MissingError if there are none.
    """
    slice_ = {"disease": disease, "technology": technology, "organism": organism}
    table = edition.table(queries.PAIR_VALUES, {"pair_key": pair_key, **slice_})
    if not table.num_rows:
        raise MissingError(f"value of pair {pair_key} in {disease} {technology} {organism}")
    return table


def pair_points(
    edition: Edition, pair_key: int, disease: str, technology: str, organism: str
) -> list[dict[str, Any]]:
    """Study, label and both values of each sample of a slice, in order of the studies."""
    slice_ = {"disease": disease, "technology": technology, "organism": organism}
    return edition.rows(queries.PAIR_POINTS, {"pair_key": pair_key, **slice_})


def gene(edition: Edition, name: str) -> dict[str, Any]:
    """A gene by its id, with or without a version, by its symbol or any other name.

    Raises MissingError for a name of no gene, or of several.
    """
    name = plain_name(name)
    for query in (queries.FIND_GENES, queries.FIND_GENES_BY_ALIAS):
        rows = edition.rows(query, {"gene": name})
        # Symbols of mouse and human differ in case alone (Tnf, TNF): an exact match comes first.
        rows = [row for row in rows if name in (row["gene_id"], row["gene_symbol"])] or rows
        if len(rows) > 1:
            ids = ", ".join(row["gene_id"] for row in rows)
            raise MissingError(f"single gene {name}: it is a name of {ids}")
        if rows:
            return rows[0]
    named = edition.rows(queries.GENES_OF_NAME, {"gene": name})
    ids = listed([row["gene_id"] for row in named])
    if any(row["is_measured"] for row in named):
        raise MissingError(f"single gene {name}: it is a name of {ids}")
    if named:
        raise MissingError(f"values of gene {name}, a name of {ids}")
    raise MissingError(f"gene {name}" if name else "gene with an empty name")


def genes_of_pair(edition: Edition, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Both genes of a row of PAIR, gene a first."""
    ids = [found["gene_a_id"], found["gene_b_id"]]
    rows = edition.rows(queries.GENES_OF_PAIR, {"gene_a": ids[0], "gene_b": ids[1]})
    return sorted(rows, key=lambda row: ids.index(row["gene_id"]))


def genes_named_like(edition: Edition, text: str) -> list[dict[str, Any]]:
    """Genes with a name that begins with a text, at most 50."""
    # No name has these characters, which stand for others in a pattern of SQL.
    pattern = "".join(letter for letter in text.upper() if letter not in "%_[]\\") + "%"
    return edition.rows(queries.GENES_LIKE, {"pattern": pattern})


def partners(edition: Edition, gene_id: str) -> list[dict[str, Any]]:
    """The best 20 pairs of a gene in each slice, by the default test over all contrasts."""
    parameters: dict[str, str | int | None] = {"gene_id": gene_id}
    if edition.has_ranks:
        return edition.rows(queries_ranked.PARTNERS_OF_SNAPSHOT, parameters)
    found = []
    for disease in edition.diseases_with_pairs:
        settings = RankSettings(disease=disease, q=1, i2_max=100)
        found += edition.rows(queries_ranked.PARTNERS_OF_VIEW, parameters, settings.session)
    return found


def reviews(edition: Edition, gene_a_id: str, gene_b_id: str) -> list[dict[str, Any]]:
    """A pair's reviews that are in the warehouse, not only in the journal; times as ISO text."""
    rows = edition.rows(queries.REVIEWS, {"gene_a": gene_a_id, "gene_b": gene_b_id})
    return [{**row, "created_at": row["created_at"].isoformat()} for row in rows]


def study(edition: Edition, accession: str) -> dict[str, Any]:
    """A study's row of STUDIES."""
    for row in edition.rows(queries.STUDIES):
        if row["study_accession_code"] == accession:
            return row
    raise MissingError(f"study {accession}")


def findings(edition: Edition, study_accession: str | None = None) -> list[dict[str, Any]]:
    """What loads and builds found, of all studies or one, the newest first."""
    return edition.rows(queries.FINDINGS, {"study": study_accession})
