"""What counts as an identifier, a number and a missing value in a matrix."""

import re

# Gene ids and sample accessions: varchar(50) of the warehouse, printable ASCII.
IDENTIFIER = re.compile(r"[!-~](?:[ -~]{0,48}[!-~])?")

NUMBER = re.compile(r" *[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *")

NULL_VALUES = ["", "NA", "N/A", "#N/A", "na", "n/a", "NaN", "nan", "NAN", "NULL", "Null", "null"]
