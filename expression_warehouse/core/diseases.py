"""The diseases that the warehouse knows."""

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.base import Warehouse

_LABELS = "select disease_label from {dim}.dim_disease order by disease_key"


def require_disease(warehouse: Warehouse, disease: str) -> None:
    """Raise UserError 54030 if dim_disease lacks the disease, and 4008 if it was not built."""
    known = warehouse.read(_LABELS)["disease_label"].to_pylist()
    if disease not in known:
        raise UserError(
            "CONFIG_INVALID",
            f"dim_disease has no {disease!r}",
            expected=f"one of {', '.join(known)}",
            action="Correct --disease, or add it to pipeline.yaml, ingest and run dbt build",
        )
