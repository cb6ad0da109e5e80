-- What a rationale cost, and the questions whose key the teacher contradicts.
alter table rationales add column out_tokens bigint;
alter table rationales add column cost double;
create table suspects (
  artifact varchar, rank integer, question varchar, source_id varchar, file varchar, line bigint, problem varchar, asked varchar,
  options varchar[], key varchar, answer varchar, votes varchar[], share double, strength double, evidence varchar[]
);
