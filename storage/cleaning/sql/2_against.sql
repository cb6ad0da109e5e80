-- reads  rows, standing
--        evaluation   the records of the evaluation sets: item, id, asks, file, line, problem, words, n
--        grams        their n-grams: item, problem, n, gram, start (where the first of each stands in the words)
--        hits         rows' n-grams that are among these: position, total (of the row), n, gram
-- adds   fell                   rows that ask, or hold, what an evaluation set asks
-- needs  $overlap, $common

-- Boilerplate is no evidence: n-grams of many problems, on either side, do not count as shared.
create temp table telling as
from grams
where gram not in (select gram from grams group by gram having count(distinct problem) > $common)
  and gram not in (
    select gram from hits join standing using (position) group by gram having count(distinct "group") > $common
  );

create temp table leaks as
with sizes as (select item, count(*) as total from grams group by item),
shared as (
  select h.position, t.item, count(*) as grams, min(h.total) as own, min(t.start) as start
  from hits h join telling t using (n, gram) group by h.position, t.item
)
select position, id, file, line,
  least(grams / least(own, total), 1) as share, array_to_string(words[start : start + n - 1], ' ') as evidence
from shared join sizes using (item) join evaluation using (item)
where share >= $overlap
qualify row_number() over (partition by position order by share desc, item) = 1;

insert into fell
select s.position, 'in an evaluation set', null, e.id, e.file, e.line, 1, 'the same words'
from rows s join (from evaluation qualify row_number() over (partition by asks order by item) = 1) e using (asks);

insert into fell
select position, 'overlaps an evaluation set', null, id, file, line, share, evidence
from leaks where position not in (select position from fell);
