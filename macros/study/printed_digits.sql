{#- How precisely a number is printed (SQL expressions).

    value     decimal_exponent  significant_digits
    0.0123    -2                3
    8.235     0                 4
    1200      3                 2
    9.0373684 0                 6 (at most)

    Beyond six digits, values that went through 32-bit numbers differ from their source.

    The exponent of 0 is null, not an error: SQL Server may compute it before a condition leaves the row out. -#}
{% macro decimal_exponent(value) -%}
cast(floor(log10(abs(nullif({{ value }}, 0e0)))) as integer)
{%- endmacro %}

{% macro significant_digits(value, exponent) -%}
case
    {%- for digits in range(1, 6) %}
    {%- set whole = 'abs(' ~ value ~ ') * power(10e0, ' ~ (digits - 1) ~ ' - ' ~ exponent ~ ')' %}
    when abs({{ whole }} - round({{ whole }}, 0)) < 1e-6 then {{ digits }}
    {%- endfor %}
    else 6
end
{%- endmacro %}


{#- The value in whole units of 10^exponent, rounded half up (a SQL expression).

    value | exponent  ->  result
    8.235   -2            824
    1274    2             13 -#}
{% macro in_units(value, exponent) -%}
cast(floor({{ value }} * power(10e0, -{{ exponent }}) + 0.5e0) as bigint)
{%- endmacro %}


{#- Condition: the value tells samples apart. The smallest value of a batch and 0 don't: what is not expressed
    is alike in many samples.

    value | value_min  ->  result
    0       0              false
    3.322   3.322          false
    0       -4             false
    2.7     0              true -#}
{% macro identifies(value, value_min) -%}
({{ value }} <> 0 and {{ value }} > {{ value_min }})
{%- endmacro %}
