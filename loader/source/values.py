"""Identifiers, numbers and missing values in a matrix."""

import re

# Gene ids and sample accessions: printable ASCII, varchar(50) in the warehouse.
IDENTIFIER = re.compile(r"[!-~](?:[ -~]{0,48}[!-~])?")

# The same of any length.
ANY_LENGTH = re.compile(r"[!-~](?:[ -~]*[!-~])?")

NUMBER = re.compile(r" *[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *")

NULL_VALUES = ["", "NA", "N/A", "#N/A", "na", "n/a", "NaN", "nan", "NAN", "NULL", "Null", "null"]

# A cell of a sample sheet, or the subject of a sample, that says nothing: NULL_VALUES, not
# determined, keine Angabe, and Excel's errors in any language (#NV, #DIV/0!). Not - and ?, which
# can be findings.
ABSENT = re.compile(
    r"|na|n/a|n\. ?a\.?|nan|null|n\. ?d\.?|k\. ?a\.?|#(?:nv|n/[ad]|\S+[!?])", re.IGNORECASE
)

# Read as missing, and counted.
INFINITE = re.compile(r" *[+-]?inf(?:inity)? *", re.IGNORECASE)
