"""aggregated_metadata.json: the studies of a download and their samples."""

import dataclasses
import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from expression_warehouse.core.accession import public_sample
from expression_warehouse.core.errors import UserError
from loader.source.characteristics import characteristics
from loader.source.download import METADATA, Download

_PREFIX = "refinebio_"


@dataclass(frozen=True)
class StudyMetadata:
    """What is known of a study, in the words of refine.bio whatever format it comes from.

    download     top-level fields of the download
    experiment   the study's block: title, technology, organisms …
    samples      sample → its fields, refinebio_title …
    unit         the unit of the values, if the format says it
    is_complete  whether the format always says technology and organism
    finding      a warning about it; no part of the document
    """

    accession: str
    download: dict[str, Any]
    experiment: dict[str, Any]
    samples: dict[str, dict[str, Any]]
    unit: str | None = None
    is_complete: bool = True
    finding: UserError | None = None

    @property
    def created_at(self) -> str:
        """When refine.bio made the download, as text; empty if unknown."""
        return str(self.download.get("created_at") or "")

    @property
    def technology(self) -> str | None:
        """The study's technology in refine.bio's words, as text whatever type the file has."""
        value = self.experiment.get("technology")
        return None if value is None else str(value)

    @property
    def scale_by(self) -> str | None:
        """How refine.bio scaled each gene: NONE, MINMAX, STANDARD or ROBUST; None if unknown."""
        value = self.download.get("scale_by")
        return None if value is None else str(value)

    @property
    def processor_names(self) -> list[str]:
        """The processors that the samples name, in order."""
        named = [sample.get("refinebio_processor_name") for sample in self.samples.values()]
        # A damaged file can have a list here, which cannot be in a set.
        return sorted({str(name) for name in named if name not in (None, "")})

    def with_experiment(self, **fields: Any) -> "StudyMetadata":
        """The study with other fields in its block."""
        return dataclasses.replace(self, experiment=self.experiment | fields)

    def with_unit(self, unit: str | None) -> "StudyMetadata":
        """The study with a unit."""
        return dataclasses.replace(self, unit=unit)

    def with_public_accessions(self) -> "StudyMetadata":
        """The study with public accessions of samples in capital letters: in any other, the sample
        would not be the one that other studies share. Names that would become equal stay."""
        names = {name: public_sample(name) for name in self.samples}
        if list(names) == list(names.values()) or len(set(names.values())) < len(names):
            return self
        samples = {
            names[name]: block | {"refinebio_accession_code": names[name]}
            if names[name] != name
            else block
            for name, block in self.samples.items()
        }
        listed = self.experiment.get("sample_accession_codes")
        return dataclasses.replace(self, samples=samples).with_experiment(
            sample_accession_codes=[names.get(str(name), name) for name in listed or []]
        )

    def without(self, skip_samples: Collection[str]) -> "StudyMetadata":
        """The study without the samples that are skipped."""
        kept = {name: block for name, block in self.samples.items() if name not in skip_samples}
        return dataclasses.replace(self, samples=kept)

    def to_json(self) -> str:
        """The document for staging.study_metadata."""
        download = self.download | ({"unit": self.unit} if self.unit else {})
        return json.dumps(
            {"download": download, "experiment": self.experiment, "samples": self.samples},
            ensure_ascii=False,
        )


