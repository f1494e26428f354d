{#- Scores of a pair: the expressions they are made of, and the hooks of fact_gene_pair_metrics that set the
    scores which depend on more than one row. -#}

{#- The false discovery rate that a pair is ranked by if no session setting says otherwise; 1 if it has
    none. A SQL expression over a row of fact_gene_pair_metrics: the rate of the pair over its contrasts
    (column q_pair, joined from fact_gene_pair_contrast), for rows of files the least that the file gives.

    {{ q_star('m') }} -#}
{% macro q_star(alias) -%}
case
    when {{ alias }}.metrics_source = 'AGGREGATOR' then coalesce({{ alias }}.q_pair, 1e0)
    else least(
        coalesce({{ alias }}.q_combined, 1e0), coalesce({{ alias }}.q_ss, 1e0), coalesce({{ alias }}.q_soth, 1e0),
        coalesce({{ alias }}.q_ss_hk, 1e0), coalesce({{ alias }}.q_soth_hk, 1e0)
    )
end
{%- endmacro %}


{#- Quality of the evidence for a pair, regardless of effect size: the mean of three shares, namely its
    power, its consistency over studies, and the share of its variation that is not heterogeneity. This
    formula is the project's own. Null if the pair has no contrast.

    power | consistency | i2    {{ metrics_score('power', 'consistency', 'i2') }}
    0.9   | 0.6         | 40    0.7 -#}
{% macro metrics_score(power, consistency, i2) -%}
({{ power }} + {{ consistency }} + 1e0 - {{ i2 }} / 1e2) / 3e0
{%- endmacro %}


{#- A query that returns rank_score for the pairs that have a contrast. It is a Borda count: the mean of
    three percent ranks within the slice (0 for the last, 1 for the first), by -log10 q_star,
    |effect| of the contrast that decides and metrics_score. It uses ranks because the three have no common unit. Values
    are rounded first, so that values equal up to rounding share a rank.

    relation   has the columns of fact_gene_pair_metrics
    contrasts  has the columns of fact_gene_pair_contrast

    of three pairs, first by all       pair_key | rank_score
    three and last by all        ->    7        | 1
                                       8        | 0.5
                                       9        | 0 -#}
{% macro rank_scores(relation, contrasts) -%}
{%- set window = 'over (partition by p.disease_key, p.technology, p.organism order by ' -%}
select
    p.disease_key,
    p.technology,
    p.organism,
    p.pair_key,
    cast((percent_rank() {{ window }}p.evidence) + percent_rank() {{ window }}p.effect) + percent_rank() {{ window }}p.quality)) / 3e0 as float(53)) as rank_score
from (
    select
        m.disease_key,
        m.technology,
        m.organism,
        m.pair_key,
        round(abs(log10(greatest({{ q_star('m') }}, 1e-300))), 9) as evidence,
        round(abs(m.effect), 9) as effect,
        round(m.metrics_score, 9) as quality
    from (
        select
            f.*,
            c.q_pair,
            case when f.metrics_source = 'AGGREGATOR' then c.theta_re else f.combined_effect_size end as effect
        from {{ relation }} as f
        left join {{ contrasts }} as c on {{ same_group(slice_columns() + ['pair_key'], 'f', 'c') }} and c.is_deciding = 1
    ) as m
    where m.effect is not null and m.metrics_score is not null
) as p
{%- endmacro %}


{#- Hook: sets rank_score in the slices that this run computes. It is a hook rather than part of the model
    because the model's rows are wide: sorting them three times would take as long as computing them. -#}
{% macro put_rank_scores() %}
{{ put_rank_scores_into(this) }}
{% endmacro %}

{#- A join rather than a subquery in `set`, also below: SQL Server may compute such a subquery once per row, here all
    ranks. The rows are new, so those without a rank have none already. -#}
{% macro put_rank_scores_into(fact) %}
update {{ fact }}
set rank_score = r.rank_score
from (
    {{ rank_scores(fact, ref('fact_gene_pair_contrast')) | indent(4) }}
) as r
where
    {{ same_group(slice_columns() + ['pair_key'], 'r', fact) }}
    and exists (
        select 1
        from {{ ref('int_slice') }} as s
        where {{ same_group(slice_columns(), 's', fact) }}
    )
{% endmacro %}


{#- Hook: copies each pair's newest review to its rows. Rows that already have it are not touched. -#}
{% macro put_reviews() %}
{{ put_reviews_into(this) }}
{% endmacro %}

{% macro put_reviews_into(fact) %}
update {{ fact }}
set agent_result_json = n.agent_result_json
from (
    select
        {{ group_columns(slice_columns() + ['pair_key'], 'f') }},
        r.agent_result_json
    from {{ fact }} as f
    left join {{ ref('vw_pair_review') }} as r on f.pair_key = r.pair_key
    where coalesce(f.agent_result_json, '') <> coalesce(r.agent_result_json, '')
) as n
where {{ same_group(slice_columns() + ['pair_key'], 'n', fact) }}
{% endmacro %}


{#- Hook: copies the scores of `expression-warehouse pairs rank` if they were computed from the slice's current
    state. Rows that already have them are not touched. If a slice is recomputed from another state, its
    scores are null until it is ranked again. -#}
{% macro put_ranking() %}
{{ put_ranking_into(this) }}
{% endmacro %}

{% macro put_ranking_into(fact) %}
{%- set pair = slice_columns() + ['pair_key'] %}
update {{ fact }}
set
    unsupervised_score = n.unsupervised_score,
    new_rank_score = n.new_rank_score,
    rank_run_id = n.feature_run_id
from (
    select
        {{ group_columns(pair, 'f') }},
        s.unsupervised_score,
        s.new_rank_score,
        s.feature_run_id
    from {{ fact }} as f
    left join {{ ref('stg_pair_score') }} as s on {{ same_group(pair, 'f', 's') }}
    where coalesce(f.rank_run_id, '') <> coalesce(s.feature_run_id, '')
) as n
where {{ same_group(pair, 'n', fact) }}
{% endmacro %}
