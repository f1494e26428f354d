{#- The normal distribution. Scalar expressions without joins, computed in 64-bit floats on both engines.
    Arguments are SQL expressions and are repeated in the generated SQL; parenthesise those with an
    operator. They must be finite: DuckDB's nan counts as infinite.

    Do not guard these macros, Student's t or chi-square with a case: they already return null for
    undefined input, and DuckDB computes repeated subexpressions once except inside a case. -#}


{#- A polynomial by Horner's rule from its coefficients, constant term first. A coefficient is a number
    or a text with a SQL expression.

    {{ polynomial('x', [1.5, 2, '(1e0 / n)']) }}  ->  (1.5e0 + (x) * (2e0 + (x) * ((1e0 / n))))

    The suffix e0 makes a number a float in T-SQL, in which 1.5 is a decimal. -#}
{% macro polynomial(x, coefficients) -%}
{%- for c in coefficients -%}
({{ c }}{{ 'e0' if c is number and 'e' not in c | string }}
{%- if not loop.last %} + ({{ x }}) * {% endif -%}
{%- endfor -%}
{{ ')' * (coefficients | length) }}
{%- endmacro %}


{#- exp(x^2) erfc(x), the scaled complementary error function, for x >= 0.

    x | result
    0 | 1
    1 | 0.427583576155807
    5 | 0.110704637733069

    A ratio of polynomials as in W. J. Cody 1969, Math. Comp. 23:631, but of degree 9 and 10 and a single
    one for the whole half-line (relative error 5e-16, fitted with 45 digits). It needs no case, so that an
    engine can compute repeated subexpressions once. No coefficient is negative, so that no digits cancel.
    Finite for x up to 1e30. -#}
{% macro scaled_erfc(x) -%}
({{ polynomial(x, [
    1, 2.266952131177614, 2.533020514191826, 1.7974995708237478,
    0.8851805081583624, 0.31271754321499423, 0.07931836198663222, 0.013992175544902383,
    0.001572383475323191, 8.733695275109893e-05
]) }} / {{ polynomial(x, [
    1, 3.3953312982730415, 5.364241616554135, 5.20731953793998,
    3.4509171767294835, 1.6378421723612642, 0.5666002562889783, 0.1419816247199191,
    0.024877885786257187, 0.0027869771459366702, 0.00015480071823003845
]) }})
{%- endmacro %}


{#- Two-sided p of a standard normal z: 2 (1 - Phi(|z|)) = erfc(|z| / sqrt 2). Relative error
    below 1e-14 for |z| <= 37.5 (p = 9e-308), 0 beyond, null for null.

    z    | result
    0    | 1
    1.96 | 0.0499957902964409
    -10  | 1.52397060483211e-23

    exp(-z^2 / 2) is computed as a product of two factors, as in W. J. Cody 1969, Math. Comp. 23:631: with
    h = |z| rounded down to a multiple of 1/16, h^2 is exact, and
    exp(-h^2 / 2) exp(-(|z| - h)(|z| + h) / 2) keeps its digits for large z^2. -#}
{% macro two_sided_normal_p(z) -%}
{%- set h = 'floor(abs(' ~ z ~ ') * 16e0) / 16e0' -%}
(
    case
        when abs({{ z }}) > 37.5e0 then 0e0
        else exp(-5e-1 * ({{ h }}) * ({{ h }})) * exp(-5e-1 * (abs({{ z }}) - {{ h }}) * (abs({{ z }}) + {{ h }}))
    end
    * {{ scaled_erfc('least(abs(' ~ z ~ '), 40e0) * 7.0710678118654752e-1') }}
)
{%- endmacro %}


{#- Phi(z), the standard normal distribution function; null for null. The lower tail has the relative
    accuracy of two_sided_normal_p and is 0 below -37.5; for the upper tail use normal_cdf('-z').

    z     | result
    -10   | 7.61985302416053e-24
    0     | 0.5
    1.645 | 0.950015094460879 -#}
{% macro normal_cdf(z) -%}
(
    case when {{ z }} > 0e0 then 1e0 else 0e0 end
    + case when {{ z }} > 0e0 then -5e-1 else 5e-1 end * {{ two_sided_normal_p(z) }}
)
{%- endmacro %}
