{#- Scalar functions whose name or meaning differs between the engines. Arguments are SQL
    expressions given as strings. -#}

{#- The current time (UTC), as `type_instant`. -#}
{% macro utc_now() %}{{ return(adapter.dispatch('utc_now', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__utc_now() %}sysutcdatetime(){% endmacro %}

{% macro duckdb__utc_now() %}cast(now() at time zone 'utc' as timestamp){% endmacro %}


{#- The current time less `days` times 24 hours, as `type_instant`.
    {{ instant_days_ago(7) }}  ->  dateadd(day, -7, sysutcdatetime())  |  … - interval 7 day -#}
{% macro instant_days_ago(days) %}{{ return(adapter.dispatch('instant_days_ago', 'expression_warehouse')(days)) }}{% endmacro %}

{% macro default__instant_days_ago(days) %}dateadd(day, -{{ days }}, {{ utc_now() }}){% endmacro %}

{% macro duckdb__instant_days_ago(days) %}{{ utc_now() }} - interval {{ days }} day{% endmacro %}


{#- Seconds between two instants, to the millisecond; null if either is null.
    {{ seconds_between('a', 'b') }}  ->  datediff_big(millisecond, a, b) / 1000e0  |  … -#}
{% macro seconds_between(first, second) %}{{ return(adapter.dispatch('seconds_between', 'expression_warehouse')(first, second)) }}{% endmacro %}

{% macro default__seconds_between(first, second) %}datediff_big(millisecond, {{ first }}, {{ second }}) / 1000e0{% endmacro %}

{% macro duckdb__seconds_between(first, second) %}date_diff('millisecond', {{ first }}, {{ second }}) / 1000e0{% endmacro %}


{#- Base-2 logarithm.   {{ log2('x') }}  ->  log(x, 2)  |  log2(x)
    x <= 0 is an error on both engines: guard it with a case. -#}
{% macro log2(x) %}{{ return(adapter.dispatch('log2', 'expression_warehouse')(x)) }}{% endmacro %}

{% macro default__log2(x) %}log({{ x }}, 2){% endmacro %}

{% macro duckdb__log2(x) %}log2({{ x }}){% endmacro %}


{#- Natural logarithm of x > 0 (x <= 0 is an error on both engines).
    {{ ln('x') }}  ->  log(x)  |  ln(x) -#}
{% macro ln(x) %}{{ return(adapter.dispatch('ln', 'expression_warehouse')(x)) }}{% endmacro %}

{% macro default__ln(x) %}log({{ x }}){% endmacro %}

{% macro duckdb__ln(x) %}ln({{ x }}){% endmacro %}


{#- Position of the first `needle` in `haystack`, counted from 1; 0 if it does not occur. The needle
    is literal text without wildcards, compared byte by byte: by a collation of words, charindex takes several times
    as long, and passes over soft hyphens.
    {{ position_of("'b'", 'x') }}  ->  charindex('b', x collate latin1_general_bin2)  |  instr(x, 'b') -#}
{% macro position_of(needle, haystack) %}{{ return(adapter.dispatch('position_of', 'expression_warehouse')(needle, haystack)) }}{% endmacro %}

{% macro default__position_of(needle, haystack) %}charindex({{ needle }}, {{ haystack }} collate latin1_general_bin2){% endmacro %}

{% macro duckdb__position_of(needle, haystack) %}instr({{ haystack }}, {{ needle }}){% endmacro %}


{#- `x` as a point in time, or null if it cannot be read as one. T-SQL reads '' as 1900-01-01. -#}
{% macro try_instant(x) %}try_cast(nullif({{ x }}, '') as {{ type_instant() }}){% endmacro %}


{#- Ascending order of a window, with nulls at the end. T-SQL has them at the beginning.
    {{ nulls_last('p') }}  ->  case when p is null then 1 else 0 end, p  |  p nulls last -#}
{% macro nulls_last(x) %}{{ return(adapter.dispatch('nulls_last', 'expression_warehouse')(x)) }}{% endmacro %}

{% macro default__nulls_last(x) %}case when {{ x }} is null then 1 else 0 end, {{ x }}{% endmacro %}

{% macro duckdb__nulls_last(x) %}{{ x }} nulls last{% endmacro %}


{#- Aggregate: sample standard deviation (n - 1); null for one value. -#}
{% macro stddev(x) %}{{ return(adapter.dispatch('stddev', 'expression_warehouse')(x)) }}{% endmacro %}

{% macro default__stddev(x) %}stdev({{ x }}){% endmacro %}

{% macro duckdb__stddev(x) %}stddev_samp({{ x }}){% endmacro %}


{#- Aggregate: how many different numbers `x` has. DuckDB: as bits, if `greatest` is known and a number of
    128 bits has one for each, which takes a quarter of the time of a distinct count. -#}
{% macro count_of_numbers(x, greatest) %}{{ return(adapter.dispatch('count_of_numbers', 'expression_warehouse')(x, greatest)) }}{% endmacro %}

{% macro default__count_of_numbers(x, greatest) %}count(distinct {{ x }}){% endmacro %}

{% macro duckdb__count_of_numbers(x, greatest) -%}
{%- if greatest is not none and greatest < 126 -%}
bit_count(bit_or(cast(1 as hugeint) << {{ x }}))
{%- else -%}
count(distinct {{ x }})
{%- endif -%}
{%- endmacro %}


{#- Aggregate: the values of the text `x`, sorted byte by byte and joined with ', '. One per select: SQL Server
    refuses a second one, even of the same order (message 8711). -#}
{% macro sorted_list(x) %}{{ return(adapter.dispatch('sorted_list', 'expression_warehouse')(x)) }}{% endmacro %}

{% macro default__sorted_list(x) %}string_agg(cast({{ x }} as {{ type_text() }}), ', ') within group (order by {{ x }} collate latin1_general_bin2){% endmacro %}

{% macro duckdb__sorted_list(x) %}string_agg({{ x }}, ', ' order by {{ x }}){% endmacro %}


{#- A point in time as text, to the microsecond. -#}
{% macro instant_text(x) %}{{ return(adapter.dispatch('instant_text', 'expression_warehouse')(x)) }}{% endmacro %}

{% macro default__instant_text(x) %}convert(varchar(26), {{ x }}, 121){% endmacro %}

{% macro duckdb__instant_text(x) %}strftime({{ x }}, '%Y-%m-%d %H:%M:%S.%f'){% endmacro %}


{#- SHA-256 of a text, 64 lower-case hex digits. -#}
{% macro sha256_hex(x) %}{{ return(adapter.dispatch('sha256_hex', 'expression_warehouse')(x)) }}{% endmacro %}

{% macro default__sha256_hex(x) %}lower(convert(varchar(64), hashbytes('SHA2_256', cast({{ x }} as varchar(max))), 2)){% endmacro %}

{% macro duckdb__sha256_hex(x) %}sha256({{ x }}){% endmacro %}


{#- Query that reads every block of a table, and returns one row. -#}
{% macro read_whole(relation) %}{{ return(adapter.dispatch('read_whole', 'expression_warehouse')(relation)) }}{% endmacro %}

{% macro default__read_whole(relation) %}select checksum_agg(binary_checksum(*)) as digest from {{ relation }}{% endmacro %}

{% macro duckdb__read_whole(relation) %}select sum(hash(t)) as digest from {{ relation }} as t{% endmacro %}