class AggregatedMetadata:
    """The parsed file.

    Raises UserError 1003 if it is not UTF-8; 1004 if it is not JSON (with the line), has a key
    twice or a character that no column can hold; 1011 if it is too large; 1002 if its layout is
    not that of refine.bio.
    """

    def __init__(self, download: Download) -> None:
        self.label = download.label(METADATA)
        largest = int(download.limits.metadata_mb * 1e6)
        with download.open(METADATA) as file:
            raw = file.read(largest + 1)
        if len(raw) > largest:
            raise UserError(
                "EXTRACTION_LIMIT_EXCEEDED",
                f"it has more than {largest:,} bytes",
                file=self.label,
                action="Check the file; if it is right, raise limits.metadata_mb in pipeline.yaml",
            )
        if not raw.strip():
            raise UserError("EXTRACTION_FILE_NOT_FOUND", "the file is empty", file=self.label)
        document = self._parse(raw)
        parts = document if isinstance(document, dict) else {}
        experiments: Any = parts.pop("experiments", None)
        samples: Any = parts.pop("samples", None)
        if not _is_object_of_objects(experiments) or not _is_object_of_objects(samples):
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                "'experiments' and 'samples' must each be an object whose values are objects",
                file=self.label,
                expected="the aggregated_metadata.json of a refine.bio download",
            )
        self._download: dict[str, Any] = document
        self._experiments: dict[str, dict[str, Any]] = experiments
        self._samples: dict[str, dict[str, Any]] = samples

    def _parse(self, raw: bytes) -> Any:
        try:
            document = json.loads(
                raw.decode("utf-8-sig"),
                object_pairs_hook=_unique_keys,
                parse_float=_finite,
                # NaN and Infinity, which Python and R write into JSON, say that there is no value.
                parse_constant=lambda _: None,
            )
            _check_characters(document, raw)
            return document
        except UnicodeDecodeError as error:
            raise UserError(
                "EXTRACTION_ENCODING_ERROR",
                f"byte {error.start} of the file is not UTF-8",
                file=self.label,
                line=raw.count(b"\n", 0, error.start) + 1,
            ) from error
        except json.JSONDecodeError as error:
            raise UserError(
                "EXTRACTION_PARSE_ERROR",
                f"this is not JSON: {error.msg} (column {error.colno})",
                file=self.label,
                line=error.lineno,
                action="Download the study again",
            ) from error
        except (ValueError, RecursionError) as error:
            raise UserError(
                "EXTRACTION_PARSE_ERROR",
                f"this is not proper JSON: {error}",
                file=self.label,
                action="Download the study again",
            ) from error

    @property
    def aggregate_by(self) -> str:
        """EXPERIMENT, SPECIES or ALL: what has one matrix."""
        return str(self._download.get("aggregate_by") or "EXPERIMENT")

    @property
    def samples(self) -> list[str]:
        """Accessions of all samples, in the file's order."""
        return list(self._samples)

    @property
    def accessions(self) -> list[str]:
        """Accessions of the studies, in the file's order."""
        return list(self._experiments)

    def study(self, accession: str) -> StudyMetadata:
        """One study. Its samples are those of `samples` that its experiment lists: the list is
        often longer than the download.

        Raises UserError 54040 if the file has no such study.
        """
        if accession not in self._experiments:
            raise UserError(
                "STUDY_NOT_FOUND",
                f"the metadata have no study {accession}",
                file=self.label,
                expected=f"one of {', '.join(self._experiments) or 'none'}",
            )
        experiment = self._experiments[accession]
        listed = experiment.get("sample_accession_codes")
        if not isinstance(listed, list):
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                f"experiment {accession} has no list sample_accession_codes",
                file=self.label,
            )
        wanted = set(map(str, listed))
        samples = {
            name: _with_characteristics(_with_prefix(block))
            for name, block in self._samples.items()
            if name in wanted
        }
        return StudyMetadata(accession, self._download, experiment, samples)


def _with_prefix(block: dict[str, Any]) -> dict[str, Any]:
    """The fields of a sample under their names of today: old downloads have title in place of
    refinebio_title."""
    if any(key.startswith(_PREFIX) for key in block):
        return block
    return {f"{_PREFIX}{key}": value for key, value in block.items()}


def _with_characteristics(block: dict[str, Any]) -> dict[str, Any]:
    found = characteristics(block.get("refinebio_annotations"))
    return block | {"characteristics": found} if found else block


def _is_object_of_objects(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(member, dict) for member in value.values())


def _unique_keys(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Of two values for one key, Python would silently take the last."""
    block = dict(members)
    if len(block) < len(members):
        keys = [key for key, _ in members]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!a} is twice in one object")
    return block


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is beyond the range of numbers")
    return value


def _check_characters(document: Any, raw: bytes) -> None:
    """Half of a surrogate pair can be escaped in JSON, but no text can hold it."""
    if b"\\u" not in raw:
        return
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(f"the escape {half!a} is not a character") from error
