{#- The natural key of a sample. A public accession names the same sample in every study; any other name
    (S0, patient_1) is unique only within its study.

    sample_natural_key("'GSE1'", "'GSM12'")  ->  GSM12
    sample_natural_key("'GSE1'", "'S0'")     ->  GSE1 S0 -#}
{% macro sample_natural_key(study, sample) -%}
cast(
    case
        when {{ is_public_accession(sample) }} then {{ sample }}
        else concat({{ study }}, ' ', {{ sample }})
    end as {{ type_code(101) }}
)
{%- endmacro %}


{#- Condition: the name is an accession of GEO, of INSDC (run, experiment, sample, BioSample) or of ArrayExpress,
    written without patterns of digits, which the engines spell differently: the letters of a registry, a digit,
    then letters and digits only. ArrayExpress names a sample after its experiment: E-MTAB-1548-S3.

    GSM12, SRR7993430, SAMN02581284, E-MTAB-1548-S3  ->  true
    GSM, S0, 1GSM2, GSM12_a, E-MTAB-1548             ->  false -#}
{% macro is_public_accession(name) -%}
{%- set registries = {
    3: ['GSM', 'SRR', 'ERR', 'DRR', 'SRX', 'ERX', 'DRX', 'SRS', 'ERS', 'DRS'], 4: ['SAMN', 'SAMD', 'SAME'], 5: ['SAMEA']
} -%}
{%- set form = "translate(" ~ name ~ ", 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789', '" ~ 'A' * 26 ~ '0' * 10 ~ "')" -%}
(
    (
        replace(replace({{ form }}, 'A', ''), '0', '') = ''
        and (
            {%- for length, letters in registries.items() %}
            {{ 'or ' if not loop.first }}({{ form }} like '{{ 'A' * length }}0%' and left({{ name }}, {{ length }}) in ('{{ letters | join("', '") }}'))
            {%- endfor %}
        )
    )
    or (
        {{ name }} like 'E-%'
        and ({% for count in range(1, 7) %}{{ form }} like 'A-AAAA-{{ '0' * count }}-_%'{{ ' or ' if not loop.last }}{% endfor %})
    )
)
{%- endmacro %}


{#- Pre-hook of dim_sample: gives the samples of an earlier version, which knew them by their name alone, their
    natural key. They keep their surrogate keys. -#}
{% macro add_sample_natural_keys() %}
{%- if is_incremental() and 'sample_natural_key' not in adapter.get_columns_in_relation(this) | map(attribute='name') -%}
{{ add_sample_natural_keys_to(this, ref('dim_study')) }}
{%- endif -%}
{% endmacro %}
