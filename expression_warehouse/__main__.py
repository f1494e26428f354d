"""`python -m expression_warehouse`, and the console script `expression-warehouse`."""

# The first import, so that signals are handled while the rest is imported.
from expression_warehouse.core.signals import run_command_line


def main() -> None:
    """Run the command line of all commands, and exit."""

    def load():
        from expression_warehouse.cli import main as commands

        return commands

    run_command_line(load, "expression-warehouse")


if __name__ == "__main__":
    main()
