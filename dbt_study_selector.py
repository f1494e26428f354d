"""Adds the selector method `study:` to dbt: `dbt build --select study:GSE154918`.

It selects every node of the project except unit tests and exposures, which have no rows of a
study; the models then restrict themselves to the rows of the studies named
(macros/study/selected_studies.sql). dbt imports each installed module whose name starts with
`dbt_` and that has a list `plugins`, and does so before it reads --select.
"""

import functools
from collections.abc import Callable, Iterator

from dbt.flags import get_flags
from dbt.graph.graph import UniqueId
from dbt.graph.selector import NodeSelector
from dbt.graph.selector_methods import MethodManager, MethodName, SelectorMethod
from dbt.graph.selector_spec import SelectionCriteria
from dbt.plugins.manager import dbtPlugin
from dbt_common.exceptions import DbtRuntimeError

from expression_warehouse.core.accession import ACCESSION


class StudySelectorMethod(SelectorMethod):
    """`study:ACCESSION`: all nodes, for the rows of one study."""

    def search(self, included_nodes: set[UniqueId], selector: str) -> Iterator[UniqueId]:
        """Yield every node; raise DbtRuntimeError if `selector` is not an accession."""
        excluded = " ".join(getattr(get_flags(), "EXCLUDE", None) or ())
        if "study:" in excluded or self.arguments:
            raise DbtRuntimeError(
                "54041 STUDY_SELECTION_INVALID: study: stands in --select alone, as"
                " study:ACCESSION; select the studies that you want"
            )
        if not ACCESSION.fullmatch(selector):
            raise DbtRuntimeError(
                f"54041 STUDY_SELECTION_INVALID: '{selector}' is not a study accession;"
                " write study:GSE154918, once for each study"
            )
        if name := self._unknown_name(selector):
            raise DbtRuntimeError(
                f"54041 STUDY_SELECTION_INVALID: a comma means an intersection, and dbt has no"
                f" node '{name}'; write study: once for each study, separated by blanks:"
                f" study:{selector} study:{name}"
            )
        for node, _ in self.all_nodes(included_nodes):
            yield node

    def _unknown_name(self, study: str) -> str | None:
        """What looks like an accession and names no node, in an intersection with the study."""
        for criteria in " ".join(getattr(get_flags(), "SELECT", None) or ()).split():
            names = [name.strip("+@") for name in criteria.split(",")]
            if len(names) > 1 and f"study:{study}" in names:
                nodes = [*self.manifest.nodes.values(), *self.manifest.sources.values()]
                known = {name for node in nodes for name in node.fqn}
                for name in names:
                    if ACCESSION.fullmatch(name) and "." not in name and name not in known:
                        return name
        return None


def with_rows_only(get_nodes: Callable) -> Callable:
    """Wrap NodeSelector.get_nodes_from_criteria, which adds unit tests and exposures of models."""

    @functools.wraps(get_nodes)
    def get_nodes_from_criteria(
        selector: NodeSelector, spec: SelectionCriteria
    ) -> tuple[set[UniqueId], set[UniqueId]]:
        direct, indirect = get_nodes(selector, spec)
        if spec.method == "study":
            manifest = selector.manifest
            return direct - manifest.unit_tests.keys() - manifest.exposures.keys(), indirect
        return direct, indirect

    return get_nodes_from_criteria


class StudySelector(dbtPlugin):
    """Registers the method. The enumeration of method names is closed, hence the insertion."""

    def initialize(self) -> None:
        if "study" not in MethodName._value2member_map_:
            member = str.__new__(MethodName, "study")
            member._name_ = "Study"
            member._value_ = "study"
            MethodName._member_map_["Study"] = member
            MethodName._value2member_map_["study"] = member
            NodeSelector.get_nodes_from_criteria = with_rows_only(  # type: ignore[method-assign]
                NodeSelector.get_nodes_from_criteria
            )
        MethodManager.SELECTOR_METHODS[MethodName("study")] = StudySelectorMethod


plugins = [StudySelector]
