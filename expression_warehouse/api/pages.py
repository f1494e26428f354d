"""The pages of the explorer. Each is a permalink, and none needs a script."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from expression_warehouse.api import queries, reading
from expression_warehouse.api.editions import CurrentEdition
from expression_warehouse.api.plots.forest import forest_plot, pooled_rows, study_rows
from expression_warehouse.api.plots.scatter import scatter_plots
from expression_warehouse.api.rank_settings import Label, RankSettings
from expression_warehouse.api.reading import MissingError
from expression_warehouse.api.routes import Accession, GeneName, PairKey
from expression_warehouse.api.store import Edition
from expression_warehouse.api.templates import render
from expression_warehouse.api.words import advice, gene_name, heterogeneity, rationale

router = APIRouter(default_response_class=HTMLResponse)


def _page(name: str, edition: Edition, **values: Any) -> HTMLResponse:
    return HTMLResponse(render(name, version=edition.version, **values))


@router.get("/")
def start(edition: CurrentEdition) -> HTMLResponse:
    """What the warehouse holds, how fresh it is, and how far to trust its tests."""
    return _page(
        "start.html",
        edition,
        slices=edition.rows(queries.SLICES),
        studies=edition.rows(queries.STUDIES),
        calibration=_calibration(edition),
        findings=reading.findings(edition),
        runs=[run for run in edition.rows(queries.RUNS) if "build" in run["command"]][:1],
    )


def _calibration(edition: Edition) -> list[dict[str, Any]]:
    """The default test's rows of null data: how often it finds something."""
    return [
        row
        for row in edition.rows(queries.CALIBRATION)
        if row["test"] == "pair" and row["null_hypothesis"] in ("LABELS", "GENES")
    ]


@router.get("/search")
def search(edition: CurrentEdition, q: Annotated[str, Query(max_length=50)] = "") -> Response:
    """The page of a gene or study, by id, symbol or accession."""
    for path, find in (("genes", reading.gene), ("studies", reading.study)):
        try:
            find(edition, q.strip())
        except MissingError as error:
            missing = error
        else:
            return RedirectResponse(f"/{path}/{q.strip()}")
    raise missing


@router.get("/pairs")
def pairs(request: Request, edition: CurrentEdition) -> HTMLResponse:
    """Ranked pairs, with their settings as a form and in the address."""
    try:
        settings = RankSettings.model_validate(dict(request.query_params))
        rows, error = reading.ranked(edition, settings).to_pylist(), None
    except ValidationError as invalid:
        settings, rows = RankSettings(), []
        error = "; ".join(f"{item['loc'][-1]}: {item['msg']}" for item in invalid.errors())
    return _page(
        "pairs.html",
        edition,
        settings=settings,
        rows=[{**row, "rationale": rationale(row)} for row in rows],
        error=error,
        diseases=[row["disease_label"] for row in edition.rows(queries.DISEASES)],
        contrasts=edition.rows(queries.CONTRASTS, {"disease": settings.disease}),
        query=urlencode(settings.model_dump(exclude_none=True)),
        gene_name=gene_name,
    )


@router.get("/pairs/{pair_key}")
def pair(
    edition: CurrentEdition,
    pair_key: PairKey,
    disease: Label | None = None,
    technology: Label | None = None,
    organism: Label | None = None,
) -> HTMLResponse:
    """A pair in one slice: study by study, pooled, and its samples."""
    found = reading.pair(edition, pair_key)
    contrasts = edition.rows(queries.PAIR_CONTRASTS, {"pair_key": pair_key})
    slices = list(dict.fromkeys(_slice(row) for row in contrasts))
    if not slices:
        raise MissingError(f"metrics of pair {pair_key}")
    asked = [
        slice_
        for slice_ in slices
        if all(
            want in (None, has)
            for want, has in zip((disease, technology, organism), slice_, strict=True)
        )
    ]
    if not asked:
        raise MissingError(f"metrics of pair {pair_key} in that slice")
    chosen = asked[0]
    studies = reading.pair_studies(edition, pair_key).to_pylist()
    cohorts = reading.pair_cohorts(edition, pair_key).to_pylist()
    names = [gene_name(found[f"gene_{g}_symbol"], found[f"gene_{g}_id"]) for g in "ab"]
    return _page(
        "pair.html",
        edition,
        pair=found,
        names=names,
        slices=slices,
        chosen=chosen,
        contrasts=[
            _contrast(row, [s for s in studies if _slice(s) == chosen], " and ".join(names))
            for row in contrasts
            if _slice(row) == chosen
        ],
        scatters=scatter_plots(
            reading.pair_values(edition, pair_key, *chosen).to_pylist(),
            [row for row in cohorts if _slice(row) == chosen],
            *names,
        ),
    )


def _slice(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["disease_label"], row["technology"], row["organism"]


def _contrast(row: dict[str, Any], studies: list[dict[str, Any]], names: str) -> dict[str, Any]:
    """A contrast's row of the fact with its forest plot and words."""
    own = [study for study in studies if study["contrast"] == row["contrast"]]
    plot = None
    if own:
        lines = study_rows(own, row["tau2"] or 0.0)
        plot = forest_plot(f"{names}: {row['description']}", lines, pooled_rows(row))
    return {
        **row,
        "studies": own,
        "plot": plot,
        "advice": advice(row),
        "heterogeneity": heterogeneity(row["i2"]),
    }


@router.get("/genes/{gene}")
def gene(edition: CurrentEdition, gene: GeneName) -> HTMLResponse:
    """A gene: what it is, its partners and its expression."""
    found = reading.gene(edition, gene)
    parameters: dict[str, str | int | None] = {"gene_id": found["gene_id"]}
    return _page(
        "gene.html",
        edition,
        gene=found,
        partners=reading.partners(edition, found["gene_id"]),
        expression=edition.rows(queries.GENE_EXPRESSION, parameters),
        gene_name=gene_name,
    )


@router.get("/studies/{accession}")
def study(edition: CurrentEdition, accession: Accession) -> HTMLResponse:
    """A study: quality, cohorts, the contrasts it can answer, findings."""
    parameters = {"study": accession}
    return _page(
        "study.html",
        edition,
        study=reading.study(edition, accession),
        cohorts=edition.rows(queries.STUDY_COHORTS, parameters),
        contrasts=edition.rows(queries.STUDY_CONTRASTS, parameters),
        findings=reading.findings(edition, accession),
    )


@router.get("/runs")
def runs(edition: CurrentEdition) -> HTMLResponse:
    """Runs, and what the last build found."""
    return _page(
        "runs.html",
        edition,
        runs=edition.rows(queries.RUNS)[:50],
        findings=reading.findings(edition),
    )
