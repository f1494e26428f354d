"""The dbt profile: the only source of the warehouse's address and login."""

import os
import re
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dbt_common.clients.jinja import get_template, render_template
from dbt_common.exceptions import DbtBaseException, DbtRuntimeError
from dbt_common.utils import deep_map_render

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import project_dir, work_dir
from expression_warehouse.core.warehouse.duckdb_target import DuckDBTarget

PROFILE = "expression_warehouse"


@dataclass(frozen=True)
class Profile:
    """
    target_name  of the target that was read
    credentials  of a duckdb target a DuckDBTarget; of others, dbt's
    """

    target_name: str
    credentials: Any


def profiles_dir() -> Path:
    """Where profiles.yml is: DBT_PROFILES_DIR, work_dir(), ~/.dbt, as dbt looks for it; then the
    project, because an installed one has a default."""
    if configured := os.environ.get("DBT_PROFILES_DIR"):
        return Path(configured)
    home = Path.home() / ".dbt"
    folders = (work_dir(), home, project_dir())
    return next((folder for folder in folders if _has_profile(folder)), home)


def _has_profile(folder: Path) -> bool:
    """Whether the folder has a profiles.yml, which in the home folder may be of other projects."""
    try:
        text = (folder / "profiles.yml").read_text(encoding="utf-8")
    except OSError:
        return False
    return folder != Path.home() / ".dbt" or PROFILE in text


def read_profile(target: str | None = None) -> Profile:
    """A target of the project's profile; the profile's default without a name.

    Raises UserError 4001 if there is no profile, no such target or the target is not valid, 54030
    if the prefix of the schemas cannot be part of a name.
    """
    _check_prefix()
    path = profiles_dir() / "profiles.yml"
    return _read_duckdb(path, target) or _read_with_dbt(path, target)


def _read_duckdb(path: Path, target: str | None) -> Profile | None:
    """A duckdb target. None for others, and where dbt has to say what is wrong with the file.

    To import dbt's own reader takes 1.3 to 1.9 s, which most commands need for nothing else.
    """
    context = {"env_var": _environment_variable}
    try:
        profile = yaml.safe_load(path.read_bytes())[PROFILE]
        name = target or _render(profile["target"], context)
        fields = deep_map_render(lambda value, _: _render(value, context), profile["outputs"][name])
        kind, file, settings = fields.pop("type"), fields.pop("path"), fields.pop("settings", None)
    except (OSError, yaml.YAMLError, LookupError, TypeError, AttributeError, DbtBaseException):
        return None
    if kind != "duckdb" or not isinstance(file, str) or not isinstance(settings, dict | None):
        return None
    return Profile(name, DuckDBTarget(file, settings or {}, fields))


def _environment_variable(name: str, default: Any = None) -> Any:
    return os.environ[name] if default is None else os.environ.get(name, default)


def _render(value: Any, context: dict[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    return render_template(get_template(value, context, native=True), context)


def _read_with_dbt(path: Path, target: str | None) -> Profile:
    # 1.3 s, and the adapter's 0.6 s more.
    from dbt.config import profile as dbt_profile
    from dbt.config.renderer import ProfileRenderer
    from dbt.exceptions import DbtProfileError, DbtProjectError
    from dbt.flags import set_from_args
    from dbt_common.context import set_invocation_context

    set_invocation_context(dict(os.environ))
    set_from_args(Namespace(), {})
    try:
        found = dbt_profile.Profile.from_raw_profiles(
            dbt_profile.read_profile(str(path.parent)),
            PROFILE,
            ProfileRenderer({}),
            target_override=target,
        )
    except (DbtProfileError, DbtProjectError, DbtRuntimeError, OSError) as error:
        raise UserError(
            "LOAD_CONNECTION_FAILED",
            _without_values(" ".join(str(error).split())),
            file=str(path),
            action=_advice(),
        ) from error
    credentials: Any = found.credentials
    if credentials.type == "duckdb":
        credentials = DuckDBTarget(credentials.path, credentials.settings, credentials.to_dict())
    return Profile(found.target_name, credentials)


def require_profile() -> None:
    """Raises UserError 4001 if there is no profiles.yml, of which dbt only says that a folder does
    not exist."""
    path = profiles_dir() / "profiles.yml"
    if not path.is_file():
        raise UserError(
            "LOAD_CONNECTION_FAILED", "there is no such file", file=str(path), action=_advice()
        )


def _advice() -> str:
    return (
        "Check the target; without a profile, copy profiles.example.yml to"
        f" {work_dir() / 'profiles.yml'}"
    )


def _check_prefix() -> None:
    """Statements contain the names of schemas as they are."""
    prefix = os.environ.get("EXPRESSION_SCHEMA_PREFIX", "")
    if not re.fullmatch("[A-Za-z0-9_]{0,50}", prefix):
        raise UserError(
            "CONFIG_INVALID",
            f"EXPRESSION_SCHEMA_PREFIX is {prefix!r}",
            expected="at most 50 letters, digits and _",
            action="Correct the environment variable",
        )


def _without_values(message: str) -> str:
    """dbt quotes the value of a setting that is of the wrong type, which can be a password."""
    told, invalid, _ = message.partition("invalid: ")
    hint = "a setting is missing or of the wrong type; write passwords and names in quotes"
    return told + invalid + hint if invalid else message
