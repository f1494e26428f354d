{#- What the rules say of each text: a select with one row per text and rule that holds.

    texts  relation with batch_id, sample_accession_code, source_order (1 is the most trusted), illness_source,
           words (illness_words of the text), clauses (illness_clauses of it)
    rules  relation with batch_id, rule_order, phrase, illness_label (null if it only negates), negates
    denials  relation with denial, denies_control: seed illness_denial
    ->     the columns of texts without words and clauses; rule_order, phrase, illness_label; match_order, which is 1 for the
           rule that decides: of the most trusted text with a match, the rule with the lowest order

    A rule holds for a text that has its phrase as whole words, none of the phrases that negate it, and no words
    around it that deny it:

    'sepsis without shock'  ->  sepsis (SEPSIS); not shock, which `without shock` negates
    'sepsis; shock: no'     ->  sepsis (SEPSIS); not shock, which `* : no ;` denies

    This is plain SQL of both engines, because the loader renders it too. -#}
{% macro illness_matches(texts, rules, denials) -%}
select
    t.batch_id,
    t.sample_accession_code,
    t.source_order,
    t.illness_source,
    r.rule_order,
    r.phrase,
    r.illness_label,
    row_number() over (
        partition by t.batch_id, t.sample_accession_code
        order by t.source_order, r.rule_order
    ) as match_order
from {{ texts }} as t
inner join {{ rules }} as r on t.batch_id = r.batch_id and {{ has_phrase('t.words', 'r.phrase') }}
where
    r.illness_label is not null
    and not exists (
        select 1
        from {{ rules }} as n
        where n.batch_id = t.batch_id and n.negates = r.phrase and {{ has_phrase('t.words', 'n.phrase') }}
    )
    and not exists (
        select 1
        from {{ denials }} as d
        where
            (r.illness_label <> 'CONTROL' or d.denies_control = 1)
            and {{ has_phrase('t.clauses', "replace(d.denial, '*', r.phrase)") }}
    )
{%- endmacro %}


{#- Whether words (illness_words) have a phrase; a condition. -#}
{% macro has_phrase(words, phrase) -%}
{{ position_of("concat(' ', " ~ phrase ~ ", ' ')", words) }} > 0
{%- endmacro %}
