-- reads  judged, ranked
-- gives  asked      the examples, their options in the order in which they were asked
select id, question, "group", split, prompt, completion, request, 0::integer as shuffle
from judged
where number in (select number from ranked where copy = 1)
order by id
