"""The subjects of a study's samples, read from its settings, titles and metadata."""

import re
from collections import defaultdict

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.metadata import StudyMetadata

METADATA_FIELD = "refinebio_subject"

_NUMBER = re.compile(r"(?<!\S)-?\d+(?:\.\d+)?|\d+(?:\.\d+)?")
_UNIT = re.compile(r"(?<![a-z])(min|mo|h|d|w|y)|(?<=\d)(min|mo|h|d|w|y)", re.IGNORECASE)
_HOURS = {"min": 1 / 60, "h": 1, "d": 24, "w": 168, "mo": 730, "y": 8766}

# The words before the number of a time point or replicate, each tried by itself.
_WORDS = [
    "day|d",
    "hours?|hrs?|h",
    "week|w",
    "month",
    "time ?point|time|tp|t",
    "visit",
    "replicate|rep",
]
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
            sample: str(block[METADATA_FIELD]).strip()
            for sample, block in metadata.samples.items()
            if str(block.get(METADATA_FIELD) or "").strip()
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
        hours = _hours(str(metadata.samples.get(sample, {}).get("refinebio_time") or ""))
        if hours is not None:
            times.setdefault(sample, hours)
    return config.model_copy(update={"subjects": subjects, "times": times})


def repeated_titles(config: StudyConfig, metadata: StudyMetadata, label: str) -> UserError | None:
    """3007, a warning, if titles are equal but for a day, hour or replicate number and there are
    no `subjects` in the settings: the samples are then probably of the same subjects."""
    if config.subjects is not None:
        return None
    titles = _titles(metadata)
    patterns = [rf"^(?P<subject>.*\d.*?)[ _,.-]+(?:{w})[ _.-]*(?P<time>\d+)\b" for w in _WORDS]
    patterns += [rf"^(?P<subject>.*\d.*?)[ _,.-]+(?P<time>\d+) ?(?:{w})\b" for w in _NUMBER_FIRST]
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
                f"{count} samples seem to be of {len(repeated)} "
                f"{'subject' if len(repeated) == 1 else 'subjects'}, for example "
                f"{repeated[0][0]!r}: their titles are equal but for a number",
                file=label,
                expected="one sample per subject and cohort",
                action=f"Write into pipeline.yaml: studies: {{{metadata.accession}: "
                f"{{subjects: '{pattern}'}}}}",
            )
    return None


def _titles(metadata: StudyMetadata) -> dict[str, str]:
    return {s: str(block.get("refinebio_title") or "") for s, block in metadata.samples.items()}


def _hours(text: str) -> float | None:
    """The number of a time, in hours if its unit is known; None without a number.

    'day 3' -> 72, '24h' -> 24, 'T0' -> 0, 'admission' -> None
    """
    number = _NUMBER.search(text)
    if number is None:
        return None
    unit = _UNIT.search(text)
    factor = _HOURS[(unit[1] or unit[2]).lower()] if unit else 1
    return float(number[0]) * factor
