{#- A SQL expression over rows of staging.batch: 1 for the newest batch of each study, 2 for the one before, and so
    on. The time that the download itself gives decides, then when it was staged; the id only makes the order
    definite. loader/replacement.py and loader/labels.py read batches in the same order.

    study | created_at | staged_at | batch_id      {{ recency_of_batch() }}
    GSE1  | 2024-01-01 | 2024-09-01 | b1           2
    GSE1  | 2024-02-01 | 2024-03-01 | b2           1 -#}
{% macro recency_of_batch() -%}
row_number() over (partition by study_accession_code order by created_at desc, staged_at desc, batch_id asc)
{%- endmacro %}
