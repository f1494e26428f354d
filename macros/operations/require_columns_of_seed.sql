{#- Pre-hook of seeds. DuckDB fills a table that is there by the positions of the columns, whatever their names: a
    file with its columns in another order would put each value under another's name.

    seeds/contrast.csv saved with semicolons
    ->  54030 CONFIG_INVALID: seeds/contrast.csv has the columns disease_label;contrast;…; it must have … -#}
{% macro require_columns_of_seed() %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set columns = load_agate_table().column_names | list %}
    {% set expected = config.get('column_types') | list %}
    {% if columns != expected %}
        {{ raise_error(54030, 'CONFIG_INVALID', model.original_file_path ~ ' has the columns ' ~ columns | join(', ')
            ~ '; it must have ' ~ expected | join(', ') ~ ', in this order and with commas between them') }}
    {% endif %}
{% endmacro %}
