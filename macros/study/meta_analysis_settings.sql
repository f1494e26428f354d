{#- The vars that decide the result of a meta-analysis. -#}
{% macro meta_analysis_vars() -%}
    {{ return(['gene_filter_method', 'gene_filter_top', 'k_min', 'spearman_se', 'min_cohort_samples', 'detection_share_min']) }}
{%- endmacro %}


{#- These vars as one text. The text is part of a slice's identity, so that changing a var recomputes the slice.

    {{ meta_analysis_settings() }}  ->  gene_filter_method=variance;gene_filter_top=300;… -#}
{% macro meta_analysis_settings() -%}
    {{ return(settings_text(meta_analysis_vars())) }}
{%- endmacro %}


{#- The same without the gene filter: `expression-warehouse pairs screen` has its own.

    {{ screen_settings() }}  ->  k_min=3;spearman_se=fisher;min_cohort_samples=8;detection_share_min=0.2 -#}
{% macro screen_settings() -%}
    {{ return(settings_text(meta_analysis_vars() | reject('in', ['gene_filter_method', 'gene_filter_top']))) }}
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
