-- reads  rows       the parts of a source: one row a record, as they were read
-- makes  standing   one narrow row a record: its place in the queue, best first; who comes second is a copy
--        fell       who has to go, and on whose account (empty yet)

-- Nobody can learn from a group without a key, nor be marked on it: it is out of the way in "test". Where some
-- of its questions have keys it stays whole: a question without a key never draws its group to another side.
create temp table standing as
select
  row_number() over (order by not answered, position) as rank,
  position, id, same, "group",
  case when bool_or(answered) over (partition by "group") then split else 'test' end as split
from rows;

create temp table fell (
  position bigint, reason varchar, other_position bigint,
  other varchar, other_file varchar, other_line bigint, -- where the other is no row of this source
  similarity double, evidence varchar
);
