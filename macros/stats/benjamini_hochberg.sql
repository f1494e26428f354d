{#- False discovery rates by Benjamini & Hochberg (1995). A select that returns all columns of the
    relation plus <name> (the rate) and <name>_rank (the rank of p).

    relation        a relation or an earlier CTE
    partition_by    list of its columns; each combination of values is a separate set of tests
    p               its column of p-values
    number_tested   column or expression: number of tests in the set. Greater than the number of rows
                    if only the smaller p were kept; never less than the number of p

    pairs                             {{ benjamini_hochberg('pairs', ['disease_key'], 'p_ss', 'pairs_tested', 'q_ss') }}
    disease_key | p_ss  | pairs_tested   disease_key | p_ss  | pairs_tested | q_ss_rank | q_ss
    1           | 0.001 | 60             1           | 0.001 | 60           | 1         | 0.04
    1           | 0.002 | 60             1           | 0.002 | 60           | 2         | 0.04
    1           | 0.002 | 60             1           | 0.002 | 60           | 3         | 0.04
    1           | 0.5   | 60             1           | 0.5   | 60           | 4         | 1
    1           | null  | 60             1           | null  | 60           | null      | null

    q of the i-th smallest p is the minimum of p_j (number_tested / j) over all j >= i, capped at 1. The
    quotient is computed first, so that rounding never puts q below its p. If number_tested is the number
    of p, this equals R's p.adjust(method = 'BH'). If it is greater, every omitted p must be greater than
    those given. A q up to the smallest omitted p then equals the q computed from all p; a greater q may be
    too high, never too low.

    Equal p get equal q; the order of their ranks is arbitrary. A null p gets a null q and no rank. -#}
{% macro benjamini_hochberg(relation, partition_by, p, number_tested, name='q') -%}
    select
        *,
        case
            when {{ p }} is not null
                then least(
                    1e0,
                    min({{ p }} * (1e0 * ({{ number_tested }}) / {{ name }}_rank)) over (
                        {{ 'partition by ' ~ partition_by | join(', ') if partition_by }}
                        order by {{ name }}_rank desc
                        rows between unbounded preceding and current row
                    )
                )
        end as {{ name }}
    from (
        select
            *,
            case
                when {{ p }} is not null
                    then row_number() over (
                        {{ 'partition by ' ~ partition_by | join(', ') if partition_by }}
                        order by {{ nulls_last(p) }}
                    )
            end as {{ name }}_rank
        from {{ relation }}
    ) as ranked
{%- endmacro %}
