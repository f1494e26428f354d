"""`python -m loader`."""

# The first import, so that signals are handled while the rest is imported.
from expression_warehouse.core.signals import run_command_line


def _load():
    from loader.cli import main

    return main


if __name__ == "__main__":
    run_command_line(_load, "python -m loader")
