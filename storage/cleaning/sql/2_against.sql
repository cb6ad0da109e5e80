-- reads  standing, evaluation   the questions of the evaluation sets: item, id, same, file, line, problem, words, n
--        hits                   rows' n-grams that an evaluation question has too: position, total (the row's), n, gram
-- adds   fell                   rows that are, or hold, an evaluation question
-- needs  $overlap, $common

create temp table grams as -- an evaluation question's n-grams; `at` is where the first of each stands in its words
select item, n, hash(words[i : i + n - 1]) as gram, min(i) as at, any_value(problem) as problem
from (select *, unnest(range(1, len(words) - n + 2)) as i from evaluation)
group by item, n, gram;

-- Boilerplate is no evidence: n-grams of many problems, on either side, do not count as shared.
create temp table telling as
from grams
where gram not in (select gram from grams group by gram having count(distinct problem) > $common)
  and gram not in (
    select gram from hits join standing using (position) group by gram having count(distinct "group") > $common
  );

create temp table overlaps as
with shared as (
  select h.position, t.item, t.n, count(*) as both, min(h.total) as own, min(t.at) as at
  from hits h join telling t using (n, gram) group by all
),
measured as (
  select *, both / least(own, (select count(*) from grams g where g.item = s.item)) as share from shared s
)
select position, e.id, e.file, e.line, least(share, 1) as share, array_to_string(e.words[at : at + e.n - 1], ' ') as words
from measured join evaluation e using (item)
where share >= $overlap
qualify row_number() over (partition by position order by share desc, item) = 1;

insert into fell
select s.position, 'in an evaluation set', null, e.id, e.file, e.line, 1, 'the same words'
from standing s join (from evaluation qualify row_number() over (partition by same order by item) = 1) e using (same);

insert into fell
select position, 'overlaps an evaluation set', null, id, file, line, share, words
from overlaps where position not in (select position from fell);
