{#- Lines of a matrix as genes: which gene an id is, and what several lines of one gene become. -#}

{#- The gene of an id: an Ensembl id without what follows it, which is a version, _PAR_Y, _at (of Brainarray's
    chip definitions) or a symbol. Any other id stays as it is: ENSA.1, of a symbol, has no G00.

    ENSG00000182378.15_PAR_Y  ->  ENSG00000182378
    ENSA.1                    ->  ENSA.1 -#}
{% macro gene_id(source_gene_id) -%}
case
    when {{ source_gene_id }} like 'ENS%G00%'
        then {{ text_before('|', text_before('_', text_before('.', source_gene_id))) }}
    else {{ source_gene_id }}
end
{%- endmacro %}


{#- Whether an id is that of Ensembl. No symbol begins so: ENSA, of a gene, has no G after its letters. -#}
{% macro is_ensembl_id(source_gene_id) -%}
{{ source_gene_id }} like 'ENS%G%'
{%- endmacro %}


{#- A select of the genes that ids mean in the loaded annotation, one row per id that it knows. An id that means
    several genes has no gene_id and resolved_by AMBIGUOUS. Only studies of Entrez ids have any: to others, a
    number is no name of a gene.

    ids  CTE with the columns organism, is_entrez, source_gene_id

    HOMO_SAPIENS 0 SEPT2   ->  … ENSG00000168385 PREVIOUS_SYMBOL
    HOMO_SAPIENS 0 PET     ->  … null            AMBIGUOUS
    HOMO_SAPIENS 1 7157    ->  … ENSG00000141510 ENTREZ -#}
{% macro genes_of_ids(ids) -%}
select
    n.organism,
    n.is_entrez,
    n.source_gene_id,
    max(case when i.is_ambiguous = 0 then i.gene_id end) as gene_id,
    case
        {%- for id_type in ['SYMBOL', 'PREVIOUS_SYMBOL', 'ALIAS_SYMBOL', 'ENTREZ', 'HGNC', 'MGI'] %}
        when max(case when i.is_ambiguous = 0 and i.id_type = '{{ id_type }}' then 1 else 0 end) = 1 then '{{ id_type }}'
        {%- endfor %}
        else 'AMBIGUOUS'
    end as resolved_by
from (
    select distinct
        d.organism,
        d.is_entrez,
        d.source_gene_id
    from {{ ids }} as d
    where not {{ is_ensembl_id('d.source_gene_id') }}
) as n
inner join {{ ref('gene_identifier') }} as i
    on n.organism = i.organism and cast(upper(n.source_gene_id) as {{ type_text(200) }}) = i.identifier_key
where
    i.id_type in ('SYMBOL', 'PREVIOUS_SYMBOL', 'ALIAS_SYMBOL', 'HGNC', 'MGI')
    or (i.id_type = 'ENTREZ' and n.is_entrez = 1)
group by n.organism, n.is_entrez, n.source_gene_id
{%- endmacro %}


{#- The part of a text before the first `mark`; all of it if the mark does not occur. -#}
{% macro text_before(mark, text) -%}
left({{ text }}, {{ position_of("'" ~ mark ~ "'", 'concat(' ~ text ~ ", '" ~ mark ~ "')") }} - 1)
{%- endmacro %}


{#- Aggregate: the value of several lines of one gene, for one sample.

    rule     a SQL expression: mean, max, refuse, or null for the default
    is_sum   a SQL expression: 1 if values without a rule are summed, as counts are; else their mean -#}
{% macro merged_value(value, rule, is_sum) -%}
case
    when max({{ rule }}) = 'max' then max({{ value }})
    when max({{ rule }}) is null and max({{ is_sum }}) = 1 then sum({{ value }})
    else avg({{ value }})
end
{%- endmacro %}


{#- Post-hook of int_gene_line: writes to the register how many values of each batch go into that of another
    line. The fact must have that many rows fewer than there are staged values. -#}
{% macro count_merged_values() %}
update {{ source('staging', 'batch') }}
set merged_count = coalesce((
    select sum(v.value_count - 1)
    from (
        select
            r.batch_id,
            count(r.expression_value) as value_count
        from {{ source('staging', 'expression_rows') }} as r
        inner join {{ this }} as l on r.batch_id = l.batch_id and r.line_no = l.line_no
        where l.line_count > 1
        group by r.batch_id, l.gene_id, r.sample_accession_code
        having count(r.expression_value) > 1
    ) as v
    where v.batch_id = {{ source('staging', 'batch') }}.batch_id
), 0)
where batch_id in (select l.batch_id from {{ this }} as l)
{% endmacro %}


{#- Pre-hook of meta_gene_id: deletes the rows of batches whose ids int_gene_line has resolved anew. -#}
{% macro remove_resolved_again(table) %}
delete from {{ table }} where batch_id in (select l.batch_id from {{ ref('int_gene_line') }} as l)
{% endmacro %}
