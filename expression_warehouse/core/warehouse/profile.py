"""The dbt profile: the only source of the warehouse's address and login."""

import os
import re
from argparse import Namespace
from pathlib import Path

from dbt.config.profile import Profile
from dbt.config.profile import read_profile as read_profiles_file
from dbt.config.renderer import ProfileRenderer
from dbt.exceptions import DbtProfileError, DbtProjectError
from dbt.flags import set_from_args
from dbt_common.context import set_invocation_context
from dbt_common.exceptions import DbtRuntimeError

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import project_dir, work_dir

PROFILE = "expression_warehouse"


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
    """The project's profile with its credentials, read and rendered by dbt itself.

    Raises UserError 4001 if there is no profile, no such target or the target is not valid, 54030
    if the prefix of the schemas cannot be part of a name.
    """
    _check_prefix()
    folder = profiles_dir()
    set_invocation_context(dict(os.environ))
    set_from_args(Namespace(), {})
    try:
        return Profile.from_raw_profiles(
            read_profiles_file(str(folder)),
            PROFILE,
            ProfileRenderer({}),
            target_override=target,
        )
    except (DbtProfileError, DbtProjectError, DbtRuntimeError, OSError) as error:
        raise UserError(
            "LOAD_CONNECTION_FAILED",
            _without_values(" ".join(str(error).split())),
            file=str(folder / "profiles.yml"),
            action=_advice(),
        ) from error


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
