-- What a rationale cost, and the questions whose key the teacher contradicts.
alter table rationales add column out_tokens bigint;
alter table rationales add column cost double;
