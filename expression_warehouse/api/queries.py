"""What the API reads, as SQL that all engines take; schemas in braces, parameters after $."""

SLICES = """
    select
        d.disease_label,
        c.technology,
        c.organism,
        n.contrast,
        n.description,
        n.is_primary,
        count(*) as pair_count,
        cast(sum(case when c.is_eligible = 1 then 1 else 0 end) as integer) as eligible_count,
        cast(sum(
            case when c.is_eligible = 1 and c.q_hk <= 0.05e0 then 1 else 0 end
        ) as integer) as found_count,
        max(c.n_studies) as study_count
    from {fact}.fact_gene_pair_contrast as c
    inner join {dim}.dim_disease as d on c.disease_key = d.disease_key
    inner join {dim}.dim_contrast as n on c.contrast_key = n.contrast_key
    group by d.disease_label, c.technology, c.organism, n.contrast, n.description, n.is_primary
    order by d.disease_label, c.technology, c.organism, n.is_primary desc, n.contrast
"""

# dim_contrast keeps contrasts that are no longer defined; they have no cohorts.
CONTRASTS = """
    select n.contrast, n.description
    from {dim}.dim_contrast as n
    inner join {dim}.dim_disease as d on n.disease_key = d.disease_key
    where
        d.disease_label = $disease
        and n.contrast_key in (select s.contrast_key from {staging}.stg_contrast_cohort as s)
    order by n.is_primary desc, n.contrast
"""

DISEASES_WITH_CONTRASTS = """
    select distinct d.disease_label
    from {dim}.dim_disease as d
    inner join {staging}.stg_contrast_cohort as s on d.disease_key = s.disease_key
    order by d.disease_label
"""

ILLNESSES = "select illness_label from {dim}.dim_illness order by illness_key"

DISEASES = """
    select distinct d.disease_label
    from {fact}.fact_gene_pair_metrics as m
    inner join {dim}.dim_disease as d on m.disease_key = d.disease_key
    order by d.disease_label
"""

ORGANISMS = """
    select distinct m.organism
    from {fact}.fact_gene_pair_metrics as m
    inner join {dim}.dim_disease as d on m.disease_key = d.disease_key
    where d.disease_label = $disease
    order by m.organism
"""

PAIR = """
    select
        p.pair_key,
        a.gene_id as gene_a_id,
        a.gene_symbol as gene_a_symbol,
        a.gene_name as gene_a_name,
        b.gene_id as gene_b_id,
        b.gene_symbol as gene_b_symbol,
        b.gene_name as gene_b_name
    from {dim}.dim_gene_pair as p
    inner join {dim}.dim_gene as a on p.gene_a_key = a.gene_key
    inner join {dim}.dim_gene as b on p.gene_b_key = b.gene_key
    where p.pair_key = $pair_key
"""

PAIR_OF_GENES = """
    select p.pair_key
    from {dim}.dim_gene_pair as p
    inner join {dim}.dim_gene as a on p.gene_a_key = a.gene_key
    inner join {dim}.dim_gene as b on p.gene_b_key = b.gene_key
    where
        (a.gene_id = $gene_a and b.gene_id = $gene_b)
        or (a.gene_id = $gene_b and b.gene_id = $gene_a)
"""

REVIEWS = """
    select review_id, pair_key, gene_a_id, gene_b_id, verdict, rationale, reviewer, model,
        disease_label, snapshot_version, api_key_id, created_at
    from {analytics}.llm_reviews
    where
        (gene_a_id = $gene_a and gene_b_id = $gene_b)
        or (gene_a_id = $gene_b and gene_b_id = $gene_a)
    order by created_at, review_id
"""

PAIR_CONTRASTS = """
    select d.disease_label, n.contrast, n.description, n.is_primary, c.*
    from {fact}.fact_gene_pair_contrast as c
    inner join {dim}.dim_disease as d on c.disease_key = d.disease_key
    inner join {dim}.dim_contrast as n on c.contrast_key = n.contrast_key
    where c.pair_key = $pair_key
    order by d.disease_label, c.technology, c.organism, n.is_primary desc, n.contrast
"""

PAIR_COHORTS = """
    select d.disease_label, i.illness_label, c.*
    from {fact}.fact_gene_pair_cohort as c
    inner join {dim}.dim_disease as d on c.disease_key = d.disease_key
    inner join {dim}.dim_illness as i on c.illness_key = i.illness_key
    where c.pair_key = $pair_key
    order by d.disease_label, c.technology, c.organism, i.illness_key
"""

