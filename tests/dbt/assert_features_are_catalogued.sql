-- 4004 LOAD_CONSTRAINT_VIOLATION: the catalog has a feature that no model computes, or lacks one that a
-- model computes, or a value is outside the bounds of its scale.

{%- set models = ['fact_gene_pair_metrics'] %}
{%- for model, name in words_of(feature_columns()) if model not in models %}
{%- do models.append(model) %}
{%- endfor %}

with made as (
    {%- for model in models %}
    {%- set of_model = loop %}
    {%- for name in features_of(model) %}
    {{ 'union all ' if not (loop.first and of_model.first) }}select '{{ model }}' as source_model, '{{ name }}' as feature_name
    {%- endfor %}
    {%- endfor %}
),

-- assert_pair_metrics_are_in_range checks the bounds of study-pooled pair features.
measured as (
    select
        feature_name,
        entity_scope,
        min(feature_value) as least_value,
        max(feature_value) as greatest_value
    from {{ ref('fact_feature_values') }}
    group by feature_name, entity_scope
)

select
    m.feature_name,
    'no entry' as finding
from made as m
left join {{ ref('feature_catalog') }} as c on m.feature_name = c.feature_name and m.source_model = c.source_model
where c.feature_name is null
union all
select
    c.feature_name,
    'no model' as finding
from {{ ref('feature_catalog') }} as c
left join made as m on c.feature_name = m.feature_name
where m.feature_name is null
union all
select
    v.feature_name,
    'values without an entry' as finding
from measured as v
left join {{ ref('feature_catalog') }} as c on v.feature_name = c.feature_name and v.entity_scope = c.entity_scope
where c.feature_name is null
union all
select
    v.feature_name,
    'out of bounds' as finding
from measured as v
inner join {{ ref('feature_catalog') }} as c on v.feature_name = c.feature_name
where v.least_value < c.scale_min or v.greatest_value > c.scale_max
