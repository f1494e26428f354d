"""`diseases:` of pipeline.yaml: diseases with their own labels, phrases and contrasts."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from expression_warehouse.core.project import read_seed
from expression_warehouse.core.warehouse.macros import project_macros

# Samples with this label take part in no analysis.
UNKNOWN = "UNKNOWN"

# Names that no contrast can have: what they mean already.
_TAKEN = {
    "all": "every contrast, in settings of views",
    "view": "the ranked views, in meta_calibration",
}

# Column widths in the warehouse.
_PHRASE_LENGTH = 100
_LABELS_LENGTH = 200


class Strict(BaseModel):
    """A mapping of pipeline.yaml: unknown keys and other types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _named(letters: str, length: int) -> AfterValidator:
    def check(name: str) -> str:
        if not re.fullmatch(f"[{letters}0-9_]{{1,{length}}}", name):
            raise ValueError(
                f"{name!r} is not a name of 1 to {length} characters of {letters}, 0-9 and _"
            )
        return name

    return AfterValidator(check)


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("expected one line of text")
    return text


DiseaseName = Annotated[str, _named("A-Z", 64)]
LabelName = Annotated[str, _named("A-Z", 50)]
ContrastName = Annotated[str, _named("a-z", 16)]
Text = Annotated[str, Field(max_length=500), AfterValidator(_one_line)]


class ContrastConfig(Strict):
    """Which cohorts a contrast compares.

    case, reference  illness labels; the cohorts of a side are correlated separately, then pooled
    is_primary       whether it comes first among contrasts that are equal
    """

    case: Annotated[list[str], Field(min_length=1)]
    reference: Annotated[list[str], Field(min_length=1)]
    is_primary: bool = False
    description: Text | None = None

    @model_validator(mode="after")
    def _check_sides(self) -> "ContrastConfig":
        counts = Counter([*self.case, *self.reference])
        if repeated := [label for label, count in counts.items() if count > 1]:
            where = "both sides" if set(self.case) & set(self.reference) else "one side twice"
            raise ValueError(f"{repeated[0]} is on {where}")
        if max(len(" ".join(side)) for side in (self.case, self.reference)) > _LABELS_LENGTH:
            raise ValueError(f"the labels of a side have more than {_LABELS_LENGTH} characters")
        return self


class DiseaseConfig(Strict):
    """A disease; one of seeds/disease.csv gets what is given here in addition.

    ontology   identifier, as MONDO:0008383
    labels     label → definition; CASE, CONTROL and the disease's labels of the seed need none
    phrases    label → whole words of a sample's metadata that give the label; the first phrase that
               is found decides, and the seed's phrases come after these
    contrasts  name → cohorts; they replace the seed's contrasts of the disease, whose names keep
               their cohorts: columns of the facts and the docs are named after them
    """

    ontology: Annotated[str, Field(max_length=64), AfterValidator(_one_line)] | None = None
    labels: dict[LabelName, Text] = Field(default_factory=dict)
    phrases: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(default_factory=dict)
    contrasts: dict[ContrastName, ContrastConfig] = Field(default_factory=dict)

    def definition_json(self) -> str:
        """The definition for staging.disease_definition, equal for equal settings."""
        phrases = list(self.ordered_phrases())
        primary = [name for name, contrast in self.contrasts.items() if contrast.is_primary]
        first = next(iter(primary or self.contrasts), None)
        definition = {
            "ontology": self.ontology,
            "labels": self.labels,
            # Below 0, so that they precede the seed's.
            "phrases": {
                phrase: {"rule_order": order - len(phrases), "illness_label": label}
                for order, (phrase, label) in enumerate(phrases)
            },
            "contrasts": {
                name: {
                    "case_labels": " ".join(contrast.case),
                    "reference_labels": " ".join(contrast.reference),
                    "is_primary": int(name == first),
                    "description": contrast.description or _describe(contrast),
                }
                for name, contrast in self.contrasts.items()
            },
        }
        return json.dumps(definition, sort_keys=True)

    def ordered_phrases(self) -> Iterator[tuple[str, str]]:
        """Words and label of each phrase, the one that precedes the others first."""
        for label, phrases in self.phrases.items():
            for phrase in phrases:
                yield normalized_phrase(phrase), label


def definitions_json(diseases: Mapping[str, DiseaseConfig]) -> dict[str, str]:
    """Disease → its definition for staging.disease_definition."""
    return {name: disease.definition_json() for name, disease in diseases.items()}


Fault = tuple[tuple[str | int, ...], str]


def find_fault(diseases: Mapping[str, DiseaseConfig]) -> Fault | None:
    """The location and message of the first label, phrase or contrast that does not fit the rest.

    Location is as in pydantic: ('LUPUS', 'contrasts', 'fl', 'case', 0).
    """
    return next((fault for name in diseases for fault in _faults(name, diseases)), None)


