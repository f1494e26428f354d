"""Series matrices of GEO: metadata and table in one file.

GSE1_series_matrix.txt.gz                  the values are within
GSE2_series_matrix.txt.gz, and             the table is empty: the values are beside
GSE2_raw_counts_GRCh38.p13_NCBI.tsv.gz
"""

import csv
import datetime
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.characteristics import characteristics
from loader.source.download import Download
from loader.source.measured import MeasuredFile
from loader.source.metadata import StudyMetadata
from loader.source.sample_sheet import field_of, organism_code
from loader.source.study import StudySource
from loader.source.tables import study_in, tables_in
from loader.source.text import FileText, MatrixText

HAS_FOLDERS = False

_SUFFIX = re.compile(r"[._-]?series_matrix.*", re.IGNORECASE)
_BEGIN, _END = "!series_matrix_table_begin", b"!series_matrix_table_end"

# Files with values beside a series without any: pattern of the name → unit; the first is loaded.
# Authors' tables of TPM may be logarithms, so their names say no unit.
_BESIDE = {
    r".*raw_counts.*": "COUNTS",
    r".*norm_counts_TPM.*|.*_tpm_counts.*": "TPM",
    r".*norm_counts_FPKM.*": "FPKM",
    r".*[._]tpm[._].*": None,
    r".*[._]fpkm[._].*": None,
}


def recognises(names: Collection[str], config: PipelineConfig) -> bool:
    return any(_is_series(name) for name in names)


def studies(download: Download, config: PipelineConfig) -> list[StudySource]:
    return [_study(download, name) for name in download.names if _is_series(name)]


def _is_series(name: str) -> bool:
    return "/" not in name and "series_matrix" in name.lower() and name in tables_in([name])


def _study(download: Download, name: str) -> StudySource:
    accession = _SUFFIX.sub("", name)
    accession = accession.upper() if study_in(accession) else accession or download.name
    beside = [
        other
        for other in tables_in(download.names)
        if not _is_series(other) and (study_in(other) or "") == study_in(name)
    ]

    @cache
    def series() -> "_Series":
        return _read_series(download, name)

    def values_file(config: StudyConfig) -> str:
        if config.matrix or series().has_values:
            return config.matrix or name
        return _values_beside(download, series(), accession, beside)

    def find_metadata(config: StudyConfig) -> StudyMetadata:
        file = values_file(config)
        return series().metadata(accession, None if file == name else _unit_of(file))

    def find_text(config: StudyConfig) -> MatrixText:
        file = values_file(config)
        return series().text(download, name) if file == name else FileText(download, file)

    return StudySource(
        accession,
        download.label(name),
        find_metadata,
        find_text,
        metadata_files=[name],
        matrix_files=beside,
    )


def _values_beside(
    download: Download, series: "_Series", accession: str, beside: Collection[str]
) -> str:
    """The file with the values of a series that has none.

    Raises UserError 1001 if there is none, and 1009 if several may be it.
    """
    for pattern in _BESIDE:
        if found := [name for name in beside if re.fullmatch(pattern, name, re.IGNORECASE)]:
            return found[0]
    if len(beside) == 1:
        return next(iter(beside))
    if beside:
        raise UserError(
            "EXTRACTION_LAYOUT_AMBIGUOUS",
            f"each of these may have the values of {accession}: {', '.join(beside)}",
            file=series.label,
            action=f"Write into pipeline.yaml: studies: {{{accession}: {{matrix: NAME}}}}",
        )
    files = [PurePosixPath(path).name for path in series.study["supplementary_file"]]
    raise UserError(
        "EXTRACTION_FILE_NOT_FOUND",
        "the series matrix has metadata and no values, as for all studies of RNA-seq"
        + (f"; its supplementary files are {', '.join(files)}" if files else ""),
        file=series.label,
        line=series.table_line,
        expected=f"a file with counts beside it, as {accession}_raw_counts_GRCh38.p13_NCBI.tsv.gz",
        action="Download the RNA-seq counts of the series from NCBI (or a supplementary file), "
        "and put it beside the series matrix",
    )


def _unit_of(name: str) -> str | None:
    fits = (unit for pattern, unit in _BESIDE.items() if re.fullmatch(pattern, name, re.I))
    return next(fits, None)


