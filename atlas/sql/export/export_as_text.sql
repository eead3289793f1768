-- Return the query of an export with times formatted for CSV and, if wanted, formulas escaped. A spreadsheet reads a text
-- as a formula if it starts with one of these signs or its full-width form, so such a text gets an apostrophe in front; so
-- does a text that starts with an apostrophe, and removing one restores the text.
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
