-- The one way into the store: commit_changes() takes a batch of changes and decides them one after the
-- other under the lock of the head, so that one fsync serves many writers. A refused change takes no
-- revision and leaves the others alone.

create type change_request as (
  change_id             uuid,
  author                text,
  message               text,
  trace_id              text,
  traceparent           text,
  idempotency_caller    text,
  idempotency_key       text,
  request_hash          text,
  kind                  text,     -- application, configuration
  operation             text,     -- create, put, update, rollback, delete
  new_id                uuid,     -- for create and put
  target_id             uuid,     -- either the id ...
  target_application    text,     -- ... or the names; for create only the application's
  target_name           text,
  application_id        uuid,     -- what the body says the application is; may not differ
  application_name      text,
  base_version          integer,  -- what the change was made from; another one answers `moved`
  if_match              integer[],
  if_match_any          boolean,
  if_none_match         boolean,
  name                  text,
  description           text,
  owner                 text,
  visibility            text,
  labels                json,
  values                json,
  schema                json,
  links                 json,
  abstract              boolean,
  parent_ids            uuid[],   -- three arrays of one length: an id, or an application and a name
  parent_applications   text[],
  parent_names          text[]
);

create type change_result as (
  change_id      uuid,
  outcome        text,     -- committed, unchanged, replayed, refused, abandoned
  reason         text,     -- of a refusal
  detail         json,
  kind           text,
  operation      text,
  id             uuid,
  reference      text,
  application_id uuid,
  content        json,
  version        integer,
  revision       bigint,
  created_at     timestamptz,
  updated_at     timestamptz,
  updated_by     text,
  head           bigint,
  epoch          text
);

-- What can be written of an application.
create function application_content(a applications) returns json
language sql stable as $$
  select row_to_json(c) from (select a.name, a.description, a.owner, a.labels, a.visibility) c
$$;

create function parent_reference(id uuid, reference text) returns json
language sql immutable as $$
  select row_to_json(p) from (select id, reference) p
$$;

-- The parents of a configuration: [{"id": ..., "reference": "application:name"}], in the order listed.
create function parents_of(configuration uuid) returns json
language sql stable as $$
  select coalesce(json_agg(parent_reference(p.id, pa.name || ':' || p.name) order by e.position), '[]')
  from configuration_parents e
  join configurations p on p.id = e.parent_id
  join applications pa on pa.id = p.application_id
  where e.configuration_id = configuration
$$;

-- What can be written of a configuration.
create function configuration_content(c configurations, parents json) returns json
language sql stable as $$
  select row_to_json(x) from (
    select c.name, c.description, c.values, c.schema, parents as extends, c.links, c.labels, c.abstract
  ) x
$$;

-- The same without values and schema, for lists.
create function configuration_summary(c configurations, parents json) returns json
language sql stable as $$
  select row_to_json(x) from (
    select c.name, c.description, parents as extends, c.links, c.labels, c.abstract
  ) x
$$;

create function refused(request change_request, why text, detail json default null) returns change_result
language plpgsql immutable as $$
declare
  result change_result;
begin
  result.change_id := request.change_id;
  result.outcome := 'refused';
  result.reason := why;
  result.detail := detail;
  return result;
end $$;

-- Why an object that was asked for by its id is not there.
create function missing(request change_request) returns change_result
language sql stable as $$
  select refused(request, case
    when exists (select from versions v where v.object_id = request.target_id and v.kind::text = request.kind)
    then 'deleted' else 'not-found' end)
$$;

-- Preconditions against the current version; null when they hold.
create function unmet(request change_request, current_version integer) returns change_result
language plpgsql immutable as $$
begin
  if request.if_none_match
     or (request.if_match is not null and current_version <> all (request.if_match)) then
    return refused(request, 'stale-version', json_build_object('current_version', current_version));
  end if;
  if request.base_version <> current_version then
    return refused(request, 'moved');
  end if;
  return null;
end $$;

