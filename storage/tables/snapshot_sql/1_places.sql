-- reads  questions  of questions.parquet, or dialogues in their place
-- makes  places     one narrow row a question: where it lies in the file
create temp table places as
select id, "group", split, answer, file_row_number as place
from questions;
