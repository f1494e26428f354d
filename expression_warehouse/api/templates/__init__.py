"""Templates of pages and plots; text is escaped."""

from typing import Any

import jinja2
from markupsafe import Markup

from expression_warehouse.api.words import number_text, p_text

_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("expression_warehouse.api"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_environment.filters["number"] = number_text
_environment.filters["p"] = p_text


def render(name: str, **values: Any) -> Markup:
    """A template with these values, as markup."""
    return Markup(_environment.get_template(name).render(**values))
