{#- The normal distribution. Scalar expressions without joins; computed in 64-bit floats on both
    engines. Arguments are SQL expressions and stand several times in the text. -#}


{#- A polynomial by Horner's rule, from its coefficients, constant term first: numbers, or
    texts that are SQL expressions themselves.

    {{ polynomial('x', [1.5, 2, '(1e0 / n)']) }}  ->  (1.5e0 + (x) * (2e0 + (x) * ((1e0 / n))))

    From the ninth coefficient on in blocks of eight, b_0 + power(x, 8) * b_1 + …, to keep the
    parentheses shallow: deep ones are refused by parsers. The e0 makes a number a float in
    T-SQL, where 1.5 is a decimal. -#}
{% macro polynomial(x, coefficients) -%}
{{ '(' if coefficients | length > 8 }}
{%- for block in coefficients | batch(8) -%}
{{ ' + power(' ~ x ~ ', ' ~ loop.index0 * 8 ~ ') * ' if not loop.first }}
{%- for c in block -%}
({{ c }}{{ 'e0' if c is number and 'e' not in c | string }}
{%- if not loop.last %} + ({{ x }}) * {% endif -%}
{%- endfor -%}
{{ ')' * (block | length) }}
{%- endfor -%}
{{ ')' if coefficients | length > 8 }}
{%- endmacro %}


{#- exp(x^2) erfc(x), the scaled complementary error function, for x >= 0.

    x | result
    0 | 1
    1 | 0.42758357615580705
    5 | 0.1107046377339687

    (x + 1/2) exp(x^2) erfc(x) is smooth on the whole half-line in s = (x - 3) / (x + 3), and a
    polynomial of degree 22 in s gives it to 3e-16 (the form is that of M. M. Shepherd and J. G.
    Laframboise 1981, Math. Comp. 36:249; the coefficients are the Chebyshev series computed
    with 40 digits). No case, so that an engine may compute the repeated parts once. -#}
{% macro scaled_erfc(x) -%}
({{ polynomial('1e0 - 6e0 / (' ~ x ~ ' + 3e0)', [
    0.6265040291348647, -0.06781055306228788, -0.02378114717671019, 0.06482257935114173,
    -0.05963683170838001, 0.034154013678191986, -0.011885257445765037, 0.0012646958336025862,
    0.0009443450488720748, -0.0003899156398645079, -5.257915648906564e-05, 6.254765538127267e-05,
    2.47206217111183e-06, -1.0044998916642138e-05, -3.593941917202133e-07, 1.727147385138869e-06,
    1.6834895403203798e-07, -2.9819918127613703e-07, -6.02707114324469e-08, 4.382940705865279e-08,
    1.3921940632751111e-08, -3.8209814462949875e-09, -1.5906770717484637e-09
]) }} / ({{ x }} + 5e-1))
{%- endmacro %}


{#- Two-sided p of a standard normal z: 2 (1 - Phi(|z|)) = erfc(|z| / sqrt 2). Relative error
    below 1e-14 for |z| <= 37.5 (p = 9e-308), 0 beyond, null for null.

    z    | result
    0    | 1
    1.96 | 0.04999579029644087
    -10  | 1.523970604832105e-23

    exp(-z^2 / 2) is taken in two parts, as in W. J. Cody 1969, Math. Comp. 23:631: with h = |z|
    rounded down to a sixteenth, h^2 is exact, and exp(-h^2 / 2) exp(-(|z| - h)(|z| + h) / 2)
    loses nothing where z^2 is large. -#}
{% macro two_sided_normal_p(z) -%}
{%- set h = 'floor(abs(' ~ z ~ ') * 16e0) / 16e0' -%}
(
    case
        when abs({{ z }}) > 37.5e0 then 0e0
        else exp(-5e-1 * ({{ h }}) * ({{ h }})) * exp(-5e-1 * (abs({{ z }}) - {{ h }}) * (abs({{ z }}) + {{ h }}))
    end
    * {{ scaled_erfc('abs(' ~ z ~ ') * 7.0710678118654752e-1') }}
)
{%- endmacro %}


{#- Phi(z), the standard normal distribution function, null for null. The lower tail has the
    relative accuracy of two_sided_normal_p and is 0 below -37.5; for the upper tail take
    normal_cdf('-z').

    z     | result
    -10   | 7.619853024160525e-24
    0     | 0.5
    1.645 | 0.9500150944608786 -#}
{% macro normal_cdf(z) -%}
(
    case when {{ z }} > 0e0 then 1e0 else 0e0 end
    + case when {{ z }} > 0e0 then -5e-1 else 5e-1 end * {{ two_sided_normal_p(z) }}
)
{%- endmacro %}


{#- The z with Phi(z) = p, for 0 < p < 1, else null. Relative error below 1e-15 times some
    units: algorithm AS 241, PPND16 (M. J. Wichura 1988, Applied Statistics 37:477).

    p      | result
    0.5    | 0
    0.975  | 1.9599639845400542
    1e-300 | -37.0471
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
