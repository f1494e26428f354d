{#- Stouffer's combined z = sum(w z) / sqrt(sum(w^2)) (Stouffer et al. 1949; weighted: Liptak
    1958). What lacks its z or its weight takes no part; null where nothing is left.

    Over the rows of a group, an aggregate of two SQL expressions:

    pair_key | z | n     select pair_key, {{ stouffer('z', 'sqrt(n)') }} … group by pair_key
    7        | 1 | 9     7 | 2.2    (3 * 1 + 4 * 2) / 5
    7        | 2 | 16 -#}
{% macro stouffer(z, weight) -%}
(
    sum(({{ weight }}) * ({{ z }}))
    / sqrt(nullif(
        sum(case when ({{ z }}) is not null then ({{ weight }}) * ({{ weight }}) else 0e0 end), 0e0
    ))
)
{%- endmacro %}


{#- Over the columns of one row, from two lists of SQL expressions:

    z_ss | n_ss | z_soth | n_soth    {{ stouffer_of(['z_ss', 'z_soth'], ['sqrt(n_ss)', 'sqrt(n_soth)']) }}
    1    | 9    | 2      | 16        2.2
    1    | 9    | null   | null      1 -#}
{% macro stouffer_of(zs, weights) -%}
(
    (
        {%- for z in zs %}
        {{ '+ ' if not loop.first }}coalesce(({{ weights[loop.index0] }}) * ({{ z }}), 0e0)
        {%- endfor %}
    ) / sqrt(nullif(
        {%- for z in zs %}
        {%- set weight = weights[loop.index0] %}
        {{ '+ ' if not loop.first }}case when ({{ z }}) is not null then coalesce(({{ weight }}) * ({{ weight }}), 0e0) else 0e0 end
        {%- endfor %}, 0e0
    ))
)
{%- endmacro %}
