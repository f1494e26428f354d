"""The ids of a matrix's lines: their form, and which lines are no genes."""

import hashlib
import re
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from expression_warehouse.core.errors import UserError
from loader.source.values import ANY_LENGTH, NULL_VALUES

_MAX_LENGTH = 50

# The form of most ids, checked for a whole block at once.
_ENSEMBL = r"^ENS[A-Z]*G[0-9]{1,20}$"

# Excel's short names of months, by its language. A full stop may follow.
_MONTHS = {
    "English": "jan feb mar apr may jun jul aug sep sept oct nov dec",
    "German": "jan feb m[aä]r mrz apr mai jun jul aug sep okt nov dez",
    "French": "janv f[eé]vr mars avr mai juin juil ao[uû]t sept oct nov d[eé]c",
    "Italian": "gen feb mar apr mag giu lug ago set ott nov dic",
    "Dutch": "jan feb mrt apr mei jun jul aug sep okt nov dec",
    "Spanish": "ene feb mar abr may jun jul ago sep sept oct nov dic",
    "Portuguese": "jan fev mar abr mai jun jul ago set out nov dez",
}


def _month(*languages: str) -> str:
    names = {name for language in languages for name in _MONTHS[language].split()}
    return f"(?:{'|'.join(sorted(names))})"


# Tried in this order; the name of the group that fits is the kind of the id. Worms have genes such
# as sep-1, mei-1 and set-17: before its number, a month begins with a capital, or a zero follows.
_KINDS = re.compile(
    r"""
    (?P<ENSEMBL>ENS[A-Z]*G[0-9]+)
    | (?P<ENSEMBL_VERSIONED>ENS[A-Z]*G[0-9]+[._|][!-~]*)
    | (?P<lowered>(?i:ENS[A-Z]*G[0-9]{11}(?:\.[0-9]+)?))
    | (?P<date>(?=[A-Z])(?i:CAPITAL-[0-9]{1,4})
        | (?i:[0-9]{1,2}[-./ ]{1,2}MONTH\.?(?:[-./ ]{1,2}[0-9]{2,4})?
        | MONTH\.?-(?:0[0-9]|[0-9]{4})
        | [0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9:]+)?
        | [0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}))
    | (?P<rounded>[0-9](?:[.,][0-9]+)?[eE][+][0-9]+)
    | (?P<probe>(?!ENS[A-Z]*T[0-9])[!-~]+_at
        | ILMN_[0-9]+ | A_[0-9]{2}_P[0-9]+ | PH_[a-z]{2}_[0-9]+
        | TC[0-9XYMU][!-~]*\.[a-z]{2}(?:\.[0-9]+)? | cg[0-9]{8})
    | (?P<transcript>ENS[A-Z]*T[0-9]{5,}(?:\.[0-9]+)?(?:\|[!-~]*|_at)?
        | [NX][MR]_[0-9]{6,}(?:\.[0-9]+)?)
    | (?P<ENTREZ>[0-9]+)
    | (?P<fraction>[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    | (?P<SYMBOL>[A-Za-z0-9][A-Za-z0-9._@-]{0,29})
    """.replace("MONTH", _month(*_MONTHS)).replace("CAPITAL", _month("English", "German")),
    re.VERBOSE,
)

# Lines that are no genes: (their kind, pattern of the id).
_NO_GENES = [
    ("without an id", re.compile(r" *(?:NA|NaN|null)? *")),
    (
        "summary lines of HTSeq or STAR",
        re.compile(
            r"__\w+|N_(?:unmapped|multimapping|noFeature|ambiguous)"
            r"|no_feature|ambiguous|too_low_aQual|not_aligned|alignment_not_unique"
        ),
    ),
    ("Affymetrix controls", re.compile(r"AFFX[-_].*")),
    (
        "totals or means",
        re.compile(
            r"(?i:(?:grand )?(?:totals?|sums?|means?|averages?|medians?)"
            r"|gesamt(?:summe|ergebnis)?|summe|mittelwert)"
        ),
    ),
    ("ERCC spike-ins", re.compile(r"(?:gSpikein_)?ERCC-[0-9]{5}.*")),
]
_MAY_BE_NO_GENE = re.compile(
    r" *(?:$|NA|NaN|null|__|N_|no_|ambig|too_|not_|align|AFFX|ERCC-|gSpike"
    r"|(?i:grand|total|sum|mean|average|median|gesamt|mittel))"
)

_BIOTYPES = {
    *("protein_coding", "lncRNA", "lincRNA", "antisense", "pseudogene", "processed_pseudogene"),
    *("unprocessed_pseudogene", "miRNA", "snRNA", "snoRNA", "misc_RNA", "rRNA", "Mt_rRNA"),
    *("Mt_tRNA", "scaRNA", "ribozyme", "TEC", "IG_V_gene", "TR_V_gene", "sense_intronic"),
}

