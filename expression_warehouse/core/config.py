"""pipeline.yaml: settings of studies and folders."""

import difflib
import itertools
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self, get_args

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from expression_warehouse.core.disease_config import (
    DiseaseConfig,
    DiseaseName,
    Strict,
    definitions_json,
    find_fault,
)
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import unreadable
from expression_warehouse.core.listed import listed
from expression_warehouse.core.moved_settings import WHERE_IT_IS
from expression_warehouse.core.project import read_seed


def _one_of_seed(seed: str, column: str) -> AfterValidator:
    """Checks that a value is in a column of a seed, or in the validation context under its name."""

    def check(value: str, info: ValidationInfo) -> str:
        configured = (info.context or {}).get(column, ())
        allowed = [*(row[column] for row in read_seed(seed)), *configured]
        if value not in allowed:
            raise ValueError(f"{value!r} is not one of {', '.join(allowed)}")
        return value

    return AfterValidator(check)


def _empty(kind: type) -> BeforeValidator:
    """A key whose lines are all commented out is null in YAML: an empty list or mapping."""
    return BeforeValidator(lambda value: kind() if value is None else value)


def _unique(values: list[str]) -> list[str]:
    if repeated := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
        raise ValueError(f"{repeated[0]} is listed twice")
    return values


def _pattern_with(group: str, *words: str) -> AfterValidator:
    """Checks that a text is one of the words, or a regular expression with a group."""

    def check(value: str | dict[str, str]) -> str | dict[str, str]:
        if isinstance(value, str) and value not in words:
            try:
                groups = re.compile(value).groupindex
            except re.error as error:
                raise ValueError(f"{value!r} is not a regular expression: {error}") from error
            if group not in groups:
                raise ValueError(f"{value!r} has no group (?P<{group}>…)")
        return value

    return AfterValidator(check)


Subjects = Annotated[str | dict[str, str], _pattern_with("subject", "refinebio_subject")]
SampleNames = Annotated[str | dict[str, str], _pattern_with("sample")]
FileName = Annotated[str, Field(min_length=1)]
Organism = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]*_[A-Z0-9_]{1,90}$")]
Samples = Annotated[list[str], _empty(list), AfterValidator(_unique)]
Unit = Annotated[str, _one_of_seed("unit", "unit_tag")]
IllnessLabel = Annotated[str, _one_of_seed("illness", "illness_label")]
DiseaseLabel = Annotated[str, _one_of_seed("disease", "disease_label")]


class StudyConfig(Strict):
    """The settings of one study.

    units              unit of the values; if missing, it is inferred
    disease            disease of the study
    illness_overrides  sample → illness label, in place of the one inferred
    skip_samples       samples that are not loaded
    include            if given, analyses use only these samples
    exclude            samples that are loaded, but not used in analyses
    subjects           sample → subject, or a regular expression on the title with a group `subject`
                       and optionally `time`, or `refinebio_subject` for the metadata's own
    times              sample → time in hours; default: that of the title or `refinebio_time`
    duplicate_genes    what becomes of several lines that are one gene: their mean or max, or refuse
                       the study; default: mean, of counts the sum
    strict_samples     whether samples that the matrix lacks are an error
    refuse_scaled      whether values that refine.bio scaled per gene are an error
    sample_names       column of the matrix → sample, or a regular expression on the column's name
                       with a group `sample`, if columns have other names than the samples
    accept_smaller     whether a file with far fewer genes or samples replaces the one before
    matrix             name of the matrix, in the folder that is loaded; default: found by its name
    sample_sheet       name of the table of samples; default: found by its name
    sheet_columns      field of a sample (docs/formats.md) → its column in the sample sheet
    technology         RNA-SEQ or MICROARRAY, if the files do not say it
    organism           as HOMO_SAPIENS, if the files do not say it
    """

    units: Unit | None = None
    disease: DiseaseLabel | None = None
    illness_overrides: Annotated[dict[str, IllnessLabel], _empty(dict)] = Field(
        default_factory=dict
    )
    skip_samples: Samples = Field(default_factory=list)
    include: Samples = Field(default_factory=list)
    exclude: Samples = Field(default_factory=list)
    subjects: Subjects | None = None
    times: Annotated[dict[str, float], _empty(dict)] = Field(default_factory=dict)
    duplicate_genes: Literal["mean", "max", "refuse"] | None = None
    strict_samples: bool = False
    refuse_scaled: bool = False
    sample_names: SampleNames | None = None
    accept_smaller: bool = False
    matrix: FileName | None = None
    sample_sheet: FileName | None = None
    sheet_columns: Annotated[dict[str, str], _empty(dict)] = Field(default_factory=dict)
    technology: Literal["RNA-SEQ", "MICROARRAY"] | None = None
    organism: Organism | None = None

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        """A sample is in one of these lists at most."""
        for first, second in itertools.combinations(("skip_samples", "include", "exclude"), 2):
            others = set(getattr(self, second))
            if both := [sample for sample in getattr(self, first) if sample in others]:
                raise ValueError(
                    f"{listed(both)}: both in {first} and in {second}; take each out of one of them"
                )
        return self

    def snapshot(self) -> str:
        """The configuration as JSON text, equal for equal configurations."""
        settings = self.model_dump()
        lists = {name: sorted(value) for name, value in settings.items() if isinstance(value, list)}
        return json.dumps(settings | lists, sort_keys=True)

    def named_samples(self) -> dict[str, str]:
        """Sample → the setting that names it."""
        settings = ("illness_overrides", "skip_samples", "include", "exclude")
        named = {sample: setting for setting in settings for sample in getattr(self, setting)}
        subjects = self.subjects if isinstance(self.subjects, dict) else {}
        return named | dict.fromkeys(self.times, "times") | dict.fromkeys(subjects, "subjects")


