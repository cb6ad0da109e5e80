-- reads  standing, fell, rows
-- makes  kept       position, split of the rows that stay
--        drops      the rows that go: who, why, and what they repeat
create temp table kept as
select position, split from standing where position not in (select position from fell);

create temp table drops as
with others as (select position, id, file, line from rows where position in (select other_position from fell))
select
  r.id as question, f.reason, r.file, r.line,
  coalesce(o.id, f.other) as other, coalesce(o.file, f.other_file) as other_file, coalesce(o.line, f.other_line) as other_line,
  f.similarity, f.evidence
from fell f join rows r using (position) left join others o on o.position = f.other_position
order by f.position;
