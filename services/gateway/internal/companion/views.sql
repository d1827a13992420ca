CREATE SCHEMA information;

CREATE VIEW information.schemata AS
SELECT current_database() AS catalog_name, current_database() AS schema_name;

CREATE VIEW information.tables AS
SELECT database_name AS table_catalog, database_name AS table_schema, table_name, 'BASE TABLE' AS table_type, estimated_size AS table_rows,
    coalesce(comment, '') AS table_comment
FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT starts_with(table_name, '__duckling_');

CREATE VIEW information.columns AS
SELECT database_name AS table_catalog, database_name AS table_schema, table_name, column_name, column_index AS ordinal_position, column_default,
    CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END AS is_nullable, data_type, character_maximum_length, numeric_precision, numeric_scale,
    coalesce(comment, '') AS column_comment
FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT starts_with(table_name, '__duckling_');