# For the pair that the session setting pair_key names.
PAIR_STUDIES = """
    select *
    from {analytics}.vw_pair_study
    order by disease_label, technology, organism, contrast, study_accession_code
"""

# Both values of each sample of a slice.
_BOTH_VALUES = """
    from {dim}.dim_gene_pair as p
    inner join {analytics}.vw_expression_export as a on p.gene_a_key = a.gene_key
    inner join {analytics}.vw_expression_export as b
        on p.gene_b_key = b.gene_key and a.study_key = b.study_key and a.sample_key = b.sample_key
    inner join {staging}.stg_slice_sample as m
        on a.study_key = m.study_key and a.sample_key = m.sample_key
    inner join {dim}.dim_disease as d on m.disease_key = d.disease_key
    inner join {dim}.dim_illness as i on m.illness_key = i.illness_key
    inner join {dim}.dim_study as st on a.study_key = st.study_key
"""
_OF_SLICE = """
    where
        p.pair_key = $pair_key
        and d.disease_label = $disease
        and m.technology = $technology
        and m.organism = $organism
"""

PAIR_VALUES = f"""
    select
        st.study_accession_code,
        i.illness_label,
        s.sample_accession_code,
        a.expression_value as value_a,
        b.expression_value as value_b
    {_BOTH_VALUES}
    inner join {{dim}}.dim_sample as s on a.sample_key = s.sample_key
    {_OF_SLICE}
    order by st.study_accession_code, i.illness_key, s.sample_accession_code
"""

# PAIR_VALUES without the names of samples, which a plot does not show.
PAIR_POINTS = f"""
    select
        st.study_accession_code,
        i.illness_label,
        a.expression_value as value_a,
        b.expression_value as value_b
    {_BOTH_VALUES}
    {_OF_SLICE}
    order by st.study_accession_code, i.illness_key, a.sample_key
"""

GENES_OF_PAIR = """
    select * from {analytics}.vw_gene_annotation where gene_id in ($gene_a, $gene_b)
"""

FIND_GENES = """
    select *
    from {analytics}.vw_gene_annotation
    where upper(gene_id) = upper($gene) or upper(gene_symbol) = upper($gene)
    order by gene_id
"""

FIND_GENES_BY_ALIAS = """
    select distinct g.*
    from {analytics}.vw_gene_annotation as g
    inner join {dim}.gene_identifier as i on g.gene_id = i.gene_id
    where i.identifier_key = upper($gene) and i.is_ambiguous = 0
    order by g.gene_id
"""

# All genes that have a name, also those that no study has, and ambiguous names.
GENES_OF_NAME = """
    select distinct i.gene_id, case when g.gene_id is null then 0 else 1 end as is_measured
    from {dim}.gene_identifier as i
    left join {dim}.dim_gene as g on i.gene_id = g.gene_id
    where i.identifier_key = upper($gene)
    order by i.gene_id
"""

# Names that begin with the pattern's text; a gene once, by the name that comes first. Genes that no
# annotation knows have their id alone.
GENES_LIKE = """
    select x.gene_id, x.gene_symbol, x.gene_name, x.matched
    from (
        select
            g.gene_id, g.gene_symbol, g.gene_name, i.identifier as matched,
            row_number() over (partition by g.gene_id order by i.identifier) as row_no
        from {analytics}.vw_gene_annotation as g
        inner join (
            select gene_id, identifier, identifier_key from {dim}.gene_identifier
            union all
            select gene_id, gene_id, upper(gene_id) from {dim}.dim_gene
        ) as i on g.gene_id = i.gene_id
        where i.identifier_key like $pattern
    ) as x
    where x.row_no = 1
    order by x.matched, x.gene_id
    offset 0 rows fetch next 50 rows only
"""

GENE_EXPRESSION = """
    select study_accession_code, illness_label, sample_count, mean_expression, sd_expression,
        min_expression, median_expression, max_expression
    from {analytics}.vw_expression_by_cohort
    where gene_id = $gene_id
    order by study_accession_code, illness_label
"""

