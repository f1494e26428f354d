with pairs as (
    select
        sample_key_1 as sample_key,
        sample_key_2 as same_key
    from {{ ref('fact_duplicate_sample') }}
    union
    select
        sample_key_2 as sample_key,
        sample_key_1 as same_key
    from {{ ref('fact_duplicate_sample') }}
    union
    select
        sample_key_1 as sample_key,
        sample_key_1 as same_key
    from {{ ref('fact_duplicate_sample') }}
    union
    select
        sample_key_2 as sample_key,
        sample_key_2 as same_key
    from {{ ref('fact_duplicate_sample') }}
),

firsts as (
    select
        sample_key,
        min(same_key) as first_key
    from pairs
    group by sample_key
)

-- The first sample of those that a pair, or a chain of two pairs, joins.
select
    p.sample_key,
    min(f.first_key) as same_sample_key
from pairs as p
inner join firsts as f on p.same_key = f.sample_key
group by p.sample_key
