-- Sessions, their items, saved run states and the approvals that they wait for.
--
-- Documents are text: JSON with every character outside ASCII escaped. The jsonb type would
-- reorder keys, rewrite numbers, and refuse NUL and lone surrogates, all of which models produce.
-- What people ask for in SQL has a column of its own.

-- A session is a conversation. Its row is also the lock that puts writers of one session in order.
create table timestep.sessions (
  session_id text primary key,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- One row per conversation item, in the order of item_id. The document is the item as the
-- Responses API takes it. (append_key, append_position) makes an append that is sent twice one.
create table timestep.session_items (
  session_id text not null references timestep.sessions on delete cascade,
  item_id bigint generated always as identity,
  append_key text not null,
  append_position integer not null,
  written_by uuid, -- the claim under which a resumed run wrote it
  type text not null,
  role text,
  call_id text,
  document text not null,
  created_at timestamptz not null default now(),
  primary key (session_id, item_id),
  unique (session_id, append_key, append_position)
);

create index session_items_written_by on timestep.session_items (written_by)
  where written_by is not null;

-- One row per saved version of a paused run: saved -> claimed -> done. See timestep.claim_run_state_v1.
create table timestep.run_states (
  session_id text not null references timestep.sessions on delete cascade,
  version bigint not null,
  status text not null default 'saved' check (status in ('saved', 'claimed', 'done')),
  -- the run, for SQL
  run_status text not null check (run_status in ('interrupted', 'run_again', 'terminal')),
  agent text not null,
  turn integer not null,
  requests bigint not null,
  input_tokens bigint not null,
  output_tokens bigint not null,
  total_tokens bigint not null,
  -- the document that either language reads, or why there is none
  envelope text,
  not_portable_reason text,
  -- the writer's own form
  native text not null,
  writer_language text not null check (writer_language in ('python', 'typescript')),
  writer_sdk_version text not null,
  native_schema_version text not null,
  sha256 text not null, -- of native: the same state saved twice is one version
  -- who is resuming it
  claim_token uuid,
  claim_expires_at timestamptz,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  primary key (session_id, version),
  check (envelope is not null or not_portable_reason is not null),
  check ((status = 'claimed') = (claim_token is not null and claim_expires_at is not null))
);

-- One row per call that a saved version waits for, or had decided when it was saved.
create table timestep.approvals (
  approval_id uuid primary key default gen_random_uuid(),
  session_id text not null,
  version bigint not null,
  position integer not null,
  kind text not null check (kind in ('function', 'hosted_mcp', 'other')),
  agent text not null,
  tool text not null,
  call_id text,
  arguments text not null,
  arguments_sha256 text not null,
  status text not null check (status in ('pending', 'approved', 'rejected', 'superseded')),
  message text,
  created_at timestamptz not null default now(),
  decided_at timestamptz,
  unique (session_id, version, position),
  foreign key (session_id, version) references timestep.run_states on delete cascade
);

create index approvals_pending on timestep.approvals (created_at) where status = 'pending';

-- Make the session if it is new and hold its row until the transaction ends, so that two
-- writers of one session never interleave.
create function timestep.lock_session_v1(p_session_id text) returns void
language sql as $$
  insert into timestep.sessions (session_id) values (p_session_id)
  on conflict (session_id) do update set updated_at = now();
$$;

-- Append items. Sent again with the same key, it adds nothing. Under a claim (p_written_by) that
-- was lost to another process it fails, so that a process that was thought dead writes nothing.
create function timestep.append_session_items_v1(
  p_session_id text, p_append_key text, p_written_by uuid,
  p_documents text[], p_types text[], p_roles text[], p_call_ids text[]
) returns boolean
language plpgsql as $$
begin
  perform timestep.lock_session_v1(p_session_id);
  if p_written_by is not null then
    perform from timestep.run_states
      where claim_token = p_written_by and status = 'claimed' for share;
    if not found then
      return false;
    end if;
  end if;
  insert into timestep.session_items
    (session_id, append_key, append_position, written_by, document, type, role, call_id)
  select p_session_id, p_append_key, position, p_written_by, document, type, role, call_id
    from unnest(p_documents, p_types, p_roles, p_call_ids) with ordinality
      as item (document, type, role, call_id, position)
    order by position
  on conflict (session_id, append_key, append_position) do nothing;
  return true;
end $$;

create index run_states_claimed on timestep.run_states (claim_token) where status = 'claimed';

-- Take the newest item away and return it.
create function timestep.pop_session_item_v1(p_session_id text) returns setof text
language plpgsql as $$
begin
  perform timestep.lock_session_v1(p_session_id);
  return query
    delete from timestep.session_items
      where session_id = p_session_id and item_id = (
        select max(item_id) from timestep.session_items where session_id = p_session_id)
      returning document;
end $$;

-- Save a version after the one that the writer knows, and close the older ones.
--   p_expected  the version that the state was loaded from or last saved as; null for a new run
--   p_token     the claim that the writer holds, or null
--   p_keep      true while the run goes on under that claim: the new version is claimed too
-- Returns the version, or no version and the reason:
--   moved    another version was saved since, or the version is gone
--   claimed  another process is resuming the run right now
--   done     the version was resumed and has ended
create function timestep.save_run_state_v1(
  p_session_id text, p_expected bigint, p_token uuid, p_keep boolean,
  p_run_status text, p_agent text, p_turn integer,
  p_requests bigint, p_input_tokens bigint, p_output_tokens bigint, p_total_tokens bigint,
  p_envelope text, p_not_portable_reason text, p_native text,
  p_writer_language text, p_writer_sdk_version text, p_native_schema_version text, p_sha256 text,
  p_kinds text[], p_agents text[], p_tools text[], p_call_ids text[], p_arguments text[],
  p_arguments_sha256 text[], p_decisions text[], p_messages text[],
  out version bigint, out conflict text
)
language plpgsql as $$
declare
  latest record;
  held boolean;
begin
  perform timestep.lock_session_v1(p_session_id);
  select s.version, s.status, s.turn, s.sha256, s.claim_token, s.claim_expires_at into latest
    from timestep.run_states s where s.session_id = p_session_id
    order by s.version desc limit 1 for update;
  held := latest.status = 'claimed' and latest.claim_token = p_token;

  -- the same state again, for example after a lost answer
  if latest.sha256 = p_sha256 and (p_expected is null or latest.version - p_expected in (0, 1))
     and (latest.status = 'saved' or (held and p_keep)) then
    version := latest.version;
    return;
  end if;

  if latest.status = 'claimed' and not coalesce(held, false) and latest.claim_expires_at > now() then
    conflict := 'claimed';
    return;
  end if;
  if p_expected is not null then
    -- an older snapshot of the run must not take the place of a newer one: calls would run again
    if latest.version is distinct from p_expected or (p_token is not null and held is not true)
       or p_turn < latest.turn then
      conflict := 'moved';
      return;
    end if;
    if latest.status = 'done' then
      conflict := 'done';
      return;
    end if;
  end if;

  update timestep.run_states s
    set status = 'done', claim_token = null, claim_expires_at = null, finished_at = now()
    where s.session_id = p_session_id and s.status <> 'done';
  update timestep.approvals a set status = 'superseded'
    where a.session_id = p_session_id and a.status = 'pending';

  version := coalesce(latest.version, 0) + 1;
  insert into timestep.run_states (
    session_id, version, status, claim_token, claim_expires_at, run_status, agent, turn,
    requests, input_tokens, output_tokens, total_tokens, envelope, not_portable_reason, native,
    writer_language, writer_sdk_version, native_schema_version, sha256)
  values (
    p_session_id, version,
    case when held and p_keep then 'claimed' else 'saved' end,
    case when held and p_keep then p_token end,
    case when held and p_keep then latest.claim_expires_at end,
    p_run_status, p_agent, p_turn,
    p_requests, p_input_tokens, p_output_tokens, p_total_tokens, p_envelope, p_not_portable_reason,
    p_native, p_writer_language, p_writer_sdk_version, p_native_schema_version, p_sha256);
  insert into timestep.approvals (
    session_id, version, position, kind, agent, tool, call_id, arguments, arguments_sha256,
    status, message, decided_at)
  select p_session_id, save_run_state_v1.version, position, kind, agent, tool, call_id, arguments,
      sha256, coalesce(decision, 'pending'), message, case when decision is not null then now() end
    from unnest(p_kinds, p_agents, p_tools, p_call_ids, p_arguments, p_arguments_sha256,
        p_decisions, p_messages) with ordinality
      as pending (kind, agent, tool, call_id, arguments, sha256, decision, message, position);
end $$;

-- Claim the newest version for the process that resumes it, for p_lease_seconds. Of any number
-- that try at once, one gets it. A claim whose lease has run out can be taken over: what the lost
-- process had written to sessions is removed, since the run is resumed from the saved version.
-- Returns true, or false and the reason: missing, moved, claimed or done (see save_run_state_v1).
create function timestep.claim_run_state_v1(
  p_session_id text, p_version bigint, p_token uuid, p_lease_seconds double precision,
  out claimed boolean, out conflict text, out taken_over boolean
)
language plpgsql as $$
declare
  state record;
  newest bigint;
begin
  claimed := false;
  taken_over := false;
  perform timestep.lock_session_v1(p_session_id);
  select s.status, s.claim_token, s.claim_expires_at into state
    from timestep.run_states s
    where s.session_id = p_session_id and s.version = p_version for update;
  if not found then
    conflict := 'missing';
    return;
  end if;
  select max(s.version) into newest from timestep.run_states s where s.session_id = p_session_id;
  if newest <> p_version then
    conflict := 'moved';
    return;
  end if;
  if state.status = 'done' then
    conflict := 'done';
    return;
  end if;
  if state.status = 'claimed' then
    if state.claim_expires_at > now() then
      conflict := 'claimed';
      return;
    end if;
    delete from timestep.session_items where written_by = state.claim_token;
    taken_over := true;
  end if;
  update timestep.run_states s
    set status = 'claimed', claim_token = p_token,
        claim_expires_at = now() + make_interval(secs => p_lease_seconds)
    where s.session_id = p_session_id and s.version = p_version;
  claimed := true;
end $$;

-- Hold a claim for another p_lease_seconds. False: it was lost.
create function timestep.renew_run_state_claim_v1(p_token uuid, p_lease_seconds double precision)
returns boolean
language sql as $$
  with renewed as (
    update timestep.run_states
      set claim_expires_at = now() + make_interval(secs => p_lease_seconds)
      where claim_token = p_token and status = 'claimed'
      returning 1)
  select exists (select from renewed);
$$;

-- End a claim: the run has finished (p_status 'done'), or nothing was done under the claim and
-- the version waits again ('saved'). False: the claim was lost.
create function timestep.end_run_state_claim_v1(p_token uuid, p_status text) returns boolean
language sql as $$
  with ended as (
    update timestep.run_states
      set status = p_status, claim_token = null, claim_expires_at = null,
          finished_at = case when p_status = 'done' then now() end
      where claim_token = p_token and status = 'claimed'
      returning session_id, version),
  closed as (
    update timestep.approvals a set status = 'superseded' from ended e
      where p_status = 'done' and a.session_id = e.session_id and a.version = e.version
        and a.status = 'pending')
  select exists (select from ended);
$$;

-- Note what a person decided on the calls of a version. The first decision on a call stays.
create function timestep.record_decisions_v1(
  p_session_id text, p_version bigint, p_positions integer[], p_decisions text[], p_messages text[]
) returns void
language sql as $$
  update timestep.approvals a
    set status = d.decision, message = d.message, decided_at = now()
    from unnest(p_positions, p_decisions, p_messages) as d (position, decision, message)
    where a.session_id = p_session_id and a.version = p_version
      and a.position = d.position and a.status = 'pending';
$$;
