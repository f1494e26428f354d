"""The technologies that slices have: the words that macros/study/technology.sql gives."""

TECHNOLOGIES = ("RNA-SEQ", "MICROARRAY", "OTHER")
