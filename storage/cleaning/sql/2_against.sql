-- reads  standing, evaluation   the questions of the evaluation sets: item, id, same, file, line, problem, words, n
--        hits                   rows' n-grams that an evaluation question has too: position, total (the row's), n, gram
-- adds   fell                   rows that are, or hold, an evaluation question
-- needs  $overlap, $common

create temp table grams as -- an evaluation question's n-grams; `start` is where the first of each stands in its words
select item, n, hash(words[i : i + n - 1]) as gram, min(i) as start, any_value(problem) as problem
from (select *, unnest(range(1, len(words) - n + 2)) as i from evaluation)
group by item, n, gram;

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
from standing s join (from evaluation qualify row_number() over (partition by same order by item) = 1) e using (same);

insert into fell
select position, 'overlaps an evaluation set', null, id, file, line, share, evidence
from leaks where position not in (select position from fell);
