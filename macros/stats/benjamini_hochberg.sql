{#- False discovery rates after Benjamini & Hochberg (1995). A select: the relation and, beside
    it, <name> and <name>_rank.

    relation        a relation or an earlier CTE
    partition_by    list of its columns: each family of tests
    p               its column of p-values
    number_tested   how many tests the family had, a column or an expression: more than its
                    rows where only the smaller p were kept, never fewer than its p

    pairs                             {{ benjamini_hochberg('pairs', ['disease_key'], 'p_ss', 'pairs_tested', 'q_ss') }}
    disease_key | p_ss  | pairs_tested   disease_key | p_ss  | pairs_tested | q_ss_rank | q_ss
    1           | 0.001 | 60             1           | 0.001 | 60           | 1         | 0.04
    1           | 0.002 | 60             1           | 0.002 | 60           | 2         | 0.04
    1           | 0.002 | 60             1           | 0.002 | 60           | 3         | 0.04
    1           | 0.5   | 60             1           | 0.5   | 60           | 4         | 1
    1           | null  | 60             1           | null  | 60           | null      | null

    q of the i-th smallest p is the least of p_j (number_tested / j) over all j >= i, and at most
    1; the quotient comes first, so that rounding never takes a q below its p. It is R's
    p.adjust(method = 'BH') where number_tested is the number of p. Where it is greater, every p
    left out must be greater than those given. A q no greater than the smallest p left out is then
    what it would be with all of them; a greater q can be too high, never too low.

    Equal p have equal q, and ranks in no certain order. A null p has a null q and takes no rank. -#}
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
                        partition by {{ (partition_by + ['']) | join(', ') }}case when {{ p }} is null then 1 else 0 end
                        order by {{ p }}
                    )
            end as {{ name }}_rank
        from {{ relation }}
    ) as ranked
{%- endmacro %}
