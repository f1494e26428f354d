"""Matches a column of the matrix to a sample of the metadata if its name is not an accession.

healthy control 1            a title
X24h.sepsis                  what R's make.names makes of the title '24h sepsis'
GSM1234_HC1.CEL.gz           a file whose name begins with the accession
/data/bam/GSM1234.sorted.bam a path
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted

_SUFFIX = re.compile(
    r"(?:\.(?:gz|bz2|zip|cel|chp|bam|sam|cram|txt|tsv|csv|fastq|fq|sorted|markdup|dedup|counts?"
    r"|tab|out|sf|genes|results|htseq|featurecounts)|[._]?ReadsPerGene|[._]?Aligned"
    r"|\.sortedByCoord)+$",
    re.IGNORECASE,
)
_ACCESSION_FIRST = re.compile(r"((?:GSM|[SED]R[RXS]|SAM(?:N|D|EA))[0-9]+)(?:[._-].*)?")

# Control characters, and bytes that are not UTF-8 as `surrogateescape` has them. No export writes
# one: the file is damaged or of another encoding, and its names are not to be guessed.
_DAMAGED_CHARACTER = re.compile(r"[\x00-\x1f\x7f\udc80-\udcff]")

# Says how a column and a field correspond; the name that a column stands for; the names that
# columns of a value can have.
_Rule = tuple[str, Callable[[str], str], Callable[[str], Collection[str]]]


@dataclass(frozen=True)
class SampleNames:
    """The sample of each column, in their order; a column that fits no sample keeps its name.

    finding  54012 if samples have other names in the matrix, else None
    """

    samples: list[str]
    finding: UserError | None = None


def match_samples(
    columns: Sequence[str],
    blocks: Mapping[str, Mapping[str, Any]],
    config: StudyConfig,
    accession: str,
    label: str,
) -> SampleNames:
    """The samples that the columns of a matrix are.

    blocks  sample → its fields in the metadata, any of which may name a column

    Raises UserError 54013 if two assignments fit, and 54030 if `sample_names` of the settings
    fits no column.
    """
    names = _configured(columns, config, accession)
    wanted = [name for name in names if name not in blocks and name not in config.skip_samples]
    free = {sample: blocks[sample] for sample in blocks if sample not in set(names)}
    is_damaged = any(_DAMAGED_CHARACTER.search(name) for name in wanted)
    if wanted and len(set(wanted)) == len(wanted) and not is_damaged:
        readings = _readings(wanted, free)
        if len(readings) > 1:
            raise _ambiguous(wanted, readings, accession, label)
        for samples in readings:
            found = dict(zip(wanted, samples, strict=True))
            names = [found.get(name, name) for name in names]
            return SampleNames(names, _matched(wanted, samples, readings[samples], label))
    return SampleNames(names)


def _configured(columns: Sequence[str], config: StudyConfig, accession: str) -> list[str]:
    """The columns' names by `sample_names` of the settings."""
    settings = config.sample_names
    if not settings:
        return list(columns)
    if isinstance(settings, dict):
        names = [settings.get(column, column) for column in columns]
        unknown = [name for name in settings if name not in columns]
        found = f"names the column {unknown[0]}, which the matrix lacks" if unknown else ""
    else:
        matches = [re.search(settings, column) for column in columns]
        names = [
            match["sample"] if match else column
            for match, column in zip(matches, columns, strict=True)
        ]
        found = "" if any(matches) else f"fits no column, of which the first is {columns[0]!r}"
    if found:
        raise UserError("CONFIG_INVALID", f"studies.{accession}.sample_names {found}")
    return names


def _readings(
    columns: Sequence[str], free: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, ...], str]:
    """Each assignment of a sample to every column, and how it reads the columns."""
    found: dict[tuple[str, ...], str] = {}
    for field, values in _fields(free).items():
        for how, name_of, names_of in _rules(field):
            samples = _assign([name_of(column) for column in columns], values, names_of)
            if samples:
                found.setdefault(samples, how)
    return found


