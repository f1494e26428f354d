{#- The closing summary of a run, one line per slice and per kind of finding, to the console. The second
    on-run-end hook: the first has written the findings to the log.

    {{ report_run(results) }}
    ->  SEPSIS MICROARRAY HOMO_SAPIENS: 44,850 gene pairs tested in 5 studies
        SEPSIS RNA-SEQ HOMO_SAPIENS: no gene pairs: 0 genes in 3 of its 4 studies; …
        43,363 genes have no symbol: expression-warehouse annotation update
        Warning 3001 TRANSFORMATION_ILLNESS_INFERENCE_FAILED: GSE1, GSE2, GSE3 and 3 more
        Details: select * from meta.vw_finding where run_id = '8c1c…' -#}
{% macro report_run(results) %}
    {#- `dbt compile` has no results, and with --no-introspect no connection. -#}
    {%- if not execute or not results -%}{{ return('') }}{%- endif -%}
    {%- for line in slice_lines(results) + annotation_lines() + finding_lines() -%}
        {%- do log(line, info=true) -%}
    {%- endfor -%}
{% endmacro %}


{#- Only if this run built the pairs' metrics. A pair is tested if k_min studies have one of its contrasts;
    finding 54101 says which contrasts have fewer. -#}
{% macro slice_lines(results) %}
    {%- set lines = [] -%}
    {%- set built = results | selectattr('node.name', 'equalto', 'fact_gene_pair_metrics') | selectattr('status', 'equalto', 'success') | list -%}
    {%- for disease, technology, organism, pairs_tested, study_count in (run_query(slices_tested()).rows if built else []) -%}
        {%- do lines.append(
            disease ~ ' ' ~ technology ~ ' ' ~ organism ~ ': ' ~ '{:,}'.format(pairs_tested | int) ~ ' gene pairs tested in '
            ~ (study_count | int) ~ (' study' if study_count == 1 else ' studies')
        ) -%}
    {%- endfor -%}
    {%- for subject, finding in (run_query(slices_without_pairs()).rows if built else []) -%}
        {%- do lines.append(subject ~ ': no gene pairs: ' ~ finding) -%}
    {%- endfor -%}
    {{ return(lines) }}
{% endmacro %}


{% macro slices_tested() -%}
select
    d.disease_label,
    s.technology,
    s.organism,
    p.pairs_tested,
    s.study_count
from {{ schema_name('staging') }}.stg_slice as s
inner join (
    select
        disease_key,
        technology,
        organism,
        max(pairs_tested) as pairs_tested
    from {{ schema_name('fact') }}.fact_gene_pair_metrics
    where metrics_source = 'AGGREGATOR'
    group by disease_key, technology, organism
) as p on {{ same_slice('s', 'p') }}
inner join {{ schema_name('dim') }}.dim_disease as d on s.disease_key = d.disease_key
order by d.disease_label, s.technology, s.organism
{%- endmacro %}


{#- The slices of finding 54108, with the reason. -#}
{% macro slices_without_pairs() -%}
select distinct
    {{ json_text('l.details', '$.subject') }} as subject,
    {{ json_text('l.details', '$.finding') }} as finding
from {{ validation_log() }} as l
where l.run_id = '{{ run_id() }}' and l.validation_code = 'SLICE_WITHOUT_PAIRS'
order by subject
{%- endmacro %}


{% macro finding_lines() %}
    {%- set lines = [] -%}
    {%- set found = {} -%}
    {#- A run of some models on a new warehouse has not loaded the catalog of errors. -#}
    {%- set catalog = relation_of_earlier_build('meta', 'meta_error_code') -%}
    {%- for severity, error_code, name, subject in (run_query(subjects_of_findings()).rows if catalog else []) -%}
        {%- set kind = severity | capitalize ~ ' ' ~ (error_code | int) ~ ' ' ~ name -%}
        {%- do found.setdefault(kind, []).append(subject) -%}
    {%- endfor -%}
    {%- for kind, subjects in found.items() -%}
        {%- set more = ' and ' ~ (subjects | length - 3) ~ ' more' if subjects | length > 3 else '' -%}
        {%- do lines.append(kind ~ ': ' ~ subjects[:3] | join(', ') ~ more) -%}
    {%- endfor -%}
    {%- if lines -%}
        {%- do lines.append('Details: select * from ' ~ schema_name('meta') ~ ".vw_finding where run_id = '" ~ run_id() ~ "'") -%}
    {%- endif -%}
    {{ return(lines) }}
{% endmacro %}


{#- The studies of each kind of finding of this run; a test of the warehouse itself has its own subject. -#}
{% macro subjects_of_findings() -%}
select distinct
    l.severity,
    e.error_code,
    l.validation_code,
    coalesce({{ json_text('l.details', '$.study_accession') }}, {{ json_text('l.details', '$.subject') }}) as subject
from {{ validation_log() }} as l
inner join {{ schema_name('meta') }}.meta_error_code as e on l.validation_code = e.error_name
where l.run_id = '{{ run_id() }}'
order by l.severity, e.error_code, subject
{%- endmacro %}


{#- Only as long as no bulk file of gene annotation is loaded; many genes have no symbol in any file. -#}
{% macro annotation_lines() %}
    {%- set genes = relation_of_earlier_build('dim', 'dim_gene') -%}
    {%- set count = run_query(genes_without_symbol(genes)).columns[0].values()[0] | int if genes else 0 -%}
    {{ return(['{:,}'.format(count) ~ (' gene has' if count == 1 else ' genes have') ~ ' no symbol: expression-warehouse annotation update'] if count else []) }}
{% endmacro %}


{% macro genes_without_symbol(genes) -%}
select count(*) as gene_count
from {{ genes }} as g
where
    g.gene_symbol is null
    and not exists (select 1 from {{ schema_name('staging') }}.annotation_file)
{%- endmacro %}
