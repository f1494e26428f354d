"""A kind of bulk file: what every module of `sources/` defines.

A module names its files in BULK_FILES; where each is downloaded, its licence and citation are the
row of seed annotation_file with the same name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

# A value of a gene, as a row of staging.annotation_value.
#
# id_type    what gene_ref is: ENSEMBL (unversioned), ENTREZ, HGNC ('HGNC:5') or MGI ('MGI:87853')
# gene_ref   the gene's id in the file
# attribute  name in seed annotation_attribute
# item       what tells several values of an attribute apart, as the tissue or the transcript; ''
#            if a gene has one value
# value      the value as text; a number in full precision
# number     the value as a number; null if the attribute is text
VALUES = pa.schema(
    [
        pa.field("id_type", pa.string(), nullable=False),
        pa.field("gene_ref", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("item", pa.string(), nullable=False),
        pa.field("value", pa.string()),
        pa.field("number", pa.float64()),
    ]
)


@dataclass(frozen=True)
class BulkFile:
    """A kind of bulk file.

    name      its row in seed annotation_file, as 'hgnc_complete_set'
    patterns  names that it has in a folder of files downloaded by hand, without .gz or .bgz, as
              'hgnc_complete_set*.txt'
    parse     yields batches of schema VALUES, streaming, in bounded memory; raises UserError
              54500 for a header that it does not know, 54501 for a line that it cannot read
    version   the release that the file names, as '4.1' or a date; None if it names none
    """

    name: str
    patterns: tuple[str, ...]
    parse: Callable[[Path], Iterator[pa.RecordBatch]]
    version: Callable[[Path], str | None]
