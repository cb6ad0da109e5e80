-- reads  waiting   rank, bands: what is to be compared, by band $place and the $width - 1 bands after it
-- makes  pairs     later, earlier: worth a look
--        crowded   rank, bands: those that too many share these bands with
-- needs  $place, $width, $crowd

create or replace temp table buckets as
with keyed as (select rank, hash(list_slice(bands || bands, $place, $place + $width - 1)) as key from waiting),
shared as (select key from keyed group by key having count(*) > 1)
select list(rank order by rank) as ranks from keyed semi join shared using (key) group by key;

create or replace temp table pairs as
select later, earlier
from (select ranks, unnest(ranks) as later from buckets where len(ranks) <= $crowd), unnest(ranks) as _(earlier)
where earlier < later;

-- A crowd is a template, not a copy: its members are compared with those that share more with them.
create or replace temp table crowded as
from waiting where rank in (select unnest(ranks) from buckets where len(ranks) > $crowd);