-- An object as it was at a version, as the answer of the change that made it.
create function result_at(object uuid, at_version integer) returns change_result
language plpgsql stable as $$
declare
  result change_result;
begin
  select v.kind, v.operation, v.object_id, v.reference, v.application_id, v.content, v.version, v.revision,
         (select r.committed_at from versions f join revisions r using (revision)
           where f.object_id = object and f.version = 1),
         r.committed_at, r.author, r.change_id
    into result.kind, result.operation, result.id, result.reference, result.application_id, result.content,
         result.version, result.revision, result.created_at, result.updated_at, result.updated_by, result.change_id
    from versions v join revisions r using (revision)
   where v.object_id = object and v.version = at_version;
  return result;
end $$;

create function decide_application(request change_request, next_revision bigint, at timestamptz) returns change_result
language plpgsql as $$
declare
  current  applications;
  result   change_result;
  creates  boolean := request.operation = 'create';
  new_name text := request.name;
  n        bigint;
begin
  if not creates then
    if request.target_id is not null then
      select * into current from applications a where a.id = request.target_id;
      if not found then return refused(request, 'missing'); end if;
    else
      select * into current from applications a where a.name = request.target_application;
      if not found then
        if request.operation <> 'put' then return refused(request, 'not-found'); end if;
        if request.if_match_any or request.if_match is not null then return refused(request, 'stale-version'); end if;
        if coalesce(new_name, request.target_application) <> request.target_application then return refused(request, 'name-differs'); end if;
        new_name := request.target_application;
        creates := true;
      end if;
    end if;
  end if;

  result.change_id := request.change_id;
  result.kind := 'application';
  result.outcome := 'committed';

  if creates then
    if exists (select from applications a where a.name = new_name) then return refused(request, 'name-taken'); end if;
    result.operation := 'create';
    insert into applications values (request.new_id, new_name, request.description, request.owner, request.labels,
                                     request.visibility, 1, next_revision, at, at, request.author)
      returning * into current;
  else
    result := unmet(request, current.version);
    if result.outcome is not null then return result; end if;
    new_name := coalesce(new_name, current.name);
    result.change_id := request.change_id;
    result.kind := 'application';
    result.outcome := 'committed';

    if request.operation = 'delete' then
      select count(*) into n from configurations c where c.application_id = current.id;
      if n > 0 then return refused(request, 'application-not-empty', json_build_object('configurations_count', n)); end if;
      delete from applications a where a.id = current.id;
      result.operation := 'delete';
      current.version := current.version + 1;
      current.revision := next_revision;
      current.updated_at := at;
      current.updated_by := request.author;
    elsif (current.name, current.description, current.owner, current.labels::text, current.visibility)
        = (new_name, request.description, request.owner, request.labels::text, request.visibility) then
      result.outcome := 'unchanged';
    else
      if current.name <> new_name and exists (select from applications a where a.name = new_name) then
        return refused(request, 'name-taken');
      end if;
      result.operation := case request.operation when 'rollback' then 'rollback' else 'update' end;
      update applications a
         set name = new_name, description = request.description, owner = request.owner, labels = request.labels,
             visibility = request.visibility, version = a.version + 1, revision = next_revision,
             updated_at = at, updated_by = request.author
       where a.id = current.id
      returning * into current;
    end if;
  end if;

  if result.operation is distinct from 'delete' then result.content := application_content(current); end if;
  result.id := current.id;
  result.reference := current.name;
  result.application_id := current.id;
  result.version := current.version;
  result.revision := current.revision;
  result.created_at := current.created_at;
  result.updated_at := current.updated_at;
  result.updated_by := current.updated_by;
  return result;
end $$;