class Defaults(Strict):
    """How studies are read.

    chunk_size   values melted at a time, approximately; more for over 1,000 samples
    parallelism  studies loaded side by side
    """

    chunk_size: int = Field(default=250_000, ge=1_000, le=100_000_000)
    parallelism: int = Field(default=2, ge=1, le=64)


class Limits(Strict):
    """What is refused before it fills memory or disk.

    matrix_gb          10^9 bytes of a file, uncompressed
    compression_ratio  uncompressed to compressed bytes of a file of more than 100 MB
    columns            of a matrix; a line has at most 64 bytes per column
    metadata_mb        10^6 bytes of aggregated_metadata.json
    follow_links       whether a file may be a link that leaves the folder of the download
    """

    matrix_gb: float = Field(default=100, gt=0)
    compression_ratio: int = Field(default=300, ge=1)
    columns: int = Field(default=100_000, ge=1)
    metadata_mb: float = Field(default=100, gt=0)
    follow_links: bool = False


DEFAULT_LIMITS = Limits()


def _refuse_days(value: object) -> None:
    if value is not None:
        raise ValueError("artifacts are never deleted: only null is allowed")


Folder = Annotated[str, Field(min_length=1)]
Days = Annotated[int, Field(ge=1, le=36_500)]
KeptForEver = Annotated[None, BeforeValidator(_refuse_days)]


class Folders(Strict):
    """Folders for output, relative to that of pipeline.yaml. None of logs, archive and artifacts
    may lie in another.

    logs       logs of commands, one folder per day; default: that of dbt (DBT_LOG_PATH), else logs
    archive    copies of staged studies; without it, no copies are made
    artifacts  published results, which are never deleted
    inbox      what POST /etl/run of the API loads: downloads, which may lie anywhere
    """

    logs: Folder | None = None
    archive: Folder | None = None
    artifacts: Folder = "artifacts"
    inbox: Folder | None = None


class Retention(Strict):
    """How many days things are kept. Artifacts are written once and never deleted: their settings
    have one value each."""

    artifacts_days: KeptForEver = None
    artifacts_worm: Literal[True] = True
    archive_days: Days = 180
    logs_days: Days = 180
    db_logs_days: Days = 180
    staging_days: Days = 7


class PipelineConfig(Strict):
    """The whole file."""

    defaults: Annotated[Defaults, _empty(dict)] = Field(default_factory=Defaults)
    limits: Annotated[Limits, _empty(dict)] = Field(default_factory=Limits)
    folders: Annotated[Folders, _empty(dict)] = Field(default_factory=Folders)
    retention: Annotated[Retention, _empty(dict)] = Field(default_factory=Retention)
    diseases: dict[DiseaseName, DiseaseConfig] | None = None
    studies: Annotated[dict[str, Annotated[StudyConfig, _empty(dict)]], _empty(dict)] = Field(
        default_factory=dict
    )
    _path: Path | None = PrivateAttr(default=None)
    _text: str = PrivateAttr(default="")
    _root: yaml.Node | None = PrivateAttr(default=None)

    @property
    def text(self) -> str:
        """The text of the file; empty without one."""
        return self._text

    @property
    def label(self) -> str:
        """The file's path, for messages to the user."""
        return str(self._path or "pipeline.yaml")

    def line(self, *location: str) -> int | None:
        """The line of a key such as ('studies', 'GSE1', 'exclude'), counted from 1."""
        return _find(self._root, location).start_mark.line + 1 if self._root else None

    @property
    def disease_definitions(self) -> dict[str, str] | None:
        """Disease → its definition for staging.disease_definition; None without a key diseases."""
        if self.diseases is None:
            return None
        return definitions_json(self.diseases)

    def study(self, accession: str) -> StudyConfig:
        """The configuration of a study; the defaults if the file does not name it."""
        return self.studies.get(accession, StudyConfig())

    @property
    def artifacts(self) -> Path:
        """The folder of published results, which may not exist yet."""
        return (self._path.parent if self._path else Path()) / self.folders.artifacts

    @property
    def path(self) -> Path | None:
        """The file; None without one."""
        return self._path

    def folder(self, name: Literal["logs", "archive", "artifacts", "inbox"]) -> Path | None:
        """The path of one of the folders, which may not exist yet; None if it is not configured."""
        configured = getattr(self.folders, name)
        base = self._path.parent if self._path else Path()
        if name == "logs" and not configured:
            return Path(os.environ.get("DBT_LOG_PATH") or base / "logs")
        return None if configured is None else base / configured


