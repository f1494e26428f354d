{#- The samples that a cohort needs: var min_cohort_samples, but at least 4, since the variance of Fisher's z is
    1 / (n - 3). expression_warehouse/pairs/settings.py has the same rule.

    {{ min_cohort_samples() }}  ->  8 -#}
{% macro min_cohort_samples() %}{{ return([var('min_cohort_samples') | int, 4] | max) }}{% endmacro %}