class _Series:
    """What is before the table of a series matrix.

    study       key → its values
    samples     accession → key → its values, one per line of that key
    table_line  the line of the table's header
    has_values  whether the table has a line after its header
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.study: dict[str, list[str]] = defaultdict(list)
        self.samples: list[dict[str, list[str]]] = []
        self.table_line = 0
        self.has_values = False

    def add(self, line: str) -> None:
        if not line.startswith("!"):
            return
        key, *cells = next(csv.reader([line], delimiter="\t"))
        if key.startswith("!Series_"):
            self.study[key.removeprefix("!Series_")] += cells
        elif key.startswith("!Sample_"):
            self.samples += [defaultdict(list) for _ in range(len(cells) - len(self.samples))]
            for sample, cell in zip(self.samples, cells, strict=False):
                sample[key.removeprefix("!Sample_")].append(cell.strip())

    def metadata(self, accession: str, unit: str | None) -> StudyMetadata:
        """Raises UserError 1014 if the file names no sample."""
        blocks = {
            sample["geo_accession"][0]: _block(sample)
            for sample in self.samples
            if sample["geo_accession"]
        }
        if not blocks:
            raise UserError(
                "STUDY_UNDESCRIBED",
                "there is no line !Sample_geo_accession",
                file=self.label,
                expected="a series matrix as GEO offers it",
                action="Download the series matrix again, or move the matrix into a folder with a "
                "sample sheet, as samples.csv with columns sample and title (docs/formats.md)",
            )
        kind = " ".join(self.study["type"]).lower()
        technology = None
        if "by array" in kind:
            technology = "MICROARRAY"
        elif "high throughput sequencing" in kind or "rt-pcr" in kind:
            technology = "RNA-SEQ"
        organisms = [block["refinebio_organism"] for block in blocks.values()]
        experiment = {
            "accession_code": accession,
            "title": " ".join(self.study["title"]),
            "description": "\n".join(self.study["summary"]),
            "pubmed_id": next(iter(self.study["pubmed_id"]), ""),
            "organisms": list(dict.fromkeys(filter(None, organisms))),
            "technology": technology,
            "source_first_published": _instant(self.study["submission_date"]),
            "source_last_modified": _instant(self.study["last_update_date"]),
            "sample_accession_codes": list(blocks),
        }
        # The file as it is identifies itself; GEO writes the day of the last change into it.
        created_at = _instant(self.study["last_update_date"])
        download = {"created_at": created_at, "format": "GEO series matrix"}
        return StudyMetadata(accession, download, experiment, blocks, unit, is_complete=False)

    def text(self, download: Download, name: str) -> MatrixText:
        return _Table(download, name, self.table_line)


def table_text(download: Download, name: str) -> MatrixText:
    """The table of a series matrix, whatever the name of its file. Raises UserError 1002 if it has
    none."""
    return _read_series(download, name).text(download, name)


def _read_series(download: Download, name: str) -> _Series:
    """Raises UserError 1002 if the file has no table."""
    series = _Series(download.label(name))
    with download.open_text(name) as file:
        for number, line in enumerate(file, start=1):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if text.strip().lower() == _BEGIN:
                series.table_line = number + 1
                file.readline()
                values = file.readline()
                series.has_values = bool(values.strip()) and not values.startswith(_END)
                return series
            series.add(text)
    raise UserError(
        "EXTRACTION_INVALID_FORMAT",
        f"there is no line {_BEGIN}",
        file=series.label,
        expected="a series matrix as GEO offers it",
    )


def _block(sample: dict[str, list[str]]) -> dict[str, Any]:
    """A sample in the words of refine.bio. The characteristics of a sample are where they stand in
    its own column: cells of one line can have different keys."""
    channels = {key: cells for key, cells in sample.items() if key.startswith("characteristics_ch")}
    said = characteristics([channels])
    named: dict[str, str] = {}
    for name, value in said.items():
        if field := field_of(name):
            named.setdefault(f"refinebio_{field}", value)
    platform = sample["platform_id"][:1]
    instrument = " ".join(sample["instrument_model"]) or "".join(platform)
    first = {key: values[0] for key, values in sample.items() if values and values[0]}
    return named | {
        "refinebio_accession_code": first.get("geo_accession", ""),
        "refinebio_title": first.get("title", ""),
        "refinebio_organism": organism_code(first.get("organism_ch1", "")),
        "refinebio_platform": f"{instrument} ({''.join(platform)})" if platform else "",
        "refinebio_specimen_part": named.get("refinebio_specimen_part")
        or first.get("source_name_ch1", ""),
        "refinebio_source_database": "GEO",
        "refinebio_processed": True,
        "characteristics": said,
        "description": sample["description"],
    }


def _instant(dates: list[str]) -> str:
    """`Aug 10 2022` → `2022-08-10T00:00:00`; empty without a date."""
    try:
        return datetime.datetime.strptime(dates[0], "%b %d %Y").isoformat()
    except (IndexError, ValueError):
        return ""


class _Table(FileText):
    """The table of a series matrix, from its header to the line that ends it."""

    def __init__(self, download: Download, name: str, first_line: int) -> None:
        super().__init__(download, name)
        self.first_line = first_line

    def as_text(self, file: MeasuredFile) -> BinaryIO:
        text = super().as_text(file)
        for _ in range(self.first_line - 1):
            text.readline()
        return cast(BinaryIO, _UntilEnd(text, self.label))


class _UntilEnd:
    """A file up to the end of the table."""

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file = file
        self._label = label
        self._has_ended = False

    def read(self, size: int) -> bytes:
        """Whole lines, of about `size` bytes."""
        if self._has_ended:
            return b""
        block = self._file.read(size)
        block += self._file.readline()
        if block.startswith(_END):
            place = 0
        else:
            place = block.find(b"\n" + _END) + 1
            if not place and not block:
                raise UserError(
                    "EXTRACTION_CORRUPT_ARCHIVE",
                    f"the file ends before the line {_END.decode()}: it was cut off",
                    file=self._label,
                )
            if not place:
                return block
        self._has_ended = True
        return block[:place]

    def readline(self) -> bytes:
        if self._has_ended:
            return b""
        line = self._file.readline()
        self._has_ended = line.startswith(_END)
        return b"" if self._has_ended else line

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line
