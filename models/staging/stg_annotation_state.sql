select
    coalesce(
        {{
            sha256_hex(sorted_list(
                "concat(r.bulk_file, ' ', r.file_hash, ' ', f.source, ' ', f.organism, ' ', f.priority)"
            ))
        }},
        'none'
    ) as annotation_id
from {{ source('staging', 'annotation_file') }} as r
inner join {{ ref('annotation_file') }} as f on r.bulk_file = f.bulk_file
