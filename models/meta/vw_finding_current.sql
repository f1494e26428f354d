with findings as (
    select
        v.*,
        row_number() over (
            partition by v.validation_code, v.study_accession_code, v.subject
            order by v.created_at desc
        ) as row_no
    from {{ ref('vw_finding') }} as v
),

last_build as (
    select
        b.selected_studies,
        r.started_at
    from {{ source('meta', 'meta_last_build') }} as b
    inner join {{ ref('vw_run') }} as r on b.run_id = r.run_id
    where b.ended_at is not null
)

select
    f.run_id,
    f.study_accession_code,
    f.validation_code,
    f.error_code,
    f.severity,
    f.subject,
    f.finding,
    f.finding_count,
    f.file_name,
    f.line_no,
    coalesce(f.what_to_do, e.what_to_do) as what_to_do,
    f.created_at
from findings as f
left join {{ ref('error_code') }} as e on f.error_code = e.error_code
where
    f.row_no = 1
    -- Older than the file or the settings that the study was loaded with.
    and not exists (
        select 1
        from {{ source('staging', 'batch') }} as b
        where
            b.study_accession_code = f.study_accession_code
            and b.status in ('LOADED', 'PURGED')
            and b.staged_at > f.created_at
    )
    -- Of a file that was refused; the one that the study is loaded with came again since.
    and not exists (
        select 1
        from {{ source('staging', 'batch') }} as b
        inner join {{ source('meta', 'meta_etl_process_log') }} as p on b.batch_id = p.batch_id
        where
            f.file_name is not null
            and f.severity = 'ERROR'
            and b.study_accession_code = f.study_accession_code
            and b.status in ('LOADED', 'PURGED')
            and p.step = 'stage_study'
            and p.status = 'SKIPPED'
            and p.started_at > f.created_at
    )
    -- The values were judged again since, because a sample has another label or a setting changed.
    and not exists (
        select 1
        from {{ source('staging', 'batch') }} as b
        where
            f.found_in = 'int_value_finding'
            and b.batch_id = f.batch_id
            and b.values_judged_at > f.created_at
    )
    -- A later build judged the same and did not find it again.
    and not exists (
        select 1
        from last_build as l
        where
            l.started_at > f.created_at
            and (
                (f.study_accession_code is null and f.file_name is null)
                or (
                    f.found_in = 'int_target_finding'
                    and (
                        l.selected_studies = ''
                        or {{ position_of("concat(' ', f.study_accession_code, ' ')", "concat(' ', l.selected_studies, ' ')") }} > 0
                    )
                )
            )
    )
