"""Run the service until it is stopped."""

import socket
from typing import TYPE_CHECKING

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.reporting import Reporter

if TYPE_CHECKING:
    from expression_warehouse.api.store import Store


def serve(target: str | None, host: str, port: int, reporter: Reporter) -> bool:
    """Serve a target; return whether that ended without an error. An error is reported."""
    try:
        try:
            import uvicorn

            from expression_warehouse.api.app import create_app
        except ImportError as error:
            raise UserError("API_EXTRA_MISSING", f"there is no package {error.name}") from error
        app = create_app(_open(target, reporter))
        listening = _listen(host, port)
    except UserError as error:
        reporter.failed(None, error)
        return False
    reporter.step(None, "serving", url=_url(host, listening.getsockname()[1]))
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    with listening:
        uvicorn.Server(config).run([listening])
    return True


def _open(target: str | None, reporter: Reporter) -> "Store":
    from expression_warehouse.api.publish import publish_target
    from expression_warehouse.api.store import open_store

    try:
        return open_store(target)
    except UserError as error:
        if error.name != "LOAD_WAREHOUSE_NOT_BUILT" or not publish_target(target, reporter):
            raise
        return open_store(target)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise UserError("API_PORT_TAKEN", f"port {port} of {host}: {error.strerror}") from error
    return listening


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
