{#- The value on the scale used to compare studies, derived from the study's unit (a SQL expression).

    COUNTS, ESTIMATED_COUNTS   log2(value / library size * 1e6 + 1)
    TPM, FPKM, CPM             log2(value + 1)
    INTENSITY                  log2(value); below 1, 0
    ARRAY_LOG2, LOG2, SCALED   the value unchanged

    value | unit_tag | library_size  ->  result
    3     | TPM      | null              2
    30    | COUNTS   | 1e7               2
    7.5   | LOG2     | null              7.5

    Null if the unit or (for counts) the library size is unknown, and if the value is outside the formula's
    domain (TPM, FPKM and CPM at or below -1, negative counts). -#}
{% macro harmonise(value, unit_tag, library_size) -%}
case
    when {{ unit_tag }} in ('ARRAY_LOG2', 'LOG2', 'SCALED') then {{ value }}
    when {{ unit_tag }} = 'INTENSITY' and {{ value }} < 1 then 0e0
    when {{ unit_tag }} = 'INTENSITY' then {{ log2(value) }}
    when {{ unit_tag }} in ('TPM', 'FPKM', 'CPM') and {{ value }} > -1 then {{ log2(value ~ ' + 1.0') }}
    when {{ is_counts(unit_tag) }} and {{ value }} >= 0 and {{ library_size }} > 0
        then {{ log2(value ~ ' / ' ~ library_size ~ ' * 1000000.0 + 1.0') }}
end
{%- endmacro %}


{#- log2 of the source value, never taken twice (a SQL expression). On a log scale, the value itself; on a
    linear scale, log2(value) if the value is positive, else null; of values scaled per gene, null.

    value | unit_tag  ->  result
    8     | TPM           3
    0     | TPM           null
    8     | LOG2          8
    1.5   | SCALED        null -#}
{% macro log2_value(value, unit_tag) -%}
case
    when {{ unit_tag }} in ('ARRAY_LOG2', 'LOG2') then {{ value }}
    when {{ unit_tag }} <> 'SCALED' and {{ value }} > 0 then {{ log2(value) }}
end
{%- endmacro %}
