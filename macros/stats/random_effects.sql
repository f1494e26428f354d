{#- The steps from study estimates to the random-effects estimate of each group, as CTEs of a
    `with` chain. The last is <name>_pooled_effect.

    with
    {{ random_effects('ss', 'components', ['pair_key'], 'dz', 'dz_se') }}
    select * from ss_pooled_effect

    ->  ss_effect_weights as (…), ss_fixed_effect as (…), ss_cochran_q as (…),
        ss_tau_squared as (…), ss_pooled_effect as (…) -#}
{% macro random_effects(name, relation, group_by, theta, se) -%}
{{ name }}_effect_weights as (
    {{ effect_weights(relation, group_by, theta, se) }}
),

{{ name }}_fixed_effect as (
    {{ fixed_effect(name ~ '_effect_weights', group_by) }}
),

{{ name }}_cochran_q as (
    {{ cochran_q(name ~ '_effect_weights', name ~ '_fixed_effect', group_by) }}
),

{{ name }}_tau_squared as (
    {{ tau_squared(name ~ '_cochran_q', group_by) }}
),

{{ name }}_pooled_effect as (
    {{ pooled_effect(name ~ '_effect_weights', name ~ '_tau_squared', group_by) }}
)
{%- endmacro %}
