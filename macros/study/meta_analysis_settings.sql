{#- The vars that decide the result of a meta-analysis, as one text: part of what identifies a
    slice, so that a changed var recomputes it.

    {{ meta_analysis_settings() }}  ->  gene_filter_method=variance;gene_filter_top=300;… -#}
{% macro meta_analysis_settings() -%}
    {%- set settings = [] -%}
    {%- for name in ['gene_filter_method', 'gene_filter_top', 'k_min', 'spearman_se', 'min_cohort_samples'] -%}
        {%- do settings.append(name ~ '=' ~ var(name)) -%}
    {%- endfor -%}
    {{ return(settings | join(';')) }}
{%- endmacro %}