# How many studies can answer a contrast of a slice, and how many of them have values of a gene.
GENE_SLICES = """
    select
        c.disease_label, c.technology, c.organism,
        count(distinct c.study_key) as study_count,
        count(distinct e.study_key) as measured_count
    from {analytics}.vw_contrast_study as c
    left join (
        select x.study_key
        from {analytics}.vw_expression_export as x
        inner join {dim}.dim_gene as g on x.gene_key = g.gene_key
        where g.gene_id = $gene_id
    ) as e on c.study_key = e.study_key
    group by c.disease_label, c.technology, c.organism
    having count(distinct e.study_key) > 0
    order by c.disease_label, c.technology, c.organism
"""

# Values that take part in analyses.
GENE_VALUES = """
    select
        g.gene_id, g.gene_symbol, st.study_accession_code, s.sample_accession_code,
        e.illness_label, e.expression_value
    from {analytics}.vw_expression_export as e
    inner join {dim}.dim_gene as g on e.gene_key = g.gene_key
    inner join {dim}.dim_sample as s on e.sample_key = s.sample_key
    inner join {dim}.dim_study as st on e.study_key = st.study_key
    where g.gene_id = $gene_id
    order by st.study_accession_code, s.sample_accession_code
"""

STUDIES = """
    select
        s.study_accession_code,
        s.study_title,
        s.study_technology,
        s.study_organism,
        s.study_unit_tag,
        q.sample_count,
        q.gene_count,
        q.missing_share,
        q.unknown_illness_share,
        q.outlier_share,
        q.data_quality_score
    from {dim}.dim_study as s
    inner join {meta}.meta_study_qc as q on s.study_key = q.study_key
    order by s.study_accession_code
"""

# The file of a study's current batch, and how it was read.
STUDY_FILES = """
    select s.study_accession_code, b.batch_id, b.file_name, b.file_hash, b.file_size, b.staged_at,
        b.layout, b.gene_id_form, b.dropped_count, b.merged_count, b.value_min, b.value_max,
        u.description as unit_description
    from {dim}.dim_study as s
    inner join {staging}.batch as b on s.current_batch_id = b.batch_id
    left join {seeds}.unit as u on s.study_unit_tag = u.unit_tag
    where $study is null or s.study_accession_code = $study
    order by s.study_accession_code
"""

# Which rules labelled a study's samples, with an example of a title each, and how many take part in
# cohorts that are large enough for a contrast. dim_sample keeps samples that a study no longer has.
STUDY_COHORTS = """
    select
        i.illness_label,
        m.illness_source,
        count(*) as sample_count,
        cast(sum(case when m.exclude_from_analysis = 1 then 1 else 0 end) as integer)
            as excluded_count,
        count(u.sample_key) as usable_count,
        min(m.sample_title) as title_example
    from {dim}.dim_sample as m
    inner join {dim}.dim_study as s on m.study_key = s.study_key
    inner join {staging}.stg_sample_config as n
        on s.current_batch_id = n.batch_id and m.sample_accession_code = n.sample_accession_code
    inner join {dim}.dim_illness as i on m.illness_key = i.illness_key
    left join (
        select distinct p.sample_key
        from {staging}.stg_slice_sample as p
        inner join {staging}.stg_slice_cohort as c
            on p.disease_key = c.disease_key and p.technology = c.technology
                and p.organism = c.organism and p.study_key = c.study_key
                and p.illness_key = c.illness_key and c.is_large_enough = 1
        inner join {staging}.stg_contrast_cohort as t
            on c.disease_key = t.disease_key and c.illness_key = t.illness_key
    ) as u on m.sample_key = u.sample_key
    where s.study_accession_code = $study
    group by i.illness_key, i.illness_label, m.illness_source
    order by i.illness_label, m.illness_source
"""

STUDY_CONTRASTS = """
    select disease_label, technology, organism, contrast, case_cohorts, reference_cohorts
    from {analytics}.vw_contrast_study
    where study_accession_code = $study
    order by disease_label, technology, organism, contrast
"""

FINDINGS = """
    select study_accession_code, error_code, validation_code, severity, subject, finding,
        what_to_do, created_at
    from {meta}.vw_finding_current
    where $study is null or study_accession_code = $study
    order by created_at desc, error_code, study_accession_code, subject
"""

RUNS = """
    select run_id, command, status, started_at, ended_at, seconds, studies_staged, rows_staged,
        rows_loaded, error_code, error_message
    from {meta}.vw_run
    order by started_at desc
"""

CALIBRATION = """
    select *
    from {meta}.meta_calibration
    order by disease_label, technology, organism, null_hypothesis, planted_effect, test
"""