create function decide_configuration(request change_request, next_revision bigint, at timestamptz) returns change_result
language plpgsql as $$
declare
  application   applications;
  current       configurations;
  result        change_result;
  creates       boolean := request.operation = 'create';
  new_name      text := request.name;
  parents       uuid[] := '{}';
  own_parents   uuid[] := '{}';
  parents_json  json := '[]';
  unknown       json;
  dependents    json;
  n             bigint;
  size          integer := octet_length(request.values::text) + coalesce(octet_length(request.schema::text), 0);
begin
  -- which one
  if request.target_id is not null then
    if creates then
      select * into application from applications a where a.id = request.target_id;
      if not found then return refused(request, 'unknown-application'); end if;
    else
      select * into current from configurations c where c.id = request.target_id;
      if not found then return refused(request, 'missing'); end if;
      select * into application from applications a where a.id = current.application_id;
    end if;
  else
    select * into application from applications a where a.name = request.target_application;
    if not found then
      return refused(request, case when creates then 'unknown-application' else 'no-application' end);
    end if;
    if not creates then
      select * into current from configurations c
       where c.application_id = application.id and c.name = request.target_name;
      if not found then
        if request.operation <> 'put' then return refused(request, 'not-found'); end if;
        if request.if_match_any or request.if_match is not null then return refused(request, 'stale-version'); end if;
        if coalesce(new_name, request.target_name) <> request.target_name then return refused(request, 'name-differs'); end if;
        new_name := request.target_name;
        creates := true;
      end if;
    end if;
  end if;
  if request.application_id <> application.id or request.application_name <> application.name then
    return refused(request, 'application-differs');
  end if;

  if not creates then
    result := unmet(request, current.version);
    if result.outcome is not null then return result; end if;
    new_name := coalesce(new_name, current.name);
  end if;
  result.change_id := request.change_id;
  result.kind := 'configuration';
  result.outcome := 'committed';

  if request.operation = 'delete' then
    select count(*) into n from configuration_parents e where e.parent_id = current.id;
    if n > 0 then
      select json_agg(d) into dependents from (
        select c.id, a.name || ':' || c.name as reference
          from configuration_parents e
          join configurations c on c.id = e.configuration_id
          join applications a on a.id = c.application_id
         where e.parent_id = current.id
         order by a.name, c.name limit 100) d;
      return refused(request, 'dependents-exist', json_build_object('dependents', dependents, 'dependents_count', n));
    end if;
    delete from configurations c where c.id = current.id;
    result.operation := 'delete';
    current.version := current.version + 1;
    current.revision := next_revision;
    current.updated_at := at;
    current.updated_by := request.author;
  else
    -- what it extends
    if cardinality(request.parent_ids) > 0 then
      select array_agg(p.id order by i.n),
             json_agg(parent_reference(p.id, p.reference) order by i.n),
             json_agg(i.n - 1 order by i.n) filter (where p.id is null)
        into parents, parents_json, unknown
        from unnest(request.parent_ids, request.parent_applications, request.parent_names)
             with ordinality i(id, application, name, n)
        left join lateral (
          select c.id, a.name || ':' || c.name as reference
            from configurations c join applications a on a.id = c.application_id
           where c.id = i.id
          union all
          select c.id, a.name || ':' || c.name
            from applications a join configurations c on c.application_id = a.id
           where a.name = i.application and c.name = i.name) p on true;
      if unknown is not null then return refused(request, 'unknown-parents', unknown); end if;
      if (select count(distinct p) < cardinality(parents) from unnest(parents) p) then
        return refused(request, 'repeated-parents');
      end if;
    end if;
    if not creates then
      select coalesce(array_agg(e.parent_id order by e.position), '{}') into own_parents
        from configuration_parents e where e.configuration_id = current.id;
    end if;

    if not creates
       and (current.name, current.description, current.values::text, current.links::text, current.labels::text, current.abstract, own_parents)
         = (new_name, request.description, request.values::text, request.links::text, request.labels::text, request.abstract, parents)
       and current.schema::text is not distinct from request.schema::text then
      result.outcome := 'unchanged';
    else
      if (creates or current.name <> new_name)
         and exists (select from configurations c where c.application_id = application.id and c.name = new_name) then
        return refused(request, 'name-taken');
      end if;
      if parents <> own_parents then
        result := ancestry_fault(request, current.id, parents);
        if result.outcome is not null then return result; end if;
        result.change_id := request.change_id;
        result.kind := 'configuration';
        result.outcome := 'committed';
      end if;
      if creates then
        result.operation := 'create';
        insert into configurations values (request.new_id, application.id, new_name, request.description, request.values,
            request.schema, request.links, request.labels, request.abstract, size, 1, next_revision, at, at, request.author)
          returning * into current;
      else
        result.operation := case request.operation when 'rollback' then 'rollback' else 'update' end;
        update configurations c
           set name = new_name, description = request.description, values = request.values, schema = request.schema,
               links = request.links, labels = request.labels, abstract = request.abstract, size_bytes = size,
               version = c.version + 1, revision = next_revision, updated_at = at, updated_by = request.author
         where c.id = current.id
        returning * into current;
      end if;
      if parents <> own_parents then
        delete from configuration_parents e where e.configuration_id = current.id;
        insert into configuration_parents
          select current.id, p.n - 1, p.id from unnest(parents) with ordinality p(id, n);
      end if;
    end if;
    result.content := configuration_content(current, parents_json);
  end if;

  result.id := current.id;
  result.reference := application.name || ':' || current.name;
  result.application_id := application.id;
  result.version := current.version;
  result.revision := current.revision;
  result.created_at := current.created_at;
  result.updated_at := current.updated_at;
  result.updated_by := current.updated_by;
  return result;
