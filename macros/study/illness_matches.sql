{#- What the rules say of each text: a select with one row per text and rule that holds.

    texts  relation with batch_id, sample_accession_code, source_order (1 is the most trusted), illness_source, source_text
    rules  relation with batch_id, rule_order, phrase, illness_label (null if it only negates), negates
    denials  relation with denial, denies_control: seed illness_denial
    ->     the columns of texts without source_text; rule_order, phrase, illness_label; match_order, which is 1 for the rule
           that decides: of the most trusted text with a match, the rule with the lowest order

    A rule holds for a text that has its phrase as whole words, none of the phrases that negate it, and no words
    around it that deny it:

    'sepsis without shock'  ->  sepsis (SEPSIS); not shock, which `without shock` negates
    'sepsis; shock: no'     ->  sepsis (SEPSIS); not shock, which `* : no ;` denies

    This is plain SQL of both engines, because the loader renders it too. -#}
{% macro illness_matches(texts, rules, denials) -%}
select
    m.batch_id,
    m.sample_accession_code,
    m.source_order,
    m.illness_source,
    m.rule_order,
    m.phrase,
    m.illness_label,
    row_number() over (
        partition by m.batch_id, m.sample_accession_code
        order by m.source_order, m.rule_order
    ) as match_order
from (
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
    from (
        select
            x.*,
            {{ illness_words('x.source_text') }} as words
        from {{ texts }} as x
    ) as t
    inner join {{ rules }} as r on t.batch_id = r.batch_id and {{ has_phrase('t.words', 'r.phrase') }}
    where r.illness_label is not null
) as m
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
{%- endmacro %}


{#- Whether words (illness_words) have a phrase; a condition. -#}
{% macro has_phrase(words, phrase) -%}
{{ position_of("concat(' ', " ~ phrase ~ ", ' ')", words) }} > 0
{%- endmacro %}
