"""REST: reviews of pairs."""

from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from expression_warehouse.api import reading
from expression_warehouse.api.access import ReviewKey
from expression_warehouse.api.answers import json_answer
from expression_warehouse.api.editions import CurrentEdition
from expression_warehouse.api.parameters import PairKey
from expression_warehouse.api.rank_settings import Label
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.review_journal import ReviewJournal

router = APIRouter()

# Text without control characters other than tabs and line ends.
_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"


class Review(BaseModel):
    """A judgement on a pair."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    verdict: Literal["SUPPORTED", "UNCERTAIN", "REJECTED"]
    rationale: Annotated[str, Field(min_length=1, max_length=10_000, pattern=_TEXT)]
    reviewer: Annotated[str, Field(min_length=1, max_length=100, pattern=_TEXT)]
    model: Annotated[
        str | None,
        Field(
            max_length=100, pattern=_TEXT, description="The language model that wrote it, if any."
        ),
    ] = None
    disease: Annotated[Label | None, Field(description="The disease that was looked at.")] = None
    snapshot: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9.-]{1,100}$", description="Default: the current one."),
    ] = None


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,200}$",
        description="A request that is sent again with the same key writes nothing.",
    ),
]


@router.post(
    "/analytics/pairs/{pair_key}/review",
    summary="Review a pair",
    status_code=201,
    response_class=JSONResponse,
)
def add_review(
    request: Request,
    edition: CurrentEdition,
    pair_key: PairKey,
    review: Review,
    key: ReviewKey,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """The answer comes once the review is on the disk. The next ingest brings it into
    `analytics.llm_reviews`, the next build into `agent_result_json` of the pair."""
    found = reading.pair(edition, pair_key)
    row = {
        "review_id": str(uuid4()),
        "pair_key": pair_key,
        "gene_a_id": found["gene_a_id"],
        "gene_b_id": found["gene_b_id"],
        "verdict": review.verdict,
        "rationale": review.rationale,
        "reviewer": review.reviewer,
        "model": review.model,
        "disease_label": review.disease,
        "snapshot_version": review.snapshot or edition.version,
        "api_key_id": key.key_id,
        "created_at": utc_now().isoformat(),
    }
    journal: ReviewJournal = request.app.state.journal
    written, _ = journal.append(row, idempotency_key)
    answer = json_answer(written)
    answer.status_code = 201
    answer.headers["Location"] = f"/api/v1/pairs/{pair_key}/reviews"
    return answer


@router.get("/pairs/{pair_key}/reviews", summary="Reviews of a pair, the oldest first")
def reviews(request: Request, edition: CurrentEdition, pair_key: PairKey) -> Response:
    return json_answer(pair_reviews(request, edition, reading.pair(edition, pair_key)))


def pair_reviews(
    request: Request, edition: reading.Edition, pair: dict[str, Any]
) -> list[dict[str, Any]]:
    """Reviews of a pair in the journal of this service and in the warehouse, the oldest first."""
    genes = (pair["gene_a_id"], pair["gene_b_id"])
    found = {row["review_id"]: row for row in reading.reviews(edition, *genes)}
    journal: ReviewJournal = request.app.state.journal
    found |= {row["review_id"]: row for row in journal.reviews(genes)}
    return sorted(found.values(), key=lambda row: (row["created_at"], row["review_id"]))
