{#- Stops the run with an error of the catalog (seeds/error_code.csv).

    {{ raise_error(54040, 'STUDY_NOT_FOUND', 'no staged batch for GSE1') }} -#}
{% macro raise_error(error_code, error_name, message) %}
    {% do exceptions.raise_compiler_error(error_code ~ ' ' ~ error_name ~ ': ' ~ message) %}
{% endmacro %}
