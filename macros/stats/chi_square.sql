{#- The upper tail of chi-square at q with an integer number df >= 1 of degrees of freedom: the
    incomplete gamma Q(a, x) with a = df/2, x = q/2. Relative error below 1e-11 for df up to
    1000 and results >= 1e-300, 0 for smaller ones; 1 for q <= 0; null for null and for df < 1.
    A scalar expression without joins; arguments are SQL expressions and stand several times in
    the text.

    q    | df  | result
    0    | 3   | 1
    3.84 | 1   | 0.05004352124870519
    20   | 10  | 0.029252688076961075
    900  | 100 | 1.1e-128

    The tail is computed where it is the smaller one, so that it keeps its digits: Q itself for
    q > df, else P = 1 - Q.

    1. F = x^a exp(-x) / Gamma(a), with Gamma(a) = Gamma(b) / (a (a+1) … (a+7)) and Stirling's
       series for b = a + 8 (NIST DLMF 5.11.1).
    2. Q / F = integral(0, inf) g(r) dr and P / F = integral(-inf, 0) g(r) dr with
       g(r) = exp(a r - x (exp(r) - 1)), from v = x exp(r) in the definition (DLMF 8.2.1): both
       smooth and positive, of a width near 1 / (|x - a| + 3.3 sqrt a). They are taken to where
       g < 1e-17 by a Gauss-Legendre rule of 28 points in y on (0, 1), with
       r = 157.1426 (0.7622 y - 1.3163 y^2 + 1.5541 y^3) / s, s = q - df +- 4.7045 sqrt(df);
       the list below holds r s and the weight times s of each point.
    3. For df < 8 and q < 8, where g falls too slowly for that rule, the power series
       P / F = (1 + x/(a+1) (1 + x/(a+2) (1 + …))) / a (DLMF 8.7.1), 28 terms. -#}
{% macro chi_square_sf(q, df) -%}
{%- set points = [
    (0.2123952276326343, 0.5430798080741472), (1.1018207511199012, 1.2253533388683542),
    (2.634006004240706, 1.8210279124134765), (4.702747496642667, 2.293930284754564),
    (7.174902924105021, 2.626650634623623), (9.910267230353199, 2.8227473160531407),
    (12.78292692273427, 2.9070716981576314), (15.701572122973875, 2.9233521016726915),
    (18.62608042314859, 2.929214675670951), (21.57804419921073, 2.9891593629486155),
    (24.643564874026577, 3.1662634770587683), (27.96750177671099, 3.5135525568396893),
    (31.739343624789363, 4.066041252588618), (36.17185837484549, 4.834398264559347),
    (41.47456149154483, 5.801032966287441), (47.824722970918295, 6.9191532764052),
    (55.33903036718958, 8.115030739487812), (64.04908937031156, 9.293363171593118),
    (73.88366166725852, 10.345284930010026), (84.6599359224852, 11.158276933863558),
    (96.08526099941714, 11.627005771100462), (107.76972940793891, 11.66399851546598),
    (119.24889164076326, 11.209051640250173), (130.01482525388772, 10.236381073795354),
    (139.5528895148929, 8.758737090902379), (147.38086845484935, 6.828020261701738),
    (153.08695388733094, 4.5324120584154395), (156.36387707031412, 1.993008886437703)
] -%}
{%- set f = 'greatest(1e0, ' ~ df ~ ')' -%}
{#- q within the range where nothing over- or underflows: the results beyond are 1 and 0. -#}
{%- set x2 = 'least(greatest(1e-300, ' ~ q ~ '), 1e1 * ' ~ f ~ ' + 4e3)' -%}
{%- set b = '(5e-1 * ' ~ f ~ ' + 8e0)' -%}
{%- set width = '(' ~ x2 ~ ' - ' ~ f ~ ' + case when ' ~ q ~ ' > ' ~ df ~ ' then 4.7045e0 else -4.7045e0 end * sqrt(' ~ f ~ '))' -%}
{%- set stirling = polynomial('1e0 / (' ~ b ~ ' * ' ~ b ~ ')', [
    '1e0 / 12e0', '-1e0 / 360e0', '1e0 / 1260e0', '-1e0 / 1680e0', '1e0 / 1188e0', '-691e0 / 360360e0', '1e0 / 156e0'
]) ~ ' / ' ~ b -%}
{%- set exponent = '5e-1 * ' ~ f ~ ' * ' ~ ln('5e-1 * ' ~ x2 ~ ' / ' ~ b) ~ ' - 5e-1 * ' ~ x2 ~ ' + ' ~ b ~ ' - ' ~ stirling -%}
{%- set series = namespace(text='1e0') -%}
{%- for start in (22, 15, 8, 1) -%}
    {#- Terms start to start + 6, and their last times the terms that follow. -#}
    {%- set last = namespace(text='1e0') -%}
    {%- set block = namespace(text='1e0') -%}
    {%- for k in range(start, start + 7) -%}
        {%- set last.text = last.text ~ ' * ' ~ x2 ~ ' / (' ~ f ~ ' + ' ~ (2 * k) ~ 'e0)' -%}
    {%- endfor -%}
    {%- for k in range(start + 5, start - 1, -1) -%}
        {%- set block.text = '(1e0 + ' ~ x2 ~ ' / (' ~ f ~ ' + ' ~ (2 * k) ~ 'e0) * ' ~ block.text ~ ')' -%}
    {%- endfor -%}
    {%- set series.text = '(' ~ block.text ~ ' + ' ~ last.text ~ ' * ' ~ series.text ~ ')' -%}
{%- endfor -%}
(
    case when {{ q }} > {{ df }} and ({{ df }} >= 8 or {{ q }} >= 8) then 0e0 when {{ q }} is not null and {{ df }} >= 1 then 1e0 end
    + case when {{ q }} > {{ df }} and ({{ df }} >= 8 or {{ q }} >= 8) then 1e0 else -1e0 end
    * case when {{ exponent }} < -7e2 then 0e0 else exp({{ exponent }}) end
    * sqrt({{ b }} * 1.5915494309189534e-1)
    {%- for k in range(8) %} * (({{ f }} + {{ 2 * k }}e0) / ({{ f }} + 16e0)){% endfor %}
    * (
        case when {{ df }} < 8 and {{ q }} < 8 then 2e0 / {{ f }} * {{ series.text }} else 0e0 end
        + case when {{ df }} < 8 and {{ q }} < 8 then 0e0 else 1e0 end / abs({{ width }}) * (
            {%- for r, weight in points %}
            {{ '+ ' if not loop.first }}{{ weight }}e0 * exp(greatest(-7e2, 5e-1 * ({{ f }} * ({{ r }}e0 / {{ width }}) - {{ x2 }} * (exp({{ r }}e0 / {{ width }}) - 1e0))))
            {%- endfor %}
        )
    )
)
{%- endmacro %}
