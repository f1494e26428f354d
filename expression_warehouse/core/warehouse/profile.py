"""The dbt profile: the only source of the warehouse's address and login."""

import os
import re
from argparse import Namespace
from pathlib import Path

import yaml
from dbt.config.profile import Profile
from dbt.config.profile import read_profile as read_profiles_file
from dbt.config.renderer import ProfileRenderer
from dbt.exceptions import DbtProfileError, DbtProjectError
from dbt.flags import set_from_args
from dbt_common.context import set_invocation_context
from dbt_common.exceptions import DbtRuntimeError

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import project_dir


def profiles_dir() -> Path:
    """Where dbt looks for profiles.yml: DBT_PROFILES_DIR, the project, ~/.dbt."""
    if configured := os.environ.get("DBT_PROFILES_DIR"):
        return Path(configured)
    if (project_dir() / "profiles.yml").is_file():
        return project_dir()
    return Path.home() / ".dbt"


def read_profile(target: str | None = None) -> Profile:
    """The project's profile with its credentials, read and rendered by dbt itself.

    Raises UserError 4001 if there is no profile, no such target or the target is not valid, 54030
    if the prefix of the schemas cannot be part of a name.
    """
    _check_prefix()
    folder = profiles_dir()
    project = yaml.safe_load((project_dir() / "dbt_project.yml").read_text(encoding="utf-8"))
    set_invocation_context(dict(os.environ))
    set_from_args(Namespace(), {})
    try:
        return Profile.from_raw_profiles(
            read_profiles_file(str(folder)),
            project["profile"],
            ProfileRenderer({}),
            target_override=target,
        )
    except (DbtProfileError, DbtProjectError, DbtRuntimeError) as error:
        raise UserError(
            "LOAD_CONNECTION_FAILED",
            _without_values(" ".join(str(error).split())),
            file=str(folder / "profiles.yml"),
            action="Check the target; without a profile, copy profiles.example.yml to "
            f"{project_dir() / 'profiles.yml'}",
        ) from error


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
