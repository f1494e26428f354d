"""REST: /api/v1."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from expression_warehouse.api import queries, reading
from expression_warehouse.api.answers import TABLE, Format, answer, json_answer
from expression_warehouse.api.editions import CurrentEdition
from expression_warehouse.api.pair_list import PairListSettings, page_query, pair_page
from expression_warehouse.api.parameters import Accession, GeneName, PairKey
from expression_warehouse.api.rank_settings import Label, RankSettings
from expression_warehouse.api.words import advice, rationale

router = APIRouter()


class TopPairs(RankSettings):
    """The settings, and the form of the answer."""

    limit: Annotated[int, Field(ge=1, le=1000, description="Rows per slice.")] = 100
    format: Format = None


class PairList(PairListSettings):
    """Filters, order and page of a list, and the form of the answer."""

    format: Format = None


@router.get("/analytics/pairs/top", summary="The best pairs of each slice", responses=TABLE)
def top_pairs(
    request: Request,
    edition: CurrentEdition,
    settings: Annotated[TopPairs, Query()],
) -> Response:
    """Rows of vw_pair_metrics_ranked with a rationale made from their numbers."""
    table = reading.ranked(edition, settings)
    rows = [{**row, "rationale": rationale(row)} for row in table.to_pylist()]
    return answer(request, table, settings.format, rows)


@router.get("/pairs", summary="All tested pairs: filtered, sorted, page by page", responses=TABLE)
def pairs(
    request: Request,
    edition: CurrentEdition,
    settings: Annotated[PairList, Query()],
) -> Response:
    """The header Link has the address of the next page."""
    page = pair_page(edition, settings)
    response = answer(request, page.rows, settings.format)
    if page.cursor:
        response.headers["Link"] = f'<{request.url.path}?{page_query(settings, page)}>; rel="next"'
    return response


@router.get("/pairs/{pair_key}", summary="A pair: its genes and pooled estimates")
def pair(edition: CurrentEdition, pair_key: PairKey) -> Response:
    found: dict[str, Any] = reading.pair(edition, pair_key)
    parameters = {"pair_key": pair_key}
    contrasts = edition.rows(queries.PAIR_CONTRASTS, parameters)
    return json_answer(
        {
            **found,
            "contrasts": [{**row, "advice": advice(row)} for row in contrasts],
            "cohorts": edition.rows(queries.PAIR_COHORTS, parameters),
        }
    )


@router.get("/pairs/{pair_key}/studies", summary="The estimate of each study", responses=TABLE)
def pair_studies(
    request: Request, edition: CurrentEdition, pair_key: PairKey, format: Format = None
) -> Response:
    return answer(request, reading.pair_studies(edition, pair_key), format)


@router.get(
    "/pairs/{pair_key}/values", summary="Both values of each sample of a slice", responses=TABLE
)
def pair_values(
    request: Request,
    edition: CurrentEdition,
    pair_key: PairKey,
    disease: Label,
    technology: Label,
    organism: Label,
    format: Format = None,
) -> Response:
    reading.pair(edition, pair_key)
    table = reading.pair_values(edition, pair_key, disease, technology, organism)
    return answer(request, table, format)


@router.get(
    "/genes/{gene:path}/expression",
    summary="A gene's expression by study and cohort",
    responses=TABLE,
)
def gene_expression(
    request: Request, edition: CurrentEdition, gene: GeneName, format: Format = None
) -> Response:
    gene_id = reading.gene(edition, gene)["gene_id"]
    table = edition.table(queries.GENE_EXPRESSION, {"gene_id": gene_id})
    return answer(request, table, format)


# After the route above, whose addresses it would take, too.
@router.get("/genes/{gene:path}", summary="A gene")
def gene(edition: CurrentEdition, gene: GeneName) -> Response:
    return json_answer(reading.gene(edition, gene))


@router.get("/studies", summary="All studies with their quality", responses=TABLE)
def studies(request: Request, edition: CurrentEdition, format: Format = None) -> Response:
    return answer(request, edition.table(queries.STUDIES), format)


@router.get("/studies/{accession}", summary="A study: quality, cohorts, contrasts, findings")
def study(edition: CurrentEdition, accession: Accession) -> Response:
    parameters = {"study": accession}
    return json_answer(
        {
            **reading.study(edition, accession),
            "cohorts": edition.rows(queries.STUDY_COHORTS, parameters),
            "contrasts": edition.rows(queries.STUDY_CONTRASTS, parameters),
            "findings": reading.findings(edition, accession),
        }
    )


@router.get("/slices", summary="Slices and contrasts: pairs tested and found", responses=TABLE)
def slices(request: Request, edition: CurrentEdition, format: Format = None) -> Response:
    return answer(request, edition.table(queries.SLICES), format)


@router.get(
    "/calibration", summary="How often each test finds something in null data", responses=TABLE
)
def calibration(request: Request, edition: CurrentEdition, format: Format = None) -> Response:
    return answer(request, edition.table(queries.CALIBRATION), format)


@router.get("/runs", summary="Runs, the newest first", responses=TABLE)
def runs(request: Request, edition: CurrentEdition, format: Format = None) -> Response:
    return answer(request, edition.table(queries.RUNS), format)


@router.get("/findings", summary="What loads and builds found, the newest first", responses=TABLE)
def findings(request: Request, edition: CurrentEdition, format: Format = None) -> Response:
    return answer(request, edition.table(queries.FINDINGS, {"study": None}), format)
