{#- On-run-start: stops the run if the warehouse is another file than the loader's. The loader takes a relative
    path from the project's folder, and dbt from the folder where it runs: outside the project, dbt would make a
    new, empty file and build it without a word. Commands that call dbt set EXPRESSION_WORK_DIR: they run it where
    the path is from. A server has no path. -#}
{% macro require_warehouse_of_project() %}{{ return(adapter.dispatch('require_warehouse_of_project', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__require_warehouse_of_project() %}{% endmacro %}

{% macro duckdb__require_warehouse_of_project() %}
{%- set path = target.path | default('') -%}
{%- if execute and not env_var('EXPRESSION_WORK_DIR', '') and not modules.re.match('/|[A-Za-z]:|[a-z]+:', path) -%}
    {%- set projects = run_query("select count(*) as project_count from glob('dbt_project.yml')").rows[0][0] -%}
    {%- if not projects -%}
        {{
            raise_error(
                4013, 'LOAD_WAREHOUSE_ELSEWHERE',
                'the path of the warehouse, ' ~ path ~ ', is relative, and dbt runs outside the project: it would build a new, empty'
                ~ ' file here. Run dbt in the folder of the project, or set EXPRESSION_WAREHOUSE_DB to an absolute path'
            )
        }}
    {%- endif -%}
{%- endif -%}
{% endmacro %}
