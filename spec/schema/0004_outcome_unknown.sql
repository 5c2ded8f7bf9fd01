-- Tools that run at most once and ask a person what to do about a call whose outcome is unknown.

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
