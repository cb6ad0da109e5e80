-- reads  questions, examples
-- gives  torn       problems on two sides of the split: there must be none
select "group"
from (
  select "group", split from questions
  union all
  select "group", split from examples
)
group by all
having count(distinct split) > 1
limit 5
