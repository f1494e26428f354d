"""The subjects of a study's samples, read from its settings, titles and metadata."""

import datetime
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted, listed
from loader.source.metadata import StudyMetadata
from loader.source.values import ABSENT

METADATA_FIELD = "refinebio_subject"

_HOURS = {
    word: hours
    for words, hours in {
        "min mins minute minutes": 1 / 60,
        "h hr hrs hour hours std stunde stunden": 1,
        "d day days tag tage": 24,
        "w wk wks week weeks woche wochen": 168,
        "mo mos month months monat monate": 730,
        "y yr yrs year years jahr jahre": 8766,
    }.items()
    for word in words.split()
}
# Words for a subject that is not known, as archives prescribe them.
_NO_SUBJECT = re.compile(
    r"[-?.]+|none|unknown|unbekannt|missing|not (?:applicable|available|collected|known|provided)",
    re.IGNORECASE,
)
_UNIT = rf"(?P<unit>{'|'.join(_HOURS)})"
_NUMBER = r"(?P<number>(?<!\S)[+-]\d+(?:\.\d+)?|(?<!\d)(?<!\d\.)\d+(?:\.\d+)?)"
_EARLIER = r"(?P<earlier>\s*(?:before|prior|pre))?"

# How a number and its unit stand together, the nearest first: 24h, D1, day 3, 3rd day; without a
# unit last.
_TIMES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_NUMBER}{_UNIT}(?![a-z]){_EARLIER}",
        rf"(?<![a-z]){_UNIT}{_NUMBER}(?![a-z])",
        rf"(?<![a-z]){_UNIT}[_.:#-]?\s*{_NUMBER}(?![a-z])",
        rf"{_NUMBER}(?:st|nd|rd|th)?[\s_.-]+{_UNIT}(?![a-z]){_EARLIER}",
        _NUMBER,
    )
]

# 2023-01-31 and 31.01.2023, with or without the time of day.
_DATE = re.compile(
    r"(?<!\d)(?:(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)"
    r"|(?P<german_day>\d\d?)\.(?P<german_month>\d\d?)\.(?P<german_year>\d{4}|\d\d))(?!\d)"
    r"(?:[T ]+(?P<hour>\d\d?):(?P<minute>\d\d))?"
)
# Dates whose day and month cannot be told apart, as 1/2/2023, or are named in any language.
_OTHER_DATE = re.compile(r"(?<!\d)\d\d?([-/])(?:\d\d?|[^\W\d_]{3,9}\.?)\1(?:\d{4}|\d\d)(?!\d)")

# Words for the time 0, in a text without a number and without words for a later time.
_START = re.compile(
    r"(?<![a-z])(?:base ?line|aufnahme|admission|admitted|arrival|enrol|inclusion|recruitment"
    r"|screening|initial|pre|before|prior)",
    re.IGNORECASE,
)
_LATER = re.compile(r"(?<![a-z])(?:post|after|follow|since|discharge|death)", re.IGNORECASE)

# The words before the number of a time point or replicate, each tried by itself.
_WORDS = [
    "day|tag|d",
    "hours?|hrs?|h",
    "week|w",
    "month",
    "time ?point|time|tp|t",
    "visit",
    # Biological replicates may be of several subjects.
    r"(?<!biological[ _.-])(?<!bio[ _.-])(?:replicate|rep)",
]
# Samples with these are of one subject even if no number is before them. L001 is Illumina's lane 1.
_TECHNICAL = [r"tech(?:nical)?[ _.-]*rep(?:licate)?", "lane|l00"]
_NUMBER_FIRST = ["days?|d", "hours?|hrs?|h", "weeks?|w"]