end $$;

-- A refusal when the new parents would close a cycle (with the edges that a reader can walk to spell it
-- out) or bring more than 1,000 ancestors; null otherwise. `self` is null for a new configuration.
create function ancestry_fault(request change_request, self uuid, parents uuid[]) returns change_result
language plpgsql stable as $$
declare
  ancestors uuid[];
  edges     json;
begin
  with recursive up(id) as (
    select unnest(parents)
    union
    select e.parent_id from up join configuration_parents e on e.configuration_id = up.id
     where up.id is distinct from self
  )
  select array_agg(id) into ancestors from (select id from up limit 1002) few;

  if self = any (ancestors) then
    with node as (
      select c.id, a.name || ':' || c.name as reference
        from configurations c join applications a on a.id = c.application_id
       where c.id = any (ancestors)
    )
    select json_agg(json_build_array(child.reference, parent.reference)) into edges
      from (select e.configuration_id, e.parent_id from configuration_parents e
             where e.configuration_id = any (ancestors) and e.configuration_id <> self
            union all
            select self, p from unnest(parents) p) e
      join node child on child.id = e.configuration_id
      join node parent on parent.id = e.parent_id;
    return refused(request, 'circular-dependency', json_build_object(
      'edges', edges,
      'self', (select a.name || ':' || c.name from configurations c join applications a on a.id = c.application_id where c.id = self)));
  end if;
  if cardinality(ancestors) > 1000 then return refused(request, 'too-many-ancestors'); end if;
  return null;
end $$;

-- Decides a batch, in order, each change seeing those before it. `requests` is an array of change_request.
-- The rows of history are gathered and inserted together, at the latest before somebody reads them.
create function commit_changes(requests json) returns setof change_result
language plpgsql as $$
declare
  head      store;
  started   bigint;
  at        timestamptz;
  request   change_request;
  result    change_result;
  stored    idempotency_keys;
  changes   revisions[] := '{}';
  history   versions[] := '{}';