def _assign(
    names: Sequence[str], values: Mapping[str, str], names_of: Callable[[str], Collection[str]]
) -> tuple[str, ...] | None:
    """The sample of each name; None unless each name has one of its own.

    values  sample → value of the field
    """
    owners: dict[str, set[str]] = {}
    for sample, value in values.items():
        for name in names_of(value):
            owners.setdefault(name, set()).add(sample)
    found = [owners.get(name, set()) for name in names]
    if any(len(samples) != 1 for samples in found):
        return None
    samples = tuple(next(iter(owner)) for owner in found)
    return samples if len(set(samples)) == len(samples) else None


def _fields(blocks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Field → sample → its value: the accession, and each field whose values differ."""
    fields = {"accession": {sample: sample for sample in blocks}}
    for sample, block in blocks.items():
        for field, value in _texts(block):
            fields.setdefault(field, {})[sample] = value
    return {
        field: values
        for field, values in fields.items()
        if max(Counter(values.values()).values(), default=2) == 1
    }


def _texts(block: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in block.items():
        if isinstance(value, dict):
            yield from _texts(value)
        elif isinstance(value, list):
            yield from _texts({f"{key} {n}": item for n, item in enumerate(value, start=1)})
        elif isinstance(value, str | int | float) and str(value).strip():
            yield key.removeprefix("refinebio_"), str(value)


def _rules(field: str) -> list[_Rule]:
    name = f"the {field}"
    rules: list[_Rule] = [
        (name, str.strip, lambda value: [value.strip()]),
        (f"{name} but for case and punctuation", _words, lambda value: [_words(value)]),
        (f"{name} as R's make.names writes it", str, _r_names),
        (f"a file with {name} as its name", _stem, lambda value: [_stem(value)]),
    ]
    if field == "accession":
        rules.append((f"a file whose name begins with {name}", _first, lambda value: [value]))
    return rules


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold().replace("_", " ")))


def _r_names(text: str) -> list[str]:
    """What make.names makes of a text, and the same with the X that some exports add."""
    name = re.sub(r"[^A-Za-z0-9._]", ".", text.strip())
    if not re.match(r"[A-Za-z]|\.(?![0-9])", name):
        return [f"X{name}"]
    return [name, f"X{name}"]


def _stem(text: str) -> str:
    """The name of a file without its folders and the suffixes of formats."""
    return _SUFFIX.sub("", re.split(r"[\\/]", text.strip())[-1])


def _first(text: str) -> str:
    match = _ACCESSION_FIRST.fullmatch(re.split(r"[\\/]", text)[-1])
    return match[1] if match else text


def _matched(columns: Sequence[str], samples: Sequence[str], how: str, label: str) -> UserError:
    pairs = ", ".join(f"{c} is {s}" for c, s in list(zip(columns, samples, strict=True))[:3])
    count = len(columns)
    return UserError(
        "SAMPLE_NAMES_MATCHED",
        f"{count} {'column has' if count == 1 else 'columns have'} {how}: "
        f"{pairs}{' …' if count > 3 else ''}",
        file=label,
    )


def _ambiguous(
    columns: Sequence[str], readings: Mapping[tuple[str, ...], str], accession: str, label: str
) -> UserError:
    (first, how), (second, other), *_ = readings.items()
    place = next(i for i, pair in enumerate(zip(first, second, strict=True)) if len(set(pair)) > 1)
    return UserError(
        "SAMPLE_NAMES_AMBIGUOUS",
        f"the names of {counted(len(columns), 'column')} are {how} or {other}: "
        f"{columns[place]} is {first[place]} or {second[place]}",
        file=label,
        expected="accessions of samples, or names that fit one sample",
        action=f"Write into pipeline.yaml: studies: {{{accession}: {{sample_names: "
        f"{{{columns[place]}: {first[place]}, …}}}}}}",
    )
