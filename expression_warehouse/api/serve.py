"""Run the service until it is stopped."""

import socket
from typing import TYPE_CHECKING

from expression_warehouse.core.config import PipelineConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.reporting import Reporter

if TYPE_CHECKING:
    from expression_warehouse.api.jobs import JobQueue
    from expression_warehouse.api.service_files import ServiceFiles
    from expression_warehouse.api.store import Store


LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


def serve(
    target: str | None, host: str, port: int, config: PipelineConfig, reporter: Reporter
) -> bool:
    """Serve a target; return whether that ended without an error. An error is reported."""
    try:
        try:
            import uvicorn

            from expression_warehouse.api.app import create_app
            from expression_warehouse.api.service_files import service_files
        except ImportError as error:
            raise UserError("API_EXTRA_MISSING", f"there is no package {error.name}") from error
        files = service_files(target)
        is_public = host not in LOCAL_HOSTS
        if is_public:
            _need_reader(files)
        app = create_app(
            open_published(target, reporter), files, is_public, _jobs(target, config, files)
        )
        listening = _listen(host, port)
    except UserError as error:
        reporter.failed(None, error)
        return False
    reporter.step(None, "serving", url=_url(host, listening.getsockname()[1]))
    settings = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    with listening:
        uvicorn.Server(settings).run([listening])
    return True


def _need_reader(files: "ServiceFiles") -> None:
    from expression_warehouse.api.keys import KeyFile

    if not any("read" in key.scopes and not key.revoked_at for key in KeyFile(files.keys).all()):
        raise UserError("API_KEY_NEEDED", "no valid API key has the scope read")


def _jobs(target: str | None, config: PipelineConfig, files: "ServiceFiles") -> "JobQueue | None":
    from expression_warehouse.api.jobs import JobQueue, load_command

    inbox = config.folder("inbox")
    return JobQueue(files.jobs, load_command(inbox, config.path, target)) if inbox else None


def open_published(target: str | None, reporter: Reporter) -> "Store":
    """What the API reads of a target; if no snapshot is published yet, one is.

    Raises UserError as open_store and publish_snapshot do.
    """
    from expression_warehouse.api.publish import publish_snapshot
    from expression_warehouse.api.store import open_store

    try:
        return open_store(target)
    except UserError as error:
        if error.name != "LOAD_WAREHOUSE_NOT_BUILT":
            raise
    publish_snapshot(target, reporter)
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
