{#- Materialization in_batches of DuckDB: the model's SQL once per condition that the macro of config
    `batches` returns. See macros/dialect/in_batches.sql. -#}
{% materialization in_batches, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none -%}
        {{ drop_relation(existing) }}
    {%- endif -%}
    {%- for condition in context[config.require('batches')]() or ['is null'] -%}
        {%- call statement('main', language='sql') -%}
            {{ 'create table ' ~ target_relation ~ ' as' if loop.first else 'insert into ' ~ target_relation }}
            {{ sql | replace('is /* batch */ null', condition) }}
        {%- endcall -%}
    {%- endfor -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