class _Loader(yaml.SafeLoader):
    """No setting is a date: what looks like one is the name of a sample or study."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:timestamp"]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


# Nodes of the file with its aliases written out; a study of 1,000 samples has a few thousand.
_MOST_NODES = 1_000_000


def load_config(path: Path | None) -> PipelineConfig:
    """Read pipeline.yaml; without a path, the defaults.

    Raises UserError 54030 if there is no such file, and with the line if it is not YAML, has a key
    twice, an unknown key, a wrong type, a value that is not allowed, a disease whose labels,
    phrases and contrasts do not fit together, or folders of which one lies in another.
    """
    if path is None:
        return PipelineConfig()
    if not path.exists() or path.is_dir():
        raise UserError(
            "CONFIG_INVALID",
            "this is a folder" if path.is_dir() else "no such file",
            file=str(path),
            action="Name an existing pipeline.yaml",
        )
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            return PipelineConfig()
        if not isinstance(root, yaml.MappingNode):
            _invalid(path, root.start_mark, "this is not a mapping of keys to values")
        _refuse_many_nodes(path, root)
        _refuse_repeated_keys(path, root)
        document = _construct(root)
    except UnicodeDecodeError as error:
        raise UserError(
            "EXTRACTION_ENCODING_ERROR", f"byte {error.start} is not UTF-8", file=str(path)
        ) from error
    except OSError as error:
        raise unreadable(str(path), error) from error
    except yaml.MarkedYAMLError as error:
        hint = "; indent with blanks, not tabs" if "\\t" in str(error.problem) else ""
        _invalid(path, error.problem_mark, f"this is not valid YAML: {error.problem}{hint}")
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        _invalid(path, None, f"this is not valid YAML: {error}")
    try:
        config = PipelineConfig.model_validate(document, context=_configured_names(document))
    except ValidationError as error:
        first = error.errors()[0]
        mark = _find(root, first["loc"]).start_mark
        _invalid(path, mark, _explain(first))
    config._path = path
    config._text = text
    config._root = root
    if fault := find_fault(config.diseases or {}):
        location, found = fault
        _invalid(path, _find(root, ("diseases", *location)).start_mark, found)
    if overlap := _find_overlap(config):
        mark = _find(root, ("folders",)).start_mark
        _invalid(path, mark, overlap, expected="folders of which none lies in another")
    return config


def _configured_names(document: Any) -> dict[str, list[str]]:
    """The diseases and labels of `diseases`, under the columns of the seeds that they extend.

    The document is not checked yet.
    """
    diseases = document.get("diseases") if isinstance(document, dict) else None
    diseases = diseases if isinstance(diseases, dict) else {}
    labels = [
        label
        for disease in diseases.values()
        if isinstance(disease, dict) and isinstance(disease.get("labels"), dict)
        for label in disease["labels"]
    ]
    return {
        column: [name for name in names if isinstance(name, str)]
        for column, names in (("disease_label", diseases), ("illness_label", labels))
    }


def _find_overlap(config: PipelineConfig) -> str | None:
    """The message if one folder is, or lies in, another."""
    names: tuple[Literal["logs", "archive", "artifacts"], ...] = ("logs", "archive", "artifacts")
    paths = {name: path.resolve() for name in names if (path := config.folder(name))}
    for outer, inner in itertools.permutations(paths, 2):
        if paths[inner].is_relative_to(paths[outer]):
            return f"folders.{inner} is folders.{outer}, or lies in it"
    return None


def _invalid(
    path: Path, mark: yaml.Mark | None, found: str, expected: str | None = None
) -> NoReturn:
    raise UserError(
        "CONFIG_INVALID",
        found,
        file=str(path),
        line=mark.line + 1 if mark else None,
        expected=expected or "see pipeline.example.yaml",
    )


# Kind of a pydantic error → what is wrong, in plain words; {value} is what the file has.
_MAPPING = "{value} is no mapping: write each key and its value below it, indented (key: value)"
_PLAIN = {
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "list_type": "{value} is no list: put [ ] around its items, with commas between them",
    "string_type": "{value} is no text; put quotes around it",
    "string_too_short": "the text is empty",
    "string_too_long": "the text has more than {max_length} characters",
    "too_short": "the list is empty",
    "bool_type": "{value} is neither true nor false",
    "int_type": "{value} is no whole number",
    "float_type": "{value} is no number",
    "literal_error": "{value} is not {expected}",
    "greater_than_equal": "{value} is less than {ge}",
    "greater_than": "{value} is not greater than {gt}",
    "less_than_equal": "{value} is greater than {le}",
    "missing": "the key is missing",
}
_VALUE_SHOWN = 60


def _explain(error: Any) -> str:
    # pydantic adds steps: '[key]' for a key that is not allowed, the type for a value of two types.
    types = [step for step in error["loc"] if step == "str" or str(step).startswith("dict[")]
    steps = [str(step) for step in error["loc"] if step != "[key]" and step not in types]
    location = ".".join(steps) or "the file"
    if error["type"] == "extra_forbidden":
        key, known = steps[-1], _keys_beside(steps)
        nearest = difflib.get_close_matches(key.lower(), known, n=1)
        hint = WHERE_IT_IS.get(key) or (f"did you mean {nearest[0]}?" if nearest else "")
        return f"unknown key '{location}'" + (
            f": {hint}" if hint else f"; the keys are {', '.join(known)}"
        )
    return f"{location}: {_in_plain_words(error, bool(types))}"


def _keys_beside(steps: list[str]) -> list[str]:
    """The keys of the mapping that an unknown key is in."""
    fields = PipelineConfig.model_fields
    for step in steps:
        # Others are names of studies, diseases and contrasts.
        if step in fields and (model := _model_within(fields[step].annotation)):
            fields = model.model_fields
    return list(fields)


def _model_within(annotation: Any) -> type[Strict] | None:
    """The model of a field that is one, or a mapping to one."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    return next(filter(None, map(_model_within, get_args(annotation))), None)