def _faults(name: str, diseases: Mapping[str, DiseaseConfig]) -> Iterator[Fault]:
    disease = diseases[name]
    is_of_seed = name in {row["disease_label"] for row in read_seed("disease")}
    if is_of_seed and disease.ontology is not None:
        yield (name, "ontology"), f"seeds/disease.csv has the ontology of {name}"
    if not is_of_seed and not disease.contrasts:
        yield (name,), f"{name} has no contrasts"
    of_seed = {row["illness_label"] for row in read_seed("illness")}
    earlier = list(diseases)[: list(diseases).index(name)]
    for label in disease.labels:
        if label in of_seed:
            yield (name, "labels", label), f"seeds/illness.csv has the label {label} already"
        for other in earlier:
            if label in diseases[other].labels:
                yield (name, "labels", label), f"{label} is a label of {other} already"
    yield from _phrase_faults(name, disease)
    yield from _contrast_faults(name, disease)
    yield from _order_faults(name, diseases)


def _phrase_faults(name: str, disease: DiseaseConfig) -> Iterator[Fault]:
    known = [*_labels_of(name, disease), UNKNOWN]
    seen: dict[str, str] = {}
    for label, phrases in disease.phrases.items():
        if label not in known:
            yield (name, "phrases", label), _not_one_of(label, known)
        for index, phrase in enumerate(phrases):
            location = (name, "phrases", label, index)
            words = normalized_phrase(phrase)
            if not words:
                yield location, f"{phrase!r} has no word"
            elif not words.isprintable():
                yield location, f"{phrase!r} is not one line of text"
            elif len(words) > _PHRASE_LENGTH:
                yield location, f"{phrase!r} has more than {_PHRASE_LENGTH} characters"
            elif words in seen:
                yield location, f"'{words}' is a phrase of {seen[words]} already"
            seen.setdefault(words, label)


def _order_faults(name: str, diseases: Mapping[str, DiseaseConfig]) -> Iterator[Fault]:
    """Phrases that do not decide even for their own words."""
    all_words = {words for disease in diseases.values() for words, _ in disease.ordered_phrases()}
    longer = {
        phrase: (label, index)
        for label, phrases in diseases[name].phrases.items()
        for index, phrase in enumerate(phrases)
        if _contains_another(normalized_phrase(phrase), all_words)
    }
    if not longer:
        return
    # Few files have such phrases, and DuckDB takes 0.15 s to import and 0.05 s for the rules.
    from expression_warehouse.core.illness_rules import SourceText, decide, rules_for

    texts = [SourceText(phrase, 1, "title", "", phrase) for phrase in longer]
    decided = decide(texts, rules_for(name, definitions_json(diseases)))
    for phrase, (label, index) in longer.items():
        first = decided.get(phrase)
        if first and first.label != label:
            yield (
                (name, "phrases", label, index),
                f"'{normalized_phrase(phrase)}' never decides: '{first.phrase}' of {first.label} "
                "precedes it and is a part of it; list the longer phrase first",
            )


def _contains_another(words: str, all_words: Iterable[str]) -> bool:
    return any(other != words and f" {other} " in f" {words} " for other in all_words)


def _contrast_faults(name: str, disease: DiseaseConfig) -> Iterator[Fault]:
    known = _labels_of(name, disease)
    of_seed = {
        row["contrast"]: (row["case_labels"].split(), row["reference_labels"].split())
        for row in read_seed("contrast")
        if row["disease_label"] == name
    }
    for contrast_name, contrast in disease.contrasts.items():
        if contrast_name in _TAKEN:
            yield (
                (name, "contrasts", contrast_name),
                f"{contrast_name} means {_TAKEN[contrast_name]}: give it another name",
            )
        sides = [sorted(contrast.case), sorted(contrast.reference)]
        if contrast_name in of_seed and sides != list(map(sorted, of_seed[contrast_name])):
            case, reference = (" and ".join(side) for side in of_seed[contrast_name])
            yield (
                (name, "contrasts", contrast_name),
                f"{contrast_name} of {name} is {case} against {reference} "
                "(seeds/contrast.csv): give other cohorts another name",
            )
        for side in ("case", "reference"):
            for index, label in enumerate(getattr(contrast, side)):
                if label not in known:
                    location = (name, "contrasts", contrast_name, side, index)
                    yield location, _not_one_of(label, known)
    primary = [key for key, contrast in disease.contrasts.items() if contrast.is_primary]
    for contrast_name in primary[1:]:
        yield (
            (name, "contrasts", contrast_name, "is_primary"),
            f"{primary[0]} is the primary contrast already",
        )


def _labels_of(name: str, disease: DiseaseConfig) -> list[str]:
    """The labels that the cohorts of a disease can have."""
    shared = [
        row["shares_labels_with"] for row in read_seed("disease") if row["disease_label"] == name
    ]
    of_seed = [
        row["illness_label"]
        for row in read_seed("illness")
        if row["disease_label"] in ("", name, *shared) and row["illness_label"] != UNKNOWN
    ]
    return [*of_seed, *disease.labels]


def _not_one_of(label: str, known: list[str]) -> str:
    return f"{label!r} is not one of {', '.join(known)}"


def _describe(contrast: ContrastConfig) -> str:
    return f"{' and '.join(contrast.case)} against {' and '.join(contrast.reference)}"


def normalized_phrase(phrase: str) -> str:
    """A phrase as macro illness_words prepares the texts that it is searched in.

    'Non-Sepsis' -> 'non sepsis'
    """
    separators: Any = project_macros("duckdb").illness_separators()
    return phrase.lower().translate({ord(char): " " for char in separators}).strip(" ")
