{#- Mutual rank of a pair: the geometric mean of the places that its genes take among one another's
    partners, sqrt(rank_ab rank_ba); 1 where each is the other's closest (Obayashi & Kinoshita 2009).
    Ranked is |r|, so that a pair that goes opposite ways is as close as one that goes together. A
    SQL expression over the columns of ranked_partners.

    rank_ab | rank_ba    {{ mutual_rank('rank_ab', 'rank_ba') }}
    2       | 8          4 -#}
{% macro mutual_rank(rank_ab, rank_ba) -%}
sqrt(1e0 * {{ rank_ab }} * {{ rank_ba }})
{%- endmacro %}
