-- Every table of facts carries `artifact`, the artifact its rows came from.
create table artifacts (
  artifact varchar primary key, step varchar, key varchar, digest varchar, facts json, seconds double, made_at timestamptz
);
create table runs (
  run_id varchar primary key, recipe varchar, name varchar, started_at timestamptz, finished_at timestamptz, outcome varchar
);
create table questions (
  artifact varchar, id varchar, "group" varchar, split varchar, language varchar, problem varchar, question varchar,
  options varchar[], answer varchar, source_id varchar, file varchar, line bigint
);
create table rejects (artifact varchar, file varchar, line bigint, field varchar, reason varchar);
create table rationales (
  artifact varchar, question varchar, sample integer, text varchar, answer varchar, extractor varchar, kept boolean, reason varchar,
  model varchar, prompt varchar, request varchar
);
create table examples (
  artifact varchar, id varchar, question varchar, "group" varchar, split varchar, prompt json, completion json, request varchar
);
create table drops (artifact varchar, question varchar, reason varchar);
create table samples (
  artifact varchar, question varchar, subject varchar, "index" integer, text varchar, finish varchar, tokens integer,
  answer varchar, extractor varchar
);
create table ballots (
  artifact varchar, question varchar, "group" varchar, subject varchar, gold varchar, votes varchar[], winner varchar
);
