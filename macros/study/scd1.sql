{#- The last step of every dimension model: takes a CTE of the rows as they should be and returns the rows
    to merge, each with its surrogate key (type 1: changes overwrite).

    incoming    CTE with the natural key and the attributes
    key         surrogate key: the existing row's key if the natural key is known, else the next
                integers above the highest key, in the order of the natural keys

    Unchanged rows are left out, so that a second build writes no rows and etl_updated_date is the time of
    the last actual change.

    dim_gene 1 ENSG1 | 2 ENSG2    incoming ENSG0, ENSG2, ENSG3
    -> 3 ENSG0, 4 ENSG3 -#}
{% macro scd1(incoming, key, natural_key, attributes) -%}
{%- set columns = [natural_key] + attributes -%}
changed as (
    select {{ columns | join(', ') }}
    from {{ incoming }}
    {%- if is_incremental() %}
    except
    select {{ columns | join(', ') }}
    from {{ this }}
    {%- endif %}
),

keyed as (
    select
        {%- for column in columns %}
        c.{{ column }},
        {%- endfor %}
        {%- if is_incremental() %}
        e.{{ key }} as existing_key,
        e.etl_created_date as existing_created_date,
        m.highest_key
        {%- else %}
        cast(null as integer) as existing_key,
        cast(null as {{ type_instant() }}) as existing_created_date,
        0 as highest_key
        {%- endif %}
    from changed as c
    {%- if is_incremental() %}
    left join {{ this }} as e on c.{{ natural_key }} = e.{{ natural_key }}
    cross join (select coalesce(max({{ key }}), 0) as highest_key from {{ this }}) as m
    {%- endif %}
)

select
    cast(
        coalesce(
            existing_key,
            highest_key + row_number() over (
                partition by case when existing_key is null then 1 else 0 end
                order by {{ natural_key }}
            )
        ) as integer
    ) as {{ key }},
    {%- for column in columns %}
    {{ column }},
    {%- endfor %}
    coalesce(existing_created_date, {{ utc_now() }}) as etl_created_date,
    {{ utc_now() }} as etl_updated_date
from keyed
{%- endmacro %}
