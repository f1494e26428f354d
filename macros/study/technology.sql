{#- The study's technology as one of the warehouse's three values, from refine.bio's text (a SQL
    expression).

    'RNA-SEQ', 'rna-seq'  ->  RNA-SEQ
    'MICROARRAY'          ->  MICROARRAY
    anything else, null   ->  OTHER

    This is plain SQL of both engines, because the loader renders it too. -#}
{% macro technology(text) -%}
case
    when upper({{ text }}) in ('RNA-SEQ', 'RNASEQ', 'RNA_SEQ', 'RNA SEQ') then 'RNA-SEQ'
    when upper({{ text }}) = 'MICROARRAY' then 'MICROARRAY'
    else 'OTHER'
end
{%- endmacro %}
