-- +goose Up

-- How the commands of a job came out: those whose metadata names one ("job").
-- One row for each outcome that the job has had, counted in the transaction that
-- decides. Commands that name no job cost nothing.
create table connect_provider.job_outcomes (
  org_token        text        not null,
  job              text        not null check (job <> ''),
  -- connected, unchanged, or the failure code
  code             text        not null,
  commands         bigint      not null check (commands > 0),
  first_decided_at timestamptz not null,
  last_decided_at  timestamptz not null,
  primary key (org_token, job, code)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
