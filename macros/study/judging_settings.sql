{#- The settings that a batch's values are judged by, each batch by itself, as one text: vars, and whether its unit is on
    a log scale. The text is kept with the batch, so that changing a setting judges the batch again. A SQL expression.

    {{ judging_settings('u.is_log_scale') }}  ->  outlier_mad_max=5;…;repeated_gene_share_max=0.01;is_log_scale=1 -#}
{% macro judging_settings(is_log_scale) -%}
{%- set names = ['outlier_mad_max', 'outlier_sample_share_max', 'profile_correlation_min', 'profile_correlation_typical', 'repeated_gene_share_max'] -%}
concat('{{ settings_text(names) }};is_log_scale=', {{ is_log_scale }})
{%- endmacro %}
