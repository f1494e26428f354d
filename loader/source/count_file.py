"""Files with the values of one sample: STAR, HTSeq, RSEM, featureCounts."""

import re
from pathlib import PurePosixPath

from loader.source.download import Download
from loader.source.layout import split_line
from loader.source.refused import refuse_other_formats
from loader.source.side_by_side import Columns
from loader.source.text import FileText
from loader.source.values import INFINITE, NULL_VALUES

# The rest of the file's name is the sample.
_SUFFIX = re.compile(
    r"(?:[._]?ReadsPerGene|\.genes?|\.results?|\.out|\.tab|\.txt|\.tsv|\.counts?|\.htseq|\.gz|\.bz2"
    r"|\.xz|\.zip|[._]htseq)+$",
    re.IGNORECASE,
)
# Summary lines of STAR. They stand before its genes unless the file was sorted.
_STAR_LINE = re.compile(rb'^"?N_(?:unmapped|multimapping|noFeature|ambiguous)"?\t', re.MULTILINE)
_STRANDS = {"": 1, "unstranded": 1, "no": 1, "forward": 2, "yes": 2, "reverse": 3}
_HEAD_SIZE = 1 << 16
_COUNT = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def read_count_file(
    download: Download, name: str, sample: str | None = None, strandedness: str = ""
) -> Columns | None:
    """The values of a file of one sample; None if it is a matrix.

    sample        the sample; default: by the file's name
    strandedness  forward or reverse for STAR, whose counts are for either; default: unstranded

    Raises UserError 1013 for a known format that has no genes.
    """
    text = FileText(download, name)
    with text.open_text() as file:
        head = file.read(_HEAD_SIZE)
    refuse_other_formats(head, text.label)
    lines = head.decode("utf-8", "surrogateescape").split("\n")
    has_text = (bool(line.strip()) and not line.startswith("#") for line in lines)
    start = next((number for number, is_text in enumerate(has_text) if is_text), None)
    if start is None:
        return None
    header = split_line(lines[start].removesuffix("\r"), "\t")
    first = start + 2
    unit = "COUNTS"
    if len(header) == 4 and (_STAR_LINE.search(head) or "ReadsPerGene" in name):
        first, value = start + 1, _STRANDS.get(strandedness.lower(), 1)
    elif "expected_count" in header:
        value, unit = header.index("expected_count"), "ESTIMATED_COUNTS"
    elif header == ["feature", "count"] or _is_feature_counts(header):
        value = len(header) - 1
    elif len(header) >= 2 and (
        _COUNT.fullmatch(header[-1]) or _has_absent_count(header, lines[start + 1 :])
    ):
        # HTSeq has no header, and names between the id and the count if it was asked for them.
        first, value = start + 1, len(header) - 1
        if any(re.fullmatch(r"[0-9.]+", cell) for cell in header[1:-1]):
            return None
    else:
        return None
    name = sample or _SUFFIX.sub("", PurePosixPath(name).name)
    return Columns(text, [name], first, "\t", 0, [value], len(header), unit)


def _has_absent_count(cells: list[str], following: list[str]) -> bool:
    """Whether a line has NA or the like in place of a count, as the next line has one."""
    is_absent = cells[-1] != "" and (cells[-1] in NULL_VALUES or INFINITE.fullmatch(cells[-1]))
    after = split_line(following[0].removesuffix("\r"), "\t") if following else []
    return bool(is_absent and len(cells) == len(after) == 2 and _COUNT.fullmatch(after[1]))


def _is_feature_counts(header: list[str]) -> bool:
    return header[:6] == ["Geneid", "Chr", "Start", "End", "Strand", "Length"] and len(header) == 7
