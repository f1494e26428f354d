{#- The least and the greatest value of each var that is a number, and whether it must be whole. -#}
{% macro var_ranges() %}
    {% set share = (0, 1, false) %}
    {% set correlation = (-1, 1, false) %}
    {{ return({
        'illness_coverage_min': share, 'null_share_max': share, 'gene_count_share_min': share,
        'shared_gene_share_min': share, 'repeated_gene_share_max': share, 'outlier_sample_share_max': share,
        'detection_share_min': share, 'ks_pvalue_min': share,
        'profile_correlation_min': correlation, 'profile_correlation_typical': correlation,
        'study_likeness_min': (0, 1000000, false), 'outlier_mad_max': (0, 1000000, false),
        'gene_filter_top': (0, 1000000, true), 'k_min': (1, 1000000, true), 'min_cohort_samples': (1, 1000000, true)
    }) }}
{% endmacro %}


{#- Runs at the start of each dbt run: stops it before it changes anything if a var has a value that it cannot have, or
    if --vars has a var that does not exist, which dbt passes over.

    --vars '{kmin: 2}'  ->  54030 CONFIG_INVALID: there is no var kmin; … -#}
{% macro require_possible_vars() %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set ranges = var_ranges() %}
    {% set switches = ['keep_intermediate', 'partition_by_study'] %}
    {% set known = ranges | list + switches + ['gene_filter_method', 'spearman_se', 'rank_weights'] %}
    {% for name in (invocation_args_dict.get('vars') or {}) if name not in known + ['compile_as'] %}
        {{ raise_error(54030, 'CONFIG_INVALID', 'there is no var ' ~ name ~ '; there are ' ~ known | sort | join(', ')) }}
    {% endfor %}
    {% for name, (least, greatest, is_whole) in ranges.items() %}
        {% set number = var(name) | string | float(default=none) %}
        {% if number is none or not least <= number <= greatest or (is_whole and number != number | int) %}
            {{ raise_error(54030, 'CONFIG_INVALID', 'var ' ~ name ~ ' is ' ~ var(name) ~ '; it must be a '
                ~ ('whole ' if is_whole else '') ~ 'number from ' ~ least ~ ' to ' ~ greatest) }}
        {% endif %}
    {% endfor %}
    {% for name in switches if var(name) is not boolean %}
        {{ raise_error(54030, 'CONFIG_INVALID', 'var ' ~ name ~ ' is ' ~ var(name) ~ '; it must be true or false') }}
    {% endfor %}
{% endmacro %}