def resolve_subjects(config: StudyConfig, metadata: StudyMetadata) -> StudyConfig:
    """The settings with `subjects` as sample → subject, and `times` for the samples that have a
    subject and a readable time.

    Raises UserError 54030 if a pattern fits no title, or the metadata name no subject.
    """
    if config.subjects is None:
        return config
    times = dict(config.times)
    if isinstance(config.subjects, dict):
        subjects = dict(config.subjects)
    elif config.subjects == METADATA_FIELD:
        subjects = {
            sample: subject
            for sample, block in metadata.samples.items()
            if (subject := _subject(block))
        }
    else:
        subjects = {}
        for sample, title in _titles(metadata).items():
            if (match := re.search(config.subjects, title)) and match["subject"]:
                subjects[sample] = match["subject"]
                hours = _hours(match.groupdict().get("time") or "")
                if hours is not None:
                    times.setdefault(sample, hours)
    if not subjects:
        raise UserError(
            "CONFIG_INVALID",
            f"studies.{metadata.accession}.subjects fits no sample",
            expected="the subject of at least one sample",
            action="Compare it with the titles of the samples",
        )
    for sample in subjects:
        hours = _hours(_field(metadata.samples.get(sample, {}), "refinebio_time"))
        if hours is not None:
            times.setdefault(sample, hours)
    return config.model_copy(update={"subjects": subjects, "times": times})


def doubted_subjects(config: StudyConfig, metadata: StudyMetadata, label: str) -> UserError | None:
    """A warning about the subjects of a study.

    config  as `resolve_subjects` returns it

    54103 if a subject has samples with and without a time; 3007 if there are no `subjects` in the
    settings, and samples are probably of the same subjects.
    """
    if isinstance(config.subjects, dict):
        return _samples_without_time(config.subjects, config.times, metadata, label)
    return _repeated_subjects(metadata, label) or _repeated_titles(metadata, label)


def _samples_without_time(
    subjects: dict[str, str], times: dict[str, float], metadata: StudyMetadata, label: str
) -> UserError | None:
    """54103 if some samples of a subject have a time and others have none."""
    timed = {subjects[sample] for sample in times if sample in subjects}
    untimed = [
        f"{sample} ({_field(block, 'refinebio_time') or _field(block, 'refinebio_title')})"
        for sample, block in metadata.samples.items()
        if subjects.get(sample) in timed and sample not in times
    ]
    if not untimed:
        return None
    first = untimed[0].partition(" ")[0]
    return UserError(
        "SUBJECTS_REPEATED",
        f"{counted(len(untimed), 'sample')} without a readable time, taken as later than the other "
        f"samples of the subject: {listed(untimed)}",
        file=label,
        action="Write the hours of these samples into pipeline.yaml: "
        f"studies: {{{metadata.accession}: {{times: {{{first}: HOURS}}}}}}",
    )


def _repeated_subjects(metadata: StudyMetadata, label: str) -> UserError | None:
    """3007 if subjects of the metadata have several samples."""
    times: dict[str, list[str]] = defaultdict(list)
    for block in metadata.samples.values():
        if subject := _subject(block):
            times[subject].append(_field(block, "refinebio_time").casefold())
    repeated = {subject: found for subject, found in times.items() if len(set(found) - {""}) > 1}
    # A tissue in place of a subject has many samples of each time.
    if sum(map(len, repeated.values())) > 2 * sum(len(set(found)) for found in repeated.values()):
        repeated = {}
    # If most subjects have one sample, they are no tissues, and several samples are replicates.
    if 2 * len(times) > sum(map(len, times.values())):
        repeated = {subject: found for subject, found in times.items() if len(found) > 1}
    if not repeated:
        return None
    count = sum(map(len, repeated.values()))
    return UserError(
        "TRANSFORMATION_SUBJECTS_REPEATED",
        f"{counted(count, 'sample')} seem to be of {counted(len(repeated), 'subject')}, for "
        f"example {next(iter(repeated))!r}: the metadata give them one subject",
        file=label,
        expected="one sample per subject and cohort",
        action=f"Write into pipeline.yaml: studies: {{{metadata.accession}: "
        f"{{subjects: {METADATA_FIELD}}}}}",
    )


