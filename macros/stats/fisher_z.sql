{#- Fisher's z = atanh(r) of a correlation (Fisher 1915), as a SQL expression. |r| is clipped to
    1 - 1e-12, which gives |z| = 14.2; null for null.

    {{ fisher_z('r') }}    r 0.5  ->  0.5493 -#}
{% macro fisher_z(r) -%}
(0.5e0 * {{ ln('(1e0 + ' ~ clip_r(r) ~ ') / (1e0 - ' ~ clip_r(r) ~ ')') }})
{%- endmacro %}

{% macro clip_r(r) -%}
(case when {{ r }} > 0.999999999999e0 then 0.999999999999e0 when {{ r }} < -0.999999999999e0 then -0.999999999999e0 else {{ r }} end)
{%- endmacro %}


{#- Standard error of Fisher's z of a Spearman correlation r over n samples, as a SQL expression. The
    var spearman_se selects the formula:

    fisher         1 / sqrt(n - 3)                  Fisher 1921, as for Pearson's r
    fieller        sqrt(1.06 / (n - 3))             Fieller, Hartley & Pearson 1957
    bonett_wright  sqrt((1 + r^2 / 2) / (n - 3))    Bonett & Wright 2000

    {{ spearman_se('r', 'n') }}    r 0.8, n 28, fisher  ->  0.2

    n must be at least 4. -#}
{% macro spearman_se(r, n) -%}
{%- set method = var('spearman_se') -%}
{%- if method == 'fisher' -%}
sqrt(1e0 / ({{ n }} - 3e0))
{%- elif method == 'fieller' -%}
sqrt(1.06e0 / ({{ n }} - 3e0))
{%- elif method == 'bonett_wright' -%}
sqrt((1e0 + {{ r }} * {{ r }} / 2e0) / ({{ n }} - 3e0))
{%- else -%}
{{ raise_error(54030, 'CONFIG_INVALID', 'var spearman_se is ' ~ method ~ '; it can be fisher, fieller or bonett_wright') }}
{%- endif -%}
{%- endmacro %}


{#- Transforms z back to r: tanh(z), as a SQL expression that does not overflow for any z.

    {{ tanh_of('z') }}    z 0.5493  ->  0.5 -#}
{% macro tanh_of(z) -%}
(sign({{ z }}) * (1e0 - exp(-2e0 * abs({{ z }}))) / (1e0 + exp(-2e0 * abs({{ z }}))))
{%- endmacro %}