def _in_plain_words(error: Any, is_text_or_mapping: bool) -> str:
    value = "null" if error["input"] is None else repr(error["input"])
    if len(value) > _VALUE_SHOWN:
        value = f"{value[:_VALUE_SHOWN]}…"
    if error["type"] == "string_pattern_mismatch":
        return f"{value} is no name of a species as refine.bio writes it, such as MUS_MUSCULUS"
    if error["type"] == "string_type" and is_text_or_mapping:
        return f"{value} is neither a text nor a mapping of keys to values"
    if error["type"] == "string_type" and isinstance(error["input"], list | dict):
        return f"{value} is no single text"
    if plain := _PLAIN.get(error["type"]):
        return plain.format(value=value, **error.get("ctx", {}))
    return error["msg"].removeprefix("Value error, ")


def _construct(root: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _refuse_many_nodes(path: Path, root: yaml.Node) -> None:
    """A few lines of aliases to aliases can stand for more nodes than memory holds."""
    counts: dict[int, int] = {}

    def count(node: yaml.Node) -> int:
        if id(node) not in counts:
            # An alias within itself is refused by the next reader.
            counts[id(node)] = 0
            inner = (
                itertools.chain.from_iterable(node.value)
                if isinstance(node, yaml.MappingNode)
                else node.value
            )
            is_scalar = isinstance(node, yaml.ScalarNode)
            counts[id(node)] = 1 + (0 if is_scalar else sum(map(count, inner)))
        return counts[id(node)]

    if count(root) > _MOST_NODES:
        _invalid(
            path,
            root.start_mark,
            f"its aliases stand for more than {_MOST_NODES:,} keys and values",
            expected="values written out",
        )


def _refuse_repeated_keys(path: Path, node: yaml.Node) -> None:
    """YAML readers silently keep the last of two equal keys."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                _invalid(path, key.start_mark, "a key is a list or a mapping")
            if key.value in seen:
                _invalid(path, key.start_mark, f"the key '{key.value}' occurs twice")
            seen.add(key.value)
            _refuse_repeated_keys(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(path, item)


def _find(node: yaml.Node, location: tuple[int | str, ...]) -> yaml.Node:
    """The key or list item at a pydantic location, or the nearest one above it."""
    nearest = node
    for key_or_index in location:
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if str(key_or_index) not in pairs:
                break
            nearest, node = pairs[str(key_or_index)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key_or_index, int):
            nearest = node = node.value[key_or_index]
    return nearest
