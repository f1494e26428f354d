{#- Scores of a pair: the expressions they are made of, and the hooks of fact_gene_pair_metrics that set the
    scores which depend on more than one row. -#}

{#- The smallest false discovery rate of the pair's tests, and its smallest heterogeneity; 1 and 100 if it
    has none. SQL expressions over a row of fact_gene_pair_metrics.

    {{ q_star('m') }}  ->  least(coalesce(m.q_combined, 1e0), …) -#}
{% macro q_star(alias) -%}
least(coalesce({{ alias }}.q_combined, 1e0), coalesce({{ alias }}.q_ss, 1e0), coalesce({{ alias }}.q_soth, 1e0))
{%- endmacro %}

{% macro i2_star(alias) -%}
least(coalesce({{ alias }}.dz_ss_i2, 1e2), coalesce({{ alias }}.dz_soth_i2, 1e2))
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
    |combined_effect_size| and metrics_score. It uses ranks because the three have no common unit. Values
    are rounded first, so that values equal up to rounding share a rank.

    relation  has the columns of fact_gene_pair_metrics

    of three pairs, first by all       pair_key | rank_score
    three and last by all        ->    7        | 1
                                       8        | 0.5
                                       9        | 0 -#}
{% macro rank_scores(relation) -%}
{%- set window = 'over (partition by p.disease_key, p.technology order by ' -%}
select
    p.disease_key,
    p.technology,
    p.pair_key,
    cast((percent_rank() {{ window }}p.evidence) + percent_rank() {{ window }}p.effect) + percent_rank() {{ window }}p.quality)) / 3e0 as float(53)) as rank_score
from (
    select
        m.disease_key,
        m.technology,
        m.pair_key,
        round(abs(log10(greatest({{ q_star('m') }}, 1e-300))), 9) as evidence,
        round(abs(m.combined_effect_size), 9) as effect,
        round(m.metrics_score, 9) as quality
    from {{ relation }} as m
    where m.combined_effect_size is not null and m.metrics_score is not null
) as p
{%- endmacro %}


{#- Hook: sets rank_score in the slices that this run computes. It is a hook rather than part of the model
    because the model's rows are wide: sorting them three times would take as long as computing them. -#}
{% macro put_rank_scores() %}
{{ put_rank_scores_into(this) }}
{% endmacro %}

{% macro put_rank_scores_into(fact) %}
update {{ fact }}
set
    rank_score = (
        select r.rank_score
        from (
            {{ rank_scores(fact) | indent(12) }}
        ) as r
        where
            r.disease_key = {{ fact }}.disease_key
            and r.technology = {{ fact }}.technology
            and r.pair_key = {{ fact }}.pair_key
    )
where exists (
    select 1
    from {{ ref('int_slice') }} as s
    where s.disease_key = {{ fact }}.disease_key and s.technology = {{ fact }}.technology
)
{% endmacro %}


{#- Hook: copies the scores of `expression-warehouse pairs rank` if they were computed from the slice's current
    state. Rows that already have them are not touched. If a slice is recomputed from another state, its
    scores are null until it is ranked again. -#}
{% macro put_ranking() %}
{{ put_ranking_into(this) }}
{% endmacro %}

{% macro put_ranking_into(fact) %}
{%- set same_pair = 's.disease_key = ' ~ fact ~ '.disease_key and s.technology = ' ~ fact ~ '.technology and s.pair_key = ' ~ fact ~ '.pair_key' %}
update {{ fact }}
set
    unsupervised_score = (select s.unsupervised_score from {{ ref('stg_pair_score') }} as s where {{ same_pair }}),
    new_rank_score = (select s.new_rank_score from {{ ref('stg_pair_score') }} as s where {{ same_pair }}),
    rank_run_id = (select s.feature_run_id from {{ ref('stg_pair_score') }} as s where {{ same_pair }})
where
    coalesce(rank_run_id, '') <> coalesce(
        (select s.feature_run_id from {{ ref('stg_pair_score') }} as s where {{ same_pair }}), ''
    )
{% endmacro %}
