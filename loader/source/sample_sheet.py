"""A table of samples, such as a sample sheet or an SDRF, in the words of refine.bio."""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted, listed
from expression_warehouse.core.project import read_seed
from loader.delimiter import likeliest_delimiter
from loader.source.download import Download
from loader.source.values import ABSENT

# Headers, in lower case and without punctuation, of the columns with the names of samples. The
# first of these that a sheet has holds the samples.
SAMPLE_COLUMNS = [
    *("refinebioaccessioncode", "geoaccession", "sampleaccession", "accession", "gsm"),
    *("sample", "sampleid", "samplename", "samples", "run", "enarun", "assayname", "externalid"),
    *("library", "libraryid", "id", "name", "", "sourcename", "filename", "file"),
]

# Field of a sample → headers of its column, the most exact first.
FIELDS = {
    "title": ["title", "sampletitle"],
    "disease": [
        *("disease", "diseasestate", "diseasestatus", "diagnosis", "illness", "condition"),
        *("cohort", "group", "phenotype", "characteristics"),
    ],
    "disease_stage": ["diseasestage", "severity", "stage"],
    "subject": [
        *("subject", "subjectid", "patient", "patientid", "individual", "donor", "donorid"),
        *("patid", "patnr", "patientnr", "patientenid", "patientennr", "patientennummer"),
    ],
    "time": ["time", "timepoint", "day", "tag", "zeitpunkt"],
    "age": ["age", "ageyears"],
    "sex": ["sex", "gender"],
    "race": ["race", "ethnicity"],
    "specimen_part": [
        *("specimenpart", "tissue", "tissuetype", "organismpart", "sourcename", "sourcenamech1"),
    ],
    "treatment": ["treatment"],
    "cell_line": ["cellline"],
    "organism": ["organism", "organismch1", "species", "scientificname"],
    "platform": ["platform", "platformid", "instrumentmodel", "instrument", "arraydesignref"],
    "processor_name": ["processorname"],
}  # fmt: skip

# Organism → what sheets call it in English.
_COMMON_NAMES = {
    "HOMO_SAPIENS": ("HUMAN", "HUMANS"),
    "MUS_MUSCULUS": ("MOUSE", "MICE", "HOUSE_MOUSE"),
    "RATTUS_NORVEGICUS": ("RAT", "RATS", "NORWAY_RAT", "BROWN_RAT"),
    "DANIO_RERIO": ("ZEBRAFISH",),
    "SUS_SCROFA": ("PIG", "PIGS", "SWINE"),
    "BOS_TAURUS": ("COW", "CATTLE", "BOVINE"),
    "MACACA_MULATTA": ("RHESUS", "RHESUS_MACAQUE", "RHESUS_MONKEY"),
}

_DELIMITERS = "\t,;"

# Headers that say what a column is by the word in their brackets, as Characteristics[age].
_BRACKETED = re.compile(
    r"(?:characteristics?|comment|samplecharacteristic|factor ?value|factor) *\[(.*?)\]", re.I
)


