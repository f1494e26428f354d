{#- Pre-hook of dim_gene: adds the columns that warehouses of earlier versions lack, before the model reads them,
    and makes room for names of contigs.

    {{ add_gene_columns('dim.dim_gene') }}  ->  alter table dim.dim_gene add … -#}
{% macro add_gene_columns(genes) %}
{%- set added = {
    'strand': type_code(1), 'hgnc_id': type_code(50), 'entrez_id': type_code(50), 'mgi_id': type_code(50),
    'is_retired': type_flag(), 'successor': type_code(50), 'symbol_source': type_code(20)
} -%}
{%- for column, type in added.items() %}
{{ add_column_if_absent(genes, column, type) }};
{%- endfor %}
{{ widen_chromosome_of(genes) }}
{% endmacro %}


{% macro widen_chromosome_of(genes) %}{{ return(adapter.dispatch('widen_chromosome_of', 'expression_warehouse')(genes)) }}{% endmacro %}

{#- Lengths are in bytes. -#}
{% macro default__widen_chromosome_of(genes) -%}
if col_length('{{ genes }}', 'chromosome') < 50 alter table {{ genes }} alter column chromosome {{ type_code(50) }} null;
{%- endmacro %}

{% macro duckdb__widen_chromosome_of(genes) %}{% endmacro %}
