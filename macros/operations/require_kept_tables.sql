{#- On-run-start: stops a build if somebody has dropped or renamed a table that no build can make again as it
    was, while a table that relies on it is there. Dimensions would number their rows anew, and the keys in the
    other tables would be those of other rows. -#}
{% macro require_kept_tables() %}
{%- if not execute or flags.WHICH not in ['build', 'run', 'retry'] -%}{{ return('') }}{%- endif -%}
{%- set missing = [] -%}
{%- for schema, table, relying_schema, relying in tables_kept() -%}
    {%- if relation_of_earlier_build(relying_schema, relying) and not relation_of_earlier_build(schema, table) -%}
        {%- do missing.append(schema_name(schema) ~ '.' ~ table) -%}
    {%- endif -%}
{%- endfor -%}
{%- if missing -%}
    {{
        raise_error(
            4018, 'LOAD_KEYS_LOST',
            'missing: ' ~ missing | join(', ') ~ '. A build would number the rows anew, and other tables have the old keys.'
            ~ ' Rename the table back, or restore a backup (expression-warehouse restore), or make the warehouse anew'
            ~ ' (expression-warehouse rebuild)'
        )
    }}
{%- endif -%}
{% endmacro %}


{#- Each with a table whose first build comes after it, also in a build of some models only. -#}
{% macro tables_kept() %}
    {{ return([
        ('dim', 'dim_gene', 'fact', 'fact_gene_expression'),
        ('dim', 'dim_sample', 'fact', 'fact_gene_expression'),
        ('dim', 'dim_study', 'fact', 'fact_gene_expression'),
        ('dim', 'dim_illness', 'dim', 'dim_sample'),
        ('dim', 'dim_platform', 'dim', 'dim_sample'),
        ('dim', 'dim_disease', 'dim', 'study_disease_map'),
        ('dim', 'study_disease_map', 'fact', 'fact_gene_pair_metrics'),
        ('dim', 'dim_gene_pair', 'fact', 'fact_gene_pair_metrics'),
        ('dim', 'dim_contrast', 'fact', 'fact_gene_pair_contrast')
    ]) }}
{% endmacro %}
