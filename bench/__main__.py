import click

from bench.api import bench_api
from bench.fact import compare_fact_builds
from bench.ingest import compare_ids, compare_ingests, scale_ingest
from bench.pairs import Size, bench_pairs
from bench.rank import bench_rank
from bench.results import keep
from bench.scale import bench_scale
from bench.screen import bench_screen
from bench.tds import compare_writes


@click.group()
def main() -> None:
    """Measure the warehouse against its peers, in one run."""


@main.command()
@click.option("--genes", default=20_000, show_default=True)
@click.option("--samples", default=500, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Runs of each; medians are shown.")
@click.option("--quick", is_flag=True, help="2,000 genes × 100 samples, once: does it all run?")
def ingest(genes: int, samples: int, repeats: int, quick: bool) -> None:
    """Ingest and fact build of a generated study."""
    if quick:
        genes, samples, repeats = 2_000, 100, 1
    ratios = compare_ingests(genes, samples, repeats)
    if not quick:
        keep("ingest", ratios)
    compare_ids(genes, samples, repeats)
    compare_fact_builds(genes, samples, repeats)
    scale_ingest(genes, [max(1, samples * tenths // 10) for tenths in (1, 5, 10, 20, 40)])


@main.command()
@click.option("--pairs", default=500_000, show_default=True)
@click.option("--studies", default=10, show_default=True)
@click.option("--samples", default=100, show_default=True, help="Of each of the three cohorts.")
@click.option("--repeats", default=1, show_default=True, help="Runs of each; medians are shown.")
@click.option("--quick", is_flag=True, help="1,000 pairs, once: does it all run?")
def pairs(pairs: int, studies: int, samples: int, repeats: int, quick: bool) -> None:
    """Meta-analysis of gene pairs, and its pooling alone."""
    if quick:
        pairs, studies, samples, repeats = 1_000, 4, 20, 1
    ratios = bench_pairs(Size(pairs, studies, samples), repeats, quick)
    if not quick:
        keep("pairs", ratios)


@main.command()
@click.option("--pairs", default=100_000, show_default=True, help="Pairs whose ranking is timed.")
@click.option("--draws", default=20, show_default=True, help="Random watch lists.")
@click.option("--seeds", default=10, show_default=True)
@click.option("--quick", is_flag=True, help="1,000 pairs, two draws and seeds: does it all run?")
def rank(pairs: int, draws: int, seeds: int, quick: bool) -> None:
    """The ranking's model card: planted pairs, leakage, permutation, stability, cost."""
    if quick:
        pairs, draws, seeds = 1_000, 2, 2
    bench_rank(pairs, draws, seeds)


@main.command()
@click.option("--genes", multiple=True, default=[2_000, 5_000, 20_000], show_default=True)
@click.option("--studies", default=20, show_default=True)
@click.option("--samples", default=60, show_default=True, help="Of each of the three cohorts.")
@click.option("--quick", is_flag=True, help="300 genes, once: does it all run?")
def screen(genes: tuple[int, ...], studies: int, samples: int, quick: bool) -> None:
    """A screen of all gene pairs, compared with its matrix products alone and with its peers."""
    if quick:
        genes, studies, samples = (300,), 4, 20
    bench_screen(list(genes), studies, samples)


@main.command()
@click.option("--target", default="sqlserver", show_default=True, help="Of the dbt profile.")
@click.option("--rows", default=1_000_000, show_default=True)
@click.option("--quick", is_flag=True, help="5,000 rows: does it all run?")
def tds(target: str, rows: int, quick: bool) -> None:
    """Ways to write rows to SQL Server."""
    compare_writes(target, 5_000 if quick else rows)


@main.command()
@click.option("--pairs", default=300_000, show_default=True)
@click.option("--genes", default=20_000, show_default=True)
@click.option("--samples", default=3_600, show_default=True, help="Of 20 studies together.")
@click.option("--seconds", default=60, show_default=True, help="Of load per path.")
@click.option("--quick", is_flag=True, help="1,000 pairs, 3 s: does it all run?")
def api(pairs: int, genes: int, samples: int, seconds: int, quick: bool) -> None:
    """The REST API and its pages at 20 requests per second, beside a bare service."""
    if quick:
        pairs, genes, samples, seconds = 1_000, 200, 1_200, 3
    bench_api(pairs, genes, samples, seconds)


@main.command()
@click.option("--studies", multiple=True, default=[10, 100, 1_000], show_default=True)
@click.option("--genes", default=40, show_default=True)
@click.option("--samples", default=20, show_default=True, help="Of each of the three cohorts.")
@click.option("--quick", is_flag=True, help="Three and six studies: does it all run?")
def scale(studies: tuple[int, ...], genes: int, samples: int, quick: bool) -> None:
    """What the next study costs, and what queries take, as the warehouse grows."""
    ratios = bench_scale([3, 6] if quick else list(studies), genes, samples)
    if not quick:
        keep("scale", ratios)


main(prog_name="python -m bench")
