from expression_warehouse.cli import main

if __name__ == "__main__":
    main(prog_name="expression-warehouse")