@dataclass(frozen=True)
class SampleSheet:
    """The lines of a table.

    label   the file
    header  the names of its columns, as they stand there
    rows    the cells of each line, as many as the header
    """

    label: str
    header: list[str]
    rows: list[list[str]]

    def samples(self, config: StudyConfig, accession: str) -> dict[str, dict[str, Any]]:
        """Sample → its fields, under refine.bio's names; other columns are `characteristics`.

        Lines of one sample are one; what they differ in is left out. Raises UserError 1014 if no
        column has the samples, or a configured column is missing.
        """
        found = {
            sample: {
                **_agreed([fields for fields, _ in lines]),
                "characteristics": _agreed([others for _, others in lines]),
            }
            for sample, lines in self._lines(config, accession).items()
        }
        if not found:
            raise UserError(
                "EXTRACTION_FILE_NOT_FOUND",
                "the sample sheet has no line with a sample",
                file=self.label,
                action="Add one line per sample. For a refine.bio download, "
                "aggregated_metadata.json is in the zip of the same download: copy it beside the "
                "folder of the study",
            )
        return found

    def contradictions(self, config: StudyConfig, accession: str) -> UserError | None:
        """54017 if the lines of a sample differ in one of FIELDS or in a characteristic that can
        say its illness. Other columns, such as lanes, may differ.

        Raises what `samples` raises.
        """
        phrases = {row["phrase"] for row in read_seed("illness_characteristic")}
        differing = [
            f"{sample} ({field.removeprefix('refinebio_')}: {' or '.join(values)})"
            for sample, lines in self._lines(config, accession).items()
            for field, values in _values([fields | others for fields, others in lines]).items()
            if len(values) > 1
            and (field.startswith("refinebio_") or phrases & set(re.findall(r"[a-z]+", field)))
        ]
        if not differing:
            return None
        return UserError(
            "SAMPLE_LINES_DIFFER",
            f"lines of one sample differ: {listed(differing)}",
            file=self.label,
        )

    def _lines(
        self, config: StudyConfig, accession: str
    ) -> dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
        """Sample → of each of its lines, the cells of fields and those of other columns."""
        columns = self._columns(config, accession)
        used = set(columns.values())
        found: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
        for row in self.rows:
            cells = ["" if ABSENT.fullmatch(cell.strip()) else cell.strip() for cell in row]
            texts = {field: cells[column] for field, column in columns.items()}
            if not (sample := texts.pop("sample")):
                continue
            fields = {f"refinebio_{field}": text for field, text in texts.items() if text}
            if "refinebio_organism" in fields:
                fields["refinebio_organism"] = organism_code(fields["refinebio_organism"])
            others = {
                name.lower(): cell
                for column, (name, cell) in enumerate(zip(self.header, cells, strict=True))
                if column not in used and name and cell
            }
            found.setdefault(sample, []).append((fields, others))
        return found

    def sample_column(self, config: StudyConfig, accession: str) -> int:
        """The column of the samples. Raises what `samples` raises."""
        return self._columns(config, accession)["sample"]

    def _columns(self, config: StudyConfig, accession: str) -> dict[str, int]:
        """Field → its column; `sample` has the samples."""
        lines = [self.header, *self.rows]
        filled = [n for n in range(len(self.header)) if any(line[n].strip() for line in lines)]
        # R gives row names no header; any other column without one is a spacer or a note.
        named = [n for n in filled if self.header[n] or n == filled[0]]
        words = {_word(self.header[n]): n for n in reversed(named)}
        found = {
            field: next(words[header] for header in headers if header in words)
            for field, headers in {"sample": SAMPLE_COLUMNS, **FIELDS}.items()
            if not words.keys().isdisjoint(headers)
        }
        # The same column cannot be two things: its name as a sample is not its tissue.
        found = {
            field: column
            for field, column in found.items()
            if field == "sample" or column != found.get("sample")
        }
        for field, name in config.sheet_columns.items():
            if name not in self.header:
                raise self._unfit(
                    f"studies.{accession}.sheet_columns names the column {name!r}, which the "
                    "sheet lacks",
                    f"Write one of its columns: {', '.join(filter(None, self.header))}",
                )
            found[field] = self.header.index(name)
        if "sample" not in found:
            raise self._unfit(
                f"no column of the sample sheet has the samples; its columns are "
                f"{', '.join(filter(None, self.header))}",
                f"Name the column sample, or write into pipeline.yaml: studies: {{{accession}: "
                f"{{sheet_columns: {{sample: {next(filter(None, self.header))}}}}}}}",
            )
        return found

    def _unfit(self, found: str, action: str) -> UserError:
        return UserError("STUDY_UNDESCRIBED", found, file=self.label, line=1, action=action)


