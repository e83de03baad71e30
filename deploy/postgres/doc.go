// Package postgres holds what sets PostgreSQL up, beside the migrations: the
// roles that a superuser makes (roles.sql), and, for the containers of
// docker-compose.yml, the logins with their passwords (logins.sh), the server's
// start (start.sh), and who may connect where TLS is on (tls/pg_hba.conf).
//
// What the roles may do stands in deploy/migrations/grants.sql. The tests of
// this package hold it against a real server: a worker lives its whole life
// under its role, every other right is tried and refused, and each right that
// is taken away, or widened, makes one of these checks fail.
package postgres
