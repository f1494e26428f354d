"""Reads studies, whatever their format; independent of the warehouse.

adapters/     the formats, one per module, each of which yields studies
study         one study: its metadata, and the text of its matrix
download      the files of a folder or zip
tables        which files of a folder are tables
text          the text of a matrix
side_by_side  one matrix of the columns of several files
lines_by_gene the lines of a file in the order of another one
count_file    files with the values of one sample
refused       formats that are recognised and refused
metadata      aggregated_metadata.json
sample_sheet  tables of samples
sample_names  which sample a column of the matrix is
joined        parts of one study in several downloads
iterated      bytes that an iterator yields, as a file
compression, encoding, layout  how a file is written, decided once from its first bytes
values        identifiers, numbers and missing values in a matrix
gene_ids      the ids of a matrix's lines
matrix        streams the expression matrix and melts it into record batches
diagnosis     finds the line of a matrix that cannot be read
subjects      the subjects of samples
batch         the identity of a batch
batch_rules   rules that quarantine a batch
archive       keeps a copy of a staged study
"""
