-- reads  standing
-- adds   fell       every row but the best of those with the same words
insert into fell
select position, if(id = first_id, 'duplicate', 'same words'), first_position, null, null, null, 1,
  if(id = first_id, null, 'case, width, spacing or the order of options')
from (
  select position, id,
    first_value(position) over best as first_position, first_value(id) over best as first_id
  from standing
  where same in (select same from standing group by same having count(*) > 1)
    and position not in (select position from fell)
  window best as (partition by same order by rank)
)
where position <> first_position;