_ONE_LINE = "one line per gene"
# Kind of id that is refused if most are of it → what it is, what to do, what is expected.
_REFUSED = {
    "fraction": (
        "numbers with fractions",
        "Write the matrix again with its gene ids as first column",
        _ONE_LINE,
    ),
    "transcript": (
        "transcripts",
        "Sum transcripts to genes first (in R: tximport with tx2gene)",
        _ONE_LINE,
    ),
    "lowered": (
        "those of Ensembl in small letters",
        "Write the matrix again with its gene ids in capitals",
        "ids as ENSG00000000003",
    ),
}

_PLATFORMS = [
    ("an Illumina BeadChip array", re.compile(r"ILMN_.*")),
    ("an Agilent array", re.compile(r"A_[0-9]{2}_P.*")),
    ("a Phalanx OneArray", re.compile(r"PH_.*")),
    ("an Illumina methylation array", re.compile(r"cg[0-9]{8}")),
    ("an Affymetrix Clariom or Transcriptome array", re.compile(r"TC.*(?<!_at)")),
    ("an Affymetrix exon or gene array (transcript clusters)", re.compile(r"[0-9]+")),
    ("an Affymetrix array", re.compile(r".*")),
]

# Numbers of transcript clusters, of all exon and gene arrays of Affymetrix; no human, mouse or rat
# gene has an Entrez id in this range.
_CLUSTERS = range(2_000_000, 20_000_000)

# Excel's numbers for the days of 2000 to 2035.
_DATE_NUMBERS = range(36_526, 49_675)


