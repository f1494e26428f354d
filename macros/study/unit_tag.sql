{#- The unit of a study's values, or null if it cannot be inferred (54020).

    Each argument is a SQL expression. The rules, in order: the configured unit (pipeline.yaml); what
    refine.bio's pipelines are known to produce (microarrays come as log2 intensities, and RNA-seq
    summarised by tximport as TPM, quantile-normalised or not); counts, recognised by their values (whole
    numbers, with zeros, far beyond any log scale).

    configured | technology | processor | min..max | whole | zeros  ->  unit_tag
    null       | MICROARRAY | SCAN.UPC  | 1.2..14  | 0     | 0          ARRAY_LOG2
    null       | RNA-SEQ    | Tximport  | 0.6..197 | 0     | 0          TPM
    null       | RNA-SEQ    | null      | 0..4e5   | 1     | 812        COUNTS
    LOG2       | RNA-SEQ    | DESeq2    | 0..23    | 0     | 4          LOG2
    null       | RNA-SEQ    | DESeq2    | 0..23    | 0     | 4          null

    This is plain SQL of both engines, because the loader renders it too, to reject such a study at ingest. -#}
{% macro unit_tag(configured, technology, processor, value_max, is_whole_numbers, zero_count) -%}
case
    when {{ configured }} is not null then {{ configured }}
    when {{ technology }} = 'MICROARRAY' and {{ value_max }} <= 30 then 'ARRAY_LOG2'
    when {{ technology }} = 'RNA-SEQ' and lower({{ processor }}) like 'tximport%' then 'TPM'
    when
        {{ technology }} = 'RNA-SEQ' and {{ is_whole_numbers }} = 1
        and {{ zero_count }} > 0 and {{ value_max }} > 10000
        then 'COUNTS'
end
{%- endmacro %}
