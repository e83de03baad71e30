-- Whether role $1 lacks one of the privileges $4 ('select, insert') on the
-- relation $2, for one of the columns $5 unless that is empty, or on the schema
-- $2 where $3 says so.
select not case
  when $3::boolean then has_schema_privilege($1::name, $2::text, $4::text)
  when $5::text <> '' then (
    select bool_and(has_column_privilege($1::name, to_regclass($2::text), trim(c), $4::text)) from unnest(string_to_array($5, ',')) as c)
  else (
    select bool_and(has_table_privilege($1::name, to_regclass($2::text), trim(p))) from unnest(string_to_array($4, ',')) as p)
end
