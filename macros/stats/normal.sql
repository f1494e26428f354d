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


{#- The standard normal quantile: the z with Phi(z) = p for 0 < p < 1, else null. Relative error below
    2e-15: algorithm AS 241, PPND16 (M. J. Wichura 1988, Applied Statistics 37:477).

    p      | result
    0.5    | 0
    0.975  | 1.9599639845400542
    1e-300 | -37.0470962993612
    1      | null -#}
{% macro normal_quantile(p) -%}
{%- set q = '(' ~ p ~ ' - 5e-1)' -%}
{%- set central = '1.80625e-1 - ' ~ q ~ ' * ' ~ q -%}
{%- set tail = 'sqrt(-' ~ ln('case when ' ~ p ~ ' < 5e-1 then 1e0 * ' ~ p ~ ' else 1e0 - ' ~ p ~ ' end') ~ ')' -%}
case
    when {{ p }} <= 0e0 or {{ p }} >= 1e0 then null
    when abs({{ q }}) <= 4.25e-1
        then {{ q }} * {{ polynomial(central, [
            3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
            1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
            3.3430575583588128105e4, 2.5090809287301226727e3
        ]) }} / {{ polynomial(central, [
            1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
            2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
            5.2264952788528545610e3
        ]) }}
    else case when {{ p }} < 5e-1 then -1e0 else 1e0 end * case
        when {{ tail }} <= 5e0
            then {{ polynomial(tail ~ ' - 1.6e0', [
                1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
                3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
                2.27238449892691845833e-2, 7.74545014278341407640e-4
            ]) }} / {{ polynomial(tail ~ ' - 1.6e0', [
                1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
                1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
                1.05075007164441684324e-9
            ]) }}
        else {{ polynomial(tail ~ ' - 5e0', [
                6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
                2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                2.71155556874348757815e-5, 2.01033439929228813265e-7
            ]) }} / {{ polynomial(tail ~ ' - 5e0', [
                1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
                7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
                2.04426310338993978564e-15
            ]) }}
    end
end
{%- endmacro %}
