-- The truth: applications, configurations, and every version of either.
-- Names sort by byte in every database, whatever its locale, so that cursors mean the same everywhere.

-- One row: the head of the store. Whoever commits holds its lock, so the order of revisions is the order of commit.
create table store (
  singleton  boolean     primary key default true check (singleton),
  epoch      text        not null,
  revision   bigint      not null default 0,
  changed_at timestamptz not null default '-infinity'
);
insert into store (epoch) values (left(replace(gen_random_uuid()::text, '-', ''), 8));

create table applications (
  id          uuid        primary key,
  name        text        collate "C" not null unique,
  description text        not null,
  owner       text        not null,
  labels      json        not null,
  visibility  text        not null check (visibility in ('private', 'shared')),
  version     integer     not null,
  revision    bigint      not null,
  created_at  timestamptz not null,
  updated_at  timestamptz not null,
  updated_by  text        not null
);
create index applications_labels on applications using gin ((labels::jsonb));

-- Values, schema and links are `json`, not `jsonb`: the text is kept as it was sent, key order included.
create table configurations (
  id             uuid        primary key,
  application_id uuid        not null references applications,
  name           text        collate "C" not null,
  description    text        not null,
  values         json        not null,
  schema         json,
  links          json        not null,
  labels         json        not null,
  abstract       boolean     not null,
  size_bytes     integer     not null,   -- of values and schema, so that lists can end before they are too large
  version        integer     not null,
  revision       bigint      not null,
  created_at     timestamptz not null,
  updated_at     timestamptz not null,
  updated_by     text        not null,
  unique (application_id, name)
);
create index configurations_labels on configurations using gin ((labels::jsonb));

-- What a configuration extends, in the order listed. A configuration that others extend cannot vanish.
create table configuration_parents (
  configuration_id uuid     not null references configurations on delete cascade,
  position         smallint not null,
  parent_id        uuid     not null references configurations,
  primary key (configuration_id, position),
  unique (parent_id, configuration_id)
);

-- One row for each change: who, why, when, under which trace. Consecutive, without gaps.
create table revisions (
  revision     bigint      primary key,
  change_id    uuid        not null unique,
  committed_at timestamptz not null,
  author       text        not null,
  message      text,
  trace_id     text,
  traceparent  text
);

-- Enumerations: a check constraint would be read and planned again with every insert.
create type object_kind as enum ('application', 'configuration');
create type version_operation as enum ('create', 'update', 'rollback', 'delete');

-- Every version of every object; outlives the object. `content` is what can be written, as it read then;
-- null for a deletion.
create table versions (
  object_id      uuid              not null,
  version        integer           not null,
  kind           object_kind       not null,
  revision       bigint            not null,
  operation      version_operation not null,
  application_id uuid              not null,
  reference      text              not null,
  content        json,
  primary key (object_id, version)
);
create index versions_revision on versions (revision);

-- The answer to a POST with an Idempotency-Key is the object at this version; kept for 24 hours.
create table idempotency_keys (
  caller       text        not null,
  key          text        not null,
  request_hash text        not null,
  object_id    uuid        not null,
  version      integer     not null,
  head         bigint      not null,
  created_at   timestamptz not null,
  primary key (caller, key)
);
create index idempotency_keys_created_at on idempotency_keys (created_at);

-- Changes whose connection was lost and that were found not to be committed. Should such a change still
-- arrive late, it is refused: its caller has been told that it did not happen.
create table abandoned_changes (
  change_id    uuid        primary key,
  abandoned_at timestamptz not null default now()
);
