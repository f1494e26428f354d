{#- Upper tail of the chi-square distribution at q with an integer df >= 1: the incomplete gamma
    function Q(a, x) with a = df/2, x = q/2. Relative error below 1e-11 for df up to 1000 and results
    >= 1e-300; smaller results are 0. 1 for q <= 0; null for null and for df < 1. A scalar expression
    without joins. Arguments are SQL expressions (parenthesise those with an operator) and are repeated
    in the generated SQL.

    q    | df  | result
    0    | 3   | 1
    3.84 | 1   | 0.05004352124870519
    20   | 10  | 0.029252688076961075
    900  | 100 | 6.92991655911e-129

    df < 16: the closed form, a sum of positive terms (NIST DLMF 8.8.2 and 8.4.4-8.4.8),
    even df: exp(-x) (1 + q/2 (1 + q/4 (1 + q/6 (…)))) with df/2 terms,
    odd df:  erfc(sqrt x) + exp(-x) sqrt(2 q / pi) (1 + q/3 (1 + q/5 (…))) with (df-1)/2 terms.

    df >= 16: compute the smaller of Q (if q > df) and P = 1 - Q, so that no digits are lost, as F times an
    integral.
    1. F = x^a exp(-x) / Gamma(a) by Stirling's series (DLMF 5.11.1).
    2. Q / F = integral(0, inf) g(r) dr and P / F = integral(-inf, 0) g(r) dr with
       g(r) = exp(a r - x (exp(r) - 1)), from v = x exp(r) in the definition (DLMF 8.2.1). Both integrands
       are smooth and positive, with a width near 1 / (|x - a| + sqrt a). A Gauss-Legendre rule of 24
       points in y on (0, 1) integrates up to where g is negligible, with
       r = 110.6092 (0.8479 y - 1.0044 y^2 + 1.1565 y^3) / s, s = q - df +- 4.1772 sqrt(df);
       `points` holds r s and the weight times |s| of each point. -#}
{% macro chi_square_sf(q, df) -%}
{%- set points = [
    (0.22504304555727192, 0.5754288627142071), (1.1675683590532848, 1.298738236945262),
    (2.7924180204204094, 1.9325691971017442), (4.991398305725736, 2.443236087650997),
    (7.63399901630418, 2.8200577549980017), (10.591206122953436, 3.0767187901890085),
    (13.75922067860931, 3.249294310098828), (17.079200726381526, 3.3903430381171735),
    (20.54943441175569, 3.5598619272770287), (24.227441827426393, 3.8144471410140204),
    (28.22102826776017, 4.196327442080149), (32.66903440291847, 4.724005749417598),
    (37.71418972489843, 5.3860520669254734), (43.47182191537003, 6.139161817412541),
    (49.9989975791741, 6.910988419903728), (57.268834873250924, 7.607564837029044),
    (65.15419697850162, 8.124446831877279), (73.4238100572062, 8.360141064792195),
    (81.75220695044706, 8.230008745511862), (89.74300683332055, 7.678717359730029),
    (96.96316943937322, 6.689470535646405), (102.9842823022181, 5.288667814963006),
    (107.42591373322271, 3.5453544240420554), (109.99629966900224, 1.5675975445623678)
] -%}
{#- q and df clamped to a range without over- or underflow; outside it the result is 1 or 0. -#}
{%- set x2 = 'least(greatest(1e-300, ' ~ q ~ '), 1e12)' -%}
{%- set f = 'greatest(16e0, ' ~ df ~ ')' -%}
{#- The sums of the closed form; factors beyond df are 0. -#}
{%- set even = namespace(text='1e0') -%}
{%- set odd = namespace(text='1e0') -%}
{%- for i in range(6, 0, -1) -%}
    {%- set even.text = '(1e0 + greatest(0e0, sign(' ~ df ~ ' - ' ~ (2 * i + 1) ~ ')) * ' ~ q ~ ' / ' ~ (2 * i) ~ 'e0 * ' ~ even.text ~ ')' -%}
    {%- set odd.text = '(1e0 + greatest(0e0, sign(' ~ df ~ ' - ' ~ (2 * i + 2) ~ ')) * ' ~ q ~ ' / ' ~ (2 * i + 1) ~ 'e0 * ' ~ odd.text ~ ')' -%}
{%- endfor -%}
{%- set s = '(' ~ x2 ~ ' - ' ~ f ~ ' + case when ' ~ q ~ ' > ' ~ df ~ ' then 4.1772e0 else -4.1772e0 end * sqrt(' ~ f ~ '))' -%}
{%- set stirling = polynomial('4e0 / (' ~ f ~ ' * ' ~ f ~ ')', [
    '1e0 / 12e0', '-1e0 / 360e0', '1e0 / 1260e0', '-1e0 / 1680e0', '1e0 / 1188e0', '-691e0 / 360360e0', '1e0 / 156e0'
]) ~ ' * 2e0 / ' ~ f -%}
{%- set exponent = '5e-1 * (' ~ f ~ ' * ' ~ ln(x2 ~ ' / ' ~ f) ~ ' - ' ~ x2 ~ ' + ' ~ f ~ ') - ' ~ stirling -%}
(
    case
        when {{ q }} is null or {{ df }} is null or {{ df }} < 1 then null
        when {{ df }} >= 16 then case when {{ q }} > {{ df }} then 0e0 else 1e0 end
        when {{ q }} <= 0e0 then 1e0
        when {{ q }} > 14e2 + 5e0 * {{ df }} then 0e0
        when {{ df }} in (2, 4, 6, 8, 10, 12, 14)
            then least(1e0, exp(-2.5e-1 * {{ q }}) * {{ even.text }} * exp(-2.5e-1 * {{ q }}))
        else least(
            1e0,
            {{ two_sided_normal_p('sqrt(' ~ q ~ ')') }}
            + greatest(0e0, sign({{ df }} - 2)) * exp(-2.5e-1 * {{ q }}) * sqrt({{ q }} * 6.366197723675814e-1) * {{ odd.text }} * exp(-2.5e-1 * {{ q }})
        )
    end
    + case
        when {{ df }} < 16 then 0e0
        else case when {{ q }} > {{ df }} then 1e0 else -1e0 end
            * case when {{ exponent }} < -7e2 then 0e0 else exp({{ exponent }}) end
            * sqrt({{ f }} * 7.957747154594767e-2) / abs({{ s }}) * (
                {%- for r, weight in points %}
                {{ '+ ' if not loop.first }}{{ weight }}e0 * exp(greatest(-6e2, 5e-1 * ({{ f }} * ({{ r }}e0 / {{ s }}) - {{ x2 }} * (exp({{ r }}e0 / {{ s }}) - 1e0))))
                {%- endfor %}
            )
    end
)
{%- endmacro %}
