#!/bin/sh
# Makes the roles of roles.sql, and a login for each with the password from its
# file. May run any number of times: a password whose file was replaced is set.
# The connection is that of the PG* variables, as superuser.
set -eu
here=$(dirname "$0")
PGPASSWORD=$(cat /run/secrets/postgres/password)
export PGPASSWORD

run() { psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 "$@"; }

run --file "$here/roles.sql"
run <<'SQL'
select format('revoke connect, temporary on database %I from public', current_database()) \gexec
SQL

for login in migrate worker gateway reader operator; do
  PASSWORD_FILE=/run/secrets/$login/database.password
  export PASSWORD_FILE
  run --set login="$login" --set role="connect_provider_$login" <<'SQL'
-- the server's log must not tell the password
set log_statement = 'none';
set log_min_duration_statement = -1;
set log_min_error_statement = 'panic';
\set password `cat "$PASSWORD_FILE"`
select :'password' = '' as missing \gset
\if :missing
  \warn 'no password for' :login
  select 1/0;
\endif
select format('create role %I', :'login') where not exists (select from pg_roles where rolname = :'login') \gexec
alter role :"login" login nosuperuser nocreatedb nocreaterole noreplication password :'password';
grant :"role" to :"login";
SQL
done

# What the migration makes belongs to its role, whoever logs in.
run --command 'alter role migrate set role = connect_provider_migrate'
echo "The database roles and their logins are there."