def _repeated_titles(metadata: StudyMetadata, label: str) -> UserError | None:
    """3007 if titles are equal but for a day, hour, replicate or lane number."""
    titles = _titles(metadata)
    # Parts of a word, such as the cells in P1_D1_PBMC, may follow after _.
    gap, number, end = "[ _,.([-]+", r"(?P<time>\d+)", r"(?![a-z\d])"
    patterns = [rf"^(?P<subject>.+?){gap}(?:{w})[ _.-]*{number}{end}" for w in _TECHNICAL]
    patterns += [rf"^(?P<subject>.*\d.*?){gap}(?:{w})[ _.-]*{number}{end}" for w in _WORDS]
    patterns += [rf"^(?P<subject>.*\d.*?){gap}{number} ?(?:{w}){end}" for w in _NUMBER_FIRST]
    for pattern in (f"(?i){pattern}" for pattern in patterns):
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for title in titles.values():
            if match := re.search(pattern, title):
                found[match["subject"], title[match.end() :]].append(match["time"])
        repeated = [subject for subject, times in found.items() if len(set(times)) > 1]
        if repeated:
            count = sum(len(found[subject]) for subject in repeated)
            return UserError(
                "TRANSFORMATION_SUBJECTS_REPEATED",
                f"{counted(count, 'sample')} seem to be of {counted(len(repeated), 'subject')}, "
                f"for example {repeated[0][0]!r}: their titles or names are equal but for a number",
                file=label,
                expected="one sample per subject and cohort",
                action=f"Write into pipeline.yaml: studies: {{{metadata.accession}: "
                f"{{subjects: '{pattern}'}}}}",
            )
    return None


def _titles(metadata: StudyMetadata) -> dict[str, str]:
    """The title of each sample; its name if it has none, as in a user's own sheet."""
    return {s: _field(block, "refinebio_title") or s for s, block in metadata.samples.items()}


def _field(block: dict[str, Any], name: str) -> str:
    """A field of a sample as text; empty if it has none. The number 0 is a value."""
    value = block.get(name)
    return "" if value is None else str(value).strip()


def _subject(block: dict[str, Any]) -> str:
    """The subject of a sample; empty if a word such as NA or unknown is in its place."""
    text = _field(block, METADATA_FIELD)
    return "" if ABSENT.fullmatch(text) or _NO_SUBJECT.fullmatch(text) else text


def _hours(text: str) -> float | None:
    """A time in hours, or its number if no word of a unit is beside it; 0 for words such as
    'baseline'; None for other texts without a number.

    'hospital day 3' -> 72, 'T24h' -> 24, '2 h before surgery' -> -2, 'T1' -> 1, 'pre-op' -> 0,
    'discharge' -> None. Of a date, the hours since 1970; of one that can be read in two ways, None.
    """
    if date := _DATE.search(text):
        return _hours_of_date(date.groupdict())
    if _OTHER_DATE.search(text):
        return None
    found = next(filter(None, (pattern.search(text) for pattern in _TIMES)), None)
    if found is None:
        return 0 if _START.search(text) and not _LATER.search(text) else None
    said = found.groupdict()
    hours = float(said["number"]) * _HOURS.get(said.get("unit", "").lower(), 1)
    return -hours if said.get("earlier") else hours


def _hours_of_date(said: Mapping[str, str | None]) -> float | None:
    """The hours from 1970 to a date; None if the calendar does not have it."""
    year, month, day, hour, minute = (
        int(said[name] or said.get(f"german_{name}") or 0)
        for name in ("year", "month", "day", "hour", "minute")
    )
    try:
        date = datetime.datetime(year + 2000 * (year < 100), month, day, hour, minute)
    except ValueError:
        return None
    return (date - datetime.datetime(1970, 1, 1)).total_seconds() / 3600
