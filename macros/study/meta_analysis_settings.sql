{#- All vars that affect the result of a meta-analysis, as one text. The text is part of a slice's identity,
    so that changing a var recomputes the slice.

    {{ meta_analysis_settings() }}  ->  gene_filter_method=variance;gene_filter_top=300;… -#}
{% macro meta_analysis_settings() -%}
    {{ return(settings_text(['gene_filter_method', 'gene_filter_top', 'k_min', 'spearman_se', 'min_cohort_samples'])) }}
{%- endmacro %}


{#- The subset of these vars that `expression-warehouse pairs screen` uses; it has its own gene filter.

    {{ screen_settings() }}  ->  k_min=3;spearman_se=fisher;min_cohort_samples=8 -#}
{% macro screen_settings() -%}
    {{ return(settings_text(['k_min', 'spearman_se', 'min_cohort_samples'])) }}
{%- endmacro %}


{#- Vars with their values as text.

    {{ settings_text(['k_min']) }}  ->  k_min=3 -#}
{% macro settings_text(names) -%}
    {%- set settings = [] -%}
    {%- for name in names -%}
        {%- do settings.append(name ~ '=' ~ var(name)) -%}
    {%- endfor -%}
    {{ return(settings | join(';')) }}
{%- endmacro %}
