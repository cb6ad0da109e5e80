-- reads  copies     examples with their options in another order, of one batch
--        taken      ids of the examples so far
-- makes  fresh      those that say something new
create or replace temp table fresh as
select id, question, "group", split, prompt, completion, request, shuffle
from (
  select left(sha256(to_json(prompt)::varchar || chr(10) || to_json(completion)::varchar), 16) as id, *
  from copies
)
anti join taken using (id)
qualify row_number() over (partition by id) = 1;
insert into taken select id from fresh;
