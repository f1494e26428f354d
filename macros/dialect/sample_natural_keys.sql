{#- A statement that adds the column sample_natural_key to dim_sample and fills it, and removes the constraint that
    a name occurs once. DuckDB cannot drop a constraint, so it writes the table anew; dbt's tests check the keys.

    {{ add_sample_natural_keys_to(this, ref('dim_study')) }}
    ->  alter table … add sample_natural_key varchar(101); exec('update …');  |  create or replace table … as select … -#}
{% macro add_sample_natural_keys_to(samples, studies) %}{{ return(adapter.dispatch('add_sample_natural_keys_to', 'expression_warehouse')(samples, studies)) }}{% endmacro %}

{#- In `exec`, because SQL Server resolves a batch's columns before it adds the new one. -#}
{% macro default__add_sample_natural_keys_to(samples, studies) -%}
alter table {{ samples }} add sample_natural_key {{ type_code(101) }};
alter table {{ samples }} drop constraint if exists uq_dim_sample_sample_accession_code;
{%- set update %}
update m
set m.sample_natural_key = {{ sample_natural_key('s.study_accession_code', 'm.sample_accession_code') }}
from {{ samples }} as m
inner join {{ studies }} as s on m.study_key = s.study_key
{%- endset %}
exec('{{ update | replace("'", "''") }}');
{%- endmacro %}

{% macro duckdb__add_sample_natural_keys_to(samples, studies) -%}
create or replace table {{ samples }} as
select
    m.*,
    {{ sample_natural_key('s.study_accession_code', 'm.sample_accession_code') }} as sample_natural_key
from {{ samples }} as m
inner join {{ studies }} as s on m.study_key = s.study_key
{%- endmacro %}
