"""What the service says of itself: health, GA4GH service-info, metrics."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response

from expression_warehouse.api.editions import CurrentEdition
from expression_warehouse.api.metrics import Metrics

router = APIRouter()


@router.get("/api/v1/health", summary="Whether the service can read the warehouse")
def health(edition: CurrentEdition) -> dict[str, str]:
    return {"status": "healthy", "snapshot": edition.version}


@router.get("/api/v1/service-info", summary="GA4GH service-info 1.0")
@router.get("/service-info", include_in_schema=False)
def service_info(request: Request, edition: CurrentEdition) -> dict[str, Any]:
    return {
        "id": "org.expression-warehouse.api",
        "name": "Expression warehouse",
        "type": {
            "group": "org.expression-warehouse",
            "artifact": "gene-pair-co-expression",
            "version": "1.0.0",
        },
        "description": "Gene pairs whose co-expression changes with illness, study by study",
        "organization": {"name": "Expression warehouse", "url": str(request.base_url)},
        "documentationUrl": f"{request.base_url}docs",
        "version": version("expression-warehouse"),
        "snapshot": edition.version,
    }


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    found: Metrics = request.app.state.metrics
    return found.text()
