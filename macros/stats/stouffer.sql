{#- Stouffer's combined z = sum(w z) / sqrt(sum(w^2)) (Stouffer et al. 1949; weighted: Liptak 1958).
    Entries without z or without weight do not take part; null if none is left.

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


{#- Two correlated z over the columns of one row: (w1 z1 + w2 z2) / sqrt(w1^2 + w2^2 + 2 rho w1 w2), which
    has variance 1 if the two z have correlation rho (Strube 1985). Stouffer's formula is the case rho = 0.
    A missing z does not take part.

    z_ss | n_ss | z_soth | n_soth    {{ stouffer_of_dependent('z_ss', 'z_soth', 'sqrt(n_ss)', 'sqrt(n_soth)', '1e0') }}
    1    | 9    | 2      | 16        1.571    (3 * 1 + 4 * 2) / 7
    1    | 9    | null   | null      1 -#}
{% macro stouffer_of_dependent(z1, z2, weight1, weight2, rho) -%}
(
    (coalesce(({{ weight1 }}) * ({{ z1 }}), 0e0) + coalesce(({{ weight2 }}) * ({{ z2 }}), 0e0))
    / sqrt(nullif(
        case when ({{ z1 }}) is not null then coalesce(({{ weight1 }}) * ({{ weight1 }}), 0e0) else 0e0 end
        + case when ({{ z2 }}) is not null then coalesce(({{ weight2 }}) * ({{ weight2 }}), 0e0) else 0e0 end
        + case when ({{ z1 }}) is not null and ({{ z2 }}) is not null then 2e0 * ({{ rho }}) * ({{ weight1 }}) * ({{ weight2 }}) else 0e0 end, 0e0
    ))
)
{%- endmacro %}
