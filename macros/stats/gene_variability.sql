{#- How much each gene varies within each study. A select that returns study_key, gene_key, variability.

    relation   columns study_key, gene_key, expression_value
    method     variance: with n - 1
               iqr: interquartile range, quantiles by linear interpolation (type 7 of Hyndman &
               Fan 1996)
               mad: median of the absolute deviations from the median, not scaled

    values                           {{ gene_variability('values', 'iqr') }}
    study_key | gene_key | value     study_key | gene_key | variability
    1         | 7        | 1         1         | 7        | 1.5
    1         | 7        | 2
    1         | 7        | 3
    1         | 7        | 4 -#}
{% macro gene_variability(relation, method) -%}
{%- if method == 'variance' -%}
select
    study_key,
    gene_key,
    {{ stddev('expression_value') }} * {{ stddev('expression_value') }} as variability
from {{ relation }}
group by study_key, gene_key
{%- elif method == 'iqr' -%}
select
    study_key,
    gene_key,
    {{ quantile_of_places('expression_value', 0.75) }} - {{ quantile_of_places('expression_value', 0.25) }} as variability
from (
    {{ places(relation, 'expression_value') }}
) as placed
group by study_key, gene_key
{%- elif method == 'mad' -%}
select
    study_key,
    gene_key,
    mad as variability
from (
    {{ median_and_mad(relation) | indent(4) }}
) as deviations
{%- else -%}
{{ raise_error(54030, 'CONFIG_INVALID', 'var gene_filter_method is ' ~ method ~ '; it can be variance, iqr or mad') }}
{%- endif -%}
{%- endmacro %}
