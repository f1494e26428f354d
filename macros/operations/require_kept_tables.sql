{#- On-run-start: stops a build if somebody has dropped or renamed a table that this build cannot rebuild as it
    was. Dimensions would number their rows anew, and the keys in the other tables would be those of other rows. -#}
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
{#- A build of some studies would make the table of their rows alone, and no later build would add the others'. -#}
{%- set missing = missing_tables_of_studies() if selected_studies() else [] -%}
{%- if missing and run_query(loaded_studies_not_selected()).columns[0].values()[0] > 0 -%}
    {{
        raise_error(
            54041, 'STUDY_SELECTION_INVALID',
            'missing: ' ~ missing | sort | join(', ') ~ '. Run dbt build without study: first, to rebuild the rows of all studies'
        )
    }}
{%- endif -%}
{% endmacro %}


{% macro missing_tables_of_studies() %}
    {% set missing = [] %}
    {% for node in graph.nodes.values() if node.unique_id in selected_resources and node.config.materialized == 'incremental' %}
        {% if not relation_of_earlier_build(node.config.schema, node.alias) %}{% do missing.append(node.schema ~ '.' ~ node.alias) %}{% endif %}
    {% endfor %}
    {{ return(missing) }}
{% endmacro %}


{% macro loaded_studies_not_selected() -%}
select count(*) as study_count
from {{ source('staging', 'batch') }} as b
where b.status in ('LOADED', 'PURGED') and not {{ is_selected_study('b.study_accession_code') }}
{%- endmacro %}


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
