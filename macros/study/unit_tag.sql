{#- The unit of a study's values, and what contradicts it.

    This is plain SQL of both engines, because the loader renders it too: what it stages, the build accepts.
    Each argument is a SQL expression. -#}

{#- The unit, or null if it cannot be inferred or the labels and the values contradict each other (54020).

    contradiction  unit_contradiction of the other arguments
    stated         the unit that the format of the files says
    scale_by       how refine.bio scaled each gene (NONE, MINMAX, STANDARD, ROBUST)
    processor      the samples' processor; of several, the first and last name, joined by ' and '

    The rules, in order: values scaled per gene; the configured unit (pipeline.yaml); the stated one; what refine.bio's
    pipelines are known to produce (microarrays come as log2 intensities, and RNA-seq summarised by tximport as
    TPM, quantile-normalised or not); linear intensities and counts, recognised by their values.

    configured | technology | processor | scale_by | min..max  | whole  ->  unit_tag
    null       | MICROARRAY | SCAN.UPC  | NONE     | 1.2..14   | 0          ARRAY_LOG2
    null       | MICROARRAY | null      | null     | 3.1..7882 | 0          INTENSITY
    null       | RNA-SEQ    | Tximport  | NONE     | 0.6..197  | 0          TPM
    null       | RNA-SEQ    | Tximport  | NONE     | 0..14     | 0          null: logarithms, or not?
    null       | RNA-SEQ    | null      | null     | 0..4e5    | 1          COUNTS
    LOG2       | RNA-SEQ    | DESeq2    | null     | 0..23     | 0          LOG2
    null       | MICROARRAY | SCAN.UPC  | STANDARD | -4..4     | 0          SCALED -#}
{% macro unit_tag(contradiction, configured, stated, technology, processor, scale_by, value_min, value_max, is_whole_numbers) -%}
case
    when {{ contradiction }} is not null then null
    when {{ is_scaled(scale_by) }} then 'SCALED'
    when {{ configured }} is not null then {{ configured }}
    when {{ stated }} is not null then {{ stated }}
    when {{ technology }} = 'MICROARRAY' and {{ value_max }} <= 30 then 'ARRAY_LOG2'
    when {{ technology }} = 'MICROARRAY' and {{ value_min }} >= 0 and {{ value_max }} > 1000 then 'INTENSITY'
    when {{ gives_tpm(technology, processor) }} then 'TPM'
    when {{ technology }} = 'RNA-SEQ' and {{ is_whole_numbers }} = 1 and {{ value_max }} > 30 then 'COUNTS'
end
{%- endmacro %}


{#- Why labels and values contradict each other; null if they do not.

    A configured unit is believed, unless the download says that each gene was scaled. One that the format says is
    not: a file can have another name than its values. -#}
{% macro unit_contradiction(configured, stated, technology, processor, scale_by, value_min, value_max, is_whole_numbers, share_above_30) -%}
case
    when {{ is_scaled(scale_by) }} and {{ configured }} <> 'SCALED'
        then concat('the download was scaled per gene (scale_by ', {{ scale_by }}, '), but the configured unit is ', {{ configured }})
    when {{ configured }} is not null or {{ is_scaled(scale_by) }} then null
    when {{ technology }} = 'MICROARRAY' and {{ is_of_sequencing(processor) }}
        then concat('the technology is MICROARRAY, but the samples were processed by ', {{ processor }})
    when {{ technology }} = 'RNA-SEQ' and lower({{ processor }}) like '%scan%'
        then concat('the technology is RNA-SEQ, but the samples were processed by ', {{ processor }})
    when {{ stated }} in ('TPM', 'FPKM', 'ESTIMATED_COUNTS') and {{ value_max }} < 25 and {{ is_whole_numbers }} = 0
        then concat('the format of the files says ', {{ stated }}, ', but all values are below 25: perhaps they are logarithms already')
    when {{ stated }} in ('TPM', 'FPKM', 'ESTIMATED_COUNTS') and {{ is_whole_numbers }} = 0 and {{ has_single_great_values(value_max, share_above_30) }}
        then concat('the format of the files says ', {{ stated }}, ', but ', {{ single_great_values(value_max) }})
    when {{ stated }} in ('TPM', 'FPKM') and {{ is_whole_numbers }} = 1 and {{ value_max }} > 30
        then concat('the format of the files says ', {{ stated }}, ', but all values are whole numbers: perhaps they are counts')
    when {{ stated }} = 'ARRAY_LOG2' and {{ value_max }} > 30
        then 'the format of the files says ARRAY_LOG2, but there are values above 30: perhaps they are no logarithms'
    when {{ technology }} = 'MICROARRAY' and {{ value_min }} >= 0 and {{ value_max }} < 5
        then 'microarray values should reach 10 or more on a log2 scale, but all are below 5: perhaps the logarithm was taken twice'
    when {{ technology }} = 'MICROARRAY' and {{ has_single_great_values(value_max, share_above_30) }}
        then concat('microarray values are logarithms or intensities, but ', {{ single_great_values(value_max) }})
    when {{ gives_tpm(technology, processor) }} and {{ value_max }} < 25
        then concat({{ processor }}, ' gives TPM, but all values are below 25: perhaps they are logarithms already')
    when {{ gives_tpm(technology, processor) }} and {{ has_single_great_values(value_max, share_above_30) }}
        then concat({{ processor }}, ' gives TPM, but ', {{ single_great_values(value_max) }})
    when {{ gives_tpm(technology, processor) }} and {{ is_whole_numbers }} = 1
        then concat({{ processor }}, ' gives TPM, but all values are whole numbers: perhaps they are counts')
end
{%- endmacro %}


{#- Whether so few values are above 30 that they are probably damaged ones among logarithms; a condition. Of
    refine.bio's quantile-normalised TPM, 8 of 1,000 are. Zeros do not count: of a small sample, nearly all TPM are 0.
    An unknown share makes it null. -#}
{% macro has_single_great_values(value_max, share_above_30) -%}
{{ value_max }} > 30 and {{ share_above_30 }} < 0.001e0
{%- endmacro %}

{#- What a contradiction says of such values. -#}
{% macro single_great_values(value_max) -%}
concat('of the values that are not 0, fewer than 1 of 1,000 are above 30, the greatest ', cast({{ value_max }} as {{ type_text(30) }}), ': perhaps they are logarithms, and single ones are damaged')
{%- endmacro %}


{#- Whether refine.bio scaled each gene; a condition. -#}
{% macro is_scaled(scale_by) -%}
{{ scale_by }} in ('MINMAX', 'STANDARD', 'ROBUST')
{%- endmacro %}


{#- Whether all samples were summarised by tximport; a condition. -#}
{% macro gives_tpm(technology, processor) -%}
({{ technology }} = 'RNA-SEQ' and lower({{ processor }}) like 'tximport%' and {{ processor }} not like '% and %')
{%- endmacro %}


{#- Whether one of the processors reads sequences; a condition. -#}
{% macro is_of_sequencing(processor) -%}
(lower({{ processor }}) like '%tximport%' or lower({{ processor }}) like '%salmon%')
{%- endmacro %}


{#- Whether values of the unit are counts, whole or estimated; a condition. -#}
{% macro is_counts(unit_tag) -%}
{{ unit_tag }} in ('COUNTS', 'ESTIMATED_COUNTS')
{%- endmacro %}


{#- The samples' processor from the first and the last of their names.

    Tximport, Tximport         ->  Tximport
    Affymetrix SCAN, Tximport  ->  Affymetrix SCAN and Tximport -#}
{% macro common_processor(first_name, last_name) -%}
case
    when {{ first_name }} = {{ last_name }} then {{ first_name }}
    when {{ first_name }} <> {{ last_name }} then concat({{ first_name }}, ' and ', {{ last_name }})
end
{%- endmacro %}


{#- Why values cannot be of their unit (2007); null if they can. Logarithms lie within 2^-64 and 2^64. -#}
{% macro domain_fault(unit_tag, value_min, value_max, is_whole_numbers) -%}
case
    when {{ unit_tag }} in ('ARRAY_LOG2', 'LOG2') and {{ value_max }} > 64
        then concat('unit ', {{ unit_tag }}, ', largest value ', cast({{ value_max }} as {{ type_text(30) }}))
    when
        ({{ unit_tag }} in ('ARRAY_LOG2', 'LOG2') and {{ value_min }} < -64)
        or ({{ unit_tag }} in ('TPM', 'FPKM', 'CPM', 'INTENSITY') and {{ value_min }} < 0)
        then concat('unit ', {{ unit_tag }}, ', smallest value ', cast({{ value_min }} as {{ type_text(30) }}))
    when {{ unit_tag }} = 'COUNTS' and {{ is_whole_numbers }} = 0
        then 'unit COUNTS, not all values are whole numbers'
end
{%- endmacro %}


{#- Why values cannot be counts (2011); null if they can, or need not. Above 2^53 a double cannot represent every
    whole number, and a sample's sum may overflow. -#}
{% macro counts_fault(unit_tag, value_min, value_max) -%}
case
    when
        {{ is_counts(unit_tag) }}
        and ({{ value_min }} < 0 or {{ value_max }} > 9007199254740992e0)
        then concat(
            'counts from ', cast({{ value_min }} as {{ type_text(30) }}), ' to ', cast({{ value_max }} as {{ type_text(30) }})
        )
end
{%- endmacro %}
