-- reads  told, places
--        batch      question, prompt, answer: of some questions that lie near each other
--        own        variable: whether `answer` is the completion, and not the rationale
-- gives  judged     prompt and completion of what is told of these questions
select
  t.file_row_number as number, t.question, t.sample, t.request, t."group", t.split,
  b.prompt,
  [struct_pack(role := 'assistant', content := if(getvariable('own'), b.answer, t.text))] as completion,
  left(sha256(to_json(b.prompt)::varchar || chr(10) || to_json(completion)::varchar), 16) as id
from told t
join batch b using (question)
where t.fault is null
  and t.place between (select min(place) from places where id in (select question from batch))
    and (select max(place) from places where id in (select question from batch))