def read_sheet(download: Download, name: str) -> SampleSheet:
    """A table with tabs, commas or semicolons between its cells, whose first line has the header;
    lines before it that begin with #, or have one cell, as titles, are passed over.

    Raises UserError 1001 if it is empty, 1002 if a line has more cells than the header, and what
    Download.open raises.
    """
    label = download.label(name)
    with download.open_text(name) as file:
        lines = _decoded(file.read()).splitlines()
    while lines and (lines[0].startswith("#") or not lines[0].strip()):
        lines.pop(0)
    if not all(map(_is_title, lines)):
        while _is_title(lines[0]):
            lines.pop(0)
    if not lines:
        raise UserError("EXTRACTION_FILE_NOT_FOUND", "the sample sheet is empty", file=label)
    delimiter = likeliest_delimiter(lines[0], _DELIMITERS)
    header, *rows = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter)
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if rows and all(len(row) == len(header) + 1 for row in rows):
        # R's write.table gives row names no header.
        header = ["", *header]
    for number, row in enumerate(rows, start=2):
        if len(row) > len(header) and any(row[len(header) :]):
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                f"the line has {counted(len(row), 'column')}",
                file=label,
                line=number,
                expected=f"{counted(len(header), 'column')}, as in the header",
                action="Put quotes around cells that have a delimiter in them",
            )
    width = len(header)
    padded = [(row + [""] * width)[:width] for row in rows]
    return SampleSheet(label, [name.strip() for name in header], padded)


def _decoded(content: bytes) -> str:
    """The text of a sheet, which Excel on Windows writes in Windows-1252."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _is_title(line: str) -> bool:
    """Whether at most one cell has text."""
    cells = next(csv.reader([line], delimiter=likeliest_delimiter(line, _DELIMITERS)), [])
    return sum(bool(cell.strip()) for cell in cells) < 2


def field_of(name: str) -> str | None:
    """The field of a sample that a word names, as `sex` for `Gender`; None if it is another."""
    word = _word(name)
    return next((field for field, headers in FIELDS.items() if word in headers), None)


def organism_code(name: str) -> str:
    """`Homo sapiens`, `Homo sapiens (human)`, `H. sapiens` and `human` → `HOMO_SAPIENS`."""
    text = re.sub(r"\(.*?\)", " ", name)
    code = re.sub(r"[^A-Z0-9]+", "_", text.strip().upper()).strip("_")
    for organism, common in _COMMON_NAMES.items():
        if code in (*common, f"{organism[0]}_{organism.split('_')[1]}"):
            return organism
    return code


def common_values(blocks: Mapping[str, Mapping[str, Any]], field: str) -> list[str]:
    """The values of a field, the most frequent first."""
    values = (str(block.get(f"refinebio_{field}") or "") for block in blocks.values())
    return [value for value, _ in Counter(filter(None, values)).most_common()]


def technology_of(platforms: Sequence[str]) -> str | None:
    """The technology that seeds/platform_lookup.csv gives to most of the platforms; None if it is
    unknown."""
    rules = [row for row in read_seed("platform_lookup") if row["measurement_technology"]]
    for platform in platforms:
        text = platform.lower()
        words = re.findall(r"[a-z0-9]+", text)
        for rule in rules:
            is_found = (
                rule["match_value"] in words
                if rule["match_on"] == "accession"
                else rule["match_value"] in text
            )
            if is_found and rule["measurement_technology"] != "OTHER":
                return rule["measurement_technology"]
        if re.search(r"affymetrix|agilent|beadchip|array", text):
            return "MICROARRAY"
    return None


def _values(lines: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Name → its different values; a line without it has none."""
    names = dict.fromkeys(name for line in lines for name in line)
    return {
        name: list(dict.fromkeys(line[name] for line in lines if name in line)) for name in names
    }


def _agreed(lines: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Name → value, where all lines that have it have the same."""
    return {name: values[0] for name, values in _values(lines).items() if len(values) == 1}


def _word(header: str) -> str:
    match = _BRACKETED.fullmatch(header.strip())
    word = re.sub(r"[^a-z0-9]", "", (match[1] if match else header).lower())
    if header.lower().startswith("refinebio_") and word != "refinebioaccessioncode":
        return word.removeprefix("refinebio")
    return word
