{#- Student's t distribution. Scalar expressions without joins. Arguments are SQL expressions
    (parenthesise those with an operator) and are repeated in the generated SQL. -#}


{#- Two-sided p of a t with an integer df >= 1: P(|T| > |t|), the incomplete beta function I_x(df/2, 1/2) at
    x = df / (df + t^2). Relative error below 1e-12 for df up to 1000 and p >= 1e-300; 0 for smaller p and
    for |t| > 1e150; null for null and for df < 1.

    t    | df | result
    0    | 5  | 1
    2    | 1  | 0.29516723530086653
    12.7 | 1  | 0.05002432768934439
    40   | 30 | 1.3726045194406e-27

    With a = df/2, xi = -ln x = ln(1 + t^2 / df) and n = 10; no step subtracts from 1, so that a small p
    keeps its digits:

    1. Raising a by one (NIST DLMF 8.17.21) adds only positive terms; n such steps give
       I_x(a, 1/2) = sum(k < n) c_k x^(a+k) sqrt(1-x) + I_x(a+n, 1/2),
       c_k = Gamma(a+k+1/2) / (Gamma(a+k+1) sqrt(pi)).
    2. For a+n > 10, use the expansion for large a (N. M. Temme 1987, SIAM J. Math. Anal. 18:1638;
       A. R. DiDonato and A. H. Morris 1992, ACM TOMS 18:360) with T = a + n - 1/4, w = T xi:
       I_x(a+n, 1/2) = erfc(sqrt w) + exp(-w) sqrt(T xi / pi) R / D. It follows from
       integral(xi, inf) exp(-T s) (2 sinh(s/2))^(-1/2) ds by integrating the powers s^2, ..., s^8 of
       ((s/2) / sinh(s/2))^(1/2) = sum g_m s^(2m) term by term:
       D = sum g_m Gamma(2m + 1/2) / Gamma(1/2) T^(-2m),
       R = sum(m >= 1) g_m T^(-2m) sum(i < 2m) Gamma(2m + 1/2) / Gamma(i + 3/2) w^i,
       written here as a polynomial in xi whose coefficients are polynomials in 1/T.
       If xi is too large for the expansion, step 1 holds all of p except a share of exp(-10 xi).

    ln(1 + v) is computed as ln(u) + (v - (u - 1)) / u with u = 1 + v rounded, which is exact for small v. -#}
{% macro two_sided_t_p(t, df) -%}
{{ two_sided_t_p_by_steps(t, df, '(' ~ t_ratio(t, df) ~ ')', '(' ~ t_exponent(t_ratio(t, df)) ~ ')') }}
{%- endmacro %}


{#- Its first steps, v = t^2 / df and xi = ln(1 + v) of v. If they are columns, the SQL is a fifth as long. -#}
{% macro t_ratio(t, df) -%}
least(abs({{ t }}), 1e150) * least(abs({{ t }}), 1e150) / greatest(1e0, {{ df }})
{%- endmacro %}

{% macro t_exponent(v) -%}
{%- set u = '(1e0 + ' ~ v ~ ')' -%}
{{ ln(u) }} + ({{ v }} - ({{ u }} - 1e0)) / {{ u }}
{%- endmacro %}

{% macro two_sided_t_p_by_steps(t, df, v, xi) -%}
{%- set f = 'greatest(1e0, ' ~ df ~ ')' -%}
{%- set u = '(1e0 + ' ~ v ~ ')' -%}
{%- set big_t = '(5e-1 * ' ~ f ~ ' + 9.75e0)' -%}
{%- set q = '1e0 / ' ~ big_t -%}
{%- set q2 = '1e0 / (' ~ big_t ~ ' * ' ~ big_t ~ ')' -%}
{%- set r = polynomial(xi, [
    '(' ~ q ~ ') * ' ~ polynomial(q2, [-0.03125, 0.005126953125, -0.002559661865234375, 0.002687022089958191]),
    polynomial(q2, [-0.020833333333333332, 0.00341796875, -0.0017064412434895833, 0.0017913480599721272]),
    '(' ~ q ~ ') * ' ~ polynomial(q2, [0.0013671875, -0.0006825764973958333, 0.0007165392239888509]),
    polynomial(q2, [0.000390625, -0.00019502185639880954, 0.0002047254925682431]),
    '(' ~ q ~ ') * ' ~ polynomial(q2, [-4.333819031084656e-05, 4.549455390405403e-05]),
    polynomial(q2, [-7.879670965608466e-06, 8.271737073464369e-06]),
    '(' ~ q ~ ') * ' ~ polynomial(q2, [1.2725749343791337e-06]),
    polynomial(q2, [1.6967665791721782e-07]),
]) -%}
{%- set d = polynomial(q2, [1, -0.015625, 0.0025634765625, -0.0012798309326171875, 0.0013435110449790955]) -%}
{#- c_0 / c_10, then the sum of x^k c_k / c_0. -#}
{%- set c0 = namespace(text='1e0') -%}
{%- set sum = namespace(text='1e0') -%}
{%- for k in range(10) -%}
    {%- set c0.text = c0.text ~ ' * (' ~ f ~ ' + ' ~ (2 * k + 2) ~ 'e0) / (' ~ f ~ ' + ' ~ (2 * k + 1) ~ 'e0)' -%}
{%- endfor -%}
{%- for k in range(8, -1, -1) -%}
    {%- set sum.text = '(1e0 + (' ~ f ~ ' + ' ~ (2 * k + 1) ~ 'e0) / (' ~ f ~ ' + ' ~ (2 * k + 2) ~ 'e0) / ' ~ u ~ ' * ' ~ sum.text ~ ')' -%}
{%- endfor -%}
(
    case when {{ df }} >= 1 and {{ t }} is not null then 1e0 end * least(
        1e0,
        case when abs({{ t }}) <= 1e150 and {{ f }} * {{ xi }} <= 1.4e3 then exp(-5e-1 * {{ f }} * {{ xi }}) else 0e0 end * (
            sqrt({{ big_t }} * 3.1830988618379067e-1) / {{ d }} * (
                sqrt({{ v }} / {{ u }}) * ({{ c0.text }}) / (5e-1 * {{ f }} + 10e0) * {{ sum.text }}
                + exp(greatest(-6e2, -9.75e0 * {{ xi }})) * sqrt({{ xi }}) * {{ q }} * {{ r }}
            )
            + exp(greatest(-6e2, -9.75e0 * {{ xi }})) * {{ scaled_erfc('sqrt(' ~ big_t ~ ' * ' ~ xi ~ ')') }}
        )
    )
)
{%- endmacro %}


{#- The 0.975 quantile of Student's t with an integer df >= 1, for 95 % intervals; null for df < 1.
    Relative error below 1e-12.

    df   | result
    1    | 12.706204736174705
    10   | 2.228138851986275
    1000 | 1.9623390808264074
    0    | null

    For df up to 19, a table; above, the Cornish-Fisher expansion in 1/df (Abramowitz and Stegun
    26.7.5, carried to the tenth power with coefficients of the quantile computed with 60
    digits). -#}
{% macro t_quantile_975(df) -%}
case
    when {{ df }} >= 20 then {{ polynomial('1e0 / ' ~ df, [
        1.9599639845400543, 2.372271230298563, 2.8224986157396117, 2.5558496795077232,
        1.5895340533938236, 0.7328982119816057, 0.6274804609510736, 0.12881285359619749,
        -1.7139281826235218, 1.9425213869838909, 14.20050596207657
    ]) }}
    else case {{ df }}
        when 1 then 12.706204736174705e0
        when 2 then 4.302652729749464e0
        when 3 then 3.1824463052837095e0
        when 4 then 2.7764451051977943e0
        when 5 then 2.5705818356363155e0
        when 6 then 2.44691185114497e0
        when 7 then 2.3646242515927853e0
        when 8 then 2.3060041352041667e0
        when 9 then 2.2621571627982053e0
        when 10 then 2.228138851986275e0
        when 11 then 2.2009851600916397e0
        when 12 then 2.178812829667229e0
        when 13 then 2.1603686564627926e0
        when 14 then 2.144786687917804e0
        when 15 then 2.1314495455597755e0
        when 16 then 2.1199052992212546e0
        when 17 then 2.109815577833317e0
        when 18 then 2.1009220402410387e0
        when 19 then 2.0930240544083096e0
    end
end
{%- endmacro %}
