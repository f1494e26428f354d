"""A gene-expression warehouse for cross-study meta-analysis of gene-pair co-expression.

Wings stand on `core` and know nothing of each other: `pairs` is numeric work that SQL cannot do at
scale. Package `loader`, beside this one, moves data in. `cli` puts all commands together.
"""
