with pairs as (
    select
        pair_key,
        disease_key,
        technology,
        organism,
        batch_id,
        rank_run_id
        {%- for name in features_of('fact_gene_pair_metrics') %},
        cast({{ name }} as float(53)) as {{ name }}
        {%- endfor %}
    from {{ ref('fact_gene_pair_metrics') }}
)

select
    f.entity_scope,
    f.entity_id_1,
    f.entity_id_2,
    f.feature_name,
    f.feature_value,
    f.study_key,
    f.disease_key,
    f.technology,
    f.organism,
    f.batch_id,
    f.feature_run_id
from {{ ref('fact_feature_values') }} as f
union all
select
    cast('GENE_PAIR_META' as {{ type_code(16) }}) as entity_scope,
    cast(u.pair_key as bigint) as entity_id_1,
    cast(null as bigint) as entity_id_2,
    cast(u.feature_name as {{ type_code(100) }}) as feature_name,
    u.feature_value,
    cast(null as integer) as study_key,
    u.disease_key,
    u.technology,
    u.organism,
    u.batch_id,
    u.rank_run_id as feature_run_id
from pairs
unpivot (feature_value for feature_name in ({{ features_of('fact_gene_pair_metrics') | join(', ') }})) as u
