-- What a row was dropped for: where it stood, and the other that it repeats (in `other_file`, an evaluation set's or its own).
alter table drops add column file varchar;
alter table drops add column line bigint;
alter table drops add column other varchar;
alter table drops add column other_file varchar;
alter table drops add column other_line bigint;
alter table drops add column similarity double;
alter table drops add column evidence varchar;
