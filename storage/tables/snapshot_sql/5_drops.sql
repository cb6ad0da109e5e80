-- reads  told, ranked, questions, rationales
-- makes  drops      what did not become an example, and why
create temp table drops as
select question, coalesce(fault, 'no answer to learn') as reason
from told
where fault is not null or question not in (select question from ranked)
union all
select question, 'duplicate'
from ranked
where copy > 1
union all
select id, 'no kept rationale'
from questions q
where split in ('train', 'valid') and answer is not null and not exists (
  select 1 from rationales r where r.question = q.id and r.kept
);
