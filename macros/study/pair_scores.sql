{#- Scores of a pair: the expressions they are made of, and the hooks of fact_gene_pair_metrics that set the
    scores which depend on more than one row. -#}

{#- The q, effect and I2 that a pair is ranked by and shown with, if no session setting says otherwise: those of the
    contrast that decides, and of rows of files what these give. SQL expressions over a row of
    fact_gene_pair_metrics with q_pair, theta_re and i2 of that contrast, from fact_gene_pair_contrast.

    {{ q_star('m') }}   1 if the pair has no false discovery rate
    {{ effect('m') }}   null if the pair has no effect
    {{ i2_star('m') }}  in percent -#}
{% macro q_star(alias) -%}
case when {{ alias }}.metrics_source = 'AGGREGATOR' then coalesce({{ alias }}.q_pair, 1e0) else {{ q_of_file(alias, "'hk'") }} end
{%- endmacro %}

{% macro effect(alias) -%}
case when {{ alias }}.metrics_source = 'AGGREGATOR' then {{ alias }}.theta_re else {{ effect_of_file(alias) }} end
{%- endmacro %}

{% macro i2_star(alias) -%}
case when {{ alias }}.metrics_source = 'AGGREGATOR' then {{ alias }}.i2 else {{ i2_of_file(alias) }} end
{%- endmacro %}


{#- The same of a row of a file, for a q_basis as in vw_pair_metrics_ranked. If the file has no rates of that basis,
    those of the requirement's rule count. -#}
{% macro q_of_file(alias, q_basis) -%}
case
    when {{ q_basis }} = 'hk' and coalesce({{ alias }}.q_ss_hk, {{ alias }}.q_soth_hk) is not null
        then least(coalesce({{ alias }}.q_ss_hk, 1e0), coalesce({{ alias }}.q_soth_hk, 1e0))
    when {{ q_basis }} = 'dependent' and {{ alias }}.q_combined_dependent is not null
        then least({{ alias }}.q_combined_dependent, coalesce({{ alias }}.q_ss, 1e0), coalesce({{ alias }}.q_soth, 1e0))
    else least(coalesce({{ alias }}.q_combined, 1e0), coalesce({{ alias }}.q_ss, 1e0), coalesce({{ alias }}.q_soth, 1e0))
end
{%- endmacro %}

{#- One contrast, as for computed rows, because direction, interval and kappa are shown beside it and are of one
    contrast, too. The mean of both contrasts only if the file has neither. -#}
{% macro effect_of_file(alias) -%}
coalesce({{ alias }}.dz_ss_mean, {{ alias }}.dz_soth_mean, {{ alias }}.combined_effect_size)
{%- endmacro %}

{% macro i2_of_file(alias) -%}
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


{#- A query that returns rank_score for the pairs of some slices that have a contrast. It is a Borda count: the
    mean of three percent ranks within the slice (0 for the last, 1 for the first), by -log10 q_star,
    |effect| and metrics_score. It uses ranks because the three have no common unit. Values
    are rounded first, so that values equal up to rounding share a rank.

    relation   has the columns of fact_gene_pair_metrics
    contrasts  has the columns of fact_gene_pair_contrast
    slices     has the columns of int_slice

    of three pairs, first by all       pair_key | rank_score
    three and last by all        ->    7        | 1
                                       8        | 0.5
                                       9        | 0 -#}
{% macro rank_scores(relation, contrasts, slices) -%}
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
        round(abs({{ effect('m') }}), 9) as effect,
        round(m.metrics_score, 9) as quality
    from (
        select
            f.*,
            c.q_pair,
            c.theta_re
        from {{ relation }} as f
        inner join {{ slices }} as s on {{ same_slice('f', 's') }}
        left join {{ contrasts }} as c on {{ same_group(slice_columns() + ['pair_key'], 'f', 'c') }} and c.is_deciding = 1
    ) as m
    where {{ effect('m') }} is not null and m.metrics_score is not null
) as p
{%- endmacro %}


{#- Hook: sets rank_score in the slices that this run computes. It is a hook rather than part of the model
    because the model's rows are wide: sorting them three times would take as long as computing them.

    A join rather than a subquery in `set`, also below: SQL Server may compute such a subquery once per row, here all
    ranks. The slices restrict the ranks alone: with a condition on the fact as well, DuckDB updates its rows in the
    order of the ranks, which for 500,500 pairs took 3.5 s and not 1. The rows are new, so those without a rank have
    none already. -#}
{% macro put_rank_scores(fact) %}
update {{ fact }}
set rank_score = r.rank_score
from (
    {{ rank_scores(fact, ref('fact_gene_pair_contrast'), ref('int_slice')) | indent(4) }}
) as r
where {{ same_group(slice_columns() + ['pair_key'], 'r', fact) }}
{% endmacro %}


{#- Hook: copies each pair's newest review to its rows. Rows that already have it are not touched. -#}
{% macro put_reviews(fact) %}
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
{% macro put_ranking(fact) %}
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
