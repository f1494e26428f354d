"""Identifiers, numbers and missing values in a matrix."""

import re

# Gene ids and sample accessions: printable ASCII, varchar(50) in the warehouse.
IDENTIFIER = re.compile(r"[!-~](?:[ -~]{0,48}[!-~])?")

# The same of any length.
ANY_LENGTH = re.compile(r"[!-~](?:[ -~]*[!-~])?")

NUMBER = re.compile(r" *[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *")

NULL_VALUES = ["", "NA", "N/A", "#N/A", "na", "n/a", "NaN", "nan", "NAN", "NULL", "Null", "null"]

# Read as missing, and counted.
INFINITE = re.compile(r" *[+-]?inf(?:inity)? *", re.IGNORECASE)
