"""Study accessions."""

import re

# What `dbt build --select study:` takes: letters, digits, '.', '_' and '-', at most 50 of them.
ACCESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")
