"""Numeric work on gene pairs that SQL cannot do at scale.

`expression-warehouse pairs --help` shows the commands; README.md says how it works. The modules,
in the order a screen passes them:

cli              the command line
settings         the vars that SQL and this package share
memory           tells whether it fits before it begins
study_slice      the studies of a disease and technology
expression       streams a study's values into a matrix
groups           the groups of samples that are correlated
gene_filter      which genes are paired
ranks            ranks of complete genes, made ready for matrix products
pairwise         Spearman's r of genes with missing values
rank_store       ranks of all studies in files mapped into memory
block            a part of the pairs, computed by itself: matrix products, then the kernel
pooling          the kernel: from inner products to pooled contrasts
logarithm        a logarithm that the compiler vectorises
prefetch         asks for memory before it is needed
bins             bins of statistics, in the order of their p-values
tally            counts all statistics, and keeps the pairs of the smallest p
buffers          memory that is used again
statistic_files  all statistics, in files
p_values         p-values of very many statistics
buckets          which of very many tests can matter for the false discovery rates of a few
false_discovery  false discovery rates over all pairs
scan             all blocks, with checkpoints; in threads, or on a
cluster          Dask cluster
screened_pairs   what is kept
screen           puts these together

correlations and correlate do the same for the correlations of one study and cohort. files and
run_record are what both leave behind.

Features and the ranking:

catalog          the feature catalog
slices           the slices of the warehouse, and their pairs
feature_scale    features on one scale
ensemble         what is unlike the others: local outliers, isolation forest, rank-SVM
rank             puts these together, and stages the scores
feature_export   features as Parquet files
"""
