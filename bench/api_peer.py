"""The bare service that `python -m bench api` compares with: FastAPI and DuckDB, one query."""

import sys
from typing import Any

import duckdb
import uvicorn
from fastapi import FastAPI

_QUERY = """
    select *
    from analytics.pair_rank as r
    inner join fact.fact_gene_pair_metrics as m
        on r.pair_key = m.pair_key and r.technology = m.technology and r.organism = m.organism
    where
        r.disease_label = 'SEPSIS' and r.q_basis = $q_basis and r.ranked_by = 'all'
        and r.q_star <= $q and r.i2_star <= $i2_max and r.included_study_count >= $k_min
    order by r.pair_rank
    limit $limit
"""


def serve(snapshot: str, port: int) -> None:
    connection = duckdb.connect(snapshot, read_only=True)
    app = FastAPI()

    @app.get("/api/v1/health")
    def health() -> dict[str, str]:
        return {"status": "healthy"}

    @app.get("/api/v1/analytics/pairs/top")
    def top(q: float, i2_max: float, k_min: int, q_basis: str, limit: int) -> list[dict[str, Any]]:
        parameters = {
            "q": q, "i2_max": i2_max, "k_min": k_min, "q_basis": q_basis, "limit": limit
        }  # fmt: skip
        cursor = connection.cursor().execute(_QUERY, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
