"""The page of ranked pairs: settings as a form and in the address, a table and two overviews."""

from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import Field, ValidationError

from expression_warehouse.api import queries
from expression_warehouse.api.pair_list import (
    InvalidCursorError,
    PairListSettings,
    page_query,
    pair_page,
    pairs_among,
)
from expression_warehouse.api.plots.heatmap import heatmap, heatmap_genes
from expression_warehouse.api.plots.interval import interval_plot, interval_scale
from expression_warehouse.api.plots.volcano import volcano_plot
from expression_warehouse.api.rank_settings import faults
from expression_warehouse.api.reading import MissingError
from expression_warehouse.api.store import Edition
from expression_warehouse.api.words import rationale


class ListPageSettings(PairListSettings):
    """As a list of the API, but with the defaults of the ranked view."""

    q: Annotated[float, Field(ge=0, le=1)] = 0.05
    k_min: Annotated[int, Field(ge=2, le=10_000)] = 3
    i2_max: Annotated[float, Field(ge=0, le=100)] = 75


def list_values(edition: Edition, query: dict[str, str]) -> dict[str, Any]:
    """What the template pairs.html shows for a query string: never an error page, since the form is
    there to correct it."""
    settings, error, rows, cursor = ListPageSettings(), None, [], None
    diseases = edition.diseases_with_pairs
    # A form sends an empty text for what is not chosen.
    chosen = {name: value for name, value in query.items() if value != ""}
    if diseases and settings.disease not in diseases:
        chosen = {"disease": diseases[0], **chosen}
    try:
        settings = ListPageSettings.model_validate(chosen)
        page = pair_page(edition, settings)
        rows, cursor = page.rows.to_pylist(), page.cursor
    except ValidationError as invalid:
        error = faults(invalid)
    except MissingError as missing:
        error = f"{missing}."
    except InvalidCursorError:
        error = "This page is of another list; here is its first page."
        settings = settings.model_copy(update={"cursor": None})
    next_page = page_query(settings, page) if cursor else None
    ends = [end for row in rows for end in (row["effect_ci_low"], row["effect_ci_high"])]
    scale = interval_scale([end for end in ends if end is not None])
    return {
        "settings": settings,
        "error": error,
        "rows": [
            {**row, "rationale": rationale(row), "plot": _interval(row, scale)} for row in rows
        ],
        "next_page": next_page,
        "query": urlencode(settings.model_dump(exclude_none=True)),
        "diseases": diseases,
        "contrasts": edition.rows(queries.CONTRASTS, {"disease": settings.disease}),
        "volcano": volcano_plot(rows, settings.q),
        "heatmaps": _heatmaps(edition, settings, rows),
    }


def _heatmaps(
    edition: Edition, settings: PairListSettings, rows: list[dict[str, Any]]
) -> list[tuple[tuple[str, str], str]]:
    """Technology and organism of a slice of the list, and its plot."""
    plots = []
    for slice_ in sorted({(row["technology"], row["organism"]) for row in rows}):
        own = [row for row in rows if (row["technology"], row["organism"]) == slice_]
        if genes := heatmap_genes(own):
            tested = pairs_among(edition, settings, slice_, list(genes))
            plots.append((slice_, heatmap(genes, tested, {row["pair_key"] for row in own})))
    return plots


def _interval(row: dict[str, Any], scale: Any) -> str | None:
    effect, low, high = (row[name] for name in ("effect", "effect_ci_low", "effect_ci_high"))
    return None if None in (effect, low, high) else interval_plot(effect, low, high, scale)
