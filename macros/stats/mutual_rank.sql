{#- Mutual rank of a pair: the geometric mean of the two ranks that its genes have among each other's
    partners, sqrt(rank_ab rank_ba); 1 if each gene is the other's closest partner (Obayashi & Kinoshita
    2009). Ranks are by |r|, so that negatively correlated genes count as close too. A SQL expression over
    the columns of ranked_partners.

    rank_ab | rank_ba    {{ mutual_rank('rank_ab', 'rank_ba') }}
    2       | 8          4 -#}
{% macro mutual_rank(rank_ab, rank_ba) -%}
sqrt(1e0 * {{ rank_ab }} * {{ rank_ba }})
{%- endmacro %}
