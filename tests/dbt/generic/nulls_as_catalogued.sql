{#- Checks that the features of a model are null exactly when their null_policy in seed meta_feature_catalog
    says so. Returns the features with a value that should be null, with a missing value, or with a policy that
    matches no row. Rows are first counted by the conditions that decide on nulls, so that a large model is
    read only once.

    - nulls_as_catalogued:
        arguments: {model_name: int_gene_feature} -#}
{% test nulls_as_catalogued(model, model_name) %}
{%- set features = features_of(model_name) %}
{%- set policies = null_policies(model_name) %}
with decided as (
    select
        {%- for policy, condition in policies.items() %}
        case when {{ condition }} then 1 else 0 end as is_{{ policy | lower }},
        {%- endfor %}
        {{ features | join(',\n        ') }}
    from {{ model }}
),

counted as (
    select
        {%- for policy in policies %}
        d.is_{{ policy | lower }},
        {%- endfor %}
        count(*) as row_count
        {%- for feature in features %},
        cast(count(d.{{ feature }}) as float(53)) as {{ feature }}
        {%- endfor %}
    from decided as d
    group by
        {%- for policy in policies %}
        d.is_{{ policy | lower }}{{ ',' if not loop.last }}
        {%- endfor %}
),

value_counts as (
    select
        u.feature_name,
        u.row_count,
        u.value_count
        {%- for policy in policies %},
        u.is_{{ policy | lower }}
        {%- endfor %}
    from counted
    unpivot (value_count for feature_name in ({{ features | join(', ') }})) as u
),

judged as (
    select
        v.feature_name,
        c.null_policy,
        v.row_count,
        v.value_count,
        case c.null_policy
            when 'NEVER' then 0
            {%- for policy in policies %}
            when '{{ policy }}' then v.is_{{ policy | lower }}
            {%- endfor %}
        end as is_null
    from value_counts as v
    left join {{ ref('feature_catalog') }} as c on v.feature_name = c.feature_name
)

select
    feature_name,
    null_policy,
    row_count,
    value_count
from judged
where
    is_null is null
    or (is_null = 1 and value_count > 0)
    or (is_null = 0 and value_count < row_count)
{% endtest %}
