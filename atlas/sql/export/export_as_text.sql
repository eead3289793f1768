-- The query of an export with its times, and if wanted its texts, as they stand in a CSV file. A spreadsheet takes a text
-- for a formula that begins with one of these signs, in their wide forms too; the mark itself is marked as well, so that
-- taking away one mark gives the text back.
-- $1 query, $2 the names of its columns, $3 their types, $4 whether formulas are escaped
SELECT format(
    'SELECT %s FROM (%s) AS exported',
    string_agg(
        CASE
            WHEN type = 'timestamptz'
                THEN format('to_char(%1$I AT TIME ZONE ''UTC'', ''YYYY-MM-DD"T"HH24:MI:SS.US"Z"'') AS %1$I', name)
            WHEN $4::boolean AND type IN ('text', 'json', 'jsonb')
                THEN format(
                    E'regexp_replace(%1$I::text, %2$L, '''''''') AS %1$I', name, E'^(?=[-=+@\t\r\n''\uFF1D\uFF0B\uFF0D\uFF20])'
                )
            ELSE format('%I', name)
        END,
        ', ' ORDER BY place
    ),
    $1::text || E'\n'
) AS query
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS exported (name, type, place)
