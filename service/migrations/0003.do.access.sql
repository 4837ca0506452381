-- Who may do what. Only the hash of a token's secret is kept; a name is never given again, since changes and
-- idempotency keys are told apart by it.
create table tokens (
  id             text        primary key,
  name           text        collate "C" not null unique,
  role           text        not null check (role in ('reader', 'editor', 'admin')),
  application_id uuid,       -- the only application it is for; null: all
  secret_hash    bytea       not null,   -- SHA-256
  created_at     timestamptz not null default now(),
  created_by     text        not null,
  expires_at     timestamptz,
  revoked_at     timestamptz
);

-- One row whose number grows with every change of the tokens: what every replica asks for.
create table access_state (
  singleton boolean primary key default true check (singleton),
  version   bigint  not null default 0
);
insert into access_state default values;
