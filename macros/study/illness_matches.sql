{#- What the rules say of each text. CTEs of a `with` chain; the last is <name>, one row per text and rule that holds.

    name       prefix of the CTEs and name of the last
    texts      relation with batch_id, sample_accession_code, source_order (1 is the most trusted), illness_source,
               source_text
    rules      relation with batch_id, rule_order, phrase, illness_label (null if it only negates), negates
    denials    relation with denial, denies_control: seed illness_denial
    illnesses  relation with illness_label, refines_label
    ->         the columns of texts without source_text; rule_order, phrase, illness_label; match_order, which is 1 for the
               rule that decides: the rule with the lowest order of the most trusted text with a match, or of a later text
               that only refines its label

    A rule holds for a text that has its phrase as whole words, none of the phrases that negate it, and no words
    around it that deny it:

    'sepsis without shock'  ->  sepsis (SEPSIS); not shock, which `without shock` negates
    'sepsis; shock: no'     ->  sepsis (SEPSIS); not shock, which `* : no ;` denies

    Another text of the sample that has a finer label, and not the first text's too, decides in its place:

    title 'sepsis 3', stage 'septic shock'            ->  SEPTIC_SHOCK refines SEPSIS
    title 'sepsis 3', stage 'sepsis or septic shock'  ->  SEPSIS; the stage says both

    This is plain SQL of both engines, because the loader renders it too. -#}
{% macro illness_matches(name, texts, rules, denials, illnesses) -%}
{{ name }}_words as (
    select
        x.*,
        {{ illness_words('x.source_text') }} as words
    from {{ texts }} as x
),

{{ name }}_phrases as (
    select
        t.batch_id,
        t.sample_accession_code,
        t.source_order,
        t.illness_source,
        t.words,
        {{ illness_clauses('t.source_text') }} as clauses,
        r.rule_order,
        r.phrase,
        r.illness_label
    from {{ name }}_words as t
    inner join {{ rules }} as r on t.batch_id = r.batch_id and {{ has_phrase('t.words', 'r.phrase') }}
    where r.illness_label is not null
),

-- Phrases that no other phrase negates and no words around them deny.
{{ name }}_labels as (
    select
        m.batch_id,
        m.sample_accession_code,
        m.source_order,
        m.illness_source,
        m.words,
        m.rule_order,
        m.phrase,
        m.illness_label,
        i.refines_label,
        first_value(m.illness_label) over (
            partition by m.batch_id, m.sample_accession_code
            order by m.source_order, m.rule_order
        ) as first_label
    from {{ name }}_phrases as m
    left join {{ illnesses }} as i on m.illness_label = i.illness_label
    where
        not exists (
            select 1
            from {{ rules }} as n
            where n.batch_id = m.batch_id and n.negates = m.phrase and {{ has_phrase('m.words', 'n.phrase') }}
        )
        and not exists (
            select 1
            from {{ denials }} as d
            where
                (m.illness_label <> 'CONTROL' or d.denies_control = 1)
                and {{ has_phrase('m.clauses', "replace(d.denial, '*', m.phrase)") }}
        )
),

{{ name }}_compared as (
    select
        o.*,
        max(case when o.illness_label = o.first_label then 1 else 0 end) over (
            partition by o.batch_id, o.sample_accession_code, o.source_order, o.words
        ) as has_first_label
    from {{ name }}_labels as o
),

{{ name }} as (
    select
        f.batch_id,
        f.sample_accession_code,
        f.source_order,
        f.illness_source,
        f.rule_order,
        f.phrase,
        f.illness_label,
        row_number() over (
            partition by f.batch_id, f.sample_accession_code
            order by case when f.refines_label = f.first_label and f.has_first_label = 0 then 0 else 1 end, f.source_order, f.rule_order
        ) as match_order
    from {{ name }}_compared as f
)
{%- endmacro %}


{#- Whether words (illness_words) have a phrase; a condition. -#}
{% macro has_phrase(words, phrase) -%}
{{ position_of("concat(' ', " ~ phrase ~ ", ' ')", words) }} > 0
{%- endmacro %}


{#- The text of a characteristic: its value, or its name with it if the value only affirms the name.

    'severity', 'septic shock'  ->  'septic shock'
    'septic shock', 'yes'       ->  'septic shock: yes' -#}
{% macro characteristic_text(name, value) -%}
case when {{ is_affirmative(value) }} then concat({{ name }}, ': ', {{ value }}) else {{ value }} end
{%- endmacro %}


{#- Whether a characteristic is read for the label: its name has a word of the seed, or its value affirms the phrase of
    a rule that its name ends with; a condition.

    characteristic  alias with batch_id, characteristic, characteristic_value
    names           relation with phrase: seed illness_characteristic
    rules           as of illness_matches -#}
{% macro is_read_for_label(characteristic, names, rules) -%}
(
            exists (
                select 1
                from {{ names }} as i
                where {{ has_phrase(illness_words(characteristic ~ '.characteristic'), 'i.phrase') }}
            )
            or exists (
                select 1
                from {{ rules }} as r
                where
                    r.batch_id = {{ characteristic }}.batch_id
                    and {{ affirms_phrase(characteristic ~ '.characteristic', characteristic ~ '.characteristic_value', 'r.phrase') }}
            )
        )
{%- endmacro %}


{#- Whether a characteristic affirms what a phrase says: `septic shock: yes`, but not `shock index: 1`; a condition. -#}
{% macro affirms_phrase(name, value, phrase) -%}
{{ is_affirmative(value) }} and {{ illness_words(name) }} like concat('% ', {{ phrase }}, ' ')
{%- endmacro %}


{#- Whether a value says no more than yes; a condition. Trimmed, because T-SQL's `in` ignores trailing blanks only. -#}
{% macro is_affirmative(value) -%}
trim({{ illness_words(value) }}) in ('yes', 'y', 'true', '1', 'positive', 'present', 'ja', 'oui', 'si')
{%- endmacro %}
