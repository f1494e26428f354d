"""The pages of the explorer. Each is a permalink, and none needs a script."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from expression_warehouse.api import queries, reading
from expression_warehouse.api.editions import CurrentEdition
from expression_warehouse.api.finding_groups import grouped_findings
from expression_warehouse.api.list_page import list_values
from expression_warehouse.api.pair_page import pair_values
from expression_warehouse.api.parameters import ACCESSION, Accession, GeneName, PairKey
from expression_warehouse.api.rank_settings import Label
from expression_warehouse.api.reading import MissingError
from expression_warehouse.api.reviews import pair_reviews
from expression_warehouse.api.store import Edition
from expression_warehouse.api.templates import render

router = APIRouter(default_response_class=HTMLResponse)

Studies = Annotated[
    list[Annotated[str, Field(pattern=ACCESSION)]] | None,
    Query(max_length=200, description="Studies that are left out."),
]


def _page(name: str, edition: Edition, **values: Any) -> HTMLResponse:
    return HTMLResponse(render(name, version=edition.version, **values))


@router.get("/")
def start(edition: CurrentEdition) -> HTMLResponse:
    """What the warehouse holds, how fresh it is, and how far to trust its tests."""
    return _page("start.html", edition, **start_values(edition))


def start_values(edition: Edition) -> dict[str, Any]:
    """What the template start_body.html shows."""
    return {
        "slices": edition.rows(queries.SLICES),
        "studies": edition.rows(queries.STUDIES),
        "calibration": _calibration(edition),
        "findings": reading.findings(edition),
        "runs": [run for run in edition.rows(queries.RUNS) if "build" in run["command"]][:1],
    }


def _calibration(edition: Edition) -> list[dict[str, Any]]:
    """The default test's rows of null data: how often it finds something."""
    return [
        row
        for row in edition.rows(queries.CALIBRATION)
        if row["test"] == "pair" and row["null_hypothesis"] in ("LABELS", "GENES")
    ]


@router.get("/search")
def search(edition: CurrentEdition, q: Annotated[str, Query(max_length=50)] = "") -> Response:
    """The page of a gene or study, by any of its names; genes to choose from if none has it."""
    text = q.strip()
    said = ""
    for path, find, key in (
        ("genes", reading.gene, "gene_id"),
        ("studies", reading.study, "study_accession_code"),
    ):
        try:
            return RedirectResponse(f"/{path}/{quote(find(edition, text)[key])}")
        except MissingError as error:
            said = said or str(error)
    genes = reading.genes_named_like(edition, text) if text else []
    page = _page("search.html", edition, text=text, genes=genes, said=said)
    page.status_code = 200 if genes or not text else 404
    return page


@router.get("/pairs")
def pairs(request: Request, edition: CurrentEdition) -> HTMLResponse:
    """Ranked pairs, with their settings as a form and in the address."""
    return _page("pairs.html", edition, **list_values(edition, dict(request.query_params)))


@router.get("/pairs/{pair_key}")
def pair(
    request: Request,
    edition: CurrentEdition,
    pair_key: PairKey,
    disease: Label | None = None,
    technology: Label | None = None,
    organism: Label | None = None,
    without: Studies = None,
) -> HTMLResponse:
    """A pair in one slice: study by study, pooled, and its samples."""
    values = pair_values(edition, pair_key, (disease, technology, organism), tuple(without or ()))
    reviews = pair_reviews(request, edition, values["pair"])
    return _page("pair.html", edition, reviews=reviews, is_report=False, **values)


@router.get("/genes/{gene:path}")
def gene(edition: CurrentEdition, gene: GeneName) -> HTMLResponse:
    """A gene: what it is, its partners and its expression."""
    found = reading.gene(edition, gene)
    parameters = {"gene_id": found["gene_id"]}
    partners = reading.partners(edition, found["gene_id"])
    return _page(
        "gene.html",
        edition,
        gene=found,
        partners=partners,
        slices=[] if partners else edition.rows(queries.GENE_SLICES, parameters),
        expression=edition.rows(queries.GENE_EXPRESSION, parameters),
    )


@router.get("/studies/{accession}")
def study(edition: CurrentEdition, accession: Accession) -> HTMLResponse:
    """A study: quality, cohorts, the contrasts it can answer, findings."""
    parameters = {"study": accession}
    return _page(
        "study.html",
        edition,
        study=reading.study(edition, accession),
        files=edition.rows(queries.STUDY_FILES, parameters),
        cohorts=edition.rows(queries.STUDY_COHORTS, parameters),
        contrasts=edition.rows(queries.STUDY_CONTRASTS, parameters),
        findings=grouped_findings(reading.findings(edition, accession)),
    )


@router.get("/runs")
def runs(request: Request, edition: CurrentEdition) -> HTMLResponse:
    """Runs, and what the last build found."""
    jobs = request.app.state.jobs
    return _page(
        "runs.html",
        edition,
        runs=edition.rows(queries.RUNS)[:50],
        findings=grouped_findings(reading.findings(edition)),
        jobs=jobs.all()[:20] if jobs else [],
    )


@router.get("/docs")
def docs() -> HTMLResponse:
    """The REST API, to try out."""
    return HTMLResponse(render("docs.html"))
