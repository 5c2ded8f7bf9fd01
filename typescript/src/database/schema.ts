// Written by tools/generate.py from spec/schema/: change the SQL there.

export const SCHEMA = [
  {
    file: '0001_sessions_and_run_states.sql',
    sql: `-- Sessions, their items, saved run states and the approvals that they wait for.
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
`,
  },
  {
    file: '0002_durable_runs.sql',
    sql: `-- Durable runs: who executes them, what they have done, what they wait for. See spec/durable-runs.md.
--
-- Every rule that must hold while several processes act at once is a function here, so that it
-- exists once for both languages. Times are those of the database's clock.

-- What is known of an agent, one row per language that has it. Agents are code: this is for reading.
create table timestep.agents (
  name text not null,
  language text not null check (language in ('python', 'typescript')),
  definition text not null, -- JSON, see spec/durable-runs.md
  sha256 text not null,     -- of definition
  module text,              -- where Python imports it from: module:attribute
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (name, language)
);

-- One row per process that executes runs. It is alive until alive_until, and promises to stop
-- writing by then unless it has moved that time on.
create table timestep.executors (
  instance uuid primary key,
  executor_id text not null,
  application text not null,
  language text not null check (language in ('python', 'typescript')),
  host text not null,
  pid integer not null,
  started_at timestamptz not null default now(),
  alive_until timestamptz not null,
  stopped_at timestamptz
);

create index executors_by_id on timestep.executors (application, executor_id);

-- One row per durable run.
create table timestep.runs (
  run_id text primary key,
  agent text not null,
  session_id text,
  status text not null default 'pending' check (
    status in ('pending', 'running', 'interrupted', 'completed', 'failed', 'cancelled')),
  language text not null check (language in ('python', 'typescript')), -- of the last executor, or asked for
  epoch bigint not null default 0,    -- grows with every change of hands; writes name theirs
  segment integer not null default 0, -- grows with every resume after a pause
  owner uuid,                         -- executors.instance; null: nobody
  workflow_id text,                   -- the DBOS workflow that executed it last
  input text not null,                -- JSON: a text or wire items
  input_sha256 text not null,
  options text not null default '{}', -- JSON, see spec/durable-runs.md
  output text,                        -- JSON
  error_type text,
  error text,
  queue_name text,
  schedule text,                      -- name of the schedule whose tick this is
  -- the saved state of a pause
  state_session_id text,
  state_version bigint,
  session_items integer not null default 0, -- how many items the run had added to its session by then
  -- filled in when the run pauses or ends
  turns integer not null default 0,
  requests bigint not null default 0,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  total_tokens bigint not null default 0,
  deadline_at timestamptz,
  seconds_left double precision,      -- of the deadline, while the run is paused
  created_at timestamptz not null default now(),
  started_at timestamptz,
  updated_at timestamptz not null default now(),
  finished_at timestamptz
);

create index runs_live on timestep.runs (status, owner) where status in ('pending', 'running');
create index runs_by_time on timestep.runs (created_at);
create index runs_by_session on timestep.runs (session_id) where session_id is not null;

-- The journal: one row per model call and tool call of a run. Keys are names, never positions.
create table timestep.steps (
  run_id text not null references timestep.runs on delete cascade,
  key text not null,
  kind text not null check (kind in ('model', 'tool', 'session')),
  status text not null check (status in ('started', 'done', 'unknown')),
  agent text not null,
  name text not null,        -- of the model or the tool
  call_id text,              -- tools
  arguments text,            -- tools: what the tool was called with, after a person's edit
  body text,                 -- JSON: the result; null while only started
  input_tokens bigint,
  output_tokens bigint,
  total_tokens bigint,
  epoch bigint not null,
  segment integer not null,
  language text not null check (language in ('python', 'typescript')),
  started_at timestamptz,
  finished_at timestamptz,
  primary key (run_id, key)
);

-- Approvals of durable runs, and what a person may add to a decision.
alter table timestep.approvals
  add column run_id text references timestep.runs on delete cascade,
  add column arguments_used text, -- what the person put in place of arguments
  add column always boolean not null default false,
  add column decided_by text,
  add column expires_at timestamptz,
  drop constraint approvals_status_check,
  add constraint approvals_status_check check (
    status in ('pending', 'approved', 'rejected', 'expired', 'superseded'));

create index approvals_by_run on timestep.approvals (run_id, call_id) where run_id is not null;

-- The run that paused last in a session, so that two paused runs never save over each other.
alter table timestep.sessions add column paused_run text;
alter table timestep.run_states add column run_id text;

create table timestep.schedules (
  name text primary key,
  language text not null check (language in ('python', 'typescript')), -- whose application fires it
  crontab text not null,
  timezone text, -- null: UTC
  agent text not null,
  session_id text,
  input text not null,
  options text not null default '{}',
  queue_name text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table timestep.rate_limits (
  name text primary key, -- a model or a provider
  requests integer check (requests > 0),
  tokens bigint check (tokens > 0),
  per_seconds double precision not null check (per_seconds > 0),
  updated_at timestamptz not null default now(),
  check (requests is not null or tokens is not null)
);

-- The model calls that were given a time, of the last period.
create table timestep.rate_limit_slots (
  slot_id bigint generated always as identity primary key,
  name text not null references timestep.rate_limits on delete cascade,
  slot_at timestamptz not null,
  tokens bigint not null
);

create index rate_limit_slots_by_time on timestep.rate_limit_slots (name, slot_at desc);

-- Prices are the user's to enter: insert one row per model, or per pattern with % and _.
create table timestep.model_prices (
  model text primary key,
  input_per_million numeric not null,
  output_per_million numeric not null,
  currency text not null default 'USD'
);

-- Every tool call of every durable run: those that ran, and those that wait or were turned down.
create view timestep.tool_calls as
  select
    coalesce(s.run_id, a.run_id) as run_id,
    r.session_id,
    coalesce(s.agent, a.agent) as agent,
    coalesce(s.name, a.tool) as tool,
    coalesce(s.call_id, a.call_id) as call_id,
    coalesce(a.arguments, s.arguments) as arguments_asked,
    s.arguments as arguments_used,
    coalesce(s.status, case a.status when 'pending' then 'waiting' else a.status end) as status,
    a.approval_id, a.status as decision, a.decided_by, a.decided_at, a.message,
    s.language, s.started_at, s.finished_at
  from (select * from timestep.steps where kind = 'tool') s
  full join (
    select distinct on (run_id, call_id) * from timestep.approvals
      where run_id is not null and status <> 'superseded'
      order by run_id, call_id, version desc) a
    on a.run_id = s.run_id and a.call_id = s.call_id
  join timestep.runs r on r.run_id = coalesce(s.run_id, a.run_id);

-- Model calls and tokens of durable runs, by run, agent, model and day (UTC).
create view timestep.usage as
  select s.run_id, r.session_id, s.agent, s.name as model,
    (s.finished_at at time zone 'UTC')::date as day,
    count(*) as requests,
    sum(s.input_tokens)::bigint as input_tokens,
    sum(s.output_tokens)::bigint as output_tokens,
    sum(s.total_tokens)::bigint as total_tokens
  from timestep.steps s join timestep.runs r using (run_id)
  where s.kind = 'model' and s.status = 'done'
  group by s.run_id, r.session_id, s.agent, s.name, day;

-- The same with what it cost; cost is null where no price is entered. The longest pattern counts.
create view timestep.costs as
  select u.*,
    (u.input_tokens * p.input_per_million + u.output_tokens * p.output_per_million) / 1000000 as cost,
    p.currency
  from timestep.usage u
  left join lateral (
    select * from timestep.model_prices p
      where u.model = p.model or u.model like p.model
      order by u.model = p.model desc, length(p.model) desc limit 1) p on true;

-- Say that this process executes runs, and that older processes of the same name are gone.
create function timestep.register_executor_v1(
  p_instance uuid, p_executor_id text, p_application text, p_language text,
  p_host text, p_pid integer, p_lease_seconds double precision
) returns void
language sql as $$
  update timestep.executors set stopped_at = clock_timestamp(), alive_until = clock_timestamp()
    where application = p_application and executor_id = p_executor_id
      and stopped_at is null and instance <> p_instance;
  insert into timestep.executors
    (instance, executor_id, application, language, host, pid, alive_until)
  values (p_instance, p_executor_id, p_application, p_language, p_host, p_pid,
    clock_timestamp() + make_interval(secs => p_lease_seconds))
  on conflict (instance) do update set stopped_at = null, alive_until = excluded.alive_until;
$$;

-- Stay alive for another p_lease_seconds. False: the row was stopped or is gone, register again.
create function timestep.keep_executor_alive_v1(p_instance uuid, p_lease_seconds double precision)
returns boolean
language sql as $$
  with alive as (
    update timestep.executors
      set alive_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
      where instance = p_instance and stopped_at is null returning 1)
  select exists (select from alive);
$$;

-- Stop: what this process still owns can be taken over at once. Rows of a month ago go.
create function timestep.stop_executor_v1(p_instance uuid) returns void
language sql as $$
  update timestep.executors set stopped_at = clock_timestamp(), alive_until = clock_timestamp()
    where instance = p_instance;
  delete from timestep.executors e
    where e.alive_until < clock_timestamp() - interval '30 days'
      and not exists (select from timestep.runs r where r.owner = e.instance);
$$;

create function timestep.is_alive_v1(p_instance uuid) returns boolean
language sql stable as $$
  select exists (
    select from timestep.executors
      where instance = p_instance and stopped_at is null and alive_until > clock_timestamp());
$$;

-- Make the run, or find the one that has this id. p_owner executes it or is about to enqueue it.
--   conflict  null; or what differs from the run that is there: 'input', 'agent', 'session'
create function timestep.create_run_v1(
  p_run_id text, p_agent text, p_session_id text, p_language text, p_owner uuid,
  p_input text, p_input_sha256 text, p_options text, p_queue_name text, p_schedule text,
  p_timeout_seconds double precision,
  out created boolean, out status text, out segment integer, out conflict text
)
language plpgsql as $$
declare
  found_run record;
begin
  insert into timestep.runs (run_id, agent, session_id, language, owner, input, input_sha256,
      options, queue_name, schedule, seconds_left)
    values (p_run_id, p_agent, p_session_id, p_language, p_owner, p_input, p_input_sha256,
      p_options, p_queue_name, p_schedule, p_timeout_seconds)
    on conflict (run_id) do nothing;
  created := found;
  select r.* into found_run from timestep.runs r where r.run_id = p_run_id;
  status := found_run.status;
  segment := found_run.segment;
  conflict := case
    when found_run.input_sha256 <> p_input_sha256 then 'input'
    when found_run.agent <> p_agent then 'agent'
    when found_run.session_id is distinct from p_session_id then 'session' end;
end $$;

-- The run lies in its queue now: its maker may go without anybody taking it over.
create function timestep.mark_enqueued_v1(p_run_id text) returns void
language sql as $$
  update timestep.runs set owner = null where run_id = p_run_id and status = 'pending';
$$;

-- Become the executor of a run that waits to be executed. Of any number that try, one is.
--   p_epoch   null, or the epoch under which adopt_runs_v1 gave the run to this process
--   claimed   true: write under the epoch that is returned
--   reason    missing; segment (this start is of another segment); owned (a live process has it);
--             or the status of a run that does not wait to be executed
create function timestep.claim_run_v1(
  p_run_id text, p_instance uuid, p_language text, p_segment integer, p_epoch bigint,
  p_workflow_id text,
  out claimed boolean, out reason text, out epoch bigint, out deadline_seconds double precision
)
language plpgsql as $$
declare
  run record;
begin
  claimed := false;
  select r.* into run from timestep.runs r where r.run_id = p_run_id for update;
  if not found then
    reason := 'missing';
    return;
  end if;
  epoch := run.epoch;
  if run.status not in ('pending', 'running') then
    reason := run.status;
    return;
  end if;
  if run.segment <> p_segment then
    reason := 'segment';
    return;
  end if;
  if p_epoch is not null and (run.epoch <> p_epoch or run.owner is distinct from p_instance) then
    reason := 'owned';
    return;
  end if;
  -- a queued run is anybody's until it runs, even while its maker still enqueues it
  if p_epoch is null and run.owner <> p_instance and timestep.is_alive_v1(run.owner)
     and (run.status = 'running' or run.queue_name is null) then
    reason := 'owned';
    return;
  end if;
  claimed := true;
  if p_epoch is null then
    epoch := run.epoch + 1;
  end if;
  update timestep.runs r
    set status = 'running', owner = p_instance, language = p_language, epoch = claim_run_v1.epoch,
        workflow_id = p_workflow_id,
        started_at = coalesce(r.started_at, clock_timestamp()), updated_at = clock_timestamp(),
        deadline_at = coalesce(r.deadline_at,
          clock_timestamp() + make_interval(secs => r.seconds_left)),
        seconds_left = null
    where r.run_id = p_run_id
    returning extract(epoch from r.deadline_at - clock_timestamp()) into deadline_seconds;
end $$;

-- Take over runs whose executor is gone, at most p_limit, of agents that this process has. A run
-- that was taken over a hundred times kills its executors: it fails instead.
create function timestep.adopt_runs_v1(
  p_instance uuid, p_language text, p_agents text[], p_limit integer
) returns table (
  run_id text, agent text, segment integer, epoch bigint, status text, workflow_id text,
  queue_name text -- only of a run to be enqueued again
)
language plpgsql as $$
begin
  return query
    with orphans as (
      select r.run_id from timestep.runs r
        where (r.status = 'running' or (r.status = 'pending' and r.owner is not null))
          and r.agent = any (p_agents)
          and (r.owner is null or not timestep.is_alive_v1(r.owner))
        order by r.created_at limit p_limit
        for update skip locked)
    update timestep.runs r
      set owner = case when r.epoch < 100 then p_instance end,
          status = case when r.epoch < 100 then r.status else 'failed' end,
          epoch = r.epoch + 1,
          language = p_language,
          error_type = case when r.epoch < 100 then r.error_type else 'TimestepError' end,
          error = case when r.epoch < 100 then r.error
            else 'Every process that executed this run ended before it did, 100 times.' end,
          finished_at = case when r.epoch < 100 then r.finished_at else clock_timestamp() end,
          updated_at = clock_timestamp()
      from orphans where r.run_id = orphans.run_id
      returning r.run_id, r.agent, r.segment, r.epoch, r.status, r.workflow_id,
        case when r.status = 'pending' and r.segment = 0 then r.queue_name end;
end $$;

-- Give a run up that this process cannot go on with, for another one to take.
create function timestep.release_run_v1(p_run_id text, p_epoch bigint) returns boolean
language sql as $$
  with released as (
    update timestep.runs set owner = null, status = 'running', updated_at = clock_timestamp()
      where run_id = p_run_id and epoch = p_epoch and status in ('pending', 'running')
      returning 1)
  select exists (select from released);
$$;

-- Write one finished step. False: the run has another owner now, or has ended; stop.
create function timestep.record_step_v1(
  p_run_id text, p_epoch bigint, p_key text, p_kind text, p_status text, p_agent text, p_name text,
  p_call_id text, p_arguments text, p_body text,
  p_input_tokens bigint, p_output_tokens bigint, p_total_tokens bigint,
  p_language text, p_started_at timestamptz
) returns boolean
language plpgsql as $$
declare
  run_segment integer;
begin
  -- the lock makes a change of hands wait for this write, and this write see the change
  select r.segment into run_segment from timestep.runs r
    where r.run_id = p_run_id and r.epoch = p_epoch and r.status = 'running' for share;
  if not found then
    return false;
  end if;
  insert into timestep.steps as s (run_id, key, kind, status, agent, name, call_id, arguments, body,
      input_tokens, output_tokens, total_tokens, epoch, segment, language, started_at, finished_at)
    values (p_run_id, p_key, p_kind, p_status, p_agent, p_name, p_call_id, p_arguments, p_body,
      p_input_tokens, p_output_tokens, p_total_tokens, p_epoch, run_segment, p_language,
      p_started_at, clock_timestamp())
    on conflict (run_id, key) do update
      set status = excluded.status, body = excluded.body, epoch = excluded.epoch,
          segment = excluded.segment, language = excluded.language,
          finished_at = excluded.finished_at
      where s.status = 'started';
  if found then
    return true;
  end if;
  -- sent again after a lost answer
  return exists (
    select from timestep.steps s
      where s.run_id = p_run_id and s.key = p_key and s.epoch = p_epoch and s.body = p_body);
end $$;

-- Note that a tool is about to run that must run at most once. 'started': go on, it never was;
-- 'again': it had been started before, its outcome is unknown; 'lost': the run has another owner.
create function timestep.begin_step_v1(
  p_run_id text, p_epoch bigint, p_key text, p_agent text, p_name text, p_call_id text,
  p_arguments text, p_language text
) returns text
language plpgsql as $$
declare
  run_segment integer;
begin
  select segment into run_segment from timestep.runs
    where run_id = p_run_id and epoch = p_epoch and status = 'running' for share;
  if not found then
    return 'lost';
  end if;
  insert into timestep.steps (run_id, key, kind, status, agent, name, call_id, arguments,
      epoch, segment, language, started_at)
    values (p_run_id, p_key, 'tool', 'started', p_agent, p_name, p_call_id, p_arguments,
      p_epoch, run_segment, p_language, clock_timestamp())
    on conflict (run_id, key) do nothing;
  return case when found then 'started' else 'again' end;
end $$;

-- Append what a run adds to its session. p_first is the place of the first item among all that
-- the run adds, from 0: what is there already is not added again. False: the run was lost.
create function timestep.append_run_items_v1(
  p_run_id text, p_epoch bigint, p_session_id text, p_path text, p_first integer,
  p_documents text[], p_types text[], p_roles text[], p_call_ids text[]
) returns boolean
language plpgsql as $$
begin
  perform from timestep.runs
    where run_id = p_run_id and epoch = p_epoch and status = 'running' for share;
  if not found then
    return false;
  end if;
  perform timestep.lock_session_v1(p_session_id);
  insert into timestep.session_items
    (session_id, append_key, append_position, document, type, role, call_id)
  select p_session_id, 'run:' || p_run_id || p_path, p_first + position - 1,
      document, type, role, call_id
    from unnest(p_documents, p_types, p_roles, p_call_ids) with ordinality
      as item (document, type, role, call_id, position)
    order by position
  on conflict (session_id, append_key, append_position) do nothing;
  return true;
end $$;

-- End a run. False: it has another owner now, or had ended.
create function timestep.finish_run_v1(
  p_run_id text, p_epoch bigint, p_status text, p_output text, p_error_type text, p_error text,
  p_turns integer, p_requests bigint,
  p_input_tokens bigint, p_output_tokens bigint, p_total_tokens bigint
) returns boolean
language sql as $$
  with ended as (
    update timestep.runs
      set status = p_status, output = p_output, error_type = p_error_type, error = p_error,
          turns = p_turns, requests = p_requests, input_tokens = p_input_tokens,
          output_tokens = p_output_tokens, total_tokens = p_total_tokens,
          owner = null, seconds_left = null,
          updated_at = clock_timestamp(), finished_at = clock_timestamp()
      where run_id = p_run_id and epoch = p_epoch and status = 'running'
      returning session_id),
  freed as (
    update timestep.sessions s set paused_run = null from ended
      where s.session_id = ended.session_id and s.paused_run = p_run_id)
  select exists (select from ended);
$$;

-- Where the state of a paused run is saved: under its session, unless another run is paused there.
create function timestep.state_key_v1(p_run_id text, p_session_id text) returns text
language plpgsql as $$
begin
  if p_session_id is null then
    return p_run_id;
  end if;
  perform timestep.lock_session_v1(p_session_id);
  update timestep.sessions s set paused_run = p_run_id
    where s.session_id = p_session_id and (s.paused_run is null or s.paused_run = p_run_id
      or not exists (select from timestep.runs r
        where r.run_id = s.paused_run and r.status in ('pending', 'running', 'interrupted')))
      and not exists (select from timestep.run_states v
        where v.session_id = p_session_id and v.status <> 'done'
          and v.run_id is distinct from p_run_id);
  return case when found then p_session_id else p_run_id end;
end $$;

-- Pause a run whose state was saved: it waits for decisions, and nobody owns it.
create function timestep.pause_run_v1(
  p_run_id text, p_epoch bigint, p_state_session_id text, p_state_version bigint,
  p_expires_seconds double precision, p_turns integer, p_requests bigint,
  p_input_tokens bigint, p_output_tokens bigint, p_total_tokens bigint
) returns boolean
language plpgsql as $$
begin
  update timestep.runs r
    set status = 'interrupted', owner = null,
        state_session_id = p_state_session_id, state_version = p_state_version,
        session_items = (select count(*) from timestep.session_items i
          where i.session_id = r.session_id and i.append_key = 'run:' || p_run_id),
        turns = p_turns, requests = p_requests, input_tokens = p_input_tokens,
        output_tokens = p_output_tokens, total_tokens = p_total_tokens,
        seconds_left = extract(epoch from r.deadline_at - clock_timestamp()), deadline_at = null,
        updated_at = clock_timestamp()
    where r.run_id = p_run_id and r.epoch = p_epoch and r.status = 'running';
  if not found then
    return false;
  end if;
  update timestep.run_states v set run_id = p_run_id
    where v.session_id = p_state_session_id and v.version = p_state_version;
  update timestep.approvals a
    set run_id = p_run_id,
        expires_at = case when a.status = 'pending' then
          clock_timestamp() + make_interval(secs => p_expires_seconds) end
    where a.session_id = p_state_session_id and a.version = p_state_version;
  return true;
end $$;

-- Decide on one call. The first decision counts; the same one again changes nothing.
--   outcome  'decided', 'same', or why not: 'missing', 'conflict' (see status and decided_by), 'expired'
create function timestep.decide_approval_v1(
  p_approval_id uuid, p_decision text, p_message text, p_arguments text, p_always boolean,
  p_decided_by text,
  out outcome text, out status text, out decided_by text, out run_id text, out pending integer
)
language plpgsql as $$
declare
  approval record;
begin
  update timestep.approvals a
    set status = p_decision, message = p_message, arguments_used = p_arguments,
        always = p_always, decided_by = p_decided_by, decided_at = clock_timestamp()
    where a.approval_id = p_approval_id and a.status = 'pending'
      and (a.expires_at is null or a.expires_at > clock_timestamp());
  outcome := case when found then 'decided' end;
  select a.* into approval from timestep.approvals a where a.approval_id = p_approval_id;
  if not found then
    outcome := 'missing';
    return;
  end if;
  status := approval.status;
  decided_by := approval.decided_by;
  run_id := approval.run_id;
  outcome := coalesce(outcome, case
    when approval.status in ('pending', 'expired') then 'expired'
    when approval.status = p_decision and approval.always = p_always
      and approval.message is not distinct from p_message
      and approval.arguments_used is not distinct from p_arguments then 'same'
    else 'conflict' end);
  select count(*) into pending from timestep.approvals a
    where a.session_id = approval.session_id and a.version = approval.version
      and a.status = 'pending';
end $$;

-- Turn down what nobody decided on in time. Returns the runs that can go on now.
create function timestep.expire_approvals_v1() returns setof text
language sql as $$
  with expired as (
    update timestep.approvals
      set status = 'expired', decided_at = clock_timestamp(),
          message = 'The approval expired before anybody decided.'
      where status = 'pending' and expires_at <= clock_timestamp()
      returning approval_id, run_id)
  select distinct e.run_id from expired e join timestep.runs r on r.run_id = e.run_id
    where r.status = 'interrupted' and not exists (
      select from timestep.approvals a
        where a.session_id = r.state_session_id and a.version = r.state_version
          and a.status = 'pending'
          and a.approval_id not in (select approval_id from expired));
$$;

-- Begin the next segment of a paused run on which all is decided. Of any number that try, one does.
--   p_owner   who executes it, or is about to enqueue it
--   resumed   true: start <run_id>:r<segment>; false with a reason:
--             missing; undecided (pending: how many); taken (its state was resumed outside of the
--             run); or the status of a run that is not paused (resumed already: its segment)
create function timestep.resume_run_v1(
  p_run_id text, p_owner uuid,
  out resumed boolean, out reason text, out segment integer, out pending integer
)
language plpgsql as $$
declare
  run record;
begin
  resumed := false;
  select r.* into run from timestep.runs r where r.run_id = p_run_id for update;
  if not found then
    reason := 'missing';
    return;
  end if;
  segment := run.segment;
  if run.status <> 'interrupted' then
    reason := run.status;
    return;
  end if;
  select count(*) into pending from timestep.approvals a
    where a.session_id = run.state_session_id and a.version = run.state_version
      and a.status = 'pending';
  if pending > 0 then
    reason := 'undecided';
    return;
  end if;
  -- from here on the state belongs to the run: nobody else can resume it
  update timestep.run_states v set status = 'done', claim_token = null, claim_expires_at = null,
      finished_at = clock_timestamp()
    where v.session_id = run.state_session_id and v.version = run.state_version
      and (v.status = 'saved' or (v.status = 'claimed' and v.claim_expires_at <= clock_timestamp()));
  if not found then
    reason := 'taken';
    return;
  end if;
  segment := run.segment + 1;
  update timestep.runs r
    set status = 'pending', segment = resume_run_v1.segment, owner = p_owner,
        updated_at = clock_timestamp()
    where r.run_id = p_run_id;
  resumed := true;
end $$;

-- Let a paused run go on from a newer saved version of its state, in which more is decided. What
-- was decided on its approvals before is carried over.
--   conflict  null; moved: the run is not paused at p_old any more; decided: somebody has decided
--             otherwise on a call that the newer version decides
create function timestep.repoint_run_v1(
  p_run_id text, p_session_id text, p_old bigint, p_new bigint, out conflict text
)
language plpgsql as $$
begin
  perform from timestep.runs r
    where r.run_id = p_run_id and r.status = 'interrupted'
      and r.state_session_id = p_session_id and r.state_version = p_old for update;
  if not found then
    conflict := 'moved';
    return;
  end if;
  perform from timestep.approvals o
    join timestep.approvals n using (session_id, position)
    where o.session_id = p_session_id and o.version = p_old and n.version = p_new
      and o.decided_at is not null and n.status <> 'pending' and n.status <> o.status;
  if found then
    conflict := 'decided';
    return;
  end if;
  update timestep.approvals n
    set run_id = p_run_id, expires_at = o.expires_at,
        status = case when o.decided_at is not null then o.status else n.status end,
        message = case when o.decided_at is not null then o.message else n.message end,
        decided_at = coalesce(o.decided_at, n.decided_at), decided_by = o.decided_by,
        arguments_used = o.arguments_used, always = o.always
    from timestep.approvals o
    where o.session_id = p_session_id and o.version = p_old
      and n.session_id = p_session_id and n.version = p_new and n.position = o.position;
  update timestep.run_states v set run_id = p_run_id
    where v.session_id = p_session_id and v.version = p_new;
  update timestep.runs r set state_version = p_new, updated_at = clock_timestamp()
    where r.run_id = p_run_id;
end $$;

-- Cancel a run that has not ended: what it still does is not recorded. Returns its status before.
create function timestep.cancel_run_v1(p_run_id text, p_reason text) returns text
language plpgsql as $$
declare
  before text;
begin
  select status into before from timestep.runs where run_id = p_run_id for update;
  if before in ('pending', 'running', 'interrupted') then
    update timestep.runs
      set status = 'cancelled', epoch = epoch + 1, owner = null, error = p_reason,
          updated_at = clock_timestamp(), finished_at = clock_timestamp()
      where run_id = p_run_id;
    update timestep.approvals set status = 'superseded'
      where run_id = p_run_id and status = 'pending';
    update timestep.run_states set status = 'done', claim_token = null, claim_expires_at = null,
        finished_at = clock_timestamp()
      where run_id = p_run_id and status <> 'done';
    update timestep.sessions set paused_run = null where paused_run = p_run_id;
  end if;
  return before;
end $$;

-- Remove runs that ended before p_before, with all that is theirs. Conversations stay.
create function timestep.delete_runs_v1(p_before timestamptz, p_limit integer)
returns table (run_id text, segment integer, epoch bigint)
language plpgsql as $$
declare
  ids text[];
begin
  select array_agg(old.run_id) into ids from (
    select r.run_id from timestep.runs r
      where r.status in ('completed', 'failed', 'cancelled') and r.finished_at < p_before
      order by r.finished_at limit p_limit for update skip locked) old;
  delete from timestep.run_states v where v.run_id = any (ids);
  delete from timestep.sessions s
    where s.session_id = any (ids)
      and not exists (select from timestep.session_items i where i.session_id = s.session_id)
      and not exists (select from timestep.run_states v where v.session_id = s.session_id);
  return query delete from timestep.runs r where r.run_id = any (ids)
    returning r.run_id, r.segment, r.epoch;
end $$;

-- Give the next model call its time under every limit that is set for one of p_names. Calls get
-- their times in the order of asking; in no window of per_seconds lie more than allowed.
--   wait_seconds  how long to wait before the call; 0: call now
--   slots         to hand to settle_model_call_v1 when the call has ended
create function timestep.reserve_model_call_v1(
  p_names text[], p_tokens bigint,
  out wait_seconds double precision, out slots bigint[]
)
language plpgsql as $$
declare
  rate_limit record;
  at timestamptz := clock_timestamp();
  period interval;
  bound timestamptz;
begin
  slots := '{}';
  -- locked in one order, so that two callers never wait for each other
  perform from timestep.rate_limits where name = any (p_names) order by name for update;
  at := greatest(at, clock_timestamp());
  for rate_limit in
    select * from timestep.rate_limits where name = any (p_names) order by name
  loop
    -- a twentieth more, since calls start some milliseconds after their time
    period := make_interval(secs => rate_limit.per_seconds * 1.05);
    delete from timestep.rate_limit_slots
      where name = rate_limit.name and slot_at < clock_timestamp() - 2 * period;
    select max(slot_at) into bound from timestep.rate_limit_slots where name = rate_limit.name;
    at := greatest(at, bound);
    select slot_at + period into bound from timestep.rate_limit_slots
      where name = rate_limit.name
      order by slot_at desc, slot_id desc offset rate_limit.requests - 1 limit 1;
    if rate_limit.requests is not null and found then
      at := greatest(at, bound);
    end if;
    if rate_limit.tokens is not null then
      -- the newest call with which the sum is too much must have left the window
      select max(used.slot_at) + period into bound from (
        select slot_at, sum(tokens) over (order by slot_at desc, slot_id desc) as total
          from timestep.rate_limit_slots where name = rate_limit.name) used
        where used.total + least(p_tokens, rate_limit.tokens) > rate_limit.tokens;
      at := greatest(at, bound);
    end if;
  end loop;
  with given as (
    insert into timestep.rate_limit_slots (name, slot_at, tokens)
      select name, at, p_tokens from timestep.rate_limits where name = any (p_names)
      returning slot_id)
  select coalesce(array_agg(slot_id), '{}') into slots from given;
  wait_seconds := greatest(0, extract(epoch from at - clock_timestamp()));
end $$;

-- Put the tokens that a call really used in place of the estimate.
create function timestep.settle_model_call_v1(p_slots bigint[], p_tokens bigint) returns void
language sql as $$
  update timestep.rate_limit_slots set tokens = p_tokens where slot_id = any (p_slots);
$$;
`,
  },
  {
    file: '0003_costs.sql',
    sql: `-- What a model call cost, recorded with it: price tables change, what was paid does not.

-- US dollars; null: no price was known. price_table says which table said so, even that.
alter table timestep.steps
  add column cost numeric(20, 9),
  add column price_table text;

-- Write one finished step, as record_step_v1 does, and what it cost.
create function timestep.record_step_v2(
  p_run_id text, p_epoch bigint, p_key text, p_kind text, p_status text, p_agent text, p_name text,
  p_call_id text, p_arguments text, p_body text,
  p_input_tokens bigint, p_output_tokens bigint, p_total_tokens bigint,
  p_language text, p_started_at timestamptz, p_cost numeric, p_price_table text
) returns boolean
language plpgsql as $$
declare
  run_segment integer;
begin
  -- the lock makes a change of hands wait for this write, and this write see the change
  select r.segment into run_segment from timestep.runs r
    where r.run_id = p_run_id and r.epoch = p_epoch and r.status = 'running' for share;
  if not found then
    return false;
  end if;
  insert into timestep.steps as s (run_id, key, kind, status, agent, name, call_id, arguments, body,
      input_tokens, output_tokens, total_tokens, cost, price_table,
      epoch, segment, language, started_at, finished_at)
    values (p_run_id, p_key, p_kind, p_status, p_agent, p_name, p_call_id, p_arguments, p_body,
      p_input_tokens, p_output_tokens, p_total_tokens, p_cost, p_price_table,
      p_epoch, run_segment, p_language, p_started_at, clock_timestamp())
    on conflict (run_id, key) do update
      set status = excluded.status, body = excluded.body, epoch = excluded.epoch,
          segment = excluded.segment, language = excluded.language,
          finished_at = excluded.finished_at
      where s.status = 'started';
  if found then
    return true;
  end if;
  -- sent again after a lost answer
  return exists (
    select from timestep.steps s
      where s.run_id = p_run_id and s.key = p_key and s.epoch = p_epoch and s.body = p_body);
end $$;

-- What model calls cost. The user's own price counts before what was recorded; the longest pattern
-- before shorter ones. Null where neither is known for every call of the row. price_table says
-- where the cost comes from: timestep.model_prices, or the table that was used at the time.
create or replace view timestep.costs as
  select called.run_id, called.session_id, called.agent, called.model, called.day, called.requests,
    called.input_tokens, called.output_tokens, called.total_tokens,
    case when own.model is null then called.cost
      else (called.input_tokens * own.input_per_million
        + called.output_tokens * own.output_per_million) / 1000000 end as cost,
    case when own.model is not null then own.currency
      when called.cost is not null then 'USD' end as currency,
    case when own.model is null then called.price_table
      else 'timestep.model_prices' end as price_table
  from (
    select s.run_id, r.session_id, s.agent, s.name as model,
      (s.finished_at at time zone 'UTC')::date as day,
      count(*) as requests,
      sum(s.input_tokens)::bigint as input_tokens,
      sum(s.output_tokens)::bigint as output_tokens,
      sum(s.total_tokens)::bigint as total_tokens,
      case when count(s.cost) = count(*) then sum(s.cost) end as cost,
      string_agg(distinct s.price_table, ', ') as price_table
    from timestep.steps s join timestep.runs r using (run_id)
    where s.kind = 'model' and s.status = 'done'
    group by s.run_id, r.session_id, s.agent, s.name, day) called
  left join lateral (
    select * from timestep.model_prices p
      where called.model = p.model or called.model like p.model
      order by called.model = p.model desc, length(p.model) desc limit 1) own on true;
`,
  },
  {
    file: '0004_outcome_unknown.sql',
    sql: `-- Tools that run at most once and ask a person what to do about a call whose outcome is unknown.

-- Why a person is asked; null: the tool itself wants it.
alter table timestep.approvals
  add column reason text check (reason in ('outcome_unknown'));

-- An approval says why it is asked for when it becomes one of a run: the call was begun, and the
-- process that made it ended before it did.
create function timestep.set_approval_reason_v1() returns trigger
language plpgsql as $$
begin
  if exists (
    select from timestep.steps s
      where s.run_id = new.run_id and s.kind = 'tool' and s.status = 'started'
        and s.call_id = new.call_id and s.name = new.tool)
  then
    new.reason := 'outcome_unknown';
  end if;
  return new;
end $$;

create trigger approval_reason before update of run_id on timestep.approvals
  for each row when (old.run_id is null and new.run_id is not null)
  execute function timestep.set_approval_reason_v1();

-- Note that a tool is about to run that must run at most once.
--   p_again  whether a person allowed the call anew: one that was begun in an earlier segment
--            begins again
-- 'started': go on; 'again': it had been started before, its outcome is unknown; 'lost': the run
-- has another owner.
create function timestep.begin_step_v2(
  p_run_id text, p_epoch bigint, p_key text, p_agent text, p_name text, p_call_id text,
  p_arguments text, p_language text, p_again boolean
) returns text
language plpgsql as $$
declare
  run_segment integer;
begin
  select segment into run_segment from timestep.runs
    where run_id = p_run_id and epoch = p_epoch and status = 'running' for share;
  if not found then
    return 'lost';
  end if;
  insert into timestep.steps as s (run_id, key, kind, status, agent, name, call_id, arguments,
      epoch, segment, language, started_at)
    values (p_run_id, p_key, 'tool', 'started', p_agent, p_name, p_call_id, p_arguments,
      p_epoch, run_segment, p_language, clock_timestamp())
    on conflict (run_id, key) do update
      set arguments = excluded.arguments, epoch = excluded.epoch, segment = excluded.segment,
          language = excluded.language, started_at = excluded.started_at
      where p_again and s.status = 'started' and s.segment < excluded.segment;
  return case when found then 'started' else 'again' end;
end $$;

-- Every tool call of every durable run. New: reason, and a call that was begun and about which a
-- person is asked is 'waiting'.
create or replace view timestep.tool_calls as
  select
    coalesce(s.run_id, a.run_id) as run_id,
    r.session_id,
    coalesce(s.agent, a.agent) as agent,
    coalesce(s.name, a.tool) as tool,
    coalesce(s.call_id, a.call_id) as call_id,
    coalesce(a.arguments, s.arguments) as arguments_asked,
    s.arguments as arguments_used,
    case when a.status = 'pending' then 'waiting' else coalesce(s.status, a.status) end as status,
    a.approval_id, a.status as decision, a.decided_by, a.decided_at, a.message,
    s.language, s.started_at, s.finished_at, a.reason
  from (select * from timestep.steps where kind = 'tool') s
  full join (
    select distinct on (run_id, call_id) * from timestep.approvals
      where run_id is not null and status <> 'superseded'
      order by run_id, call_id, version desc) a
    on a.run_id = s.run_id and a.call_id = s.call_id
  join timestep.runs r on r.run_id = coalesce(s.run_id, a.run_id);
`,
  },
  {
    file: '0005_takeovers.sql',
    sql: `-- A run that was taken over a hundred times fails. Its epoch grows with each segment too, and those
-- are no takeovers: a run may pause as often as it likes.
create or replace function timestep.adopt_runs_v1(
  p_instance uuid, p_language text, p_agents text[], p_limit integer
) returns table (
  run_id text, agent text, segment integer, epoch bigint, status text, workflow_id text,
  queue_name text -- only of a run to be enqueued again
)
language plpgsql as $$
begin
  return query
    with orphans as (
      select r.run_id, r.epoch - r.segment >= 100 as is_worn from timestep.runs r
        where (r.status = 'running' or (r.status = 'pending' and r.owner is not null))
          and r.agent = any (p_agents)
          and (r.owner is null or not timestep.is_alive_v1(r.owner))
        order by r.created_at limit p_limit
        for update skip locked)
    update timestep.runs r
      set owner = case when not is_worn then p_instance end,
          status = case when is_worn then 'failed' else r.status end,
          epoch = r.epoch + 1,
          language = p_language,
          error_type = case when is_worn then 'TimestepError' else r.error_type end,
          error = case when is_worn then
            'Every process that executed this run ended before it did, 100 times.' else r.error end,
          finished_at = case when is_worn then clock_timestamp() else r.finished_at end,
          updated_at = clock_timestamp()
      from orphans where r.run_id = orphans.run_id
      returning r.run_id, r.agent, r.segment, r.epoch, r.status, r.workflow_id,
        case when r.status = 'pending' and r.segment = 0 then r.queue_name end;
end $$;
`,
  },
];
