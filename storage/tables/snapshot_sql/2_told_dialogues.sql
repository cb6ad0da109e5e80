-- reads  places
-- gives  told       a dialogue answers itself: its text comes with its prompt
select
  place, id as question, 0 as sample, null::varchar as request, "group", split,
  null::varchar as text,
  null::varchar as fault
from places
where split in ('train', 'valid')
order by place
