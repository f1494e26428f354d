"""Hostile requests to every operation of the OpenAPI document: the service answers each with what the
document says, and never with an error of its own."""

import os
from unittest import mock

import pytest
import schemathesis
from conftest import examples
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from warehouses import four_studies

from expression_warehouse.api.app import create_app
from expression_warehouse.api.keys import KeyFile
from expression_warehouse.api.limits import Limits
from expression_warehouse.api.service_files import service_files
from expression_warehouse.api.store import open_store
from expression_warehouse.core.snapshot import publish

pytestmark = pytest.mark.skipif(
    os.environ.get("EXPRESSION_TEST_TARGET") == "sqlserver", reason="serves a snapshot"
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Over all operations, about 400 requests in `make test` and 10,000 in `make test-long`.
EXAMPLES = examples(23)


@pytest.fixture(scope="module")
def schema(copy_of, tmp_path_factory):
    warehouse = copy_of(four_studies, tmp_path_factory.mktemp("schema"))
    publish(warehouse.path, print)
    with mock.patch.dict(os.environ, warehouse.env, clear=True):
        files = service_files(None)
        app = create_app(open_store(None), files)
        app.user_middleware = [one for one in app.user_middleware if one.cls is not Limits]
        key = KeyFile(files.keys).create("test", ("review", "run"))
        made = schemathesis.openapi.from_asgi(
            "/api/v1/openapi.json", app, headers={"Host": "127.0.0.1"}
        )
        made.config.update(headers={"Host": "127.0.0.1", "Authorization": f"Bearer {key}"})
        yield made


def test_every_operation_answers_as_documented(schema):
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 20
    faults = []
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def answers(case):
            case.call_and_validate(checks=CHECKS)

        try:
            answers()
        except Exception as error:
            faults.append(f"{operation.label}: {error}")
    assert not faults, "\n\n".join(faults)
