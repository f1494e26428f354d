-- 4004 LOAD_CONSTRAINT_VIOLATION: seed annotation_attribute has an attribute of a source twice.

select
    a.source,
    a.attribute
from {{ ref('annotation_attribute') }} as a
group by a.source, a.attribute
having count(*) > 1
