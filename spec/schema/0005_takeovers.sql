-- A run that was taken over a hundred times fails. Its epoch grows with each segment too, and those
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
