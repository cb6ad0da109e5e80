-- reads  places, rationales
-- gives  told       every kept rationale in the order of its questions, and the first thing that keeps it out
select
  q.place, r.question, r.sample, r.request, q."group", q.split,
  trim(r.text, e' \t\r\n') as text,
  case
    when q.id is null then 'unknown question'
    when q.split = 'test' then 'test question'
    when q.answer is null then 'no key'
    when r.answer is distinct from q.answer then 'disagrees with the key'
  end as fault
from rationales r
left join places q on q.id = r.question
where r.kept
order by q.place
