{#- Scores of a pair: what they are made of, and the hooks of fact_gene_pair_metrics that put those which
    one row alone does not give. -#}

{#- The least false discovery rate that any test of the pair has, and the least heterogeneity; 1 and 100
    where it has none. SQL expressions over a row of fact_gene_pair_metrics.

    {{ q_star('m') }}  ->  least(coalesce(m.q_combined, 1e0), …) -#}
{% macro q_star(alias) -%}
least(coalesce({{ alias }}.q_combined, 1e0), coalesce({{ alias }}.q_ss, 1e0), coalesce({{ alias }}.q_soth, 1e0))
{%- endmacro %}

{% macro i2_star(alias) -%}
least(coalesce({{ alias }}.dz_ss_i2, 1e2), coalesce({{ alias }}.dz_soth_i2, 1e2))
{%- endmacro %}


{#- How good the evidence on a pair is, however large its effect: the mean of three shares, its power,
    its consistency over studies, and what of its variation is not heterogeneity. The formula is the
    project's own. Null without a contrast.

    power | consistency | i2    {{ metrics_score('power', 'consistency', 'i2') }}
    0.9   | 0.6         | 40    0.7 -#}
{% macro metrics_score(power, consistency, i2) -%}
({{ power }} + {{ consistency }} + 1e0 - {{ i2 }} / 1e2) / 3e0
{%- endmacro %}


{#- A query: rank_score of the pairs that have a contrast. The mean of three places within the slice
    (0 the last, 1 the first), by -log10 q_star, |combined_effect_size| and metrics_score: Borda's
    count. Places, because the three have no unit in common. Values that differ by rounding take one
    place.

    relation  as fact_gene_pair_metrics

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


{#- Hook: the rank_score of the slices that this run computes. Here and not in the model, whose rows are
    wide: to sort them three times would take as long as to compute them. -#}
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


{#- Hook: what `expression-warehouse pairs rank` computed, where it was computed from the state that the slice is in.
    Rows that have it already are not touched; a slice that is computed anew from another state has
    no scores until it is ranked again. -#}
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