begin
  select * into head from store for update;
  started := head.revision;
  -- never before the last change, wherever the clock has gone
  at := greatest(date_trunc('milliseconds', clock_timestamp()), head.changed_at);

  for request in select * from json_populate_recordset(null::change_request, requests) loop
    stored := null;
    if request.idempotency_key is not null then
      select * into stored from idempotency_keys k
       where k.caller = request.idempotency_caller and k.key = request.idempotency_key
         and k.created_at > at - interval '24 hours';
    end if;

    if exists (select from abandoned_changes a where a.change_id = request.change_id) then
      result := refused(request, 'abandoned');
    elsif stored.key is not null and stored.request_hash <> request.request_hash then
      result := refused(request, 'idempotency-key-reused');
    elsif stored.key is not null then
      perform write_history(changes, history);
      changes := '{}';
      history := '{}';
      result := result_at(stored.object_id, stored.version);
      result.change_id := request.change_id;
      result.outcome := 'replayed';
    else
      if request.kind = 'application' then
        result := decide_application(request, head.revision + 1, at);
      else
        result := decide_configuration(request, head.revision + 1, at);
      end if;
      if result.reason = 'missing' then
        perform write_history(changes, history);
        changes := '{}';
        history := '{}';
        result := missing(request);
      elsif result.outcome = 'committed' then
        head.revision := head.revision + 1;
        changes := changes || row(head.revision, request.change_id, at, request.author, request.message,
                                  request.trace_id, request.traceparent)::revisions;
        history := history || row(result.id, result.version, result.kind, head.revision, result.operation,
                                  result.application_id, result.reference, result.content)::versions;
      end if;
      if request.idempotency_key is not null and result.outcome in ('committed', 'unchanged') then
        insert into idempotency_keys as k values (request.idempotency_caller, request.idempotency_key,
            request.request_hash, result.id, result.version, head.revision, at)
          on conflict (caller, key) do update
             set request_hash = excluded.request_hash, object_id = excluded.object_id, version = excluded.version,
                 head = excluded.head, created_at = excluded.created_at;
      end if;
    end if;
    -- a replay says what the first answer said
    result.head := case when result.outcome = 'replayed' then stored.head else head.revision end;
    result.epoch := head.epoch;
    return next result;
  end loop;

  perform write_history(changes, history);
  if head.revision > started then
    update store set revision = head.revision, changed_at = at;
    perform pg_notify('config_service', head.epoch || '.' || head.revision);
  end if;
end $$;

create function write_history(changes revisions[], history versions[]) returns void
language plpgsql as $$
begin
  insert into revisions select c.* from unnest(changes) c;
  insert into versions select v.* from unnest(history) v;
end $$;

-- The answer of an idempotency key that is known, to be given again; no row when it is not.
create function replay(for_caller text, for_key text, hash text) returns setof change_result
language plpgsql stable as $$
declare
  stored idempotency_keys;
  result change_result;
begin
  select * into stored from idempotency_keys k
   where k.caller = for_caller and k.key = for_key and k.created_at > now() - interval '24 hours';
  if not found then return; end if;
  if stored.request_hash <> hash then
    result.outcome := 'refused';
    result.reason := 'idempotency-key-reused';
  else
    result := result_at(stored.object_id, stored.version);
    result.outcome := 'replayed';
  end if;
  result.head := stored.head;
  result.epoch := (select s.epoch from store s);
  return next result;
end $$;

-- For changes whose connection was lost: which of them are in the store. The others are abandoned for good.
-- Waits for a commit that is still under way, since that holds the lock of the head.
create function settle_changes(ids uuid[]) returns setof change_result
language plpgsql as $$
declare
  head   store;
  lost   uuid;
  result change_result;
  found_version versions;
begin
  select * into head from store for update;
  foreach lost in array ids loop
    select v.* into found_version from revisions r join versions v using (revision) where r.change_id = lost;
    if found then
      result := result_at(found_version.object_id, found_version.version);
      result.outcome := 'committed';
      result.head := result.revision;
    else
      insert into abandoned_changes (change_id) values (lost) on conflict do nothing;
      result := null;
      result.change_id := lost;
      result.outcome := 'abandoned';
      result.head := head.revision;
    end if;
    result.epoch := head.epoch;
    return next result;
  end loop;
end $$;
