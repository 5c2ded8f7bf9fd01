-- What a model call cost, recorded with it: price tables change, what was paid does not.

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
