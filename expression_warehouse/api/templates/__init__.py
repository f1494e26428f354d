"""Templates of pages and plots; text is escaped."""

from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup

from expression_warehouse.api.words import gene_name, number_text, p_text
from expression_warehouse.core.listed import counted

_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("expression_warehouse.api"),
    autoescape=True,
    # The files of a running service do not change.
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_environment.filters["number"] = number_text
_environment.filters["p"] = p_text
_environment.globals |= {"gene_name": gene_name, "counted": counted}


def _pair_url(row: dict[str, Any]) -> str:
    """The address of the page of a row's pair, in its slice."""
    slice_ = {"disease": "disease_label", "technology": "technology", "organism": "organism"}
    query = urlencode({name: row[column] for name, column in slice_.items()})
    return f"/pairs/{row['pair_key']}?{query}"


_environment.globals["pair_url"] = _pair_url


def render(name: str, **values: Any) -> Markup:
    """A template with these values, as markup."""
    return Markup(_environment.get_template(name).render(**values))
