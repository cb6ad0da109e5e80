-- reads  judged
-- makes  ranked     one narrow row an example; from the second copy on it says nothing new
create temp table ranked as
select number, question, row_number() over (partition by id order by sample, request, question) as copy
from judged;
