"""Accessions of studies and samples."""

import re

# What `dbt build --select study:` takes: letters, digits, '.', '_' and '-', at most 50 of them.
ACCESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")

# Samples of GEO and INSDC, in letters of any case. Macro is_public_accession has those of
# ArrayExpress, too.
_PUBLIC_SAMPLE = re.compile(r"(?:GSM|[SED]R[RXS]|SAM(?:N|D|EA?))[0-9]+", re.IGNORECASE)


def public_sample(name: str) -> str:
    """A public accession in capitals, `gsm1` as `GSM1`; other names unchanged."""
    return name.upper() if _PUBLIC_SAMPLE.fullmatch(name) else name