class GeneIds:
    """Looks at the ids of all lines, block by block; `check` then refuses what are no genes.

    label       the file, for messages
    is_unique   whether an id on two lines is an error

    dropped     kind of line that is no gene → how many
    shortened   ids that were too long, which get the start and a hash of the whole
    """

    def __init__(self, label: str, is_unique: bool = False) -> None:
        self.dropped: Counter[str] = Counter()
        self.shortened: list[str] = []
        self._label = label
        self._kinds: Counter[str] = Counter()
        # The first ids of each kind, and their lines.
        self._examples: dict[str, list[tuple[str, int]]] = {}
        self._numbers: list[tuple[str, int]] = []
        self._is_unique = is_unique
        self._first_lines: dict[str, int] = {}
        self._biotypes = 0

    def add(self, genes: pa.Array, line: int) -> tuple[list[str] | None, list[bool] | None]:
        """Look at the ids of consecutive lines.

        line  the number of the first one

        Returns the ids if some are to be replaced, else None; and which lines are genes, None if
        all are. Raises ValueError for an id that is not printable ASCII or has a blank at an end,
        and UserError 2005 for an id on two lines if ids are to be unique.
        """
        if not self._is_unique and pc.all(pc.match_substring_regex(genes, _ENSEMBL)).as_py():
            self._kinds["ENSEMBL"] += len(genes)
            return None, None
        ids = genes.to_pylist()
        keep: list[bool] | None = None
        changed: list[str] | None = None
        for place, gene in enumerate(ids):
            if _MAY_BE_NO_GENE.match(gene) and (kind := _no_gene(gene)):
                self.dropped[kind] += 1
                keep = keep or [True] * len(ids)
                keep[place] = False
                continue
            if len(gene) > _MAX_LENGTH:
                changed = changed or list(ids)
                changed[place] = _shorten(gene)
                self.shortened.append(gene)
            self._count(gene, line + place)
            if self._is_unique:
                self._check_first(gene, line + place)
        return changed, keep

    def _count(self, gene: str, line: int) -> None:
        match = _KINDS.fullmatch(gene)
        kind = (match and match.lastgroup) or "OTHER"
        if kind == "ENTREZ" and len(gene) < 9 and int(gene) in _CLUSTERS:
            kind = "cluster"
        if kind == "OTHER" and not ANY_LENGTH.fullmatch(gene):
            raise ValueError(f"gene id {gene!r}")
        self._kinds[kind] += 1
        if kind in ("ENSEMBL", "ENSEMBL_VERSIONED"):
            return
        examples = self._examples.setdefault(kind, [])
        if len(examples) < 3:
            examples.append((gene, line))
        if kind == "ENTREZ" and len(gene) == 5 and int(gene) in _DATE_NUMBERS:
            self._numbers.append((gene, line))
        elif gene in _BIOTYPES:
            self._biotypes += 1

    def _check_first(self, gene: str, line: int) -> None:
        first = self._first_lines.setdefault(gene, line)
        if first != line:
            raise UserError(
                "VALIDATION_DUPLICATE_GENES",
                f"gene {gene} is already on line {first}",
                file=self._label,
                line=line,
                expected="one line per gene, because duplicate_genes is refuse",
            )

    @property
    def form(self) -> str:
        """The form of most ids: ENSEMBL, ENSEMBL_VERSIONED, ENTREZ, SYMBOL, OTHER, or MIXED."""
        total = sum(self._kinds.values())
        ensembl = self._kinds["ENSEMBL"] + self._kinds["ENSEMBL_VERSIONED"]
        if ensembl >= 0.9 * total:
            return "ENSEMBL_VERSIONED" if self._kinds["ENSEMBL_VERSIONED"] else "ENSEMBL"
        kinds = self._kinds + Counter(ENTREZ=self._kinds["cluster"])
        kind, count = kinds.most_common(1)[0]
        if count < 0.9 * total:
            return "MIXED"
        return kind if kind in ("ENTREZ", "SYMBOL") else "OTHER"

    def check(self) -> None:
        """Refuse ids that are not those of genes.

        Raises UserError 2014 for dates and rounded numbers that Excel makes of gene names, and 2015
        for probes, transcripts, types of genes and Ensembl ids in small letters.
        """
        total = sum(self._kinds.values())
        if not total:
            return
        self._check_excel(total)
        for kind in ("probe", "cluster"):
            if self._kinds[kind] > 0.5 * total:
                (gene, line), *_ = self._examples[kind]
                platform = next(name for name, ids in _PLATFORMS if ids.fullmatch(gene))
                raise self._not_genes(
                    f"the ids are probes of {platform}, as {gene}",
                    line,
                    "Replace probes by genes with the platform's annotation first (in R: annotate, "
                    "or biomaRt), or download the study from refine.bio, which does it",
                )
        for kind, (what, action, expected) in _REFUSED.items():
            if self._kinds[kind] > 0.5 * total:
                (gene, line), *_ = self._examples[kind]
                raise self._not_genes(f"the ids are {what}, as {gene}", line, action, expected)
        if self._biotypes > 0.5 * total:
            (gene, line), *_ = self._examples["SYMBOL"]
            raise self._not_genes(
                f"the ids are types of genes, as {gene}",
                line,
                "Count reads per gene (featureCounts: -g gene_id)",
            )

    def _check_excel(self, total: int) -> None:
        damaged = [*self._examples.get("date", []), *self._examples.get("rounded", [])]
        count = self._kinds["date"] + self._kinds["rounded"]
        # Among other ids, numbers in the range of dates are dates; Entrez ids have all ranges.
        entrez = self._kinds["ENTREZ"] + self._kinds["cluster"]
        if self._numbers and entrez < 0.5 * total:
            damaged += self._numbers[:3]
            count += len(self._numbers)
        if not count:
            return
        damaged.sort(key=lambda example: example[1])
        names = ", ".join(f"{gene} on line {line}" for gene, line in damaged[:5])
        raise UserError(
            "VALIDATION_GENE_IDS_DAMAGED",
            f"Excel made dates or rounded numbers of {count} gene "
            f"{'name' if count == 1 else 'names'}: {names}{' …' if count > 5 else ''}",
            file=self._label,
            line=damaged[0][1],
            expected="gene ids as SEPTIN2 or MARCHF1 (earlier SEPT2, MARCH1)",
        )

    def _not_genes(
        self, found: str, line: int, action: str, expected: str = _ONE_LINE
    ) -> UserError:
        return UserError(
            "VALIDATION_IDS_NOT_GENES",
            found,
            file=self._label,
            line=line,
            expected=expected,
            action=action,
        )


def is_ensembl(text: str) -> bool:
    """Whether a text is a gene id of Ensembl, of any version."""
    match = _KINDS.fullmatch(text)
    return bool(match and match.lastgroup in ("ENSEMBL", "ENSEMBL_VERSIONED"))


def is_symbol(text: str) -> bool:
    """Whether a text has the form of a symbol, and not that of an id, a date or a missing value."""
    match = _KINDS.fullmatch(text)
    return bool(match and match.lastgroup == "SYMBOL") and text not in NULL_VALUES


def _no_gene(gene: str) -> str | None:
    return next((kind for kind, pattern in _NO_GENES if pattern.fullmatch(gene)), None)


def _shorten(gene: str) -> str:
    """The first 33 characters, ~ and 16 hex digits of the SHA-256 of all: 50 characters."""
    return f"{gene[:33].rstrip()}~{hashlib.sha256(gene.encode()).hexdigest()[:16]}"
