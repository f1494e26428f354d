{#- When a feature of a model has no value: maps each null policy of seed meta_feature_catalog to a condition
    on a row of the model. The policy NEVER needs no condition. For use in tests.

    {{ null_policies('int_gene_feature') }}  ->  {'ONE_VALUE': 'value_count < 2'} -#}
{% macro null_policies(model_name) %}
    {% set policies = {
        'int_gene_feature': {'ONE_VALUE': 'value_count < 2'},
        'int_gene_hub_feature': {
            'NO_STUDY_SEPTIC_SHOCK': 'r_pair_count = 0',
            'NO_STUDY_SS': 'dz_pair_count = 0',
        },
        'int_gene_pair_feature': {
            'NO_STUDY_SEPSIS': 'r_sepsis is null',
            'NO_STUDY_SEPTIC_SHOCK': 'r_septic_shock is null',
            'NO_STUDY_SEPTIC_SHOCK_SEPSIS': 'r_sepsis is null or r_septic_shock is null',
            'NO_STUDY_SS': 'dz_ss_mean is null',
            'NOT_MEASURED': 'percentile_a is null or percentile_b is null',
        },
        'int_sample_feature': {
            'LOG_SCALE': 'is_log_scale = 1',
            'NO_SPREAD': 'judged_count = 0',
            'NO_PROFILE': 'has_profile = 0',
        },
        'int_study_cohort_feature': {'NO_PROFILE': 'profile_count = 0'},
        'fact_gene_pair_metrics': {
            'NO_CONTRAST': 'n_studies_ss = 0 and n_studies_soth = 0',
            'NOT_RANKED': 'rank_run_id is null',
        },
    } %}
    {% set of_pairs = policies['fact_gene_pair_metrics'] %}
    {% for short in ['ss', 'soth'] %}
        {% do of_pairs.update({
            'NO_STUDY_' ~ short | upper: 'n_studies_' ~ short ~ ' = 0',
            'ONE_STUDY_' ~ short | upper: 'n_studies_' ~ short ~ ' < 2',
            'TWO_STUDIES_' ~ short | upper: 'n_studies_' ~ short ~ ' < 3',
            'NO_HK_SE_' ~ short | upper:
                'dz_' ~ short ~ '_hk_se is null or dz_' ~ short ~ '_hk_se <= 1e-12 * abs(dz_' ~ short ~ '_mean)',
        }) %}
    {% endfor %}
    {% for cohort in ['control', 'no_sepsis', 'sepsis', 'septic_shock'] %}
        {% do of_pairs.update({'NO_STUDY_' ~ cohort | upper: 'n_studies_' ~ cohort ~ ' = 0'}) %}
    {% endfor %}
    {% for first, second in [('septic_shock', 'sepsis'), ('septic_shock', 'control'), ('sepsis', 'control')] %}
        {% do of_pairs.update({
            'NO_STUDY_' ~ first | upper ~ '_' ~ second | upper:
                'n_studies_' ~ first ~ ' = 0 or n_studies_' ~ second ~ ' = 0'
        }) %}
    {% endfor %}
    {{ return(policies[model_name]) }}
{% endmacro %}
