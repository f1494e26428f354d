{#- The vars that decide the result of a meta-analysis, as one text: part of what identifies a
    slice, so that a changed var recomputes it.

    {{ meta_analysis_settings() }}  ->  gene_filter_method=variance;gene_filter_top=300;… -#}
{% macro meta_analysis_settings() -%}
    {{ return(settings_text(['gene_filter_method', 'gene_filter_top', 'k_min', 'spearman_se', 'min_cohort_samples'])) }}
{%- endmacro %}


{#- Those of them that `expression-warehouse pairs screen` goes by: it has a gene filter of its own.

    {{ screen_settings() }}  ->  k_min=3;spearman_se=fisher;min_cohort_samples=8 -#}
{% macro screen_settings() -%}
    {{ return(settings_text(['k_min', 'spearman_se', 'min_cohort_samples'])) }}
{%- endmacro %}


{#- Vars with their values.

    {{ settings_text(['k_min']) }}  ->  k_min=3 -#}
{% macro settings_text(names) -%}
    {%- set settings = [] -%}
    {%- for name in names -%}
        {%- do settings.append(name ~ '=' ~ var(name)) -%}
    {%- endfor -%}
    {{ return(settings | join(';')) }}
{%- endmacro %}
