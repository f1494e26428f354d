{#- The study's technology in the three words of the warehouse, from refine.bio's text (an SQL
    expression).

    'RNA-SEQ', 'rna-seq'  ->  RNA-SEQ
    'MICROARRAY'          ->  MICROARRAY
    anything else, null   ->  OTHER

    Plain SQL of both engines: the loader renders it too. -#}
{% macro technology(text) -%}
case
    when upper({{ text }}) in ('RNA-SEQ', 'RNASEQ', 'RNA_SEQ', 'RNA SEQ') then 'RNA-SEQ'
    when upper({{ text }}) = 'MICROARRAY' then 'MICROARRAY'
    else 'OTHER'
end
{%- endmacro %}
